//! Tests of paths, and the folder of all tests of files.

use super::*;

/// An empty folder, removed when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        let number = crate::random::Random::from_entropy().next();
        let path = std::env::temp_dir().join(format!("chroma-durable-{number:x}"));
        fs::create_dir(&path).unwrap();
        Folder(fs::canonicalize(path).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
#[test]
fn field_16_links_are_followed_to_a_file_that_may_not_exist() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    let at = |name: &str| folder.0.join(name);
    fs::create_dir(at("data")).unwrap();
    fs::create_dir(at("links")).unwrap();
    symlink("../data/new", at("links/relative")).unwrap();
    symlink(at("links/relative"), at("twice")).unwrap();
    symlink(at("data"), at("folder")).unwrap();
    for path in [
        "data/new",
        "links/relative",
        "twice",
        "folder/new",
        "data/../data/new",
    ] {
        let found = Target::find(&at(path)).unwrap();
        assert_eq!(found, Target::File(at("data/new")), "{path}");
    }
    fs::write(at("data/new"), "").unwrap();
    assert_eq!(
        Target::find(&at("twice")).unwrap(),
        Target::File(at("data/new"))
    );

    symlink("circle", at("circle")).unwrap();
    for wrong in [
        "circle",
        "none/file",
        "data",
        "folder",
        "absent/",
        "data/new/file",
    ] {
        assert!(Target::find(&at(wrong)).is_err(), "{wrong}");
    }
    for wrong in ["", "..", "/"] {
        assert!(Target::find(Path::new(wrong)).is_err(), "{wrong}");
    }
    assert!(matches!(
        Target::find(Path::new("/dev/null")),
        Ok(Target::Stream(_))
    ));
}

#[cfg(target_os = "linux")]
#[test]
fn field_16_an_open_file_of_a_process_is_not_replaced() {
    use std::os::fd::AsRawFd;

    let folder = Folder::new();
    let file = fs::File::create(folder.0.join("out")).unwrap();
    let number = file.as_raw_fd();
    for folder in ["/proc/self/fd", "/dev/fd"] {
        let found = Target::find(&Path::new(folder).join(number.to_string())).unwrap();
        assert!(matches!(found, Target::Stream(_)), "{found:?}");
    }
}
