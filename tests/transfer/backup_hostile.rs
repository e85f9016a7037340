//! Backups that were written to do harm: each is refused with an error, and nothing is written.

use std::fs;
use std::path::Path;
use std::process::Command;

use chroma_blocking::Error;
use chroma_blocking::serde_json::{self, Value, json};

use crate::backup::back_up;
use crate::servers::{filled, one, records, unique_name};
use crate::support::folder::Folder;

/// Makes the checksums of a changed backup match.
fn sign(backup: &Path) {
    let signed = Command::new("sh")
        .args(["-c", "sha256sum 0000/* manifest.json > SHA256SUMS"])
        .current_dir(backup)
        .status();
    assert!(signed.unwrap().success());
}

/// A place in a manifest, a bad value for it, and words in the error.
type Change = (&'static str, Value, &'static str);

fn long() -> String {
    "x".repeat(1 << 20)
}

fn bad_parts() -> Vec<Change> {
    let (bytes, sha256) = (
        "/collections/0/parts/0/bytes",
        "/collections/0/parts/0/sha256",
    );
    let zeros = "0".repeat(64);
    vec![
        (bytes, json!(u64::MAX), "cannot have"),
        (bytes, json!(50), "more than 50 bytes"),
        (bytes, json!(100_000), "instead of 100000"),
        (bytes, json!(-1), "manifest.json"),
        (sha256, json!(zeros), "SHA256SUMS"),
        (sha256, json!(long()), "SHA256SUMS"),
        (sha256, json!("\n\u{1b}[2J"), "SHA256SUMS"),
        ("/collections/0/parts/0", json!({}), "manifest.json"),
        ("/collections/0/parts", json!([]), "SHA256SUMS"),
    ]
}

fn bad_collections(good: &Value) -> Vec<Change> {
    let (records, name) = ("/collections/0/records", "/collections/0/name");
    let database = "/collections/0/database";
    let one = &good["collections"][0];
    let mut other = one.clone();
    (other["parts"], other["records"]) = (json!([]), json!(0));
    vec![
        ("/format", json!(2), "the format 2"),
        ("/format", json!(u64::MAX), "manifest.json"),
        (records, json!(u64::MAX), "its parts have 5"),
        (records, json!(4), "its parts have 5"),
        (name, json!("a\u{1b}[2J\n"), "manifest.json"),
        (name, json!(long()), "manifest.json"),
        (database, json!(".."), "manifest.json"),
        (database, json!(""), "manifest.json"),
        ("/collections", json!([one, other]), "two collections"),
    ]
}

#[test]
fn a_hostile_manifest_is_refused_and_nothing_is_written() {
    let folder = Folder::new();
    let backup = folder.path("backup");
    let source = filled(&one(), &records(0..5));
    back_up(&source, &backup);
    let target = unique_name();
    let file = backup.join("manifest.json");
    let good: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let refused = |what: &str, manifest: &str, words: &str| {
        fs::write(&file, manifest).unwrap();
        sign(&backup);
        let restore = one().restore(&backup).name(source.name(), &target);
        let error = restore.run().expect_err(what).to_string();
        assert!(error.contains(words), "{what}: {error}");
        let is_printable = |c: char| !c.is_control();
        assert!(
            error.len() < 1_000 && error.chars().all(is_printable),
            "{what}: {error:?}"
        );
        assert!(one().restore(&backup).check().is_err(), "{what}");
    };
    let changes = bad_parts().into_iter().chain(bad_collections(&good));
    for (place, value, words) in changes {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        refused(place, &bad.to_string(), words);
    }
    let deep = "[".repeat(200_000);
    refused("deep JSON", &deep, "manifest.json");
    let mut with_deep = good.clone();
    with_deep["collections"][0]["settings"] = json!("deep");
    let deep = format!("{deep}{}", "]".repeat(200_000));
    refused(
        "deep settings",
        &with_deep.to_string().replace("\"deep\"", &deep),
        "manifest.json",
    );
    let exists = one().collection(target).get();
    assert!(matches!(exists, Err(Error::NotFound { .. })));

    // The good one is not refused.
    fs::write(&file, good.to_string()).unwrap();
    sign(&backup);
    one().restore(&backup).check().unwrap();
}

#[test]
fn a_hostile_line_is_refused_and_nothing_is_written() {
    let folder = Folder::new();
    let backup = folder.path("backup");
    let source = filled(&one(), &records(0..2));
    back_up(&source, &backup);
    let target = unique_name();
    let (file, part) = (
        backup.join("manifest.json"),
        backup.join("0000/000000.jsonl"),
    );
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let first = fs::read_to_string(&part).unwrap();
    let first = first.lines().next().unwrap();
    let deep = format!(r#"{{"id":"a","metadata":{}"#, "[".repeat(200_000));
    for (bad, words) in [
        (deep.as_str(), "line 2"),
        (r#"{"id":"a","embedding":[1e999,0,0]}"#, "line 2"),
        (r#"{"id":7}"#, "line 2"),
        ("", "line 2"),
        ("\u{1b}[2J", "line 2"),
    ] {
        let text = format!("{first}\n{bad}\n");
        fs::write(&part, &text).unwrap();
        sign(&backup);
        let sums = fs::read_to_string(backup.join("SHA256SUMS")).unwrap();
        manifest["collections"][0]["parts"][0] =
            json!({ "bytes": text.len(), "sha256": sums[..64] });
        fs::write(&file, manifest.to_string()).unwrap();
        sign(&backup);
        let restore = one().restore(&backup).name(source.name(), &target);
        let error = restore.run().expect_err(words).to_string();
        assert!(error.contains(words) && error.len() < 1_000, "{error}");
    }
    let exists = one().collection(target).get();
    assert!(matches!(exists, Err(Error::NotFound { .. })));
}
