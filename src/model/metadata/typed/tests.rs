//! Round trips between structs and metadata, and the errors on the way.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::*;
use crate::model::metadata::{MetadataValue, SparseVector};

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
#[serde(rename_all = "lowercase")]
enum Language {
    English,
    French,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Pages(u32);

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Book {
    open: bool,
    small: i8,
    large: u64,
    wide: i128,
    single: f32,
    double: f64,
    initial: char,
    title: String,
    language: Language,
    pages: Pages,
    some: Option<i64>,
    none: Option<String>,
    flags: Vec<bool>,
    numbers: Vec<u16>,
    floats: [f32; 2],
    tags: Vec<String>,
    languages: Vec<Language>,
    terms: SparseVector,
    #[serde(default)]
    empty: Vec<i64>,
    #[serde(rename = "with space")]
    renamed: (i64, i64),
    #[serde(skip)]
    skipped: i32,
    #[serde(flatten)]
    more: BTreeMap<String, i64>,
}

fn book() -> Book {
    Book {
        open: true,
        small: -1,
        large: i64::MAX as u64,
        wide: i64::MIN.into(),
        single: 0.1,
        double: 2.0,
        initial: 'é',
        title: "Emma".into(),
        language: Language::English,
        pages: Pages(12),
        some: Some(3),
        none: None,
        flags: vec![true, false],
        numbers: vec![1, 2],
        floats: [1.0, 2.5],
        tags: vec!["a".into()],
        languages: vec![Language::French],
        terms: SparseVector::new([1, 3], [0.5, 1.0]),
        empty: vec![],
        renamed: (1, 2),
        skipped: 0,
        more: BTreeMap::from([("extra".to_owned(), 7)]),
    }
}

#[test]
fn a_struct_survives_the_way_through_metadata_and_json() {
    let metadata = Metadata::from_struct(&book()).unwrap();
    assert_eq!(metadata.get("none"), Some(&MetadataValue::Null));
    assert_eq!(metadata.get("empty"), Some(&MetadataValue::Null));
    assert_eq!(metadata.get("language"), Some(&"english".into()));
    assert_eq!(metadata.get("extra"), Some(&7.into()));
    assert_eq!(metadata.to_struct::<Book>().unwrap(), book());

    let json = serde_json::to_string(&metadata).unwrap();
    let read: Metadata = serde_json::from_str(&json).unwrap();
    assert_eq!(read.get("none"), None);
    assert_eq!(read.to_struct::<Book>().unwrap(), book());
}

#[test]
fn maps_and_structs_with_borrowed_fields_are_converted() {
    let map = BTreeMap::from([("a", 1.5), ("b", 2.0)]);
    let metadata = Metadata::from_struct(&map).unwrap();
    assert_eq!(metadata, map.clone().into_iter().collect::<Metadata>());
    assert_eq!(metadata.to_struct::<BTreeMap<&str, f64>>().unwrap(), map);

    #[derive(Deserialize, Debug, PartialEq)]
    struct Title<'a> {
        title: &'a str,
        score: f64,
    }
    let metadata = Metadata::from([("title", "x")])
        .with("score", 4)
        .with("other", 1);
    assert_eq!(
        metadata.to_struct::<Title<'_>>().unwrap(),
        Title {
            title: "x",
            score: 4.0
        }
    );
}

fn message<T: fmt::Debug>(result: Result<T, InvalidInput>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_value_that_metadata_cannot_hold_is_an_error_with_the_key() {
    #[derive(Serialize)]
    struct One<T> {
        k: T,
    }
    #[derive(Serialize)]
    struct Point {
        x: i32,
    }
    #[derive(Serialize)]
    enum Data {
        New(i32),
        Struct { x: i32 },
    }
    fn refused<T: Serialize>(k: T) -> String {
        let message = message(Metadata::from_struct(&One { k }));
        assert!(message.contains(r#"key "k""#), "{message}");
        message
    }
    assert!(refused(Point { x: 1 }).contains("nested"));
    assert!(refused(BTreeMap::from([("a", 1)])).contains("nested"));
    assert!(refused(vec![vec![1]]).contains("list"));
    assert!(refused(vec![Point { x: 1 }]).contains("list"));
    assert!(refused(vec![Some(1), None]).contains("list"));
    assert!(refused(("a", 1)).contains("one kind"));
    assert!(refused(u64::MAX).contains("18446744073709551615"));
    assert!(refused(i128::MIN).contains("64-bit"));
    assert!(refused(f64::NAN).contains("NaN"));
    assert!(refused(vec![1.0, f32::INFINITY]).contains("inf"));
    assert!(refused(Data::New(1)).contains("enum"));
    assert!(refused(Data::Struct { x: 1 }).contains("enum"));

    for error in [
        message(Metadata::from_struct(&1)),
        message(Metadata::from_struct(&[1])),
        message(Metadata::from_struct(&Some("a"))),
    ] {
        assert!(error.contains("a struct or a map"), "{error}");
    }
    let error = message(Metadata::from_struct(&BTreeMap::from([(1, 2)])));
    assert!(error.contains("must be text"), "{error}");
    assert_eq!(
        message(Metadata::from_struct(&One { k: f32::NAN }))
            .split("One")
            .next(),
        Some(
            "invalid metadata in chroma_blocking::model::metadata::typed::tests::a_value_that_metadata_cannot_hold_is_an_error_with_the_key::"
        )
    );
}

#[test]
fn a_value_that_does_not_fit_the_struct_is_an_error_with_the_key() {
    #[derive(Deserialize, Debug)]
    #[allow(dead_code)]
    struct Small {
        year: u8,
    }
    for (metadata, expected) in [
        (Metadata::new(), "the key is missing"),
        (Metadata::from([("year", 2020)]), "2020"),
        (Metadata::from([("year", 20.0)]), "floating point"),
        (Metadata::from([("year", "20")]), "string"),
        (Metadata::from([("year", ["20"])]), "sequence"),
        (
            Metadata::from([("year", MetadataValue::Null)]),
            "the key is missing",
        ),
    ] {
        let error = message(metadata.to_struct::<Small>());
        let start = "invalid metadata in Small, key \"year\": ";
        assert!(
            error.starts_with(start) && error.contains(expected),
            "{error}"
        );
    }
    let unknown = Metadata::from([("k", "german")]);
    let error = message(unknown.to_struct::<BTreeMap<String, Language>>());
    assert!(
        error.contains("german") && error.contains("english"),
        "{error}"
    );
}
