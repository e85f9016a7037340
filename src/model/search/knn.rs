//! [`Knn`]: the nearest records to a vector.

use std::fmt;

use serde::Serialize;

use super::check::check_count;
use super::print::as_json;
use super::rank::{Number, Rank};
use crate::invalid::InvalidInput;
use crate::model::embeddings;
use crate::model::filter::Key;
use crate::model::metadata::SparseVector;

/// Scores the records that are nearest to a vector or a text by their distance from it. Smaller is nearer.
///
/// It is a [`Rank`] and can be combined with numbers and other ranks.
///
/// ```
/// use chroma_blocking::Search;
/// use chroma_blocking::search::Knn;
///
/// let nearest = Knn::dense([0.25, -0.5]).limit(100);
/// let search = Search::new().rank(nearest).limit(5);
/// assert_eq!(
///     Knn::text("memory safety").to_string(),
///     r##"{"$knn":{"query":"memory safety","key":"#embedding","limit":16}}"##
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a rank does nothing until it is given to a search"]
pub struct Knn {
    query: KnnQuery,
    key: Key,
    limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    return_rank: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum KnnQuery {
    Text(String),
    Dense(Vec<f32>),
    Sparse(SparseVector),
}

/// The key of [`Knn::words`], until it is replaced by that of a sparse vector index.
const WORDS: &str = "#words";

impl Knn {
    fn new(query: KnnQuery, key: Key) -> Knn {
        Knn {
            query,
            key,
            limit: 16,
            default: None,
            return_rank: false,
        }
    }

    /// Searches near a vector, which must have the collection's dimension. The distance is measured in the
    /// collection's [`Space`](crate::Space).
    pub fn dense(vector: impl Into<Vec<f32>>) -> Knn {
        Knn::new(KnnQuery::Dense(vector.into()), Key::embedding())
    }

    /// Searches near a text. The collection's embedding function embeds it as a query before the search is
    /// sent. The call fails if the collection was opened without one, since servers do not embed texts.
    ///
    /// With the [key](Knn::key) of a sparse vector index, the function of that key embeds the text: the one
    /// in the schema, or the one that the collection was [opened
    /// with](crate::collection::CollectionBuilder::sparse_embedding_function). A text without any word that
    /// the function knows is refused, unless the `Knn` has a [default](Knn::default).
    pub fn text(text: impl Into<String>) -> Knn {
        Knn::new(KnnQuery::Text(text.into()), Key::embedding())
    }

    /// Searches for the documents with the words of a text.
    ///
    /// On a server with search, this is [`text`](Knn::text) with the key of the sparse vector index whose
    /// source is the document; the schema must have one such index. Elsewhere, a
    /// `WordIndex` is searched (feature `hybrid`). A text without any known word finds nothing. A server with
    /// search cannot do that, so there the call fails, unless the `Knn` has a [default](Knn::default).
    pub fn words(text: impl Into<String>) -> Knn {
        Knn::new(KnnQuery::Text(text.into()), Key::field(WORDS))
    }

    /// Searches near a sparse vector, in a metadata field that has a sparse vector index. The distance is 1
    /// minus the inner product.
    pub fn sparse(key: impl Into<Key>, vector: SparseVector) -> Knn {
        Knn::new(KnnQuery::Sparse(vector), key.into())
    }

    /// Sets the key of the vectors to search. Default: [`Key::embedding`] for dense vectors and texts, the
    /// only dense vectors that servers index, and the field passed to [`sparse`](Knn::sparse) for sparse
    /// vectors.
    pub fn key(mut self, key: impl Into<Key>) -> Knn {
        self.key = key.into();
        self
    }

    /// Sets the number of nearest records that get a score. Must be at least 1. Default: 16.
    pub fn limit(mut self, limit: usize) -> Knn {
        self.limit = limit;
        self
    }

    /// Sets the score of records that are not among the nearest. With a score, such a record is a hit if
    /// another `Knn` of the rank finds it. Default: none; without a score, only records that this `Knn` finds
    /// are hits.
    pub fn default(mut self, value: impl Into<f64>) -> Knn {
        self.default = Some(value.into());
        self
    }

    /// Sets whether the score is the position among the nearest (0, 1, 2 and so on) instead of the distance.
    /// Default: `false`.
    pub fn return_rank(mut self, return_rank: bool) -> Knn {
        self.return_rank = return_rank;
        self
    }

    /// Returns the text that is to be embedded, if the query is a text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.query {
            KnnQuery::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the searched vectors are dense.
    pub(crate) fn is_dense(&self) -> bool {
        self.key == Key::embedding()
    }

    /// Returns the name of the key of the searched vectors.
    pub(crate) fn key_name(&self) -> &str {
        self.key.name()
    }

    pub(crate) fn set_key(&mut self, key: &str) {
        self.key = Key::field(key);
    }

    /// Whether the key is still that of [`words`](Knn::words).
    pub(crate) fn is_words(&self) -> bool {
        self.key.name() == WORDS
    }

    /// Returns the score that all records get: the default, if the query is an empty sparse vector, which
    /// finds nothing. To a server, all recently written records are equally near to an empty vector.
    pub(super) fn as_constant(&self) -> Option<f64> {
        match &self.query {
            KnnQuery::Sparse(vector) if vector.indices.is_empty() => self.default,
            _ => None,
        }
    }

    /// Whether the `Knn` has a score for records that it does not find.
    pub(crate) fn has_default(&self) -> bool {
        self.default.is_some()
    }

    #[cfg(feature = "hybrid")]
    pub(crate) fn query(&self) -> &KnnQuery {
        &self.query
    }

    /// Returns the number of nearest records that get a score.
    #[cfg(feature = "hybrid")]
    pub(crate) fn max_found(&self) -> usize {
        self.limit
    }

    /// Returns the score of the other records, as servers compute with it.
    #[cfg(feature = "hybrid")]
    pub(crate) fn default_score(&self) -> Option<f32> {
        self.default.map(|value| value as f32)
    }

    /// Whether the score is the position among the nearest.
    #[cfg(feature = "hybrid")]
    pub(crate) fn returns_rank(&self) -> bool {
        self.return_rank
    }

    /// Replaces the text by its sparse vector.
    pub(crate) fn embedded_sparse(&mut self, vector: SparseVector) {
        self.query = KnnQuery::Sparse(vector);
    }

    /// Replaces the text by its vector.
    pub(crate) fn embedded(&mut self, vector: Vec<f32>) {
        self.query = KnnQuery::Dense(vector);
    }

    /// Does this part of [`Search::check`](super::Search::check).
    pub(super) fn check(&self, of: &str, dimension: Option<usize>) -> Result<(), InvalidInput> {
        let bad = |why: String| InvalidInput::Search {
            of: of.to_owned(),
            why,
        };
        check_count("a Knn's limit", self.limit).map_err(bad)?;
        if let Some(value) = self.default {
            Number::Float(value).check(of)?;
        }
        let key = self.key.name();
        match &self.query {
            // A server would ignore the key and search the vectors of the records.
            KnnQuery::Dense(_) if !self.is_dense() => Err(bad(format!(
                "Knn on key {key:?}: dense vectors can only search #embedding; for a metadata field, use Knn::sparse"
            ))),
            KnnQuery::Text(_) if self.is_words() => Ok(()),
            KnnQuery::Text(_) if !self.is_dense() && !self.key.is_field() => Err(bad(format!(
                "Knn on key {key:?}: texts can only search #embedding and metadata fields"
            ))),
            KnnQuery::Text(_) => Ok(()),
            KnnQuery::Dense(vector) => embeddings::check(vector, dimension, || of.to_owned()),
            KnnQuery::Sparse(_) if !self.key.is_field() => Err(bad(format!(
                "Knn on key {key:?}: sparse vectors can only search metadata fields"
            ))),
            KnnQuery::Sparse(vector) => {
                if let Some(why) = vector.problem() {
                    return Err(bad(why.to_owned()));
                }
                match vector.values.iter().find(|value| !value.is_finite()) {
                    Some(value) => Err(InvalidInput::NotFinite {
                        of: format!("the sparse vector of {of}"),
                        value: f64::from(*value),
                    }),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Knn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        as_json(&Rank::from(self.clone()), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_options_that_differ_from_the_default_are_written() {
        assert_eq!(
            Knn::dense([0.25]).to_string(),
            r##"{"$knn":{"query":[0.25],"key":"#embedding","limit":16}}"##
        );
        let vector = SparseVector::new([1], [0.5]);
        let all = Knn::sparse("s", vector)
            .limit(3)
            .default(10)
            .return_rank(true);
        assert_eq!(
            all.to_string(),
            r##"{"$knn":{"query":{"#type":"sparse_vector","indices":[1],"values":[0.5]},"key":"s","limit":3,"default":10.0,"return_rank":true}}"##
        );
    }
}
