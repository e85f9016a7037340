//! Tables, colours, escapes and pipes.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use chroma_blocking::{Client, Record};

#[cfg(unix)]
use crate::program::{Ran, command_on_terminal};
use crate::program::{command, run, server};
use crate::support::server::unique_name;

/// Makes a collection with a document of this text in each of many records.
fn documents(text: &str, count: usize) -> String {
    let client = Client::new(server("1.5.9")).unwrap();
    let collection = client.collection(unique_name()).create().unwrap();
    let record = |i: usize| Record::new(format!("{i}")).document(text).embedding([1.0]);
    collection
        .add((0..count).map(record).collect::<Vec<_>>())
        .unwrap();
    collection.name().to_owned()
}

#[test]
fn no_control_character_of_a_document_is_printed() {
    let hostile = "a\u{1b}[2J\u{1b}]0;x\u{7}b\r\n\tc\u{9b}31m\u{202e}d\u{2066}";
    let name = documents(hostile, 2);
    let is_unprintable = |c: char| {
        c != '\n' && (c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{2066}')
    };
    for more in [&[][..], &["--json"]] {
        let shown = run(server("1.5.9"), &[&["get", &name], more].concat()).ok();
        assert!(!shown.contains(is_unprintable), "{shown:?}");
        assert_eq!(shown.lines().count(), 3 - more.len(), "{shown:?}");
    }
    let lines = run(server("1.5.9"), &["get", &name, "--json"]).json();
    assert_eq!(lines[0]["document"], hostile);
}

#[test]
fn no_control_character_of_a_name_is_printed() {
    let arguments = ["import", "a\u{1b}[31m\n.xyz", "--collection", "notes"];
    let message = run(server("1.5.9"), &arguments).fails(1);
    assert!(message.contains(r"a\u001b[31m\n.xyz"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn a_broken_pipe_is_not_an_error() {
    let name = documents(&"long ".repeat(200), 2_000);
    for more in [&[][..], &["--json"]] {
        let mut command = command(server("1.5.9"), &[&["get", &name], more].concat());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut String::new()).unwrap();
        drop(lines);
        let mut message = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut message)
            .unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), message.as_str()),
            (Some(0), "")
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let name = documents("short", 1);
    for arguments in [&["get", &name][..], &["count", &name], &["ls"], &[]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(server("1.5.9"), arguments)
            .stdout(full)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn tables_fit_the_terminal() {
    let name = documents(&"日本語 text ".repeat(50), 3);
    let shown = |width: &str| {
        let mut command = command_on_terminal(server("1.5.9"), &["get", &name]);
        Ran::of(command.env("COLUMNS", width).output().unwrap()).ok()
    };
    for width in [40, 80, 132] {
        let table = shown(&width.to_string());
        // Each character of East Asia takes two columns.
        let columns = |line: &str| {
            let line = line.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
            line.chars()
                .map(|c| if c > '\u{2e80}' { 2 } else { 1 })
                .sum::<usize>()
        };
        assert_eq!(table.lines().count(), 4, "{table}");
        let widest = table.lines().map(columns).max().unwrap();
        assert!(
            (width - 2..=width).contains(&widest),
            "{widest} of {width}: {table}"
        );
        assert!(table.contains('…'));
    }
    // Without a terminal nothing is cut.
    let whole = run(server("1.5.9"), &["get", &name]).ok();
    assert!(!whole.contains('…'));
}

#[cfg(unix)]
#[test]
fn colours_are_for_terminals_without_no_color() {
    let on_terminal = |settings: &[(&str, &str)]| {
        let mut command = command_on_terminal(server("1.5.9"), &["ls"]);
        Ran::of(command.envs(settings.iter().copied()).output().unwrap()).ok()
    };
    assert!(on_terminal(&[]).contains('\u{1b}'));
    assert!(!on_terminal(&[("NO_COLOR", "1")]).contains('\u{1b}'));
    assert!(!on_terminal(&[("TERM", "dumb")]).contains('\u{1b}'));
    let forced = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    assert!(!on_terminal(&forced).contains('\u{1b}'));
    let mut command = command(server("1.5.9"), &["ls"]);
    let piped = command.env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!Ran::of(piped).ok().contains('\u{1b}'));
}
