//! [`Columns`]: records by column, borrowed.

use super::embeddings::Vectors;
use super::metadata::{Metadata, NO_METADATA};
use super::record::RecordRef;
use super::records::{IntoRecords, Records};

/// Records by column, borrowed. For data that is already columnar; nothing is copied.
///
/// Each column must have as many entries as there are ids. Otherwise the call fails with
/// [`InvalidInput::LengthMismatch`](crate::InvalidInput::LengthMismatch).
///
/// ```no_run
/// use chroma_blocking::Client;
/// use chroma_blocking::record::{Columns, Vectors};
///
/// let ids = ["1", "2"];
/// let floats = [0.1, 0.2, 0.3, 0.4];
/// let client = Client::from_env()?;
/// let points = client.collection("points").get_or_create()?;
/// let vectors = Vectors::flat(&floats, 2);
/// points.upsert(Columns::new(&ids).embeddings(vectors))?;
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
    /// Creates columns with these ids, and nothing else.
    pub fn new<S: AsRef<str>>(ids: &'a [S]) -> Columns<'a> {
        Columns {
            ids: strs(ids),
            documents: None,
            embeddings: None,
            metadatas: None,
            uris: None,
        }
    }

    /// Sets the documents, one for each id.
    #[must_use]
    pub fn documents<S: AsRef<str>>(mut self, documents: &'a [S]) -> Columns<'a> {
        self.documents = Some(strs(documents));
        self
    }

    /// Sets the vectors, one for each id.
    #[must_use]
    pub fn embeddings(mut self, embeddings: impl Into<Vectors<'a>>) -> Columns<'a> {
        self.embeddings = Some(embeddings.into());
        self
    }

    /// Sets the metadata, one entry for each id. An entry may be empty.
    #[must_use]
    pub fn metadatas(mut self, metadatas: &'a [Metadata]) -> Columns<'a> {
        self.metadatas = Some(metadatas);
        self
    }

    /// Sets the URIs, one for each id.
    #[must_use]
    pub fn uris<S: AsRef<str>>(mut self, uris: &'a [S]) -> Columns<'a> {
        self.uris = Some(strs(uris));
        self
    }
}

fn strs<S: AsRef<str>>(strings: &[S]) -> Vec<&str> {
    strings.iter().map(AsRef::as_ref).collect()
}

fn entry<'a>(column: Option<&Vec<&'a str>>, index: usize) -> Option<&'a str> {
    column?.get(index).copied()
}

impl Records for Columns<'_> {
    fn len(&self) -> usize {
        self.ids.len()
    }

    fn record(&self, index: usize) -> RecordRef<'_> {
        RecordRef {
            id: self.ids[index],
            document: entry(self.documents.as_ref(), index),
            embedding: self.embeddings.as_ref().and_then(|all| all.row(index)),
            metadata: self
                .metadatas
                .and_then(|column| column.get(index))
                .unwrap_or(&NO_METADATA),
            uri: entry(self.uris.as_ref(), index),
        }
    }

    fn mismatched_column(&self) -> Option<(&'static str, usize)> {
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

impl<'a> IntoRecords for Columns<'a> {
    type Records = Columns<'a>;

    fn into_records(self) -> Columns<'a> {
        self
    }
}
