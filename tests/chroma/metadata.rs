//! Metadata: types of values, removed keys, structs.

use chroma_blocking::{Error, InvalidInput, Metadata, MetadataValue, Record, record::SparseVector};
use serde::{Deserialize, Serialize};

use crate::{Scratch, client, stores_lists, unique_name};

fn stored(notes: &Scratch, id: &str) -> Metadata {
    let found = notes.get().ids([id]).run().unwrap();
    found.into_iter().next().unwrap().metadata
}

fn point(id: &str) -> Record {
    Record::new(id).embedding([1.0, 2.0])
}

#[test]
fn a_null_removes_a_key() {
    let notes = Scratch::new();
    let full = || point("1").metadata("a", 1).metadata("b", "x");
    notes.add([full()]).unwrap();
    notes
        .update([Record::new("1").remove_metadata("a")])
        .unwrap();
    assert_eq!(stored(&notes, "1"), Metadata::from([("b", "x")]));

    notes
        .upsert([full().metadata("b", None::<i64>).metadata("c", true)])
        .unwrap();
    assert_eq!(
        stored(&notes, "1"),
        Metadata::from([("a", 1)]).with("c", true)
    );

    // Keys that are not named stay, also in an upsert.
    notes.upsert([point("1").metadata("d", 0.5)]).unwrap();
    assert_eq!(stored(&notes, "1").len(), 3);

    // A new record has no key to remove.
    let nulls = || point("2").remove_metadata("a");
    notes.add([nulls(), full().remove_metadata("x")]).unwrap();
    notes.upsert([point("3").remove_metadata("a")]).unwrap();
    notes
        .add([point("4").metadata("b", "x").remove_metadata("a")])
        .unwrap();
    assert_eq!(stored(&notes, "2"), Metadata::new());
    assert_eq!(stored(&notes, "3"), Metadata::new());
    assert_eq!(stored(&notes, "4"), Metadata::from([("b", "x")]));
}

#[test]
fn lists_and_values_replace_each_other() {
    if !stores_lists() {
        return;
    }
    let notes = Scratch::new();
    notes
        .add([point("1").metadata("k", ["b", "a", "b"])])
        .unwrap();
    for value in [
        MetadataValue::from(5),
        vec![3_i64, 1, 3].into(),
        vec![2.0, 1.0].into(),
        vec![1.0].into(),
        vec![true, false].into(),
        "text".into(),
        MetadataValue::Null,
    ] {
        notes
            .update([Record::new("1").metadata("k", value.clone())])
            .unwrap();
        let expected = Some(value).filter(|value| !value.is_null());
        assert_eq!(stored(&notes, "1").get("k"), expected.as_ref());
    }
}

#[test]
fn numbers_keep_their_type() {
    let notes = Scratch::new();
    let values: Vec<MetadataValue> = vec![
        2.into(),
        2.0.into(),
        i64::MIN.into(),
        i64::MAX.into(),
        0.1.into(),
        1e300.into(),
        5e-324.into(),
        1_700_000_000.123_456_f64.into(),
    ];
    for (number, value) in values.into_iter().enumerate() {
        let id = number.to_string();
        notes
            .upsert([point(&id).metadata("k", value.clone())])
            .unwrap();
        assert_eq!(stored(&notes, &id).get("k"), Some(&value));
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Language {
    English,
    French,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Book {
    title: String,
    year: u16,
    score: f32,
    price: f64,
    open: bool,
    language: Language,
    translated: Option<Language>,
    pages: Option<i64>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    editions: Vec<u16>,
    #[serde(default)]
    grades: Vec<f64>,
}

#[test]
fn structs_are_read_back() {
    let notes = Scratch::new();
    let lists = stores_lists();
    let first = Book {
        title: "Emma \u{1F980}".into(),
        year: 1815,
        score: 0.1,
        price: 2.0,
        open: true,
        language: Language::English,
        translated: Some(Language::French),
        pages: Some(1 << 60),
        tags: if lists {
            vec!["novel".into(), "novel".into()]
        } else {
            vec![]
        },
        editions: if lists { vec![2, 1] } else { vec![] },
        grades: if lists { vec![1.0, 2.5] } else { vec![] },
    };
    let second = Book {
        translated: None,
        pages: None,
        tags: vec![],
        editions: vec![],
        ..first.clone()
    };
    // The second record removes a key that it does not have.
    for book in [&first, &second, &first] {
        let metadata = Metadata::from_struct(book).unwrap();
        notes.upsert([point("1").metadatas(metadata)]).unwrap();
        assert_eq!(&stored(&notes, "1").to_struct::<Book>().unwrap(), book);
    }
    let missing = stored(&notes, "1").to_struct::<std::collections::BTreeMap<String, bool>>();
    assert!(missing.unwrap_err().to_string().contains("key \""));
}

#[test]
fn values_that_a_single_node_server_cannot_store_are_refused() {
    let notes = Scratch::new();
    let sparse = SparseVector::new([1, 5], [0.5, 1.0]);
    let error = notes.add([point("1").metadata("k", sparse.clone())]);
    // Older servers do not support it.
    let unsupported = matches!(error, Err(Error::Unsupported { .. }));
    assert!(
        unsupported || !stores_lists() && error.is_err(),
        "{error:?}"
    );
    assert_eq!(notes.count().unwrap(), 0);

    // These would break the connection.
    for value in [MetadataValue::from(sparse), vec![1_i64].into()] {
        let made = client()
            .collection(unique_name())
            .metadata("k", value)
            .create();
        assert!(matches!(
            made,
            Err(Error::Invalid {
                reason: InvalidInput::Metadata { .. },
                ..
            })
        ));
    }
}
