//! The files of a job: locks, links, devices, full disks, and files with two purposes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chroma_blocking::ingest::{BadRecords, IngestReport, JsonLines, jsonl_records};
use chroma_blocking::{Error, InvalidInput, Result};

use super::support::folder::Folder;
use super::{Scratch, records};

/// The number of records that [`stop`] writes.
const WRITTEN: usize = 150;

/// Runs a job whose input fails after [`WRITTEN`] records, so that its checkpoint stays.
fn stop(scratch: &Scratch, checkpoint: &Path) {
    let broken = std::io::Error::other("unplugged");
    let input = records(WRITTEN).into_iter().map(Ok).chain([Err(broken)]);
    let job = scratch.0.ingest(input).checkpoint(checkpoint);
    assert!(matches!(job.run(), Err(Error::Ingest { .. })));
    assert!(checkpoint.exists());
}

/// The kind of the I/O error that a job could not start with, and the whole message.
fn io_error(result: Result<IngestReport>) -> (ErrorKind, String) {
    match result.unwrap_err() {
        error @ Error::Io { .. } => {
            let text = format!("{error:#}");
            let Error::Io { source, .. } = error else {
                unreachable!()
            };
            (source.kind(), text)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn field_15_a_second_job_with_a_checkpoint_in_use_is_refused_with_the_pid_of_the_first() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let file = folder.path("job.ckpt");
    let second = || scratch.0.ingest(records(3)).checkpoint(&file).run();
    let mut refused = None;
    // The second job runs while the first one reads.
    let first = records(50).into_iter().inspect(|record| {
        if record.id == "id40" {
            refused = Some(io_error(second()));
        }
    });
    let report = scratch.0.ingest(first).checkpoint(&file).run().unwrap();
    assert_eq!(report.written, 50);
    let (kind, text) = refused.unwrap();
    let pid = format!("(pid {})", std::process::id());
    assert_eq!(kind, ErrorKind::ResourceBusy);
    assert!(text.contains("another job uses the checkpoint"), "{text}");
    if cfg!(unix) {
        assert!(text.contains(&pid), "{text}");
    }
    // A dry run writes nothing, so it may look.
    assert_eq!(folder.names(), [""; 0], "complete jobs leave nothing");
    assert_eq!(second().unwrap().written, 3);
}

#[test]
fn field_15_a_job_whose_checkpoint_another_machine_changes_stops() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let (file, other) = (folder.path("job.ckpt"), folder.path("other.ckpt"));
    stop(&scratch, &other);
    // The other machine does not see this one's lock.
    let input = records(60).into_iter().inspect(|record| {
        if record.id == "id50" {
            fs::copy(&other, &file).unwrap();
        }
    });
    let error = scratch.0.ingest(input).checkpoint(&file).run().unwrap_err();
    assert!(format!("{error:#}").contains("has changed it"), "{error:#}");
    let Error::Ingest { source, .. } = error else {
        panic!("{error}");
    };
    assert!(matches!(*source, Error::Io { .. }), "{source}");
    let kept = fs::read(&file).unwrap();
    assert_eq!(kept, fs::read(&other).unwrap(), "it is the other's now");
}

#[cfg(unix)]
#[test]
fn field_16_a_checkpoint_behind_a_link_is_replaced_and_the_link_is_not() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let (link, target) = (folder.path("link"), folder.path("data/job.ckpt"));
    folder.make("data");
    std::os::unix::fs::symlink("data/job.ckpt", &link).unwrap();
    stop(&scratch, &link);
    let is_link = || fs::symlink_metadata(&link).unwrap().is_symlink();
    assert!(is_link() && fs::symlink_metadata(&target).unwrap().is_file());
    assert_eq!(folder.names(), ["data", "link"]);
    let job = scratch.0.ingest(records(200)).checkpoint(&target);
    assert_eq!(job.run().unwrap().resumed, WRITTEN as u64);
    assert!(is_link() && !target.exists());
}

#[cfg(unix)]
#[test]
fn field_16_a_device_or_a_folder_cannot_be_a_checkpoint() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let pipe = pipe(&folder);
    // Reading from these would wait or go on forever.
    for path in [pipe.as_path(), Path::new("/dev/zero")] {
        let (kind, text) = io_error(scratch.0.ingest(records(1)).checkpoint(path).run());
        assert_eq!(kind, ErrorKind::InvalidInput);
        assert!(text.contains("it is a device or a pipe"), "{text}");
    }
    let (kind, _) = io_error(scratch.0.ingest(records(1)).checkpoint(&folder.0).run());
    assert_eq!(kind, ErrorKind::IsADirectory);
    let (_, text) = io_error(scratch.0.ingest(records(1)).checkpoint("").run());
    assert!(text.contains("checkpoint"), "{text}");
}

#[cfg(unix)]
fn pipe(folder: &Folder) -> PathBuf {
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    pipe
}

#[cfg(unix)]
#[test]
fn field_16_dead_letters_go_through_a_pipe_and_a_link() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let pipe = pipe(&folder);
    let input = || [Err("torn"), Ok(super::record(1))];
    let job = |path: &Path| {
        let job = scratch.0.ingest(input());
        let report = job.bad_records(BadRecords::dead_letters(path)).run();
        assert_eq!(report.unwrap().failed, 1);
    };
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read_to_string(pipe).unwrap())
    };
    job(&pipe);
    let letters = reader.join().unwrap();
    assert_eq!(letters.lines().count(), 1);
    assert!(letters.contains("torn"), "{letters}");

    let (link, target) = (folder.path("link"), folder.path("bad.jsonl"));
    std::os::unix::fs::symlink("bad.jsonl", &link).unwrap();
    job(&link);
    job(&link);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 2);
}

#[test]
fn field_22_a_job_starts_again_with_another_input_if_it_may() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let (file, input) = (folder.path("job.ckpt"), folder.path("tonight.jsonl"));
    stop(&scratch, &file);
    let old = fs::read(&file).unwrap();
    let lines = |count: usize| {
        let line = |n: usize| format!("{{\"id\":\"n{n}\",\"text\":\"new text {n}\"}}\n");
        fs::write(&input, (0..count).map(line).collect::<String>()).unwrap();
    };
    lines(180);
    let open = || jsonl_records(&input);
    let job = || scratch.0.ingest(open().unwrap()).checkpoint(&file);

    let refused = job().run().unwrap_err().to_string();
    assert!(refused.contains("different input") && refused.contains(".restart_with(...)"));
    assert_eq!(fs::read(&file).unwrap(), old, "unchanged");
    let dry = job().restart_with(open).dry_run(true).run().unwrap();
    assert_eq!((dry.resumed, dry.read), (0, 180));
    assert_eq!(fs::read(&file).unwrap(), old, "unchanged");
    let report = job().restart_with(open).run().unwrap();
    assert_eq!((report.resumed, report.written), (0, 180), "{report}");
    assert!(!file.exists());

    // An input that is shorter than the position of the checkpoint.
    stop(&scratch, &file);
    lines(5);
    let report = job().restart_with(open).run().unwrap();
    assert_eq!((report.resumed, report.written), (0, 5), "{report}");
}

#[test]
fn field_22_a_job_that_may_start_again_resumes_if_the_input_is_the_same() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let file = folder.path("job.ckpt");
    stop(&scratch, &file);
    let job = scratch.0.ingest(records(200)).checkpoint(&file);
    let never = || panic!("it was opened again");
    let report = job.restart_with(never).run().unwrap();
    assert_eq!(report.resumed, WRITTEN as u64);
    scratch.holds(&records(200));

    // Another job starts again as well. Its input has not been read by then.
    stop(&scratch, &file);
    let other = Scratch::new();
    let job = || other.0.ingest(records(200)).checkpoint(&file);
    let refused = job().run().unwrap_err().to_string();
    assert!(refused.contains("different collection") && refused.contains("restart_with"));
    let report = job().restart_with(never).run().unwrap();
    assert_eq!((report.resumed, report.written), (0, 200));
}

#[test]
fn field_22_a_failing_second_opening_is_the_error_of_the_job() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let file = folder.path("job.ckpt");
    stop(&scratch, &file);
    let old = fs::read(&file).unwrap();
    let input = folder.path("input.jsonl");
    fs::write(&input, "").unwrap();
    let job = scratch.0.ingest(jsonl_records(&input).unwrap());
    let job = job.checkpoint(&file);
    let (kind, _) = io_error(job.restart_with(|| jsonl_records("/no/such/file")).run());
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(fs::read(&file).unwrap(), old, "unchanged");
}

#[cfg(target_os = "linux")]
#[test]
fn field_28_a_full_disk_has_the_same_kind_of_error_at_the_start_and_later() {
    let scratch = Scratch::new();
    let job = || {
        let letters = BadRecords::dead_letters("/dev/full");
        let input = records(150).into_iter().map(Ok).chain([Err("torn")]);
        scratch.0.ingest(input).bad_records(letters)
    };
    let error = job().run().unwrap_err();
    let Error::Ingest { source, report, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(report.written, 150);
    let (kind, text) = io_error(Err(*source));
    assert_eq!(kind, ErrorKind::StorageFull);
    assert!(text.contains("cannot write dead letters to /dev/full"));

    // At the start: a missing folder, or a file without write permission.
    for place in ["checkpoint", "dead letters"] {
        let job = scratch.0.ingest(records(1));
        let job = match place {
            "checkpoint" => job.checkpoint("/no/such/folder/file"),
            _ => job.bad_records(BadRecords::dead_letters("/no/such/folder/file")),
        };
        let (kind, text) = io_error(job.run());
        assert_eq!(kind, ErrorKind::NotFound);
        assert!(text.contains(place), "{text}");
    }
}

#[test]
fn field_29_files_at_the_same_path_are_refused_at_the_start() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let input = folder.path("input.jsonl");
    let text = "{\"id\":\"a\",\"text\":\"one\"}\n";
    fs::write(&input, text).unwrap();
    let file = folder.path("job.ckpt");
    let same = folder.0.join(".").join("job.ckpt");
    let lock = folder.path("job.ckpt.lock");
    #[cfg(unix)]
    let linked = {
        let linked = folder.path("linked");
        std::os::unix::fs::symlink(&file, &linked).unwrap();
        linked
    };
    #[cfg(not(unix))]
    let linked = same.clone();
    for (checkpoint, letters, setting, purpose) in [
        (&file, &file, "dead_letters", "the checkpoint of a job"),
        (&file, &same, "dead_letters", "the checkpoint of a job"),
        (&file, &linked, "dead_letters", "the checkpoint of a job"),
        (&file, &lock, "dead_letters", "the checkpoint of a job"),
        (&file, &input, "dead_letters", "the input"),
        (&input, &file, "checkpoint", "the input"),
    ] {
        let job = scratch.0.ingest(jsonl_records(&input).unwrap());
        let job = job.bad_records(BadRecords::dead_letters(letters));
        let error = job.checkpoint(checkpoint).run().unwrap_err();
        let message = error.to_string();
        let Error::Invalid { reason, call, .. } = error else {
            panic!("{message}");
        };
        assert_eq!(call.operation, "ingest");
        assert!(matches!(reason, InvalidInput::Setting { name, .. } if name == setting));
        assert!(message.contains(purpose), "{message}");
        assert_eq!(fs::read_to_string(&input).unwrap(), text, "unchanged");
        assert!(!file.exists() && !lock.exists());
    }
    assert_eq!(scratch.0.count().unwrap(), 0);
    // Afterwards, each file is free again.
    let job = scratch.0.ingest(records(1)).checkpoint(&linked);
    let job = job.bad_records(BadRecords::dead_letters(&input));
    assert_eq!(job.run().unwrap().written, 1);
}

#[test]
fn field_29_an_export_does_not_replace_a_file_of_a_running_job() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let (file, letters) = (folder.path("job.ckpt"), folder.path("bad.jsonl"));
    let input = folder.path("input.jsonl");
    fs::write(&input, "{\"id\":\"a\",\"text\":\"one\"}\n").unwrap();
    let mut refused = Vec::new();
    let records = jsonl_records(&input).unwrap().inspect(|_| {
        for path in [&file, &letters, &input] {
            let error = scratch.0.export().to_file(path).unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
            refused.push(error.to_string());
        }
    });
    let job = scratch.0.ingest(records).checkpoint(&file);
    let job = job.bad_records(BadRecords::dead_letters(&letters));
    assert_eq!(job.run().unwrap().written, 1);
    for (error, purpose) in refused.iter().zip(["checkpoint", "dead letters", "input"]) {
        assert!(error.contains(purpose), "{error}");
    }
    assert_eq!(refused.len(), 3);
    assert_eq!(scratch.0.export().to_file(&letters).unwrap(), 1);
}

#[test]
fn field_30_a_corrupt_checkpoint_says_that_it_can_be_deleted() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let file = folder.path("job.ckpt");
    stop(&scratch, &file);
    let whole = fs::read(&file).unwrap();
    let mut corrupt: Vec<Vec<u8>> = (0..whole.len())
        .step_by(7)
        .map(|end| whole[..end].to_vec())
        .collect();
    corrupt.push(vec![0; whole.len()]);
    corrupt.push([&whole[..], b"x"].concat());
    corrupt.push(vec![b' '; 3 << 20]);
    for content in corrupt {
        fs::write(&file, &content).unwrap();
        for may_restart in [false, true] {
            let job = scratch.0.ingest(records(200)).checkpoint(&file);
            // The file may be anything, so it is not replaced either.
            let job = if may_restart {
                job.restart_with(|| Ok(records(200)))
            } else {
                job
            };
            let error = job.run().unwrap_err().to_string();
            assert!(error.contains("not a checkpoint file"), "{error}");
            assert!(
                error.contains("or delete it to start from the beginning"),
                "{error}"
            );
            assert!(fs::read(&file).unwrap() == content, "unchanged");
        }
    }
    fs::remove_file(&file).unwrap();
    let job = scratch.0.ingest(records(200)).checkpoint(&file);
    assert_eq!(job.run().unwrap().written, 200);
}

#[cfg(unix)]
#[test]
fn secure_03_planted_links_next_to_a_checkpoint_are_not_followed() {
    let scratch = Scratch::new();
    let folder = Folder::new();
    let (file, victim) = (folder.path("job.ckpt"), folder.path("victim"));
    fs::write(&victim, "text").unwrap();
    for name in ["job.ckpt.new", "job.ckpt.partial"] {
        std::os::unix::fs::symlink(&victim, folder.path(name)).unwrap();
    }
    stop(&scratch, &file);
    std::os::unix::fs::symlink(&victim, folder.path("job.ckpt.lock")).unwrap();
    let refused = scratch.0.ingest(records(200)).checkpoint(&file).run();
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("lock file"), "{refused}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "text");
}

#[cfg(unix)]
#[test]
fn secure_11_checkpoints_and_dead_letters_are_for_this_user_only() {
    use std::os::unix::fs::MetadataExt;

    let scratch = Scratch::new();
    let folder = Folder::new();
    let mut seen = Vec::new();
    let input = JsonLines::from_reader(&b"{\"id\":\"a\",\"text\":\"one\"}\n5\n"[..]);
    let input = input.inspect(|_| {
        for name in folder.names() {
            let mode = fs::metadata(folder.path(&name)).unwrap().mode() & 0o777;
            seen.push((name, mode));
        }
    });
    let job = scratch.0.ingest(input).checkpoint(folder.path("c"));
    let job = job.bad_records(BadRecords::dead_letters(folder.path("b")));
    assert_eq!(job.run().unwrap().failed, 1);
    let expected = [("b", 0o600), ("c", 0o600), ("c.lock", 0o600)];
    let expected = expected.map(|(name, mode)| (name.to_owned(), mode));
    assert_eq!(seen[..3], expected);
}
