//! [`SearchResult`] and [`SearchHit`]: what a search found.

use crate::model::metadata::Metadata;
use crate::model::results::list_of_hits;

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
/// # use chroma_blocking::{Client, Key, Search};
/// # use chroma_blocking::search::Knn;
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
    /// The column of scores.
    pub fn scores(&self) -> impl ExactSizeIterator<Item = Option<f32>> {
        self.hits.iter().map(|hit| hit.score)
    }
}

list_of_hits!(SearchResult, SearchHit);
