//! [`Record`] and [`RecordRef`]: one record, owned or borrowed, and [`AsRecord`]: what else can be written as one.

use std::rc::Rc;
use std::sync::Arc;

use super::metadata::{Metadata, MetadataValue, NO_METADATA};

/// One record: an id, and what belongs to it.
///
/// ```
/// use chroma_blocking::Record;
///
/// let record = Record::new("1")
///     .document("Rust has no garbage collector")
///     .metadata("year", 2015);
/// assert_eq!(record.id, "1");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The id, unique in its collection and not empty.
    pub id: String,
    /// The text.
    pub document: Option<String>,
    /// The vector; where there is none, the collection's embedding function makes it from the document.
    pub embedding: Option<Vec<f32>>,
    /// Named values to filter by.
    pub metadata: Metadata,
    /// Where the thing itself is, such as an image's address.
    pub uri: Option<String>,
}

impl Record {
    /// A record with nothing but its id.
    pub fn new(id: impl Into<String>) -> Record {
        Record {
            id: id.into(),
            ..Record::default()
        }
    }

    /// With a text.
    #[must_use]
    pub fn document(mut self, text: impl Into<String>) -> Record {
        self.document = Some(text.into());
        self
    }

    /// With a vector.
    #[must_use]
    pub fn embedding(mut self, vector: impl Into<Vec<f32>>) -> Record {
        self.embedding = Some(vector.into());
        self
    }

    /// With one more metadata value.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<MetadataValue>) -> Record {
        self.metadata.insert(key, value);
        self
    }

    /// With several more metadata values.
    #[must_use]
    pub fn metadatas<K: Into<String>, V: Into<MetadataValue>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Record {
        self.metadata.extend(pairs);
        self
    }

    /// Without a metadata key: an [`update`](crate::Collection::update) or an [`upsert`](crate::Collection::upsert)
    /// takes it away from the record, where a key that is not named at all stays as it is.
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

    /// With an address of the thing itself.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Record {
        self.uri = Some(uri.into());
        self
    }
}

/// One record, borrowed from whoever holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RecordRef<'a> {
    /// The id.
    pub id: &'a str,
    /// The text.
    pub document: Option<&'a str>,
    /// The vector.
    pub embedding: Option<&'a [f32]>,
    /// The metadata. Empty if the record has none, or if it was not asked for.
    pub metadata: &'a Metadata,
    /// Where the thing itself is.
    pub uri: Option<&'a str>,
}

impl<'a> RecordRef<'a> {
    /// A row with nothing but its id.
    pub fn new(id: &'a str) -> RecordRef<'a> {
        RecordRef {
            id,
            document: None,
            embedding: None,
            metadata: &NO_METADATA,
            uri: None,
        }
    }

    /// With a text.
    #[must_use]
    pub fn document(mut self, text: &'a str) -> RecordRef<'a> {
        self.document = Some(text);
        self
    }

    /// With a vector.
    #[must_use]
    pub fn embedding(mut self, vector: &'a [f32]) -> RecordRef<'a> {
        self.embedding = Some(vector);
        self
    }

    /// With named values.
    #[must_use]
    pub fn metadata(mut self, metadata: &'a Metadata) -> RecordRef<'a> {
        self.metadata = metadata;
        self
    }

    /// With an address of the thing itself.
    #[must_use]
    pub fn uri(mut self, uri: &'a str) -> RecordRef<'a> {
        self.uri = Some(uri);
        self
    }
}

/// What can be written as a record: a [`Record`], a [`RecordRef`], references to them, or a type of the caller's own, from
/// which nothing is copied.
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
///         RecordRef::new(&self.url).document(&self.text).embedding(&self.vector)
///     }
/// }
///
/// # fn write(pages: Vec<Page>) -> chroma_blocking::Result<()> {
/// # let notes = chroma_blocking::Client::from_env()?.collection("notes").get()?;
/// notes.upsert(&pages)?;
/// # Ok(())
/// # }
/// ```
pub trait AsRecord {
    /// The record, borrowed.
    fn as_record(&self) -> RecordRef<'_>;
}

impl AsRecord for Record {
    fn as_record(&self) -> RecordRef<'_> {
        RecordRef {
            id: &self.id,
            document: self.document.as_deref(),
            embedding: self.embedding.as_deref(),
            metadata: &self.metadata,
            uri: self.uri.as_deref(),
        }
    }
}

impl AsRecord for RecordRef<'_> {
    fn as_record(&self) -> RecordRef<'_> {
        *self
    }
}

macro_rules! as_what_it_points_to {
    ($($pointer:ty),+) => {$(
        impl<R: AsRecord + ?Sized> AsRecord for $pointer {
            fn as_record(&self) -> RecordRef<'_> {
                (**self).as_record()
            }
        }
    )+};
}
as_what_it_points_to!(&R, &mut R, Box<R>, Rc<R>, Arc<R>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rows::{IntoRecords, Rows};

    #[test]
    fn rows_of_every_kind_are_the_same_rows() {
        let record = Record::new("1")
            .embedding([1.0])
            .document("x")
            .metadata("k", 1)
            .uri("u");
        let row = RecordRef::new("1")
            .document("x")
            .embedding(&[1.0])
            .metadata(&record.metadata)
            .uri("u");
        assert_eq!(record.as_record(), row);
        let empty = Metadata::new();
        let bare = RecordRef::new("2").metadata(&empty);
        assert_eq!(bare, Record::new("2").as_record());

        fn first(rows: impl IntoRecords) -> String {
            let rows = rows.into_records();
            format!("{} {:?}", rows.len(), rows.row(0))
        }
        let expected = format!("1 {row:?}");
        assert_eq!(first(row), expected);
        assert_eq!(first([row]), expected);
        assert_eq!(first([&row]), expected);
        assert_eq!(first(record.clone()), expected);
        assert_eq!(first([&record]), expected);
        assert_eq!(first(vec![Arc::new(record.clone())]), expected);
        assert_eq!(first([Box::new(record) as Box<dyn AsRecord>]), expected);
    }
}
