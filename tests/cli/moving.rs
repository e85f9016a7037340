//! `reembed`, `backup` and `restore`.

use std::fs;
use std::process::{Command, Stdio};

use chroma_blocking::{Client, Include, Record};
use serde_json::json;

use crate::jobs::{all_kinds, collection, lines, text};
#[cfg(unix)]
use crate::program::command_on_terminal;
use crate::program::{Ran, command, run, server, servers, three_records};
use crate::support::folder::Folder;
use crate::support::server::unique_name;

/// Runs the program in a folder, which gets the checkpoint.
fn run_in(folder: &Folder, url: &str, arguments: &[&str]) -> Ran {
    let mut command = command(url, arguments);
    Ran::of(command.current_dir(&folder.0).output().unwrap())
}

/// Returns the words of a command line.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn a_collection_is_embedded_again_and_gets_the_name() {
    let folder = Folder::new();
    for url in servers() {
        let old = three_records(url);
        let name = old.name();
        let again = format!("reembed {name} --function hashing --dimension 64");
        let plan = run_in(&folder, url, &words(&format!("{again} --dry-run --json"))).json();
        assert_eq!(
            (&plan[0]["step"], &plan[0]["texts"]),
            (&json!("plan"), &json!(3))
        );
        let message = run_in(&folder, url, &words(&again)).fails(2);
        assert!(
            message.contains("--yes") && message.contains("3 texts"),
            "{message}"
        );
        run(url, &["count", &format!("{name}-reembedded")]).fails(1);
        let steps = run_in(&folder, url, &words(&format!("{again} -y --json"))).json();
        let named: Vec<&str> = steps
            .iter()
            .filter_map(|step| step["step"].as_str())
            .collect();
        assert_eq!(named, ["plan", "reembed", "swap"]);
        assert_eq!(
            (&steps[1]["embedded"], &steps[1]["verified"]),
            (&json!(3), &json!(true))
        );
        let client = Client::new(url).unwrap();
        let new = client.collection(name).get().unwrap();
        let vector = |id| {
            let get = new.get().ids([id]).include([Include::Embeddings]);
            let record = get.run().unwrap().into_iter().next().unwrap();
            record.embedding.unwrap().len()
        };
        assert_eq!(vector("rust"), 64);
        let old_name = steps[2]["old_name"].as_str().unwrap();
        assert_eq!(client.collection(old_name).get().unwrap().id(), old.id());
        // The old collection is in the way of a second one, which is found before anything is embedded.
        let more = format!("reembed {name} --function hashing --dimension 16 -y");
        let message = run_in(&folder, url, &words(&more)).fails(2);
        assert!(
            message.contains(old_name) && message.contains("--old-name"),
            "{message}"
        );
        run_in(&folder, url, &words(&format!("{more} --no-swap"))).ok();
        assert_eq!(
            run(url, &["count", &format!("{name}-reembedded")]).ok(),
            "3\n"
        );
        assert_eq!(vector("go"), 64);
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn the_function_of_the_collection_is_allowed_by_an_option() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let source = three_records(url);
    let name = source.name();
    let again =
        format!("reembed {name} --function hashing --dimension 32 --no-swap -y --max-rate 1000");
    let message = run_in(&folder, url, &words(&again)).fails(2);
    assert!(message.contains("allow_same_function"), "{message}");
    let allowed = format!("{again} --allow-same-function --no-verify --json");
    let steps = run_in(&folder, url, &words(&allowed)).json();
    assert_eq!(
        (&steps[1]["embedded"], &steps[1]["verified"]),
        (&json!(3), &json!(false))
    );
    // The texts of a plan are not what a run that continues embeds.
    fs::write(
        folder.path(&format!("{name}.reembed.ckpt")),
        "of an earlier run",
    )
    .unwrap();
    let question = run_in(&folder, url, &words(again.replace(" -y", "").as_str()));
    assert_eq!(question.out, "");
    let message = question.fails(2);
    assert!(message.contains("Continue with"), "{message}");
}

#[test]
fn an_interrupted_swap_is_finished_and_another_function_is_not_forgotten() {
    let folder = Folder::new();
    let url = server("1.5.9");
    for (dimension, code) in [("32", 0), ("64", 2)] {
        let new = three_records(url);
        let old = collection(url, all_kinds(false));
        let (name, old_name) = (old.name(), format!("{}-old", old.name()));
        let client = Client::new(url).unwrap();
        let journal = json!({
            "format": "chroma-blocking swap 1",
            "server": client.url(),
            "tenant": client.tenant(),
            "database": client.database(),
            "old": { "id": old.id(), "from": name, "to": old_name },
            "new": { "id": new.id(), "from": new.name(), "to": name },
        });
        let file = folder.path(&format!("{name}.reembed.ckpt.swap"));
        fs::write(&file, journal.to_string()).unwrap();
        let again = format!("reembed {name} --function hashing --dimension {dimension} -y");
        let ran = run_in(&folder, url, &words(&again));
        assert!(ran.err.contains("earlier run"), "{}", ran.err);
        assert_eq!(ran.err.contains("--old-name"), code == 2, "{}", ran.err);
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert_eq!(client.collection(name).get().unwrap().id(), new.id());
        assert_eq!(client.collection(&old_name).get().unwrap().id(), old.id());
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn what_prevents_the_swap_is_found_before_anything_is_embedded() {
    let folder = Folder::new();
    for url in servers() {
        let old = three_records(url);
        let name = old.name();
        let again = format!("reembed {name} --function hashing --dimension 64 -y");
        let taken = format!("--old-name {name}");
        let new = format!("--old-name {name}-reembedded");
        // Servers refuse a name of one letter.
        for option in [
            "--old-name x",
            &taken,
            &new,
            "--if-exists replace",
            "--if-exists add-new",
        ] {
            run_in(&folder, url, &words(&format!("{again} {option}"))).fails(2);
            assert_eq!(folder.names(), [""; 0]);
        }
        let new = old.client().collection(format!("{name}-reembedded"));
        assert!(matches!(
            new.get(),
            Err(chroma_blocking::Error::NotFound { .. })
        ));
    }
}

#[test]
fn without_a_function_or_a_text_nothing_is_embedded() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let source = collection(url, all_kinds(true));
    let again = ["reembed", source.name(), "--yes"];
    let message = run_in(&folder, url, &again).fails(2);
    assert!(message.contains("--function"), "{message}");
    let hashing = [&again[..], &["--function", "hashing"]].concat();
    let message = run_in(&folder, url, &hashing).fails(2);
    assert!(message.contains("document"), "{message}");
    run(url, &["count", &format!("{}-reembedded", source.name())]).fails(1);
}

#[test]
fn a_backup_is_restored_equal_on_the_other_server() {
    let folder = Folder::new();
    for (from, to) in [
        (server("1.5.9"), server("1.0.0")),
        (server("1.0.0"), server("1.5.9")),
    ] {
        let source = collection(from, all_kinds(false));
        let name = source.name();
        // Chroma 1.0.0 does not tell the distance function, which is then lost.
        let (full, later) = (
            text(&folder.path(&format!("{name}.1"))),
            text(&folder.path(&format!("{name}.2"))),
        );
        let report = &run(from, &["backup", &full, name, "--json"]).json()[0];
        assert_eq!(
            (&report["collections"], &report["records"]),
            (&json!(1), &json!(4))
        );
        let message = run(from, &["backup", &full, name]).fails(2);
        assert!(message.contains(&full), "{message}");
        source
            .upsert(Record::new("bare").embedding([5.0, 6.0, 7.0]))
            .unwrap();
        source.delete().ids(["uri"]).run().unwrap();
        let report = &run(from, &["backup", &later, name, "--since", &full, "--json"]).json()[0];
        assert_eq!(
            (&report["parts"], &report["reused_parts"]),
            (&json!(1), &json!(0))
        );
        let again = text(&folder.path(&format!("{name}.3")));
        let since = ["backup", &again, name, "--since", &later, "--json"];
        assert_eq!(run(from, &since).json()[0]["reused_parts"], 1);
        let checked = run("nowhere:1", &["restore", &later, "--check", "--json"]).json();
        assert_eq!(
            (&checked[0]["collections"], &checked[0]["records"]),
            (&json!(1), &json!(3))
        );
        assert_eq!(
            (&checked[1]["collection"], &checked[1]["records"]),
            (&json!(name), &json!(3))
        );
        let restore = format!("restore {later} --allow-losses");
        let dry = run_in(&folder, to, &words(&format!("{restore} --dry-run"))).ok();
        assert!(dry.contains("dry run"), "{dry}");
        run(to, &["count", name]).fails(1);
        let report = &run_in(&folder, to, &words(&format!("{restore} --json"))).json()[0];
        assert_eq!(
            (&report["collection"], &report["verified"]),
            (&json!(name), &json!(true))
        );
        assert_eq!(lines(to, name), lines(from, name));
        run_in(&folder, to, &["restore", &later]).fails(1);
        let mirror = format!("restore {full} --if-exists mirror");
        let message = run_in(&folder, to, &words(&mirror)).fails(2);
        assert!(
            message.contains("--yes") && message.contains("3 records"),
            "{message}"
        );
        let other = unique_name();
        let renamed = format!("{mirror} {name} --as {name}={other}");
        run_in(&folder, to, &words(&renamed)).ok();
        assert_eq!(run(to, &["count", &other]).ok(), "4\n");
        let whole = format!("{mirror} --allow-losses -y");
        run_in(&folder, to, &words(&whole)).ok();
        assert_eq!(lines(to, name), lines(to, &other));
    }
    assert!(
        folder
            .names()
            .iter()
            .all(|name| name.starts_with("test-") && !name.ends_with("ckpt"))
    );
}

#[cfg(unix)]
#[test]
fn a_tar_stream_is_a_backup_and_not_for_a_terminal() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let source = collection(url, all_kinds(true));
    for arguments in [
        &["backup", "--tar", source.name()][..],
        &["backup", "-", source.name()],
    ] {
        let output = command(url, arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("4 records")
        );
        let (tar, unpacked) = (folder.path("b.tar"), folder.path("b"));
        fs::write(&tar, output.stdout).unwrap();
        fs::create_dir(&unpacked).unwrap();
        let mut unpack = Command::new("tar");
        unpack.arg("-xf").arg(&tar).arg("-C").arg(&unpacked);
        assert!(unpack.status().unwrap().success());
        let checked = run(url, &["restore", &text(&unpacked), "--check", "--json"]).json();
        assert_eq!(
            (&checked[0]["records"], &checked[1]["records"]),
            (&json!(4), &json!(4))
        );
        fs::remove_dir_all(&unpacked).unwrap();
    }
    // The reader ends before the stream.
    let mut backup = command(url, &["backup", "--tar", source.name()]);
    let pipes = backup.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut backup = pipes.spawn().unwrap();
    drop(backup.stdout.take());
    let message = Ran::of(backup.wait_with_output().unwrap()).fails(1);
    assert!(message.contains("incomplete"), "{message}");
    let on_terminal = command_on_terminal(url, &["backup", "--tar"])
        .output()
        .unwrap();
    assert_eq!(on_terminal.status.code(), Some(2), "{on_terminal:?}");
    let dry = run(url, &["backup", "--tar", source.name(), "--dry-run"]).ok();
    assert!(dry.starts_with("dry run: 1 collection"), "{dry}");
}

#[test]
fn a_damaged_backup_is_found_before_anything_is_written() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let source = collection(url, all_kinds(true));
    let backup = folder.path("backup");
    run(url, &["backup", &text(&backup), source.name()]).ok();
    let part = backup.join("0000/000000.jsonl");
    let changed = fs::read_to_string(&part).unwrap().replacen("3.0", "4.0", 1);
    fs::write(&part, changed).unwrap();
    let renamed = format!("{}={}", source.name(), unique_name());
    let restored = text(&backup);
    let other = text(&folder.path("other"));
    for all in [
        &["restore", &restored, "--check"][..],
        &["restore", &restored, "--as", &renamed],
        &["restore", &restored, "--if-exists", "replace"],
    ] {
        let message = run_in(&folder, url, all).fails(1);
        assert!(message.contains("000000.jsonl"), "{message}");
    }
    // The next backup does not share the damaged file.
    let backup = ["backup", &other, source.name(), "--since", &restored];
    let report = run(url, &[&backup[..], &["--json"]].concat()).json();
    assert_eq!(report[0]["reused_parts"], 0);
    run(url, &["restore", &other, "--check"]).ok();
    let stream = ["backup", "--tar", source.name(), "--since", &restored];
    let message = run(url, &stream).fails(2);
    assert!(
        message.contains("since") && message.contains(".tar"),
        "{message}"
    );
    let missing = text(&folder.path("missing"));
    let message = run(url, &["restore", &missing, "--check"]).fails(1);
    assert!(message.contains("missing"), "{message}");
    run(url, &["count", renamed.split_once('=').unwrap().1]).fails(1);
}

#[test]
fn a_database_is_copied() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let client = Client::new(url).unwrap();
    let (from, to) = (unique_name(), unique_name());
    client.create_database(&from).unwrap();
    let source = client.with_database(&from);
    for name in ["one", "two"] {
        source
            .collection(name)
            .create()
            .unwrap()
            .add(all_kinds(true))
            .unwrap();
    }
    let all = [
        "copy",
        "--all",
        "--database",
        &from,
        "--to-database",
        &to,
        "--json",
    ];
    let reports = run_in(&folder, url, &all).json();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(
        reports.iter().all(|report| report["verified"] == true),
        "{reports:?}"
    );
    run_in(&folder, url, &all).fails(1);
    let message = run_in(
        &folder,
        url,
        &[&all[..], &["--if-exists", "mirror"]].concat(),
    )
    .fails(2);
    assert!(
        message.contains("\"one\"") && message.contains("\"two\""),
        "{message}"
    );
    let again = run_in(
        &folder,
        url,
        &[&all[..], &["--if-exists", "mirror", "-y"]].concat(),
    )
    .json();
    assert!(
        again.iter().all(|report| report["written"] == 0),
        "{again:?}"
    );
    assert_eq!(
        client
            .with_database(&to)
            .list_collections()
            .run()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(folder.names(), [""; 0]);
}
