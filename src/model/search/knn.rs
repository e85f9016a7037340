//! [`Knn`]: records by their distance from a vector.

use std::fmt;

use serde::Serialize;

use super::rank::{Number, Rank};
use super::{as_json, count};
use crate::invalid::InvalidInput;
use crate::model::embeddings;
use crate::model::filter::Key;
use crate::model::metadata::SparseVector;

/// Ranks the records that are nearest to a vector or a text, by their distance from it; smaller is nearer.
///
/// By itself, or in arithmetic with numbers and other ranks: see [`Rank`].
///
/// ```
/// use chroma_blocking::Search;
/// use chroma_blocking::search::Knn;
///
/// let search = Search::new().rank(Knn::dense([0.25, -0.5]).limit(100)).limit(5);
/// assert_eq!(
///     Knn::text("memory safety").to_string(),
///     r##"{"$knn":{"query":"memory safety","key":"#embedding","limit":16}}"##
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "a rank does nothing until it is given to a search"]
pub struct Knn {
    query: Query,
    key: Key,
    limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    return_rank: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Query {
    Text(String),
    Dense(Vec<f32>),
    Sparse(SparseVector),
}

impl Knn {
    fn new(query: Query, key: Key) -> Knn {
        Knn {
            query,
            key,
            limit: 16,
            default: None,
            return_rank: false,
        }
    }

    /// Near a vector, as long as the collection's. The distance is measured in the collection's
    /// [`Space`](crate::Space).
    pub fn dense(vector: impl Into<Vec<f32>>) -> Knn {
        Knn::new(Query::Dense(vector.into()), Key::embedding())
    }

    /// Near a text: the collection's embedding function embeds it, as a query, before anything is sent. A collection
    /// that was opened without one refuses it, since no server embeds texts.
    pub fn text(text: impl Into<String>) -> Knn {
        Knn::new(Query::Text(text.into()), Key::embedding())
    }

    /// Near a sparse vector, among those that the records have in a metadata field with a sparse vector index. Its
    /// indices ascend. The distance is 1 minus the inner product.
    pub fn sparse(key: impl Into<Key>, vector: SparseVector) -> Knn {
        Knn::new(Query::Sparse(vector), key.into())
    }

    /// Which vectors to compare with. [`sparse`](Knn::sparse) names its field; the others look at the records'
    /// own vectors ([`Key::embedding`]), the only dense ones that servers index.
    pub fn key(mut self, key: impl Into<Key>) -> Knn {
        self.key = key.into();
        self
    }

    /// How many of the nearest records have a value at all. Default 16.
    pub fn limit(mut self, limit: usize) -> Knn {
        self.limit = limit;
        self
    }

    /// The value of the records that are not among the nearest. Without one, which is the default, a record that
    /// any `Knn` of a rank does not find is no hit; with one, it is a hit if another `Knn` finds it.
    pub fn default(mut self, value: impl Into<f64>) -> Knn {
        self.default = Some(value.into());
        self
    }

    /// Whether the value is the place among the nearest (0, 1, 2 …) instead of the distance. Default: the distance.
    pub fn return_rank(mut self, return_rank: bool) -> Knn {
        self.return_rank = return_rank;
        self
    }

    /// The text that is still to be embedded, if it asks with one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.query {
            Query::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Asks with this vector instead of its text.
    pub(crate) fn embedded(&mut self, vector: Vec<f32>) {
        self.query = Query::Dense(vector);
    }

    /// See [`Search::check`](super::Search::check).
    pub(super) fn check(&self, of: &str, dimension: Option<usize>) -> Result<(), InvalidInput> {
        let bad = |why: String| InvalidInput::Search {
            of: of.to_owned(),
            why,
        };
        count("a Knn's limit", self.limit).map_err(bad)?;
        if let Some(value) = self.default {
            Number::Float(value).check(of)?;
        }
        let key = self.key.name();
        match &self.query {
            // A server would not look at the key, and search the records' own vectors.
            Query::Dense(_) | Query::Text(_) if self.key != Key::embedding() => Err(bad(format!(
                "Knn on key {key:?}: dense vectors and texts look for the records' own vectors; for a metadata \
                 field use Knn::sparse"
            ))),
            Query::Text(_) => Ok(()),
            Query::Dense(vector) => embeddings::check(vector, dimension, || of.to_owned()),
            Query::Sparse(_) if !self.key.is_field() => Err(bad(format!(
                "Knn on key {key:?}: sparse vectors are in metadata fields"
            ))),
            Query::Sparse(SparseVector { indices, values }) => {
                if indices.len() != values.len() {
                    return Err(bad(format!(
                        "a sparse vector with {} indices and {} values",
                        indices.len(),
                        values.len()
                    )));
                }
                if indices.windows(2).any(|pair| pair[0] >= pair[1]) {
                    return Err(bad(
                        "the indices of a sparse vector ascend, each of them once".into(),
                    ));
                }
                match values.iter().find(|value| !value.is_finite()) {
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
    fn only_options_that_were_set_are_written() {
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
