//! Operations that a single-node server lacks are [`Error::Unsupported`]. The client does not send requests
//! that an old server would misinterpret.

use chroma_blocking::{Error, Key, Record, search::ReadLevel};

use crate::{Scratch, client, version};

/// Asserts that the operation is not supported.
fn unsupported<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Unsupported { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn operations_of_distributed_servers_are_unsupported() {
    let notes = Scratch::new();
    unsupported(notes.fork("forked"));
    unsupported(notes.fork_count());
    unsupported(notes.indexing_status());
    unsupported(notes.attach_function("n", "record_counter", "counts").run());
    unsupported(notes.detach_function("n").run());
    unsupported(notes.add_function_input("n", &notes));
    unsupported(notes.transaction().get_ids(["a"], []));
    let absent = notes.get_attached_function("n").unwrap_err();
    assert!(
        matches!(absent, Error::Unsupported { .. } | Error::NotFound { .. }),
        "{absent}"
    );
    let reset = client().reset().unwrap_err();
    assert!(
        matches!(reset, Error::Unauthorized { status: 403, .. }),
        "{reset}"
    );
    client().healthcheck().unwrap();
    assert_eq!(notes.count_at(ReadLevel::IndexOnly).unwrap(), 0);
}

#[test]
fn opens_by_id_and_by_crn() {
    let notes = Scratch::new();
    match client().collection_by_id(notes.id()).get() {
        Ok(opened) => assert_eq!(opened.name(), notes.name()),
        Err(error) => assert!(
            matches!(error, Error::Unsupported { .. }) && version() != "1.5.9",
            "{error}"
        ),
    }
    let crn = format!(
        "{}:{}:{}",
        client().tenant(),
        client().database(),
        notes.name()
    );
    unsupported(client().collection_by_crn(crn).get());
    let nobody = client()
        .collection_by_id("29429579-64b8-4168-8e68-2a196b8324da")
        .get();
    assert!(
        matches!(
            nobody,
            Err(Error::NotFound { .. } | Error::Unsupported { .. })
        ),
        "{nobody:?}"
    );
}

#[test]
fn lists_in_metadata_are_stored_or_unsupported() {
    let notes = Scratch::new();
    let listed = Record::new("a")
        .embedding([1.0])
        .metadata("tags", ["x", "y"]);
    let plain = Record::new("b")
        .embedding([1.0])
        .document("x is in the text")
        .metadata("tags", "z");
    notes.upsert([plain]).unwrap();
    let written = notes.upsert([listed]);
    let found = notes.get().filter(Key::field("tags").contains("x")).run();
    if version() == "1.5.9" {
        written.unwrap();
        assert_eq!(found.unwrap().ids, ["a"]);
    } else {
        unsupported(written);
        unsupported(found);
        unsupported(
            notes
                .delete()
                .filter(Key::field("tags").contains("x"))
                .run(),
        );
        assert_eq!(notes.count().unwrap(), 1);
    }
}

#[test]
fn a_delete_with_a_limit_is_limited_or_refused() {
    let notes = Scratch::new();
    let point = |n: u8| Record::new(n.to_string()).embedding([1.0]).metadata("n", n);
    notes.upsert((0..5).map(point)).unwrap();
    let deleted = notes.delete().filter(Key::field("n").gte(0)).limit(2).run();
    if version() == "1.5.9" {
        assert_eq!(deleted.unwrap(), Some(2));
        assert_eq!(notes.count().unwrap(), 3);
        assert_eq!(
            notes.delete().filter(Key::field("n").gte(0)).run().unwrap(),
            Some(3)
        );
    } else {
        unsupported(deleted);
        assert_eq!(notes.count().unwrap(), 5);
    }
    let alone = notes.delete().ids(["1"]).limit(1).run().unwrap_err();
    assert!(matches!(alone, Error::Invalid { .. }), "{alone}");
}
