//! Bad input gives a specific error, and the client writes nothing.

use chroma_blocking::{
    Collection, Hashing, InvalidInput, Key, Metadata, Record,
    record::{Columns, Vectors},
};

use crate::{Scratch, client, reason};

fn point(id: &str) -> Record {
    Record::new(id).embedding([1.0, 2.0])
}

/// A collection with one record of two floats.
fn points() -> Scratch {
    let points = Scratch::new();
    points.upsert([point("there")]).unwrap();
    points
}

#[test]
fn records_that_cannot_be_stored_are_refused() {
    type Case = (Record, fn(&InvalidInput) -> bool);
    let points = points();
    let refused: Vec<Case> = vec![
        (point(""), |r| {
            matches!(r, InvalidInput::EmptyId { index: 1, .. })
        }),
        (
            Record::new("x").embedding([1.0]),
            |r| matches!(r, InvalidInput::Dimension { expected: 2, found: 1, of, .. } if of.contains("\"x\"")),
        ),
        (Record::new("x").embedding([]), |r| {
            matches!(r, InvalidInput::Dimension { .. })
        }),
        (Record::new("x").embedding([1.0, f32::NAN]), |r| {
            matches!(r, InvalidInput::NotFinite { .. })
        }),
        (Record::new("x").embedding([f32::INFINITY, 1.0]), |r| {
            matches!(r, InvalidInput::NotFinite { .. })
        }),
        (point("x").metadata("k", f64::NAN), |r| {
            matches!(r, InvalidInput::NotFinite { .. })
        }),
        (point("x").metadata("", 1), |r| {
            matches!(r, InvalidInput::Metadata { .. })
        }),
        (
            Record::new("x"),
            |r| matches!(r, InvalidInput::NothingToEmbed { id, .. } if id == "x"),
        ),
        (Record::new("x").document("text"), |r| {
            matches!(r, InvalidInput::NoEmbeddingFunction { .. })
        }),
    ];
    for (record, expected) in refused {
        for write in [Collection::add, Collection::upsert] {
            let reason = reason(write(&points, [point("fine"), record.clone()]));
            assert!(expected(&reason), "{reason}");
        }
    }
    assert_eq!(points.count().unwrap(), 1);
}

#[test]
fn refuses_duplicate_ids_and_lists_them() {
    let points = points();
    let twice = ["a", "b", "c", "b", "a"].map(point);
    for write in [Collection::add, Collection::upsert, Collection::update] {
        let reason = reason(write(&points, twice.clone()));
        let InvalidInput::DuplicateIds { ids, .. } = reason else {
            panic!("{reason}");
        };
        assert_eq!(ids, ["a", "b"]);
    }
    assert_eq!(points.count().unwrap(), 1);
}

#[test]
fn refuses_columns_of_different_lengths() {
    let points = points();
    let ids = ["a", "b"];
    let (one, three) = ([[1.0, 2.0]], [[1.0, 2.0]; 3]);
    let metadata = [Metadata::new()];
    let whole = || Columns::new(&ids).embeddings(Vectors::flat(&[1.0, 2.0, 3.0, 4.0], 2));
    for (columns, column) in [
        (Columns::new(&ids).embeddings(&one), "embeddings"),
        (Columns::new(&ids).embeddings(&three), "embeddings"),
        (whole().documents(&["x"]), "documents"),
        (whole().metadatas(&metadata), "metadatas"),
        (whole().uris(&["x"; 3]), "uris"),
    ] {
        let reason = reason(points.upsert(columns));
        assert!(
            matches!(reason, InvalidInput::LengthMismatch { column: c, ids: 2, .. } if c == column),
            "{reason}"
        );
    }
    let broken = Columns::new(&ids).embeddings(Vectors::flat(&[1.0, 2.0, 3.0], 2));
    assert!(matches!(
        reason(points.upsert(broken)),
        InvalidInput::Dimension { .. }
    ));
    assert_eq!(points.count().unwrap(), 1);
}

#[test]
fn invalid_queries_are_refused() {
    let points = points();
    assert!(matches!(
        reason(points.query([1.0]).run()),
        InvalidInput::Dimension {
            expected: 2,
            found: 1,
            ..
        }
    ));
    assert!(matches!(
        reason(points.query([1.0, f32::NAN]).run()),
        InvalidInput::NotFinite { .. }
    ));
    let uneven = vec![vec![1.0, 2.0], vec![1.0]];
    assert!(matches!(
        reason(points.query_many(uneven).run()),
        InvalidInput::Dimension { .. }
    ));
    assert!(matches!(
        reason(points.query("text").run()),
        InvalidInput::NoEmbeddingFunction { .. }
    ));
    let filter = Key::field("year").gt("2020");
    assert!(matches!(
        reason(points.query([1.0, 2.0]).filter(filter).run()),
        InvalidInput::Filter { .. }
    ));
}

#[test]
fn refuses_an_embedding_function_with_a_different_dimension() {
    let points = points();
    let texts = client()
        .collection(points.name())
        .embedding_function(Hashing::default())
        .get();
    let texts = texts.unwrap();
    let record = Record::new("x").document("text");
    for reason in [
        reason(texts.upsert([record])),
        reason(texts.query("text").run()),
    ] {
        assert!(
            matches!(
                reason,
                InvalidInput::Dimension {
                    expected: 2,
                    found: 768,
                    ..
                }
            ),
            "{reason}"
        );
    }
}

#[test]
fn invalid_collection_names_are_refused() {
    for name in [
        "",
        "ab",
        "a b c",
        "-abc",
        "abc_",
        "a/../b",
        "naïve",
        &"x".repeat(513),
    ] {
        for result in [
            client().collection(name).create(),
            client().collection(name).get_or_create(),
            client().collection(name).get(),
        ] {
            assert!(matches!(reason(result), InvalidInput::Name { name: n, .. } if n == name));
        }
        let reason = reason(client().delete_collection(name));
        assert!(matches!(reason, InvalidInput::Name { .. }));
    }
    let bad = client()
        .collection("fine-name")
        .metadata("k", f64::NAN)
        .create();
    assert!(matches!(reason(bad), InvalidInput::NotFinite { .. }));
}

#[test]
fn refuses_a_delete_without_ids_and_filter() {
    let points = points();
    assert!(matches!(
        reason(points.delete().run()),
        InvalidInput::NothingSelected(_)
    ));
    let filter = Key::document().eq("text");
    assert!(matches!(
        reason(points.delete().filter(filter).run()),
        InvalidInput::Filter { .. }
    ));
    assert_eq!(points.count().unwrap(), 1);
}

#[test]
fn messages_name_operation_collection_and_value() {
    let points = points();
    let error = points.upsert([point("twin"), point("twin")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "upsert {:?}: duplicate ids in one call: \"twin\"; keep one record for each id",
            points.name()
        )
    );
}
