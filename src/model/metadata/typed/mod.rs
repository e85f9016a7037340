//! Metadata from structs and into structs, with serde.

mod from;
mod to;

use std::any::type_name;
use std::fmt;

use serde::{Deserialize, Serialize, de, ser};

use super::Metadata;
use crate::invalid::InvalidInput;

impl Metadata {
    /// The fields of a struct, or the entries of a map with text keys.
    ///
    /// A field is a boolean, a number, a text, an enum without data (a text), an `Option` of one of those, a `Vec` of
    /// them (no `Option`s), or a [`SparseVector`](super::SparseVector). `None` and an empty list are
    /// [`Null`](super::MetadataValue::Null): the record has no such key afterwards.
    ///
    /// ```
    /// use chroma_blocking::{Metadata, Record};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Debug, PartialEq)]
    /// struct Book {
    ///     title: String,
    ///     year: u16,
    ///     rating: Option<f32>,
    ///     #[serde(default)]
    ///     tags: Vec<String>,
    /// }
    ///
    /// let book = Book { title: "Emma".into(), year: 1815, rating: None, tags: vec![] };
    /// let metadata = Metadata::from_struct(&book)?;
    /// assert_eq!(metadata.get("year").and_then(|year| year.as_int()), Some(1815));
    /// assert_eq!(metadata.to_struct::<Book>()?, book);
    /// let record = Record::new("1").metadatas(metadata);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput::Metadata`] with the key, for what is nested, a number that is not finite, and an integer that
    /// is none of 64 bits with a sign.
    pub fn from_struct<T: Serialize + ?Sized>(from: &T) -> Result<Metadata, InvalidInput> {
        from::metadata(from).map_err(|fault| fault.of::<T>())
    }

    /// A struct from the values of its fields' names, or a map. Keys that the struct does not have are left out.
    ///
    /// A key that is not there is `None` of an `Option`; for other fields there is `#[serde(default)]`. A float field
    /// takes integers, too; an integer field takes no floats.
    ///
    /// # Errors
    /// [`InvalidInput::Metadata`] with the key that is missing, or whose value is of another kind.
    pub fn to_struct<'a, T: Deserialize<'a>>(&'a self) -> Result<T, InvalidInput> {
        to::value(self).map_err(|fault| fault.of::<T>())
    }
}

/// What does not fit, and at which key.
#[derive(Debug)]
struct Fault {
    key: Option<String>,
    why: String,
}

impl Fault {
    fn new(why: impl fmt::Display) -> Fault {
        Fault {
            key: None,
            why: why.to_string(),
        }
    }

    /// The same, at this key.
    fn at(self, key: &str) -> Fault {
        Fault {
            key: Some(self.key.unwrap_or_else(|| key.to_owned())),
            ..self
        }
    }

    fn of<T: ?Sized>(self) -> InvalidInput {
        let path = type_name::<T>();
        let of = match path.split('<').next() {
            Some(plain) if plain == path => path.rsplit("::").next().unwrap_or(path),
            _ => path,
        };
        InvalidInput::Metadata {
            of: of.to_owned(),
            key: self.key.unwrap_or_default(),
            why: self.why,
        }
    }
}

fn enum_with_data() -> Fault {
    Fault::new("metadata holds enums without data only, as texts")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(why: T) -> Fault {
        Fault::new(why)
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(why: T) -> Fault {
        Fault::new(why)
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault::new("there is no such key; the field may be an Option or have #[serde(default)], as empty lists are not stored").at(field)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            terms: SparseVector {
                indices: vec![1, 3],
                values: vec![0.5, 1.0],
            },
            empty: vec![],
            renamed: (1, 2),
            skipped: 0,
            more: BTreeMap::from([("extra".to_owned(), 7)]),
        }
    }

    #[test]
    fn a_struct_comes_back_through_json_too() {
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
    fn maps_and_borrowed_fields() {
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
    fn what_metadata_cannot_hold_is_an_error_with_the_key() {
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
        assert!(refused(i128::MIN).contains("64 bits"));
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
        assert!(error.contains("keys are texts"), "{error}");
        assert_eq!(
            message(Metadata::from_struct(&One { k: f32::NAN }))
                .split("One")
                .next(),
            Some(
                "bad metadata in chroma_blocking::model::metadata::typed::tests::what_metadata_cannot_hold_is_an_error_with_the_key::"
            )
        );
    }

    #[test]
    fn what_does_not_fit_into_the_struct_is_an_error_with_the_key() {
        #[derive(Deserialize, Debug)]
        #[allow(dead_code)]
        struct Small {
            year: u8,
        }
        for (metadata, expected) in [
            (Metadata::new(), "there is no such key"),
            (Metadata::from([("year", 2020)]), "2020"),
            (Metadata::from([("year", 20.0)]), "floating point"),
            (Metadata::from([("year", "20")]), "string"),
            (Metadata::from([("year", ["20"])]), "sequence"),
            (
                Metadata::from([("year", MetadataValue::Null)]),
                "there is no such key",
            ),
        ] {
            let error = message(metadata.to_struct::<Small>());
            let start = "bad metadata in Small, key \"year\": ";
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
}
