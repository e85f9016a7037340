//! The guides in `docs/` for users of other clients quote programs that run, and name calls that compile.
//!
//! `scripts/test-guides.sh` runs the programs of the other clients.

#![allow(clippy::unwrap_used, clippy::panic)]

mod calls;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use chroma_blocking::LocalServer;
use support::example::example;
use support::folder::Folder;

/// A guide, the program of the other client that it quotes, and the calls of that client that it may name.
struct Guide {
    path: &'static str,
    text: &'static str,
    fence: &'static str,
    program: &'static str,
    calls: &'static str,
}

const GUIDES: [Guide; 3] = [
    Guide {
        path: "docs/from-python.md",
        text: include_str!("../../docs/from-python.md"),
        fence: "python",
        program: include_str!("program.py"),
        calls: include_str!("calls.py"),
    },
    Guide {
        path: "docs/from-official-crate.md",
        text: include_str!("../../docs/from-official-crate.md"),
        fence: "rust,ignore",
        program: include_str!("../../benches/peers/examples/official_guide.rs"),
        calls: include_str!("../../benches/peers/examples/official_calls.rs"),
    },
    Guide {
        path: "docs/from-chromadb.md",
        text: include_str!("../../docs/from-chromadb.md"),
        fence: "rust,ignore",
        program: include_str!("../../benches/peers/examples/chromadb_guide.rs"),
        calls: include_str!("../../benches/peers/examples/chromadb_calls.rs"),
    },
];

/// The output of each of these programs.
const OUTPUT: &str = include_str!("output.txt");

/// Runs a program with a new server, because the programs create and delete a collection with a fixed name.
fn output_of(command: &mut Command) -> String {
    let builder = LocalServer::builder().version("1.5.9").install(true);
    let server = builder.start().unwrap();
    for variable in [
        "CHROMA_ENDPOINT",
        "CHROMA_API_KEY",
        "CHROMA_TENANT",
        "CHROMA_DATABASE",
    ] {
        command.env_remove(variable);
    }
    let output = command.env("CHROMA_HOST", server.url()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_program_of_this_library_prints_the_expected_output() {
    if support::server::is_given() {
        return;
    }
    let folder = Folder::new();
    assert_eq!(output_of(&mut example("guide", &folder, &[])), OUTPUT);
}

#[test]
#[ignore = "scripts/test-guides.sh sets GUIDE_PROGRAM"]
fn another_program_prints_the_expected_output() {
    let program = std::env::var("GUIDE_PROGRAM").unwrap();
    let printed = output_of(Command::new("/bin/sh").args(["-c", &program]));
    assert_eq!(printed, OUTPUT, "{program}");
}

#[test]
fn the_guides_quote_the_programs_and_their_output() {
    // The comment at the top of a Rust program is not quoted.
    let body = |program: &'static str| {
        if program.starts_with("//!") {
            program.split_once("\n\n").unwrap().1
        } else {
            program
        }
    };
    for guide in GUIDES {
        for (fence, text) in [
            (guide.fence, body(guide.program)),
            ("rust,no_run", body(include_str!("program.rs"))),
            ("text", OUTPUT),
        ] {
            let block = format!("\n```{fence}\n{text}```\n");
            assert!(
                guide.text.contains(&block),
                "{}: no block {block}",
                guide.path
            );
        }
    }
}

/// The pieces of code in a row of a table, except for single words such as types and environment variables.
fn code_in(cell: &str) -> impl Iterator<Item = &str> {
    let is_word = |code: &str| code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let code = cell.split('`').skip(1).step_by(2);
    code.filter(move |code| !is_word(code))
}

/// Code without line breaks and spaces, so that a formatter cannot make a difference.
fn without_layout(code: &str) -> String {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    code.replace(",)", ")")
        .replace(",]", "]")
        .replace(",}", "}")
}

#[test]
fn the_tables_name_calls_that_compile() {
    let ours = without_layout(include_str!("calls.rs"));
    let mut unknown = Vec::new();
    for guide in GUIDES {
        let theirs = without_layout(guide.calls);
        // In a table, a vertical bar in code has a backslash before it.
        let tables = guide.text.replace("\\|", "\0");
        let rows = tables
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains('`'));
        let rows: Vec<Vec<&str>> = rows.map(|row| row.split('|').collect()).collect();
        assert!(rows.len() > 50, "{}: {} rows", guide.path, rows.len());
        for row in rows {
            assert_eq!(row.len(), 4, "{}: two cells in {row:?}", guide.path);
            for (cell, calls) in [(row[1], &theirs), (row[2], &ours)] {
                let cell = cell.replace('\0', "|");
                let codes = code_in(&cell).filter(|code| !calls.contains(&without_layout(code)));
                unknown.extend(codes.map(|code| format!("{}: {code}", guide.path)));
            }
        }
    }
    support::assert_none("not among the calls", unknown);
}
