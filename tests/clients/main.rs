//! This crate and Chroma's own clients open the same collections: what one of them made, the other one opens,
//! queries by text and writes to.
//!
//! `scripts/test-clients.sh` installs the clients. The server is a real one; a stand-in on this machine answers
//! for all providers of embeddings.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod other;
mod providers;
#[cfg(feature = "transfer")]
mod restored;
mod shared;

use std::error::Error;

use cases::{Case, cases};
use other::Other;
use providers::{Providers, StandInForAll};
use shared::{Shared, found_by};
use support::{assert_none, child, model};

/// The cause of a failure.
type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Runs a test of this program in a child process, whose environment contains the keys of the providers, the
/// address of the stand-in, and the folder of Chroma's default model.
fn with_providers(test: &str) {
    let providers = StandInForAll::start();
    let mut test = child(test);
    test.envs(providers.variables());
    // So that collections with Chroma's default function open by themselves.
    test.envs(model::folder().map(|folder| ("CHROMA_ONNX_MODEL", folder)));
    let output = test.output().unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{words}");
    assert_none("requests that a provider refuses", providers.wrong());
    assert!(words.contains("1 passed"), "{test:?}: {errors}");
}

/// The results of a test.
#[derive(Default)]
struct Report {
    tried: usize,
    wrong: Vec<String>,
}

impl Report {
    fn add(&mut self, case: &Case, way: &str, outcome: Outcome) {
        self.tried += 1;
        let wrong = outcome.err();
        let name = case.name;
        self.wrong
            .extend(wrong.map(|why| format!("{name}, {way}: {why:#}")));
    }

    /// Like [`add`](Report::add). If the client cannot open the collection, it must say so in these words.
    fn add_unless(&mut self, case: &Case, way: &str, outcome: Outcome, cannot: Option<&str>) {
        let outcome = match (outcome, cannot) {
            (Err(why), Some(cannot)) if why.to_string().contains(cannot) => Ok(()),
            (Ok(()), Some(cannot)) => Err(format!("the client no longer says {cannot:?}").into()),
            (outcome, _) => outcome,
        };
        self.add(case, way, outcome);
    }

    fn print(self, what: &str) {
        println!("{what}: {} collections", self.tried);
        assert_none(what, self.wrong);
    }
}

#[test]
#[ignore = "scripts/test-clients.sh installs the client"]
fn python() {
    with_providers("with_python");
}

#[test]
#[ignore = "the test `python` runs it"]
fn with_python() {
    let providers = Providers::of_process();
    let mut python = Other::python(&providers);
    let mut report = Report::default();
    for case in &cases(&providers) {
        let Some(made) = &case.python else { continue };
        let there = Shared::new(case, &providers).made_there(&mut python, made);
        report.add(case, "made in Python", there);
        let here = Shared::new(case, &providers).made_here(&mut python, made);
        report.add(case, "made in Rust", here);
    }
    report.print("Rust and Python");
}

#[test]
#[ignore = "scripts/test-clients.sh installs the client"]
fn javascript() {
    with_providers("with_javascript");
}

#[test]
#[ignore = "the test `javascript` runs it"]
fn with_javascript() {
    let providers = Providers::of_process();
    let mut javascript = Other::javascript(&providers);
    let mut report = Report::default();
    for case in &cases(&providers) {
        let Some(made) = &case.javascript else {
            continue;
        };
        let there = Shared::new(case, &providers).made_there(&mut javascript, made);
        report.add(case, "made in JavaScript", there);
        let here = Shared::new(case, &providers).made_here(&mut javascript, made);
        report.add_unless(case, "made in Rust", here, case.not_in_javascript);
    }
    report.print("Rust and JavaScript");
}

#[test]
#[ignore = "scripts/test-clients.sh installs the clients"]
fn python_and_javascript() {
    with_providers("with_python_and_javascript");
}

/// Which collections the other clients cannot open. A newer version of one of them may be able to.
#[test]
#[ignore = "the test `python_and_javascript` runs it"]
fn with_python_and_javascript() {
    let providers = Providers::of_process();
    let mut python = Other::python(&providers);
    let mut javascript = Other::javascript(&providers);
    let mut report = Report::default();
    for case in &cases(&providers) {
        let (Some(in_python), Some(in_javascript)) = (&case.python, &case.javascript) else {
            continue;
        };
        let found = found_by(&mut python, &mut javascript, in_javascript);
        report.add_unless(case, "made in JavaScript", found, case.not_in_python);
        let found = found_by(&mut javascript, &mut python, in_python);
        report.add_unless(case, "made in Python", found, case.not_in_javascript);
    }
    report.print("Python and JavaScript");
}
