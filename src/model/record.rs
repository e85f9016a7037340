//! [`Record`], [`Row`] and [`Columns`]: what is written, by row or by column, and the checks before it is.

use std::borrow::Borrow;
use std::collections::HashSet;

use super::embeddings::{self, Vectors};
use super::metadata::{Metadata, MetadataValue};
use crate::error::InvalidInput;

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
pub struct Row<'a> {
    /// The id.
    pub id: &'a str,
    /// The text.
    pub document: Option<&'a str>,
    /// The vector.
    pub embedding: Option<&'a [f32]>,
    /// Named values; `None` when there are none.
    pub metadata: Option<&'a Metadata>,
    /// Where the thing itself is.
    pub uri: Option<&'a str>,
}

impl<'a> Row<'a> {
    /// A row with nothing but its id; the fields can be set.
    pub fn new(id: &'a str) -> Row<'a> {
        Row {
            id,
            document: None,
            embedding: None,
            metadata: None,
            uri: None,
        }
    }
}

/// Records by column, borrowed: for callers who hold their data so, and want nothing copied.
///
/// ```no_run
/// use chroma_blocking::{Client, Columns, Vectors};
///
/// let ids = ["1", "2"];
/// let floats = [0.1, 0.2, 0.3, 0.4];
/// let client = Client::from_env()?;
/// let points = client.collection("points").get_or_create()?;
/// points.upsert(Columns::new(&ids).embeddings(Vectors::flat(&floats, 2)))?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    ids: Vec<&'a str>,
    documents: Option<Vec<&'a str>>,
    embeddings: Option<Vectors<'a>>,
    metadatas: Option<&'a [Metadata]>,
    uris: Option<Vec<&'a str>>,
}

impl<'a> Columns<'a> {
    /// The column of ids.
    pub fn new<S: AsRef<str>>(ids: &'a [S]) -> Columns<'a> {
        Columns {
            ids: strs(ids),
            documents: None,
            embeddings: None,
            metadatas: None,
            uris: None,
        }
    }

    /// With a text for each id.
    #[must_use]
    pub fn documents<S: AsRef<str>>(mut self, documents: &'a [S]) -> Columns<'a> {
        self.documents = Some(strs(documents));
        self
    }

    /// With a vector for each id.
    #[must_use]
    pub fn embeddings(mut self, embeddings: impl Into<Vectors<'a>>) -> Columns<'a> {
        self.embeddings = Some(embeddings.into());
        self
    }

    /// With metadata for each id.
    #[must_use]
    pub fn metadatas(mut self, metadatas: &'a [Metadata]) -> Columns<'a> {
        self.metadatas = Some(metadatas);
        self
    }

    /// With an address for each id.
    #[must_use]
    pub fn uris<S: AsRef<str>>(mut self, uris: &'a [S]) -> Columns<'a> {
        self.uris = Some(strs(uris));
        self
    }
}

fn strs<S: AsRef<str>>(strings: &[S]) -> Vec<&str> {
    strings.iter().map(AsRef::as_ref).collect()
}

fn at<'a>(column: &Option<Vec<&'a str>>, index: usize) -> Option<&'a str> {
    column.as_ref()?.get(index).copied()
}

/// Records in any form, read row by row.
pub trait Rows {
    /// The number of records.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One record; `index` is less than [`len`](Rows::len).
    fn row(&self, index: usize) -> Row<'_>;

    /// The first column that is not as long as the ids: its name and its length.
    fn uneven(&self) -> Option<(&'static str, usize)> {
        None
    }
}

impl<R: Borrow<Record>> Rows for Vec<R> {
    fn len(&self) -> usize {
        <[R]>::len(self)
    }

    fn row(&self, index: usize) -> Row<'_> {
        let record: &Record = self[index].borrow();
        Row {
            id: &record.id,
            document: record.document.as_deref(),
            embedding: record.embedding.as_deref(),
            metadata: Some(&record.metadata).filter(|metadata| !metadata.is_empty()),
            uri: record.uri.as_deref(),
        }
    }
}

impl Rows for Columns<'_> {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn row(&self, index: usize) -> Row<'_> {
        Row {
            id: self.ids[index],
            document: at(&self.documents, index),
            embedding: self.embeddings.as_ref().and_then(|c| c.row(index)),
            metadata: self
                .metadatas
                .and_then(|column| column.get(index))
                .filter(|metadata| !metadata.is_empty()),
            uri: at(&self.uris, index),
        }
    }

    fn uneven(&self) -> Option<(&'static str, usize)> {
        [
            ("documents", self.documents.as_ref().map(Vec::len)),
            ("embeddings", self.embeddings.as_ref().map(Vectors::len)),
            ("metadatas", self.metadatas.map(<[Metadata]>::len)),
            ("uris", self.uris.as_ref().map(Vec::len)),
        ]
        .into_iter()
        .find_map(|(name, len)| Some((name, len.filter(|len| *len != self.ids.len())?)))
    }
}

/// What a write takes: a [`Record`], an array, a `Vec`, a slice or any other iterator of [`Record`]s or of references to them, or
/// [`Columns`].
pub trait IntoRows {
    /// The form in which they are read.
    type Rows: Rows;

    /// The records.
    fn into_rows(self) -> Self::Rows;
}

impl<I> IntoRows for I
where
    I: IntoIterator,
    I::Item: Borrow<Record>,
{
    type Rows = Vec<I::Item>;

    fn into_rows(self) -> Vec<I::Item> {
        self.into_iter().collect()
    }
}

/// One record.
impl IntoRows for Record {
    type Rows = Vec<Record>;

    fn into_rows(self) -> Vec<Record> {
        vec![self]
    }
}

impl<'a> IntoRows for Columns<'a> {
    type Rows = Columns<'a>;

    fn into_rows(self) -> Columns<'a> {
        self
    }
}

/// Refuses what the server would refuse or lose, and says which records have a text and no vector.
///
/// `dimension` is the collection's, where it is known. `partial` is an update: a record may have neither a document
/// nor a vector.
pub(crate) fn check(
    rows: &dyn Rows,
    dimension: Option<usize>,
    partial: bool,
) -> Result<Vec<usize>, InvalidInput> {
    let count = rows.len();
    if let Some((column, found)) = rows.uneven() {
        return Err(InvalidInput::LengthMismatch {
            column,
            ids: count,
            found,
        });
    }
    let mut seen = HashSet::with_capacity(count);
    let mut repeated = Vec::new();
    let mut dimension = dimension;
    let mut to_embed = Vec::new();
    for index in 0..count {
        let row = rows.row(index);
        let of = || format!("record {:?}", row.id);
        if row.id.is_empty() {
            return Err(InvalidInput::EmptyId { index });
        }
        if !seen.insert(row.id) {
            repeated.push(row.id);
        }
        if let Some(metadata) = row.metadata {
            metadata.check_record(of)?;
        }
        match (row.embedding, row.document) {
            (Some(vector), _) => {
                embeddings::check(vector, dimension, of)?;
                dimension = Some(vector.len());
            }
            (None, Some(_)) => to_embed.push(index),
            (None, None) if partial => {}
            (None, None) => {
                return Err(InvalidInput::NothingToEmbed {
                    id: row.id.to_owned(),
                });
            }
        }
    }
    if !repeated.is_empty() {
        repeated.sort_unstable();
        repeated.dedup();
        let ids = repeated.into_iter().map(str::to_owned).collect();
        return Err(InvalidInput::DuplicateIds { ids });
    }
    Ok(to_embed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(id: &str, floats: &[f32]) -> Record {
        Record::new(id).embedding(floats)
    }

    #[test]
    fn says_which_rows_are_to_embed() {
        let rows = vec![
            vector("1", &[1.0]).document("has a vector"),
            Record::new("2").document("has none"),
        ];
        assert_eq!(check(&rows, None, false), Ok(vec![1]));
        assert_eq!(check(&vec![Record::new("1")], None, true), Ok(vec![]));
    }

    #[test]
    fn each_bad_input_has_its_own_error() {
        let refused = |rows: Vec<Record>| check(&rows, Some(2), false).unwrap_err();
        assert_eq!(
            refused(vec![vector("1", &[1.0, 2.0]), vector("", &[1.0, 2.0])]),
            InvalidInput::EmptyId { index: 1 }
        );
        let twice = ["b", "a", "b", "c", "a", "b"].map(|id| vector(id, &[1.0, 2.0]));
        assert_eq!(
            refused(twice.to_vec()),
            InvalidInput::DuplicateIds {
                ids: vec!["a".to_owned(), "b".to_owned()]
            }
        );
        assert!(matches!(
            refused(vec![vector("1", &[1.0])]),
            InvalidInput::Dimension {
                expected: 2,
                found: 1,
                ..
            }
        ));
        assert!(matches!(
            refused(vec![vector("1", &[1.0, f32::NAN])]),
            InvalidInput::NotFinite { .. }
        ));
        assert!(matches!(
            refused(vec![vector("1", &[1.0, 2.0]).metadata("k", f64::INFINITY)]),
            InvalidInput::NotFinite { .. }
        ));
        assert_eq!(
            refused(vec![Record::new("1")]),
            InvalidInput::NothingToEmbed { id: "1".to_owned() }
        );
    }

    #[test]
    fn vectors_of_one_call_have_one_dimension() {
        let rows = vec![vector("1", &[1.0]), vector("2", &[1.0, 2.0])];
        let error = check(&rows, None, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the vector of record \"2\" has 2 floats, not 1"
        );
    }

    #[test]
    fn columns_are_as_long_as_the_ids() {
        let ids = ["1", "2"];
        let vectors = [[1.0, 2.0]];
        let columns = Columns::new(&ids).embeddings(&vectors);
        assert_eq!(
            check(&columns, None, false).unwrap_err(),
            InvalidInput::LengthMismatch {
                column: "embeddings",
                ids: 2,
                found: 1
            }
        );
        let columns = Columns::new(&ids).documents(&["x"]);
        assert!(check(&columns, None, false).is_err());
        let metadata = vec![Metadata::new(); 3];
        let columns = Columns::new(&ids).documents(&ids).metadatas(&metadata);
        assert!(check(&columns, None, false).is_err());
    }
}
