//! [`SearchResult`] and [`SearchHit`]: what a search found.

use crate::model::metadata::Metadata;

/// One answer to a search.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SearchHit {
    /// The record's id.
    pub id: String,
    /// Its score by the search's rank, smaller first; `None` when it was not selected, or is no finite number (by a
    /// division by 0, for example).
    pub score: Option<f32>,
    /// Its text, if it has one and it was selected.
    pub document: Option<String>,
    /// Its metadata, or those fields that were selected; empty when it has none of them, or none was selected.
    pub metadata: Metadata,
    /// Its vector, if it was selected.
    pub embedding: Option<Vec<f32>>,
}

/// The hits of one search, the smallest score first: a list to iterate, index and slice.
///
/// ```no_run
/// # use chroma_blocking::{Client, Key, Knn, Search};
/// # let notes = Client::from_env()?.collection("notes").get()?;
/// let search = Search::new().rank(Knn::dense([0.25, -0.5])).select([Key::score()]);
/// let hits = notes.search(search).run()?;
/// let best = hits.first().map(|hit| &hit.id);
/// for hit in hits {
///     println!("{} {:?}", hit.id, hit.score);
/// }
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchResult {
    hits: Vec<SearchHit>,
}

impl SearchResult {
    pub(crate) fn new(hits: Vec<SearchHit>) -> SearchResult {
        SearchResult { hits }
    }

    /// The hits as a `Vec`.
    pub fn into_hits(self) -> Vec<SearchHit> {
        self.hits
    }

    /// The column of ids.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.hits.iter().map(|hit| hit.id.as_str())
    }

    /// The column of scores.
    pub fn scores(&self) -> impl ExactSizeIterator<Item = Option<f32>> {
        self.hits.iter().map(|hit| hit.score)
    }

    /// The column of texts.
    pub fn documents(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
        self.hits.iter().map(|hit| hit.document.as_deref())
    }

    /// The column of metadata.
    pub fn metadatas(&self) -> impl ExactSizeIterator<Item = &Metadata> {
        self.hits.iter().map(|hit| &hit.metadata)
    }

    /// The column of vectors.
    pub fn embeddings(&self) -> impl ExactSizeIterator<Item = Option<&[f32]>> {
        self.hits.iter().map(|hit| hit.embedding.as_deref())
    }
}

impl std::ops::Deref for SearchResult {
    type Target = [SearchHit];

    fn deref(&self) -> &[SearchHit] {
        &self.hits
    }
}

impl IntoIterator for SearchResult {
    type Item = SearchHit;
    type IntoIter = std::vec::IntoIter<SearchHit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.into_iter()
    }
}

impl<'a> IntoIterator for &'a SearchResult {
    type Item = &'a SearchHit;
    type IntoIter = std::slice::Iter<'a, SearchHit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.iter()
    }
}
