//! The guides in `docs/` for those who come from another client: they quote programs that run and calls that compile.
//!
//! The programs of the other clients are run by `scripts/test-guides.sh`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod calls;
mod guide;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use chroma_blocking::LocalServer;
use guide::{OUTPUT, code_in, guides, in_one_piece, ours};
use support::example::{Folder, example};

/// A server of this test alone: the programs make and delete a collection of a fixed name.
fn server() -> LocalServer {
    let builder = LocalServer::builder().version("1.5.9").install(true);
    builder.start().unwrap()
}

/// What a program prints on a new server.
fn printed_by(command: &mut Command) -> String {
    let server = server();
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
fn our_program_prints_what_the_guides_say() {
    if support::server::is_given() {
        return;
    }
    let folder = Folder::new("guide");
    let printed = printed_by(&mut example("guide", &folder, &[]));
    assert_eq!(printed, OUTPUT);
}

#[test]
#[ignore = "scripts/test-guides.sh says which program"]
fn another_program_prints_the_same() {
    let program = std::env::var("GUIDE_PROGRAM").unwrap();
    let printed = printed_by(Command::new("/bin/sh").args(["-c", &program]));
    assert_eq!(printed, OUTPUT, "{program}");
}

#[test]
fn guides_quote_the_programs_and_what_they_print() {
    for guide in guides() {
        let blocks = guide.blocks();
        for (fence, text) in [
            (guide.fence, guide.program),
            ("rust,no_run", ours()),
            ("text", OUTPUT),
        ] {
            let found = blocks
                .iter()
                .any(|block| block.0 == fence && block.1 == text);
            assert!(found, "{}: no block {fence:?} is\n{text}", guide.path);
        }
    }
}

#[test]
fn tables_name_calls_that_compile() {
    let mut unknown = Vec::new();
    for guide in guides() {
        let rows = guide.rows();
        assert!(rows.len() > 50, "{}: {} rows", guide.path, rows.len());
        let [theirs, ours] = [guide.calls, include_str!("calls.rs")].map(in_one_piece);
        for row in rows {
            for (cell, calls) in row.iter().zip([&theirs, &ours]) {
                let codes = code_in(cell).filter(|code| !calls.contains(&in_one_piece(code)));
                unknown.extend(codes.map(|code| format!("{}: {code}", guide.path)));
            }
        }
    }
    assert!(unknown.is_empty(), "not among the calls: {unknown:#?}");
}
