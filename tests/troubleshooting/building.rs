//! What cargo and the compiler say, as far as it depends on this package.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The value of a line such as `edition = "2024"`.
fn setting<'a>(manifest: &'a str, name: &str) -> &'a str {
    let mut lines = manifest.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    value.unwrap().trim_matches('"')
}

pub fn messages() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let mut found = vec![format!(
        "feature `edition{}` is required",
        setting(&manifest, "edition")
    )];
    // The one crate with C in it.
    for package in read("Cargo.lock").split("[[package]]").skip(1) {
        let (name, version) = (setting(package, "name"), setting(package, "version"));
        if ["ring", "aws-lc-sys", "openssl-sys"].contains(&name) {
            found.push(format!(
                "failed to run custom build command for `{name} v{version}`"
            ));
        }
    }
    for line in read("src/lib.rs").lines() {
        if let Some((_, feature)) = line.split_once("#[cfg(feature = \"") {
            let name = feature.split('"').next().unwrap();
            found.push(format!("the item is gated behind the `{name}` feature"));
        }
    }
    found
}
