//! [`Rows`] and [`Columns`]: many records, by row or by column, and the check before they are written.

use std::collections::HashSet;

use super::embeddings::{self, Vectors};
use super::metadata::{Metadata, NO_METADATA};
use super::record::{AsRecord, Record, RecordRef};
use crate::invalid::InvalidInput;

/// Records by column, borrowed: for callers who hold their data so, and want nothing copied.
///
/// ```no_run
/// use chroma_blocking::Client;
/// use chroma_blocking::record::{Columns, Vectors};
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
    fn row(&self, index: usize) -> RecordRef<'_>;

    /// The first column that is not as long as the ids: its name and its length.
    fn uneven(&self) -> Option<(&'static str, usize)> {
        None
    }
}

impl<R: AsRecord> Rows for Vec<R> {
    fn len(&self) -> usize {
        <[R]>::len(self)
    }

    fn row(&self, index: usize) -> RecordRef<'_> {
        self[index].as_record()
    }
}

impl Rows for Columns<'_> {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn row(&self, index: usize) -> RecordRef<'_> {
        RecordRef {
            id: self.ids[index],
            document: at(&self.documents, index),
            embedding: self.embeddings.as_ref().and_then(|c| c.row(index)),
            metadata: self
                .metadatas
                .and_then(|column| column.get(index))
                .unwrap_or(&NO_METADATA),
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

/// What a write takes: a [`Record`]; an array, a `Vec`, a slice or any other iterator of [`Record`]s, [`RecordRef`]s or whatever
/// else is [`AsRecord`], or of references to them; or [`Columns`].
pub trait IntoRecords {
    /// The form in which they are read.
    type Rows: Rows;

    /// The records.
    fn into_records(self) -> Self::Rows;
}

impl<I> IntoRecords for I
where
    I: IntoIterator,
    I::Item: AsRecord,
{
    type Rows = Vec<I::Item>;

    fn into_records(self) -> Vec<I::Item> {
        self.into_iter().collect()
    }
}

/// One record.
impl IntoRecords for Record {
    type Rows = Vec<Record>;

    fn into_records(self) -> Vec<Record> {
        vec![self]
    }
}

/// One record.
impl<'a> IntoRecords for RecordRef<'a> {
    type Rows = Vec<RecordRef<'a>>;

    fn into_records(self) -> Vec<RecordRef<'a>> {
        vec![self]
    }
}

impl<'a> IntoRecords for Columns<'a> {
    type Rows = Columns<'a>;

    fn into_records(self) -> Columns<'a> {
        self
    }
}

/// What there is to know of records that have passed the [check].
#[derive(Debug, PartialEq)]
pub(crate) struct Checked {
    /// Which have a text and no vector.
    pub(crate) to_embed: Vec<usize>,
    /// Whether any has a sparse vector in its metadata.
    pub(crate) sparse: bool,
}

/// Refuses what the server would refuse or lose.
///
/// `dimension` is the collection's, where it is known. `partial` is an update: a record may have neither a document
/// nor a vector.
pub(crate) fn check(
    rows: &dyn Rows,
    dimension: Option<usize>,
    partial: bool,
) -> Result<Checked, InvalidInput> {
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
    let mut sparse = false;
    for index in 0..count {
        let row = rows.row(index);
        check_row(row, index, dimension, partial)?;
        if !seen.insert(row.id) {
            repeated.push(row.id);
        }
        sparse |= row.metadata.iter().any(|(_, value)| value.is_sparse());
        match (row.embedding, row.document) {
            (Some(vector), _) => dimension = Some(vector.len()),
            (None, Some(_)) => to_embed.push(index),
            (None, None) => {}
        }
    }
    if !repeated.is_empty() {
        repeated.sort_unstable();
        repeated.dedup();
        let ids = repeated.into_iter().map(str::to_owned).collect();
        return Err(InvalidInput::DuplicateIds { ids });
    }
    Ok(Checked { to_embed, sparse })
}

/// What of the [check] is about one row alone.
pub(crate) fn check_row(
    row: RecordRef<'_>,
    index: usize,
    dimension: Option<usize>,
    partial: bool,
) -> Result<(), InvalidInput> {
    let of = || format!("record {:?}", row.id);
    if row.id.is_empty() {
        return Err(InvalidInput::EmptyId { index });
    }
    row.metadata.check_record(of)?;
    match (row.embedding, row.document) {
        (Some(vector), _) => embeddings::check(vector, dimension, of),
        (None, None) if !partial => Err(InvalidInput::NothingToEmbed {
            id: row.id.to_owned(),
        }),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata::SparseVector;

    fn vector(id: &str, floats: &[f32]) -> Record {
        Record::new(id).embedding(floats)
    }

    #[test]
    fn says_which_rows_are_to_embed() {
        let rows = vec![
            vector("1", &[1.0]).document("has a vector"),
            Record::new("2").document("has none"),
        ];
        assert_eq!(check(&rows, None, false).unwrap().to_embed, [1]);
        let update = check(&vec![Record::new("1")], None, true).unwrap();
        assert_eq!(
            update,
            Checked {
                to_embed: vec![],
                sparse: false
            }
        );
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
    fn sparse_vectors_are_seen() {
        let sparse = Record::new("1").metadata("words", SparseVector::default());
        assert!(check(&vec![sparse], None, true).unwrap().sparse);
    }

    #[test]
    fn vectors_of_one_call_have_one_dimension() {
        let rows = vec![vector("1", &[1.0]), vector("2", &[1.0, 2.0])];
        let error = check(&rows, None, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the vector of record \"2\" has 2 floats, not 1; all vectors of a collection have the same length"
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
