//! Odd characters in ids, documents, metadata keys and values: they are read back unchanged, or refused
//! before a request.

use chroma_blocking::{Error, Include, InvalidInput, Key, Record};

use crate::{Scratch, stores_lists};

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
