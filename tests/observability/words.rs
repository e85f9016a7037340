//! Words of servers and files that would break a line of a log or change a terminal are escaped in all that
//! this crate shows.

use std::error::Error as _;
use std::fmt::Write;
use std::fs;

use chroma_blocking::ingest::{BadRecords, jsonl_records, text_records};
use chroma_blocking::{Collection, Error, Key, Metadata, Result};
use serde_json::json;

use crate::support::folder::Folder;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{LIMITS, client_without_retries, logs};

/// Clears the screen, turns text around, and begins lines.
const EVIL: &str =
    "\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{200f}\u{2028}\u{7}\u{8}\u{7f}\r\nforged06\t";

fn is_unprintable(c: char) -> bool {
    c.is_control() || "\u{202e}\u{2066}\u{200f}\u{2028}".contains(c)
}

/// Asserts that a text is one line that is safe to print.
#[track_caller]
fn assert_safe(shown: &str) {
    assert!(!shown.contains(is_unprintable), "{shown:?}");
}

/// Asserts it for all forms of an error, and returns them.
#[track_caller]
fn assert_safe_error(error: &Error) -> String {
    let mut shown = format!("{error} {error:#}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(shown, " {cause}");
        source = cause.source();
    }
    assert_safe(&shown);
    // The breaks before the causes are this crate's own.
    let debug = format!("{error:?}");
    assert_safe(&debug.replace("\n\nCaused by:", "").replace("\n    ", " "));
    shown + &debug
}

/// Asserts it for the log lines about this.
fn assert_safe_logs(about: &str) {
    let lines = logs().lines().into_iter();
    let lines: Vec<_> = lines
        .filter(|line| line.starts_with("chroma_blocking") && line.contains(about))
        .collect();
    assert!(!lines.is_empty());
    for line in lines {
        assert_safe(&line);
    }
}

/// A server whose collection has such a name. It gives this answer to all other requests.
fn server(answer: Answer) -> StandIn {
    let collection = json!({
        "id": "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11", "name": EVIL, "metadata": { EVIL: EVIL },
        "dimension": null, "configuration_json": {}
    });
    StandIn::start(move |request| {
        if request.path.ends_with("/pre-flight-checks") {
            Answer::ok(LIMITS)
        } else if request.path.ends_with("/heartbeat") {
            Answer::ok(r#"{"nanosecond heartbeat":1}"#)
        } else if request.path.ends_with("/collections/abc") {
            Answer::ok(collection.to_string())
        } else {
            answer.clone()
        }
    })
}

fn call_all(of: &Collection) -> Vec<Error> {
    let record = || chroma_blocking::Record::new("a").embedding([1.0]);
    let results: [Result<()>; 5] = [
        of.count().map(drop),
        of.upsert([record()]).map(drop),
        of.get().run().map(drop),
        of.query([1.0]).run().map(drop),
        of.delete().ids(["a"]).run().map(drop),
    ];
    results.into_iter().filter_map(Result::err).collect()
}

#[test]
fn secure_06_the_words_of_a_server_are_one_line_that_is_safe_to_print() {
    logs();
    let fault = json!({ "error": EVIL, "message": format!("words06{EVIL}") }).to_string();
    let mut answers: Vec<Answer> = [400, 401, 404, 409, 412, 413, 422, 429, 500, 501, 503]
        .map(|status| Answer::new(status, fault.clone()))
        .into();
    answers.extend([
        Answer::new(502, format!("<html>words06{EVIL}")),
        Answer::ok(format!("words06{EVIL}")),
        Answer::ok(json!({ "ids": [EVIL], "documents": 7, "words06": 1 }).to_string()),
        Answer::ok(json!({ "ids": format!("words06{EVIL}") }).to_string()),
        Answer::raw(format!("HTTP/1.1 200 words06{EVIL}\r\n{EVIL}: x\r\n\r\n")),
        Answer::raw(format!(
            "HTTP/1.1 302 Found\r\nlocation: /words06\u{1b}{EVIL}\r\n\r\n"
        )),
        Answer::new(302, "").header("location", "/words06\u{9b}31m"),
    ]);
    let refusing = server(answers[0].clone());
    let collection = client_without_retries(&refusing)
        .collection("abc")
        .get()
        .unwrap();
    let job = collection.ingest([chroma_blocking::Record::new("a").embedding([1.0])]);
    let mut shown = assert_safe_error(&job.run().unwrap_err());
    for answer in answers {
        let server = server(answer);
        let collection = client_without_retries(&server)
            .collection("abc")
            .get()
            .unwrap();
        assert_eq!(collection.name(), EVIL, "data stays as it is");
        for error in call_all(&collection) {
            shown += &assert_safe_error(&error);
        }
    }
    assert!(
        shown.contains(r"words06\u001b[2J\u009b31m\u202e"),
        "{shown}"
    );
    assert_safe_logs("words06");
    assert_safe_logs(r"forged06\t");
}

#[test]
fn secure_06_names_and_cells_of_files_are_one_line_that_is_safe_to_print() {
    logs();
    let folder = Folder::new();
    let file = folder.path("cells06\u{1b}[2J\u{202e}\nforged06.jsonl");
    let letters = folder.path("letters06\u{9b}\n.jsonl");
    let id = json!("id\u{9b}\u{7f}\u{202e}");
    let lines = [
        json!({ "id": id, "document": "a", "cells06": { EVIL: EVIL } }).to_string(),
        json!({ "id": id, "document": { EVIL: 1 } }).to_string(),
        format!("{EVIL} is not JSON"),
        json!({ "id": id, "document": "b", "chroma:document": "reserved" }).to_string(),
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let server = server(Answer::ok("{}"));
    let collection = client_without_retries(&server)
        .collection("abc")
        .get()
        .unwrap();
    let open = || jsonl_records(&file).unwrap();
    for error in open().filter_map(Result::err) {
        assert_safe_error(&error);
    }
    let job = || collection.ingest(open());
    assert_safe_error(
        &job()
            .checkpoint(folder.path("no06\u{1b}/\n"))
            .run()
            .unwrap_err(),
    );
    let job = job().bad_records(BadRecords::dead_letters(&letters));
    let report = job.run().unwrap();
    assert!(report.failed >= 3, "{report}");
    assert_safe(&report.to_string());
    for bad in &report.bad {
        assert_safe(&bad.to_string());
    }
    let letters = fs::read_to_string(&letters).unwrap();
    for letter in letters.lines() {
        assert_safe(letter);
        let _: serde_json::Value = serde_json::from_str(letter).unwrap();
    }
    assert!(letters.contains(r"id\u009b\u007f\u202e"), "{letters}");
    let missing = text_records(folder.path("missing06\u{1b}\n"));
    assert_safe_error(&missing.err().unwrap());
    assert_safe_logs("06");
}

#[test]
fn secure_06_readable_forms_are_one_line_and_data_stays_as_it_is() {
    let metadata = Metadata::from([(EVIL, EVIL)]);
    assert_safe(&metadata.to_string());
    assert_safe(&metadata.get(EVIL).unwrap().to_string());
    assert_eq!(metadata.get(EVIL).unwrap().as_str(), Some(EVIL));
    let filter = Key::field(EVIL).eq(EVIL);
    assert_safe(&filter.to_string());
    let read: serde_json::Value = serde_json::from_str(&filter.to_string()).unwrap();
    assert_eq!(read, json!({ EVIL: { "$eq": EVIL } }));
}

#[cfg(feature = "gemini")]
#[test]
fn secure_06_the_words_of_a_provider_are_one_line_that_is_safe_to_print() {
    use crate::support::gemini::{KEY, fault};
    use chroma_blocking::{EmbeddingFunction, Gemini, RetryPolicy};

    logs();
    let words = format!("gemini06{EVIL}");
    for status in [400, 401, 403, 404, 413, 429, 500, 503] {
        let quota = json!([{ "violations": [{ "quotaId": format!("PerDay{EVIL}") }] }]);
        let answer = fault(status, EVIL, &words, quota);
        let server = StandIn::start(move |_| answer.clone());
        let gemini = Gemini::builder().api_key(KEY).base_url(server.url());
        let gemini = gemini.dimension(128).retry(RetryPolicy::none());
        let error = gemini
            .build()
            .unwrap()
            .embed_documents(&["a", "b"])
            .unwrap_err();
        let error = error.downcast::<Error>().unwrap();
        assert!(assert_safe_error(&error).contains(r"\u001b[2J"), "{error}");
    }
    assert_safe_logs("embed");
}
