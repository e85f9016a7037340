//! Odd characters in ids, documents, metadata keys and values: they are read back unchanged, or refused
//! before a request.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use chroma_blocking::{Error, Include, InvalidInput, Key, Record};
use serde_json::json;

use crate::{Scratch, client, stores_lists, unique_name, version};

fn odd() -> Vec<String> {
    let mut odd: Vec<String> = [
        " ",
        "a b",
        " a ",
        "/",
        "a/../b",
        "%",
        "%2F",
        "?a=b",
        "a#b",
        "&",
        "'",
        "''; drop",
        "\"",
        "\\",
        "\\u0000",
        "\n",
        "\r\n",
        "\t",
        "\0",
        "a\0b",
        "\0b",
        "a\0",
        "\u{1}\u{7f}\u{85}\u{2028}",
        "\u{feff}a",
        "\u{1F980}",
        "\u{10ffff}\u{d7ff}\u{e000}",
        "e\u{301}",
        "\u{e9}",
        "null",
        "[1]",
        "{}",
        "a$and",
        "a.b",
        "A",
        "a",
    ]
    .map(str::to_owned)
    .to_vec();
    odd.push("x".repeat(512));
    odd.push("\u{1F980}".repeat(512));
    odd.push("x".repeat(100_000));
    odd
}

#[test]
fn odd_characters_are_read_back_unchanged() {
    let notes = Scratch::new();
    let records: Vec<Record> = odd()
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let record = Record::new(text)
                .embedding([number as f32, 1.0])
                .document(text)
                .uri(text)
                .metadata(text, text)
                .metadata(format!("also {text}"), 1);
            if stores_lists() {
                record.metadata("list", [text.clone(), "other".to_owned()])
            } else {
                record
            }
        })
        .collect();
    notes.add(&records).unwrap();

    let everything = [
        Include::Documents,
        Include::Metadatas,
        Include::Embeddings,
        Include::Uris,
    ];
    let found = notes.get().include(everything).run().unwrap();
    let mut found: Vec<Record> = found.into_iter().collect();
    let order = |record: &Record| record.embedding.as_ref().unwrap()[0] as usize;
    found.sort_by_key(order);
    assert_eq!(found, records);

    for record in &records {
        let text = &record.id;
        let same = notes.get().ids([text]).include([]).run().unwrap();
        assert_eq!(same.ids, [text.as_str()]);
        let mut filters = vec![
            Key::id().eq(text),
            Key::field(text).eq(text),
            Key::field(text).is_in([text]),
            Key::field(format!("also {text}")).eq(1),
        ];
        if stores_lists() {
            filters.push(Key::field("list").contains(text));
        }
        for filter in filters {
            let found = notes.get().filter(filter).include([]).run().unwrap();
            assert_eq!(found.ids, [text.as_str()]);
        }
        let holds = Key::document().contains(text);
        let found = notes
            .get()
            .filter(holds)
            .include([Include::Documents])
            .run();
        // The text search of a server refuses more than 50,000 bytes, and that of Chroma 1.0.0 refuses NUL.
        match found {
            Ok(found) => {
                let behind_nul = text.starts_with('\0') || text.ends_with('\0');
                assert!(behind_nul || found.ids.contains(text), "{text:?}");
                // Chroma 1.0.0 treats % as a wildcard.
                let exact = found.iter().all(|row| row.document.unwrap().contains(text));
                assert!(exact || !stores_lists(), "{text:?}");
            }
            Err(error) => {
                let no_nul = text.contains('\0') && !stores_lists();
                assert!(text.len() > 50_000 || no_nul, "{error}");
            }
        }
    }

    notes.update(&records).unwrap();
    notes.delete().ids(odd()).run().unwrap();
    assert_eq!(notes.count().unwrap(), 0);
}

#[test]
fn refuses_reserved_metadata_keys() {
    let notes = Scratch::new();
    let record = || Record::new("x").embedding([1.0, 2.0]);
    for (key, expected) in [
        ("", "empty"),
        ("#document", "# or $"),
        ("#", "# or $"),
        ("$and", "# or $"),
        ("$", "# or $"),
        ("chroma:document", "are reserved for the server"),
        ("chroma:uri", "are reserved for the server"),
        ("chroma:", "are reserved for the server"),
    ] {
        match notes.upsert([record().metadata(key, "v")]) {
            Err(Error::Invalid {
                call,
                reason: InvalidInput::Metadata { key: k, why, .. },
                ..
            }) => {
                assert_eq!((call.attempts, k.as_str()), (0, key));
                assert!(why.contains(expected), "{why}");
            }
            other => panic!("{key}: {other:?}"),
        }
    }
    let empty = notes.upsert([record().metadata("k", Vec::<i64>::new())]);
    assert!(matches!(empty, Err(Error::Invalid { .. })));
    let empty = notes.upsert([Record::new("").embedding([1.0, 2.0])]);
    assert!(matches!(empty, Err(Error::Invalid { .. })));
    assert_eq!(notes.count().unwrap(), 0);
}

/// Returns the status of a request to create a collection, which the client would refuse.
fn status_of_creation(name: &str) -> u16 {
    let body = json!({ "name": name, "get_or_create": true }).to_string();
    let host = client().url().strip_prefix("http://").unwrap();
    let (tenant, database) = (client().tenant(), client().database());
    let mut connection = TcpStream::connect(host).unwrap();
    let request = format!(
        "POST /api/v2/tenants/{tenant}/databases/{database}/collections HTTP/1.1\r\nhost: {host}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Names of collections at the edges of the rule.
const NAMES: [&str; 35] = [
    "abc",
    "ABC",
    "a.b",
    "a-.b",
    "a._b",
    "a--b",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "127.1",
    "0x7f.0.0.1",
    "1.2.3.4a",
    "a..b",
    "a...b",
    "...",
    "192.168.1.1",
    "0.0.0.0",
    "255.255.255.255",
    "ab",
    "",
    "-abc",
    "abc-",
    ".abc",
    "abc.",
    "_ab",
    "a b",
    "a/b",
    "a%2Fb",
    "a:b",
    "::1",
    "abc\n",
    " abc",
    "na\u{ef}ve",
    "abc\0",
];

#[test]
fn field_13_the_client_refuses_the_collection_names_that_the_server_refuses() {
    // Chroma 1.0.0 accepts at most 63 characters.
    let longest = if version() == "1.0.0" { 63 } else { 512 };
    let mut all: Vec<String> = NAMES.map(str::to_owned).to_vec();
    all.extend(["x".repeat(longest), "x".repeat(513)]);
    for name in all {
        let is_accepted = status_of_creation(&name) == 200;
        let found = client().collection(&name).get();
        let is_refused = matches!(
            &found,
            Err(Error::Invalid { call, reason: InvalidInput::Name { .. }, .. }) if call.attempts == 0
        );
        assert_eq!(is_refused, !is_accepted, "{name:?}: {found:?}");
        if is_accepted {
            client().delete_collection(&name).unwrap();
        }
    }
    let made = Scratch(client().collection(unique_name()).create().unwrap());
    for (name, why) in [
        ("a..b", "it has two periods in a row; "),
        ("192.168.1.1", "it is an IPv4 address; "),
    ] {
        let rule = "has no two periods in a row, and is not an IPv4 address";
        for error in [
            client().collection(name).create().unwrap_err(),
            client().collection(name).get_or_create().unwrap_err(),
            client().delete_collection(name).unwrap_err(),
            client().create_database(name).unwrap_err(),
            made.modify().name(name).run().unwrap_err(),
            made.fork(name).unwrap_err(),
        ] {
            assert_eq!(error.call().unwrap().attempts, 0, "{error}");
            let shown = error.to_string();
            assert!(shown.contains(why) && shown.ends_with(rule), "{shown}");
        }
    }
}
