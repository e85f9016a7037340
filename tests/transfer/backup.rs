//! Backups of collections, and what is restored from them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::schema::HnswConfig;
use chroma_blocking::transfer::{BackupReport, IfExists};
use chroma_blocking::{Client, Collection, Error, Metadata, Record};

use crate::servers::{self, all, one as client, unique_name};
use crate::support::child;
use crate::support::folder::Folder;

/// Returns records with each kind of value that a server on this machine stores.
pub fn records(range: std::ops::Range<usize>) -> Vec<Record> {
    range
        .map(|i| {
            let mut record = Record::new(format!("id {i} \u{1f980}\n\"quoted\""))
                .embedding([i as f32, 0.1, -1.0 / (i as f32 + 1.0)])
                .metadata("number", i64::MAX - i as i64)
                .metadata("float", i as f64)
                .metadata("is_even", i % 2 == 0)
                .metadata("tags", ["a", ",\"deleted\":true}"])
                .metadata("counts", [1, 2, 3])
                .metadata("floats", [1.0, 2.5])
                .metadata("flags", [true, false]);
            if i % 3 != 0 {
                record = record.document(if i % 2 == 0 {
                    ""
                } else {
                    "text\n\u{0} \u{1f980}"
                });
            }
            if i % 5 == 0 {
                record = record.uri(format!("https://example.com/{i}"));
            }
            record
        })
        .collect()
}

/// Creates a collection with records.
pub fn filled(records: &[Record]) -> Collection {
    let collection = client().collection(unique_name()).create().unwrap();
    collection.add(records).unwrap();
    collection
}

pub fn back_up(collection: &Collection, folder: &Path) -> BackupReport {
    let backup = collection
        .client()
        .backup()
        .collections([collection.name()]);
    backup.to_folder(folder).unwrap()
}

/// Restores a collection with a new name.
pub fn restored(client: &Client, from: &Collection, folder: &Path) -> Collection {
    let name = unique_name();
    let restore = client.restore(folder).name(from.name(), &name);
    let reports = restore.run().unwrap();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].verified, "{}", reports[0]);
    client.collection(name).get().unwrap()
}

/// Returns the files of a folder, with their paths in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_restored_collection_is_the_same() {
    let source = client()
        .collection(unique_name())
        .hnsw(HnswConfig::new().ef_search(77))
        .metadata("owner", "me")
        .create()
        .unwrap();
    let records = records(0..1_234);
    source.add(&records).unwrap();
    // The server adds the new metadata keys to the schema.
    let source = client().collection(source.name()).get().unwrap();
    let folder = Folder::new();
    let backup = folder.path("backup");
    let report = back_up(&source, &backup);
    assert_eq!((report.collections, report.records), (1, 1_234));
    assert_eq!(report.reused_parts, 0);
    assert_eq!(folder.names(), ["backup"]);

    let manifest = client().restore(&backup).check().unwrap();
    assert_eq!(manifest.records(), 1_234);
    assert_eq!(manifest.collections[0].name, source.name());
    let copy = restored(&client(), &source, &backup);
    assert_eq!(all(&copy), records);
    assert_eq!(copy.metadata(), &Metadata::from([("owner", "me")]));
    assert_eq!(copy.configuration(), source.configuration());
    assert_eq!(copy.schema(), source.schema());

    // The content and the order are the same, so the files are.
    let again = client().backup().collections([copy.name()]).since(&backup);
    let again = again.to_folder(folder.path("again")).unwrap();
    assert!(again.parts > 1, "{again}");
    assert_eq!(
        (again.reused_parts, again.parts),
        (report.parts, report.parts)
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_backup() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let backup = folder.path("backup");
    back_up(&filled(&records(0..3)), &backup);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&backup), mode(&backup.join("0000"))), (0o700, 0o700));
    for file in files(&backup) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let checked = std::process::Command::new("sha256sum")
        .args(["-c", "--strict", "SHA256SUMS"])
        .current_dir(&backup)
        .stdout(Stdio::null())
        .status();
    assert!(checked.unwrap().success());
}

#[test]
fn a_folder_with_files_is_refused() {
    let folder = Folder::new();
    let collection = filled(&records(0..3));
    fs::write(folder.path("file"), "").unwrap();
    let backup = || client().backup().collections([collection.name()]);
    let refused = backup().to_folder(&folder.0).unwrap_err();
    assert!(refused.to_string().contains("not empty"), "{refused}");
    assert_eq!(folder.names(), ["file"]);
    let refused = backup().to_folder(folder.path("file")).unwrap_err();
    assert!(matches!(refused, Error::Io { .. }), "{refused}");
    let refused = backup().to_folder(folder.path("none/backup")).unwrap_err();
    assert!(refused.to_string().contains("none/backup"), "{refused}");
    let missing = client().backup().collections(["no-such-collection"]);
    let refused = missing.to_folder(folder.path("backup")).unwrap_err();
    assert!(matches!(refused, Error::NotFound { .. }), "{refused}");
    back_up(&collection, &folder.make("empty"));
    assert_eq!(folder.names(), ["empty", "file"]);
}

/// More are tried if `BACKUP_DAMAGES` is set to a larger number.
#[test]
fn damage_of_any_file_is_found_and_nothing_is_written() {
    let places: usize = std::env::var("BACKUP_DAMAGES").map_or(5, |n| n.parse().unwrap());
    let folder = Folder::new();
    let source = filled(&records(0..20));
    let backup = folder.path("backup");
    back_up(&source, &backup);
    let target = unique_name();
    let refused = |what: &str, file: &Path| {
        let restore = client().restore(&backup).name(source.name(), &target);
        let error = restore.run().unwrap_err().to_string();
        let names_it = error.contains(file.file_name().unwrap().to_str().unwrap())
            || error.contains("SHA256SUMS");
        assert!(names_it, "{what} of {}: {error}", file.display());
    };
    let all_files = files(&backup);
    assert_eq!(all_files.len(), 3);
    for file in all_files {
        let good = fs::read(&file).unwrap();
        for place in 0..places {
            let offset = place * (good.len() - 1) / (places - 1).max(1);
            let mut bad = good.clone();
            bad[offset] ^= 1 << (place % 8);
            fs::write(&file, bad).unwrap();
            refused("a flip", &file);
            fs::write(&file, &good[..offset]).unwrap();
            refused("a cut", &file);
        }
        fs::remove_file(&file).unwrap();
        refused("the absence", &file);
        fs::write(&file, &good).unwrap();
    }
    // Files that are listed and not in the manifest.
    let sums = backup.join("SHA256SUMS");
    let good = fs::read_to_string(&sums).unwrap();
    let line = good.replace("manifest.json", "../secret");
    for bad in [format!("{good}{line}"), format!("{line}{good}")] {
        fs::write(&sums, bad).unwrap();
        refused("an addition", &sums);
    }
    let exists = client().collection(target).get();
    assert!(matches!(exists, Err(Error::NotFound { .. })));
}

/// Backs up a collection to `to`, and uses the files of `from`.
fn back_up_since(collection: &Collection, from: &Path, to: &Path) -> BackupReport {
    let backup = collection
        .client()
        .backup()
        .collections([collection.name()]);
    backup.since(from).to_folder(to).unwrap()
}

/// Returns the content of all files, to see that a folder does not change.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |file: PathBuf| {
        let bytes = fs::read(&file).unwrap();
        (file, bytes)
    };
    files(folder).into_iter().map(read).collect()
}

#[test]
fn a_small_change_writes_few_parts_and_each_backup_is_complete() {
    let folder = Folder::new();
    let at = |name: &str| folder.path(name);
    let source = filled(&records(0..3_000));
    let first = back_up(&source, &at("1"));
    assert!((5..30).contains(&first.parts), "{first}");
    let before = contents(&at("1"));

    // Nothing has changed.
    let same = back_up_since(&source, &at("1"), &at("same"));
    assert_eq!((same.parts, same.reused_parts), (first.parts, first.parts));
    assert_eq!(same.bytes, first.bytes);
    assert!(same.reused_bytes > first.bytes / 2, "{same}");

    // Records are deleted and changed in the middle, and added at the end.
    let ids = records(1_500..1_502).into_iter().map(|record| record.id);
    source.delete().ids(ids).run().unwrap();
    let changed = records(1_502..1_503);
    source
        .update(changed.into_iter().map(|r| r.metadata("new", 1)))
        .unwrap();
    source.add(records(3_000..3_010)).unwrap();
    let second = back_up_since(&source, &at("1"), &at("2"));
    // One end of a part may be deleted, or be between the records.
    let written = second.parts - second.reused_parts;
    assert!((1..=4).contains(&written), "{second}");
    assert_eq!(contents(&at("1")), before);

    // All folders can be deleted except for the last one. The order is kept.
    fs::remove_dir_all(at("1")).unwrap();
    let third = back_up_since(&source, &at("2"), &at("3"));
    assert_eq!(third.reused_parts, third.parts);
    fs::remove_dir_all(at("2")).unwrap();
    let copy = restored(&client(), &source, &at("3"));
    assert!(all(&copy) == all(&source));
    assert_eq!(copy.count().unwrap(), 3_008);
}

#[cfg(unix)]
#[test]
fn a_part_that_cannot_be_shared_is_written() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let folder = Folder::new();
    let source = filled(&records(0..20));
    let earlier = folder.path("earlier");
    back_up(&source, &earlier);
    let part = Path::new("0000/000000.jsonl");
    let number = |backup: &Path| fs::metadata(backup.join(part)).unwrap().ino();
    let is_shared = |to: &Path| {
        let report = back_up_since(&source, &earlier, to);
        client().restore(to).check().unwrap();
        let mode = fs::metadata(to.join(part)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(report.parts, 1);
        assert_eq!(report.reused_parts == 1, number(to) == number(&earlier));
        report.reused_parts == 1
    };
    assert!(is_shared(&folder.path("1")));

    // Another file system, if this machine has one.
    let elsewhere = Path::new("/dev/shm");
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev());
    if device(elsewhere).is_ok_and(|other| other != device(&folder.0).unwrap()) {
        let to = elsewhere.join(unique_name());
        let was_shared = is_shared(&to);
        fs::remove_dir_all(&to).unwrap();
        assert!(!was_shared);
    }

    let file = earlier.join(part);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!is_shared(&folder.path("2")));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    // A damaged file, which stays as it is. The first backup shares it.
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(&file, &bad).unwrap();
    assert!(!is_shared(&folder.path("3")));
    assert_eq!(fs::read(&file).unwrap(), bad);
    fs::write(&file, &good[..100]).unwrap();
    assert!(!is_shared(&folder.path("4")));
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(folder.path("4").join(part), &file).unwrap();
    back_up_since(&source, &earlier, &folder.path("5"));
    let found = fs::symlink_metadata(folder.path("5").join(part)).unwrap();
    assert!(found.is_file());
}

#[test]
fn an_earlier_backup_must_be_complete_and_a_stream_has_none() {
    let folder = Folder::new();
    let source = filled(&records(0..3));
    let backup = || client().backup().collections([source.name()]);
    let (none, new) = (folder.path("none"), folder.path("new"));
    let refused = backup().since(&none).to_folder(&new).unwrap_err();
    assert!(refused.to_string().contains("SHA256SUMS"), "{refused}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
    back_up(&source, &folder.path("earlier"));
    let stream = backup().since(folder.path("earlier"));
    let refused = stream.to_tar(std::io::sink()).unwrap_err();
    assert!(refused.to_string().contains(".tar stream"), "{refused}");
}

#[test]
fn a_large_collection_has_several_files() {
    let large = |i: usize| {
        let text = "x".repeat(1 << 20);
        let record = Record::new(i.to_string()).embedding([i as f32, 1.0, 2.0]);
        record.metadata("large", text)
    };
    let source = client().collection(unique_name()).create().unwrap();
    for i in 0..17 {
        source.add([large(i)]).unwrap();
    }
    let folder = Folder::new();
    let backup = folder.path("backup");
    back_up(&source, &backup);
    let parts = files(&backup.join("0000"));
    assert_eq!(parts.len(), 2, "{parts:?}");
    let name = unique_name();
    let restore = || client().restore(&backup).name(source.name(), &name);
    restore().verify(false).run().unwrap();
    assert!(all(&client().collection(&name).get().unwrap()) == all(&source));
    fs::remove_file(&parts[1]).unwrap();
    let error = restore().check().unwrap_err().to_string();
    assert!(error.contains("000001.jsonl"), "{error}");
}

#[test]
fn a_tar_stream_unpacks_to_the_folder() {
    let folder = Folder::new();
    let source = filled(&records(0..50));
    let mut stream = Vec::new();
    let backup = || client().backup().collections([source.name()]);
    let report = backup().to_tar(&mut stream).unwrap();
    assert!(!report.sha256.is_empty());
    let unpacked = folder.make("unpacked");
    let unpack = std::process::Command::new("tar")
        .args(["-xf", "-", "-C"])
        .arg(&unpacked)
        .stdin(Stdio::piped())
        .spawn();
    let mut unpack = unpack.unwrap();
    unpack.stdin.take().unwrap().write_all(&stream).unwrap();
    assert!(unpack.wait().unwrap().success());
    back_up(&source, &folder.path("folder"));
    let part = "0000/000000.jsonl";
    let read = |name: &str| fs::read(folder.path(name).join(part)).unwrap();
    assert!(read("unpacked") == read("folder"));
    assert_eq!(files(&unpacked).len(), files(&folder.path("folder")).len());
    let copy = restored(&client(), &source, &unpacked);
    assert_eq!(all(&copy), all(&source));
}

#[test]
fn an_existing_collection_is_treated_as_the_caller_says() {
    let folder = Folder::new();
    let source = filled(&records(0..100));
    let before = all(&source);
    let backup = folder.path("backup");
    back_up(&source, &backup);
    let restore = || client().restore(&backup);
    let refused = restore().run().unwrap_err();
    assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");

    let id = |i: usize| before[i].id.clone();
    source.delete().ids([id(0)]).run().unwrap();
    source
        .update([Record::new(id(1)).metadata("other", 1)])
        .unwrap();
    source
        .add([Record::new("extra").embedding([1.0, 2.0, 3.0])])
        .unwrap();
    let run = |mode| restore().if_exists(mode).run().unwrap().remove(0);
    let dry = restore()
        .if_exists(IfExists::Mirror)
        .dry_run(true)
        .run()
        .unwrap();
    assert_eq!((dry[0].written, dry[0].deleted), (2, 1));
    let added = run(IfExists::AddNew);
    assert_eq!((added.written, added.deleted), (1, 0));
    let replaced = run(IfExists::Replace);
    assert_eq!((replaced.written, replaced.deleted), (1, 0));
    assert_eq!(source.count().unwrap(), 101);
    assert_eq!(run(IfExists::Mirror).deleted, 1);
    let mut after = all(&source);
    after.sort_by_key(|record| before.iter().position(|other| other.id == record.id));
    assert!(after == before);
}

#[test]
fn all_databases_are_restored_to_databases_of_the_same_names() {
    let database = unique_name();
    client().create_database(&database).unwrap();
    let in_it = client().with_database(&database);
    let name = unique_name();
    let one = in_it.collection(&name).create().unwrap();
    // Without lists: Chroma 1.5.9 gives those of a deleted collection to new records of others.
    let records = servers::records(0..10);
    one.add(&records).unwrap();
    let folder = Folder::new();
    let backup = client().backup().all_databases(true).collections([&name]);
    backup.to_folder(folder.path("backup")).unwrap();
    client().delete_database(&database).unwrap();
    let restore = || client().restore(folder.path("backup"));
    restore().dry_run(true).run().unwrap();
    assert!(client().get_database(&database).is_err());
    restore().run().unwrap();
    assert_eq!(all(&in_it.collection(&name).get().unwrap()), records);
    let refused = restore().collections(["none-such"]).run().unwrap_err();
    assert!(refused.to_string().contains("none-such"), "{refused}");
}

#[test]
fn a_cancelled_backup_leaves_nothing_and_a_cancelled_restore_continues() {
    let folder = Folder::new();
    let source = filled(&records(0..3_000));
    let flag = Arc::new(AtomicBool::new(false));
    let cancelled = client()
        .backup()
        .collections([source.name()])
        .cancel(flag.clone())
        .on_progress(|_| flag.store(true, Ordering::Relaxed))
        .to_folder(folder.path("backup"))
        .unwrap();
    assert!(cancelled.cancelled, "{cancelled}");
    assert!(folder.names().is_empty(), "{:?}", folder.names());

    back_up(&source, &folder.path("backup"));
    flag.store(false, Ordering::Relaxed);
    let name = unique_name();
    let restore = || {
        let restore = client().restore(folder.path("backup"));
        restore
            .name(source.name(), &name)
            .checkpoint(folder.path("ckpt"))
    };
    let stopped = restore()
        .cancel(flag.clone())
        .on_progress(|progress| flag.store(progress.written > 0, Ordering::Relaxed))
        .run()
        .unwrap();
    assert!(stopped[0].cancelled, "{}", stopped[0]);
    let rest = restore().run().unwrap();
    assert!(rest[0].resumed > 0 && rest[0].verified, "{}", rest[0]);
    let copy = client().collection(&name).get().unwrap();
    assert!(all(&copy) == all(&source));
    assert_eq!(folder.names(), ["backup"]);
}

#[test]
fn a_killed_backup_never_looks_complete_and_its_folder_is_removed() {
    let folder = Folder::new();
    let source = filled(&records(0..3_000));
    let backup = folder.path("backup");
    let mut killed = child("backup::killed");
    killed.env("BACKUP_OF", source.name());
    killed.env("BACKUP_TO", &backup);
    killed.env("CHROMA_HOST", client().url());
    assert!(!killed.output().unwrap().status.success());
    assert_eq!(folder.names(), ["backup.partial"]);
    let left = client().restore(folder.path("backup.partial")).check();
    left.unwrap_err();
    back_up(&source, &backup);
    assert_eq!(folder.names(), ["backup"]);

    // The state of a process that was killed before it made its lock.
    folder.make("empty.partial");
    back_up(&source, &folder.path("empty"));
    fs::remove_dir_all(folder.path("empty")).unwrap();

    // A folder of another program is not removed.
    fs::write(folder.make("other.partial").join("file"), "").unwrap();
    let refused = client().backup().to_folder(folder.path("other"));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("other.partial"), "{refused}");
    assert_eq!(folder.names(), ["backup", "other.partial"]);
}

#[test]
fn a_backup_that_another_one_writes_is_left_alone() {
    let folder = Folder::new();
    let source = filled(&records(0..3_000));
    let backup = folder.path("backup");
    let mut refused = None;
    client()
        .backup()
        .collections([source.name()])
        .on_progress(|_| {
            let second = client().backup().collections([source.name()]);
            let second = || second.to_folder(&backup).unwrap_err().to_string();
            if refused.is_none() {
                refused = Some(second());
            }
        })
        .to_folder(&backup)
        .unwrap();
    let refused = refused.unwrap();
    assert!(refused.contains("backup.partial"), "{refused}");
    client().restore(&backup).check().unwrap();
    assert_eq!(folder.names(), ["backup"]);
    let mut left: Vec<_> = files(&backup);
    left.retain(|file| file.extension().is_none_or(|end| end != "jsonl"));
    assert_eq!(
        left,
        [backup.join("SHA256SUMS"), backup.join("manifest.json")]
    );
}

/// Runs in a child process, and kills it while it writes a backup.
#[test]
#[ignore = "a part of another test"]
fn killed() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let backup = Client::from_env().unwrap().backup();
    let result = backup
        .collections([variable("BACKUP_OF")])
        .on_progress(|_| std::process::abort())
        .to_folder(variable("BACKUP_TO"));
    panic!("{result:?}");
}
