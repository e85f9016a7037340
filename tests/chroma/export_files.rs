//! Exports to files: what is replaced, what is written through, and what a failure leaves.

use std::fs::{self, File};
use std::path::PathBuf;

use chroma_blocking::{Error, Record, ingest::jsonl_records};

use crate::folder::Folder;
use crate::{Scratch, unique_name};

fn scratch() -> Scratch {
    let notes = Scratch::new();
    let vector = |n: usize| Record::new(n.to_string()).embedding([n as f32, 1.0]);
    notes.add((0..25).map(vector)).unwrap();
    notes
}

fn lines(path: impl AsRef<std::path::Path>) -> usize {
    jsonl_records(path).unwrap().map(Result::unwrap).count()
}

#[cfg(unix)]
#[test]
fn field_16_an_export_to_a_pipe_is_written_through() {
    use std::os::unix::fs::FileTypeExt;

    let (notes, folder) = (scratch(), Folder::new());
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let link = folder.path("link");
    std::os::unix::fs::symlink("pipe", &link).unwrap();
    for path in [&pipe, &link] {
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::read_to_string(pipe).unwrap())
        };
        assert_eq!(notes.export().to_file(path).unwrap(), 25);
        assert_eq!(reader.join().unwrap().lines().count(), 25);
    }
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(folder.names(), ["link", "pipe"]);
}

#[cfg(target_os = "linux")]
#[test]
fn field_16_an_export_to_an_open_file_of_the_process_is_written_through() {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    // As `/dev/stdout` is, if the shell has redirected it to a file.
    let (notes, folder) = (scratch(), Folder::new());
    let path = folder.path("out");
    let open = File::create(&path).unwrap();
    let through = format!("/dev/fd/{}", open.as_raw_fd());
    assert_eq!(notes.export().to_file(through).unwrap(), 25);
    let inode = open.metadata().unwrap().ino();
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "not replaced");
    assert_eq!(lines(&path), 25);

    let error = notes.export().to_file("/dev/full").unwrap_err();
    let Error::Io { source, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
}

/// As `/dev/stdout` of `program >> all.jsonl`.
#[cfg(target_os = "linux")]
#[test]
fn field_16_an_export_to_an_open_file_of_the_process_keeps_its_earlier_lines() {
    use std::os::fd::AsRawFd;

    let (notes, folder) = (scratch(), Folder::new());
    let path = folder.path("out");
    fs::write(&path, "{\"id\":\"earlier\"}\n").unwrap();
    let open = File::options().append(true).open(&path).unwrap();
    let through = format!("/dev/fd/{}", open.as_raw_fd());
    for earlier in [1, 26] {
        assert_eq!(notes.export().to_file(&through).unwrap(), 25);
        assert_eq!(lines(&path), earlier + 25);
    }
    let first = jsonl_records(&path).unwrap().next().unwrap().unwrap();
    assert_eq!(first.id, "earlier");
}

#[cfg(unix)]
#[test]
fn field_16_the_target_of_a_link_is_replaced_and_keeps_its_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    let (notes, folder) = (scratch(), Folder::new());
    folder.make("data");
    let target = folder.path("data/notes.jsonl");
    let (link, chain) = (folder.path("link"), folder.path("chain"));
    symlink("data/notes.jsonl", &link).unwrap();
    symlink(&link, &chain).unwrap();
    // First without a target.
    for mode in [0o600, 0o640, 0o644] {
        assert_eq!(notes.export().to_file(&chain).unwrap(), 25);
        assert_eq!(lines(&target), 25);
        let found = fs::symlink_metadata(&target).unwrap();
        assert!(found.is_file());
        assert_eq!(found.mode() & 0o777, mode);
        for link in [&link, &chain] {
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        }
        let next = if mode == 0o600 { 0o640 } else { 0o644 };
        fs::set_permissions(&target, fs::Permissions::from_mode(next)).unwrap();
        fs::write(&target, "old").unwrap();
    }
    assert_eq!(folder.names(), ["chain", "data", "link"]);
}

#[test]
fn field_16_a_folder_as_the_target_is_refused_before_anything_is_read() {
    let folder = Folder::new();
    // Any read of this collection fails.
    let gone = scratch();
    let collection = (*gone).clone();
    drop(gone);
    for path in [
        folder.0.clone(),
        folder.0.join("none").join("file"),
        PathBuf::new(),
    ] {
        let error = collection.export().to_file(&path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
    // A failed read leaves the old file, and no other.
    let path = folder.path("notes.jsonl");
    fs::write(&path, "old").unwrap();
    collection.export().to_file(&path).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(folder.names(), ["notes.jsonl"]);
}

#[test]
fn field_15_two_exports_to_one_file_do_not_mix() {
    let (notes, folder) = (scratch(), Folder::new());
    let path = folder.path("notes.jsonl");
    let mut during = Vec::new();
    let export = notes.export().page_size(10).on_progress(|_| {
        during.push(notes.export().page_size(7).to_file(&path).unwrap());
        assert_eq!(lines(&path), 25);
    });
    assert_eq!(export.to_file(&path).unwrap(), 25);
    assert_eq!(during, [25; 3]);
    assert_eq!(lines(&path), 25);
    assert_eq!(folder.names(), ["notes.jsonl"]);
}

#[test]
fn secure_15_a_panic_in_progress_leaves_no_temporary_file() {
    let (notes, folder) = (scratch(), Folder::new());
    let path = folder.path("notes.jsonl");
    fs::write(&path, "old").unwrap();
    let export = std::panic::AssertUnwindSafe(|| {
        let export = notes.export().on_progress(|_| panic!("on purpose"));
        export.to_file(&path)
    });
    assert!(std::panic::catch_unwind(export).is_err());
    assert_eq!(folder.names(), ["notes.jsonl"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[cfg(unix)]
#[test]
fn secure_03_an_export_follows_no_planted_link() {
    let (notes, folder) = (scratch(), Folder::new());
    let (path, victim) = (folder.path("notes.jsonl"), folder.path("victim"));
    fs::write(&victim, "text").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path("notes.jsonl.partial")).unwrap();
    assert_eq!(notes.export().to_file(&path).unwrap(), 25);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "text");
    assert_eq!(lines(&path), 25);
}

#[cfg(unix)]
#[test]
fn secure_11_an_export_is_for_this_user_only_unless_the_caller_opens_the_file() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let (notes, folder) = (scratch(), Folder::new());
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().mode() & 0o777;
    notes.export().to_file(folder.path("own")).unwrap();
    assert_eq!(mode("own"), 0o600);
    let file = File::create(folder.path(&unique_name())).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o644))
        .unwrap();
    notes.export().write_to(&file).unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o644);
}
