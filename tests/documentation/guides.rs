//! The guides in `docs/` for users of other clients quote programs that run, and name calls that compile.
//!
//! `scripts/test-guides.sh` runs the programs of the other clients.

use std::process::Command;

use chroma_blocking::LocalServer;

use crate::assert_none;
use crate::support::example::example;
use crate::support::folder::Folder;
use crate::support::server;

/// Each guide, the program of the other client that it quotes, and the calls of that client that it may name.
const GUIDES: [[&str; 3]; 3] = [
    [
        include_str!("../../docs/from-python.md"),
        include_str!("program.py"),
        include_str!("calls.py"),
    ],
    [
        include_str!("../../docs/from-official-crate.md"),
        include_str!("../../benches/peers/examples/official_guide.rs"),
        include_str!("../../benches/peers/examples/official_calls.rs"),
    ],
    [
        include_str!("../../docs/from-chromadb.md"),
        include_str!("../../benches/peers/examples/chromadb_guide.rs"),
        include_str!("../../benches/peers/examples/chromadb_calls.rs"),
    ],
];

/// The output of each of these programs.
const OUTPUT: &str = include_str!("output.txt");

/// Runs a program with a new server, because the programs create and delete a collection with a fixed name.
fn output_of(command: &mut Command) -> String {
    let builder = LocalServer::builder().version("1.5.9").install(true);
    let server = builder.start().unwrap();
    for variable in ["ENDPOINT", "API_KEY", "TENANT", "DATABASE"] {
        command.env_remove(format!("CHROMA_{variable}"));
    }
    let output = command.env("CHROMA_HOST", server.url()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_program_of_this_library_prints_the_expected_output() {
    if server::is_given() {
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
    for [guide, theirs, _] in GUIDES {
        for program in [theirs, include_str!("program.rs"), OUTPUT] {
            // The comment at the top of a Rust program is not quoted.
            let quoted = match program.strip_prefix("//!") {
                Some(rest) => rest.split_once("\n\n").unwrap().1,
                None => program,
            };
            assert!(guide.contains(&format!("\n{quoted}```\n")), "no {quoted}");
        }
    }
}

/// The code in a cell of a table without spaces, except for single words such as types and variables.
fn code_in(cell: &str) -> impl Iterator<Item = String> {
    let code = cell.split('`').skip(1).step_by(2).map(without_layout);
    code.filter(|code| !code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Code without line breaks and spaces, so that a formatter cannot make a difference.
fn without_layout(code: &str) -> String {
    let code: String = code.split_whitespace().collect();
    code.replace(",)", ")")
        .replace(",]", "]")
        .replace(",}", "}")
}

#[test]
fn the_tables_name_calls_that_compile() {
    let ours = without_layout(include_str!("calls.rs"));
    let mut unknown = Vec::new();
    for [guide, _, theirs] in GUIDES {
        let theirs = without_layout(theirs);
        // In a table, a vertical bar in code has a backslash before it.
        let guide = guide.replace("\\|", "\0");
        let rows = guide
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains('`'));
        let rows: Vec<Vec<&str>> = rows.map(|row| row.split('|').collect()).collect();
        assert!(rows.len() > 50, "{} rows: {rows:?}", rows.len());
        for row in rows {
            for (cell, calls) in [(row[1], &theirs), (row[2], &ours)] {
                let cell = cell.replace('\0', "|");
                unknown.extend(code_in(&cell).filter(|code| !calls.contains(code)));
            }
        }
    }
    assert_none("not among the calls", unknown);
}
