//! [`SearchResult`] and [`SearchHit`]: the records that a search found.

use serde::{Deserialize, Serialize};

use crate::model::metadata::Metadata;
use crate::model::record::{Record, metadata_or_null};
use crate::model::results::list_of_hits;

/// A record that a [`search`](crate::Collection::search) found.
///
/// # Serde
/// The fields are `id`, `score`, `document`, `metadata` and `embedding`. Absent fields are left out. When a
/// hit is read, all fields but the id may be missing or `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SearchHit {
    /// The id of the record.
    pub id: String,
    /// The score by the search's rank; the smallest comes first. `None` if it was not selected, or is not
    /// finite, such as after a division by 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// The document, if the record has one and it was selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The metadata, or the selected fields of it. Empty if the record has none of them, or none was
    /// selected.
    #[serde(
        default,
        skip_serializing_if = "Metadata::is_empty",
        deserialize_with = "metadata_or_null"
    )]
    pub metadata: Metadata,
    /// The vector, if it was selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Vec<f32>>,
}

/// Drops the score. A field that was not selected is absent from the record.
impl From<SearchHit> for Record {
    fn from(hit: SearchHit) -> Record {
        let mut record = Record::new(hit.id);
        record.document = hit.document;
        record.metadata = hit.metadata;
        record.embedding = hit.embedding;
        record
    }
}

/// The hits of one search, the smallest score first. It dereferences to a slice of [`SearchHit`]s.
///
/// ```no_run
/// # use chroma_blocking::{Client, Key, Search};
/// # use chroma_blocking::search::Knn;
/// # let notes = Client::from_env()?.collection("notes").get()?;
/// let search = Search::new()
///     .rank(Knn::dense([0.25, -0.5]))
///     .select([Key::score()]);
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
    evaluated_by: EvaluatedBy,
}

/// The side that has evaluated a search: the server or the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvaluatedBy {
    /// The server.
    #[default]
    Server,
    /// This client, since the server has no search (feature `hybrid`).
    Client,
}

impl SearchResult {
    pub(crate) fn new(hits: Vec<SearchHit>) -> SearchResult {
        SearchResult {
            hits,
            evaluated_by: EvaluatedBy::Server,
        }
    }

    /// Returns hits that the client has found itself.
    #[cfg(feature = "hybrid")]
    pub(crate) fn of_client(hits: Vec<SearchHit>) -> SearchResult {
        SearchResult {
            hits,
            evaluated_by: EvaluatedBy::Client,
        }
    }

    /// Returns which side has evaluated the search.
    pub fn evaluated_by(&self) -> EvaluatedBy {
        self.evaluated_by
    }

    /// Iterates over the scores.
    pub fn scores(&self) -> impl ExactSizeIterator<Item = Option<f32>> {
        self.hits.iter().map(|hit| hit.score)
    }
}

list_of_hits!(SearchResult, SearchHit);
