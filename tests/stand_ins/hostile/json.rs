//! Responses whose JSON is broken, or is not what was asked for, and responses that are cut off.

use super::Ends::{Connection, Decode};
use super::{CHUNKED, Faults, Hostile, OK, OVERHEAD, PATIENCE, kind};
use crate::support::stand_in::Answer;
use chroma_blocking::{Embeddings, Include};

/// The fault of a body, and the body.
type Body = (&'static str, Vec<u8>);

/// Bodies that are not JSON.
fn broken_text() -> Vec<Body> {
    let row = |columns: &str| format!(r#"{{"ids":["a"],{columns}}}"#).into_bytes();
    let deep = |open: &str, close: &str| open.repeat(100_000) + &close.repeat(100_000);
    let mut with_bom = b"\xef\xbb\xbf".to_vec();
    with_bom.extend(row(r#""documents":["x"]"#));
    vec![
        ("nothing", Vec::new()),
        ("spaces", b" ".repeat(1000)),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("a number", b"1e999".to_vec()),
        ("two values", row(r#""documents":["x"]"#).repeat(2)),
        ("a byte order mark", with_bom),
        ("lists 100,000 deep", deep("[", "]").into_bytes()),
        ("open lists", "[".repeat(100_000).into_bytes()),
        ("open objects", r#"{"a":"#.repeat(100_000).into_bytes()),
        (
            "a document 100,000 deep",
            row(&format!(r#""documents":{}"#, deep("[", "]"))),
        ),
        (
            "metadata 100,000 deep",
            row(&format!(r#""metadatas":[{}]"#, deep(r#"{"a":"#, "}"))),
        ),
        ("bad UTF-8 in an id", b"{\"ids\":[\"\xff\xfe\"]}".to_vec()),
        (
            "bad UTF-8 in a document",
            b"{\"ids\":[\"a\"],\"documents\":[\"\xc3\x28\"]}".to_vec(),
        ),
        (
            "bad UTF-8 in a key",
            b"{\"ids\":[\"a\"],\"metadatas\":[{\"\xff\":1}]}".to_vec(),
        ),
        ("an overlong encoding", b"{\"ids\":[\"\xc0\xaf\"]}".to_vec()),
        ("a lone surrogate", br#"{"ids":["\ud800"]}"#.to_vec()),
        (
            "a lone surrogate in a document",
            row(r#""documents":["\udc00x"]"#),
        ),
    ]
}

/// Bodies in JSON that are not what a `get` of all columns asks for.
fn broken_columns() -> Vec<Body> {
    let row = |columns: &str| format!(r#"{{"ids":["a"],{columns}}}"#).into_bytes();
    vec![
        ("too few documents", row(r#""documents":[]"#)),
        ("too many documents", row(r#""documents":["x","y"]"#)),
        ("too many metadatas", row(r#""metadatas":[null,null]"#)),
        ("too few vectors", row(r#""embeddings":[]"#)),
        ("too many vectors", row(r#""embeddings":[[1.0],[1.0]]"#)),
        ("too many URIs", row(r#""uris":["x","y"]"#)),
        ("an empty vector", row(r#""embeddings":[[]]"#)),
        (
            "vectors of different lengths",
            br#"{"ids":["a","b"],"embeddings":[[1],[1,2]]}"#.to_vec(),
        ),
        ("NaN in a vector", row(r#""embeddings":[[NaN]]"#)),
        ("Infinity in a vector", row(r#""embeddings":[[Infinity]]"#)),
        (
            "minus infinity in a vector",
            row(r#""embeddings":[[-Infinity]]"#),
        ),
        ("NaN in metadata", row(r#""metadatas":[{"k":NaN}]"#)),
        (
            "Infinity in metadata",
            row(r#""metadatas":[{"k":Infinity}]"#),
        ),
        ("1e999 in metadata", row(r#""metadatas":[{"k":1e999}]"#)),
    ]
}

#[test]
fn secure_00_rows_that_are_not_what_was_asked_for_are_errors_of_decoding() {
    let faults = Faults::default();
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    let all = [
        Include::Documents,
        Include::Metadatas,
        Include::Embeddings,
        Include::Uris,
    ];
    for (what, body) in broken_text().into_iter().chain(broken_columns()) {
        // 12 times its size is the goal for any response.
        let max = 12 * body.len() as u64 + OVERHEAD;
        hostile.arm(&Answer::ok(body));
        let get = abc.get().include(all);
        faults.check(what, Decode, max, || get.run());
        faults.check_good(what, abc.get().run());
    }
    faults.assert_none();
}

#[test]
fn secure_00_keys_that_come_twice_make_no_rows_of_different_lengths() {
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    for body in [
        r#"{"ids":["a"],"ids":["b"],"documents":["x"]}"#,
        r#"{"ids":["a"],"documents":["x"],"documents":["y"]}"#,
        r#"{"ids":["a"],"embeddings":[[1]],"ids":["a","b"]}"#,
        r#"{"embeddings":[[1],[2]],"ids":["a"]}"#,
        r#"{"ids":["a"],"embeddings":[[1]],"embeddings":[[1,2]]}"#,
        r#"{"ids":["a"],"metadatas":[{"k":1,"k":"2"}]}"#,
        r#"{"ids":["a"],"documents":["x"],"documents":null}"#,
    ] {
        hostile.arm(&Answer::ok(body));
        match abc.get().run() {
            Ok(found) => {
                assert_eq!(found.iter().count(), found.len(), "{body}");
                let documents = found.documents.as_ref().map_or(found.len(), Vec::len);
                assert_eq!(documents, found.len(), "{body}");
                let vectors = found
                    .embeddings
                    .as_ref()
                    .map_or(found.len(), Embeddings::len);
                assert_eq!(vectors, found.len(), "{body}");
            }
            Err(error) => assert_eq!(kind(&error), Some(Decode), "{body}: {error}"),
        }
        assert_eq!(abc.get().run().expect(body).ids, ["a"]);
    }
}

#[test]
fn secure_00_hits_that_are_not_what_was_asked_for_are_errors_of_decoding() {
    let faults = Faults::default();
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    for body in [
        r#"{"ids":[["a"]],"distances":[[NaN]]}"#,
        r#"{"ids":[["a"]],"distances":[["0.5"]]}"#,
        r#"{"ids":[["a"]],"distances":[null]}"#,
        r#"{"ids":[["a"]],"distances":null}"#,
        r#"{"ids":[["a"]],"distances":[[0.5,0.5]]}"#,
        r#"{"ids":[["a"],["b"]],"distances":[[0.5],[0.5]]}"#,
        r#"{"ids":[],"distances":[]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5]],"documents":[["x","y"]]}"#,
        r#"{"ids":[["a"]],"distances":[[0.5]],"metadatas":[["x"]]}"#,
        r#"{"ids":null,"distances":[[0.5]]}"#,
        "[[[[",
        "",
    ] {
        hostile.arm(&Answer::ok(body));
        faults.check(body, Decode, OVERHEAD, || abc.query([0.5]).run());
        faults.check_good(body, abc.query([0.5]).run());
    }
    faults.assert_none();
}

#[test]
fn secure_00_a_response_that_is_cut_off_anywhere_is_an_error() {
    let hostile = Hostile::start();
    let abc = hostile.client(PATIENCE).collection("abc").get().unwrap();
    let body = r#"{"ids":["a"],"documents":["x"]}"#;
    let with_length = format!("{OK}content-length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "{CHUNKED}5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &body[..5],
        body.len() - 5,
        &body[5..]
    );
    let to_the_end = format!("HTTP/1.0 200 OK\r\n\r\n{body}");
    for whole in [with_length, chunked, to_the_end] {
        // Without a byte of a response, the client takes a kept connection for stale, and tries a new one.
        // After the last chunk, nothing can be missing but trailers.
        let needed = whole.len() - if whole.contains("chunked") { 2 } else { 0 };
        for length in 1..needed {
            let part = &whole[..length];
            hostile.arm(&Answer::raw(part));
            let error = abc.get().run().expect_err(part);
            let ends = kind(&error).expect(part);
            assert!(matches!(ends, Connection | Decode), "{part:?}: {error:#}");
        }
        hostile.arm(&Answer::raw(whole.as_str()));
        assert_eq!(abc.get().run().unwrap().ids, ["a"]);
    }
    assert_eq!(abc.count().unwrap(), 7);
}
