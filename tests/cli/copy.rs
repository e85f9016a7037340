//! `copy`: between servers and databases.

use chroma_blocking::{Client, Record};
use serde_json::json;

#[cfg(unix)]
use crate::jobs::Running;
use crate::jobs::{all_kinds, collection, lines};
use crate::program::{Ran, command, run, server, servers};
use crate::support::chroma_error;
use crate::support::folder::Folder;
use crate::support::server::unique_name;
use crate::support::stand_in::StandIn;
#[cfg(unix)]
use crate::support::wait_until;

/// Runs the program in a new folder, which gets the checkpoint.
fn copy(folder: &Folder, url: &str, arguments: &[&str]) -> Ran {
    let all = [&["copy"], arguments].concat();
    Ran::of(command(url, &all).current_dir(&folder.0).output().unwrap())
}

#[test]
fn a_copy_is_equal_on_another_server() {
    let folder = Folder::new();
    let [newest, oldest] = servers();
    for (from, to) in [(newest, oldest), (oldest, newest)] {
        let source = collection(from, all_kinds(false));
        let name = source.name();
        let dry = copy(&folder, from, &[name, "--to", to, "--dry-run"]).ok();
        assert!(dry.contains("dry run: 4 written"), "{dry}");
        run(to, &["count", name]).fails(1);
        let report = &copy(&folder, from, &[name, "--to", to, "--json"]).json()[0];
        assert_eq!(
            (&report["written"], &report["verified"]),
            (&json!(4), &json!(true))
        );
        assert_eq!(lines(to, name), lines(from, name));
        let message = copy(&folder, from, &[name, "--to", to]).fails(1);
        assert!(message.contains("already exists"), "{message}");
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn an_existing_target_is_replaced_only_after_a_question() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let source = collection(url, all_kinds(true));
    let (name, other) = (source.name(), unique_name());
    let onto = [name, "--as", &other, "--if-exists"];
    // Nothing is there yet to ask about.
    copy(&folder, url, &[&onto[..], &["mirror"]].concat()).ok();
    let target = Client::new(url).unwrap().collection(&other).get().unwrap();
    target
        .upsert(Record::new("own").embedding([1.0, 2.0, 3.0]))
        .unwrap();
    target
        .upsert(Record::new("bare").embedding([3.0, 2.0, 1.0]))
        .unwrap();
    for mode in ["replace", "mirror"] {
        let message = copy(&folder, url, &[&onto[..], &[mode]].concat()).fails(2);
        assert!(
            message.contains("--yes") && message.contains("5 records"),
            "{message}"
        );
    }
    let added = copy(&folder, url, &[&onto[..], &["add-new", "--json"]].concat()).json();
    assert_eq!(added[0]["written"], 0, "{added:?}");
    copy(&folder, url, &[&onto[..], &["replace", "-y"]].concat()).ok();
    assert_eq!(target.count().unwrap(), 5);
    let mirrored = copy(
        &folder,
        url,
        &[&onto[..], &["mirror", "-y", "--json"]].concat(),
    )
    .json();
    assert_eq!(mirrored[0]["deleted"], 1, "{mirrored:?}");
    assert_eq!(lines(url, &other), lines(url, name));
    // Nothing to mirror is more likely a mistake.
    let empty = collection(url, vec![]);
    let nothing = [
        empty.name(),
        "--as",
        &other,
        "--if-exists",
        "mirror",
        "-y",
        "--json",
    ];
    let kept = copy(&folder, url, &nothing);
    assert!(kept.out.contains(r#""withheld":4"#), "{}", kept.out);
    kept.fails(3);
}

#[test]
fn each_server_gets_its_own_key_and_none_is_printed() {
    let folder = Folder::new();
    let to = StandIn::start(|_| chroma_error(401));
    let source = collection(server("1.5.9"), all_kinds(false));
    let mut shown = String::new();
    let url = to.url();
    let all = ["copy", source.name(), "--to", &url, "-vv"];
    for key in [None, Some("s3cret-of-the-target")] {
        let mut command = command(server("1.5.9"), &all);
        command
            .env("CHROMA_API_KEY", "s3cret-of-the-source")
            .current_dir(&folder.0);
        if let Some(key) = key {
            command.env("CHROMA_TO_API_KEY", key);
        }
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        shown += &(ran.out + &ran.err);
    }
    let sent: Vec<String> = to
        .requests()
        .iter()
        .map(|r| format!("{:?}", r.headers))
        .collect();
    assert!(
        sent.iter()
            .any(|headers| headers.contains("s3cret-of-the-target")),
        "{sent:?}"
    );
    assert!(
        !sent
            .iter()
            .any(|headers| headers.contains("s3cret-of-the-source")),
        "{sent:?}"
    );
    assert!(
        shown.contains("chroma_blocking") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let folder = Folder::new();
    let url = server("1.5.9");
    for (arguments, code, named) in [
        (&["notes"][..], 2, "--to"),
        (&["--to", url], 2, "<NAME>"),
        (&["notes", "--all", "--to", url], 2, "--all"),
        (&["missing", "--to", url], 1, "missing"),
        (&["notes", "--to", "http://me:s3cret@db"], 2, "--to"),
        (
            &["notes", "--to", "https://api.trychroma.com"],
            2,
            "CHROMA_TO_API_KEY",
        ),
        (
            &["notes", "--to", url, "--if-exists", "perhaps"],
            2,
            "perhaps",
        ),
        (&["notes", "--to", url, "--max-rate", "0"], 1, "notes"),
    ] {
        let message = copy(&folder, url, arguments).fails(code);
        assert!(
            message.contains(named) && !message.contains("s3cret"),
            "{message}"
        );
    }
    let source = collection(url, all_kinds(false));
    let message = copy(&folder, url, &[source.name(), "--to", url]).fails(2);
    assert!(message.contains(source.name()), "{message}");
    let message = copy(
        &folder,
        url,
        &[source.name(), "--as", "other", "--max-rate", "0"],
    )
    .fails(2);
    assert!(message.contains("max_rate"), "{message}");
}

#[cfg(unix)]
#[test]
fn after_ctrl_c_the_same_command_continues() {
    let folder = Folder::new();
    let url = server("1.5.9");
    let record = |i: u16| Record::new(i.to_string()).embedding([1.0, f32::from(i)]);
    let source = collection(url, (0..6_000).map(record).collect());
    let (name, other) = (source.name(), unique_name());
    let arguments = ["copy", name, "--as", &other, "--max-rate", "3000"];
    let mut first = command(url, &arguments);
    first.current_dir(&folder.0);
    let running = Running::start(first);
    let client = Client::new(url).unwrap();
    let written = || {
        client
            .collection(&other)
            .get()
            .and_then(|copy| copy.count())
            .unwrap_or(0)
    };
    wait_until("the first records", || written() > 0);
    let stopped = running.interrupt();
    let checkpoint = format!("{name}.copy.ckpt");
    assert!(
        stopped.err.contains(&checkpoint) && stopped.err.contains("run: "),
        "{}",
        stopped.err
    );
    stopped.fails(130);
    assert!(folder.path(&checkpoint).exists());
    assert!(written() < 6_000);
    // Another copy is refused, and would be again.
    let message = copy(&folder, url, &[name, "--as", &unique_name()]).fails(2);
    assert!(
        message.contains(&checkpoint) && !message.contains("run: "),
        "{message}"
    );
    let report = &copy(&folder, url, &[name, "--as", &other, "--json"]).json()[0];
    assert!(report["resumed"].as_u64() > Some(0), "{report}");
    assert_eq!(lines(url, &other), lines(url, name));
    assert_eq!(folder.names(), [""; 0]);
}
