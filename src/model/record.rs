//! [`Record`] and [`RecordRef`]: one record, owned or borrowed. [`AsRecord`]: other types that can be written
//! as one.

use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::metadata::{Metadata, MetadataValue, NO_METADATA};

/// One record: an id with its document, metadata, URI and vector.
///
/// ```
/// use chroma_blocking::Record;
///
/// let record = Record::new("1")
///     .document("Rust has no garbage collector")
///     .metadata("year", 2015);
/// assert_eq!(record.id, "1");
/// ```
///
/// # Serde
/// As JSON, a record is a line of an [export](crate::Collection::export), which
/// [`JsonLines`](crate::ingest::JsonLines) reads by default: `id`, `document`, `uri`, `metadata` and
/// `embedding`. Absent fields are left out. When a record is read, all fields but the id may be missing or
/// `null`.
///
/// ```
/// use chroma_blocking::Record;
///
/// let record = Record::new("1").document("x").metadata("year", 2015);
/// let json = serde_json::to_string(&record)?;
/// assert_eq!(
///     json,
///     r#"{"id":"1","document":"x","metadata":{"year":2015}}"#
/// );
/// assert_eq!(serde_json::from_str::<Record>(&json)?, record);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The id. It must be unique in its collection and must not be empty.
    pub id: String,
    /// The document: the text of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The address of the resource that the record describes, such as an image's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Named values to filter by. Empty if the record has none.
    #[serde(
        default,
        skip_serializing_if = "Metadata::is_empty",
        deserialize_with = "metadata_or_null"
    )]
    pub metadata: Metadata,
    /// The vector. If it is `None`, a write embeds the document with the collection's embedding function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Vec<f32>>,
}

/// Reads `null` as empty metadata.
pub(crate) fn metadata_or_null<'de, D>(deserializer: D) -> Result<Metadata, D::Error>
where
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Record {
    /// Creates a record that has only an id.
    pub fn new(id: impl Into<String>) -> Record {
        Record {
            id: id.into(),
            ..Record::default()
        }
    }

    /// Sets the document.
    #[must_use]
    pub fn document(mut self, text: impl Into<String>) -> Record {
        self.document = Some(text.into());
        self
    }

    /// Sets the vector.
    #[must_use]
    pub fn embedding(mut self, vector: impl Into<Vec<f32>>) -> Record {
        self.embedding = Some(vector.into());
        self
    }

    /// Adds a metadata value, and replaces the value that the key had.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<MetadataValue>) -> Record {
        self.metadata.insert(key, value);
        self
    }

    /// Adds metadata values from [`Metadata`], a map, or an array or iterator of pairs. Maps can be passed by
    /// value or by reference.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use chroma_blocking::Record;
    ///
    /// let lines = ("lines".to_owned(), 9);
    /// let counts = HashMap::from([("words".to_owned(), 120), lines]);
    /// let record = Record::new("1")
    ///     .metadatas(&counts)
    ///     .metadatas([("lang", "en"), ("topic", "rust")]);
    /// assert_eq!(record.metadata.len(), 4);
    /// ```
    #[must_use]
    pub fn metadatas<K: Into<String>, V: Into<MetadataValue>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Record {
        self.metadata.extend(pairs);
        self
    }

    /// Sets a metadata key to [`MetadataValue::Null`]: an [`update`](crate::Collection::update) or
    /// [`upsert`](crate::Collection::upsert) removes the key from the stored record. Keys that a write does
    /// not name stay unchanged.
    ///
    /// ```
    /// use chroma_blocking::{MetadataValue, Record};
    ///
    /// let record = Record::new("1").metadata("read", true).remove_metadata("due");
    /// assert_eq!(record.metadata.get("due"), Some(&MetadataValue::Null));
    /// ```
    #[must_use]
    pub fn remove_metadata(self, key: impl Into<String>) -> Record {
        self.metadata(key, MetadataValue::Null)
    }

    /// Sets the URI: the address of the resource that the record describes.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Record {
        self.uri = Some(uri.into());
        self
    }
}

/// Clones the borrowed parts.
impl From<RecordRef<'_>> for Record {
    fn from(record: RecordRef<'_>) -> Record {
        Record {
            id: record.id.to_owned(),
            document: record.document.map(str::to_owned),
            uri: record.uri.map(str::to_owned),
            metadata: record.metadata.clone(),
            embedding: record.embedding.map(<[f32]>::to_vec),
        }
    }
}

/// One record, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RecordRef<'a> {
    /// The id.
    pub id: &'a str,
    /// The document.
    pub document: Option<&'a str>,
    /// The address of the resource that the record describes.
    pub uri: Option<&'a str>,
    /// The metadata. Empty if the record has none, or if it was not requested.
    pub metadata: &'a Metadata,
    /// The vector.
    pub embedding: Option<&'a [f32]>,
}

impl<'a> RecordRef<'a> {
    /// Creates a record that has only an id.
    pub fn new(id: &'a str) -> RecordRef<'a> {
        RecordRef {
            id,
            document: None,
            uri: None,
            metadata: &NO_METADATA,
            embedding: None,
        }
    }

    /// Sets the document.
    #[must_use]
    pub fn document(mut self, text: &'a str) -> RecordRef<'a> {
        self.document = Some(text);
        self
    }

    /// Sets the vector.
    #[must_use]
    pub fn embedding(mut self, vector: &'a [f32]) -> RecordRef<'a> {
        self.embedding = Some(vector);
        self
    }

    /// Sets the metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: &'a Metadata) -> RecordRef<'a> {
        self.metadata = metadata;
        self
    }

    /// Sets the URI: the address of the resource that the record describes.
    #[must_use]
    pub fn uri(mut self, uri: &'a str) -> RecordRef<'a> {
        self.uri = Some(uri);
        self
    }
}

/// A type that can be written as a record without copying: [`Record`], [`RecordRef`], references and smart
/// pointers to them, and types of your own.
///
/// ```
/// use chroma_blocking::record::{AsRecord, RecordRef};
///
/// struct Page {
///     url: String,
///     text: String,
///     vector: Vec<f32>,
/// }
///
/// impl AsRecord for Page {
///     fn as_record(&self) -> RecordRef<'_> {
///         RecordRef::new(&self.url)
///             .document(&self.text)
///             .embedding(&self.vector)
///     }
/// }
///
/// # fn write(pages: Vec<Page>) -> chroma_blocking::Result<()> {
/// # let notes = chroma_blocking::Client::from_env()?.collection("notes").get()?;
/// notes.upsert(&pages)?;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record",
    note = "pass a `Record` or another type that implements `AsRecord`",
    note = "to write an iterator of `Result`s, collect it into a `Result<Vec<_>, _>` first, or use `Collection::ingest`"
)]
pub trait AsRecord {
    /// Returns the record, borrowed from `self`.
    fn as_record(&self) -> RecordRef<'_>;
}

impl AsRecord for Record {
    fn as_record(&self) -> RecordRef<'_> {
        RecordRef {
            id: &self.id,
            document: self.document.as_deref(),
            uri: self.uri.as_deref(),
            metadata: &self.metadata,
            embedding: self.embedding.as_deref(),
        }
    }
}

impl AsRecord for RecordRef<'_> {
    fn as_record(&self) -> RecordRef<'_> {
        *self
    }
}

macro_rules! as_record_by_pointer {
    ($($pointer:ty),+) => {$(
        impl<R: AsRecord + ?Sized> AsRecord for $pointer {
            fn as_record(&self) -> RecordRef<'_> {
                (**self).as_record()
            }
        }
    )+};
}
as_record_by_pointer!(&R, &mut R, Box<R>, Rc<R>, Arc<R>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::records::{IntoRecords, Records};

    fn full() -> Record {
        Record::new("1")
            .embedding([1.0])
            .document("x")
            .metadata("k", 1)
            .uri("u")
    }

    #[test]
    fn every_form_of_records_gives_the_same_record() {
        fn first(records: impl IntoRecords) -> String {
            let records = records.into_records();
            format!("{} {:?}", records.len(), records.record(0))
        }

        let record = full();
        let borrowed = RecordRef::new("1")
            .document("x")
            .embedding(&[1.0])
            .metadata(&record.metadata)
            .uri("u");
        assert_eq!(record.as_record(), borrowed);
        assert_eq!(Record::from(borrowed), record);
        let empty = Metadata::new();
        let bare = RecordRef::new("2").metadata(&empty);
        assert_eq!(bare, Record::new("2").as_record());

        let expected = format!("1 {borrowed:?}");
        assert_eq!(first(borrowed), expected);
        assert_eq!(first([borrowed]), expected);
        assert_eq!(first([&borrowed]), expected);
        assert_eq!(first(record.clone()), expected);
        assert_eq!(first([&record]), expected);
        assert_eq!(first(vec![Arc::new(record.clone())]), expected);
        assert_eq!(first([Box::new(record) as Box<dyn AsRecord>]), expected);
    }

    #[test]
    fn json_leaves_out_absent_fields_and_is_read_back() {
        for (record, json) in [
            (Record::new("1"), r#"{"id":"1"}"#),
            (
                full(),
                r#"{"id":"1","document":"x","uri":"u","metadata":{"k":1},"embedding":[1.0]}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
            assert_eq!(serde_json::from_str::<Record>(json).unwrap(), record);
        }
        let nulls =
            r#"{"id":"1","document":null,"uri":null,"metadata":null,"embedding":null,"new":1}"#;
        let read: Record = serde_json::from_str(nulls).unwrap();
        assert_eq!(read, Record::new("1"));
        assert!(serde_json::from_str::<Record>("{}").is_err());
    }
}
