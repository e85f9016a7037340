//! [`Hit`] and [`QueryResult`]: the records that a query found.

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::metadata::Metadata;
use crate::model::record::{Record, metadata_or_null};

/// A record that a [`query`](crate::Collection::query) found.
///
/// # Serde
/// The fields are `id`, `distance`, `document`, `uri`, `metadata` and `embedding`. Absent fields are left
/// out. When a hit is read, all fields but the id and the distance may be missing or `null`. JSON has no
/// infinity, so an infinite distance is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Hit {
    /// The id of the record.
    pub id: String,
    /// The distance of its vector from the query's, measured in the collection's [`Space`](crate::Space).
    /// Smaller is nearer. Infinite if it is too large for a float.
    #[serde(deserialize_with = "distance_or_null")]
    pub distance: f32,
    /// The document, if the record has one and it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The address of the resource that the record describes, if the record has one and it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The metadata. Empty if the record has none, or if it was not requested.
    #[serde(
        default,
        skip_serializing_if = "Metadata::is_empty",
        deserialize_with = "metadata_or_null"
    )]
    pub metadata: Metadata,
    /// The vector, if it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Vec<f32>>,
}

/// Reads `null` as infinity.
fn distance_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::INFINITY))
}

/// Drops the distance. A field that was not requested is absent from the record.
impl From<Hit> for Record {
    fn from(hit: Hit) -> Record {
        Record {
            id: hit.id,
            document: hit.document,
            uri: hit.uri,
            metadata: hit.metadata,
            embedding: hit.embedding,
        }
    }
}

/// The hits of one query, nearest first. It dereferences to a slice of [`Hit`]s.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueryResult {
    hits: Vec<Hit>,
}

impl QueryResult {
    pub(crate) fn new(hits: Vec<Hit>) -> QueryResult {
        QueryResult { hits }
    }

    /// Keeps the first `n` hits.
    #[cfg(feature = "hybrid")]
    pub(crate) fn truncate(&mut self, n: usize) {
        self.hits.truncate(n);
    }

    /// Iterates over the distances.
    pub fn distances(&self) -> impl ExactSizeIterator<Item = f32> {
        self.hits.iter().map(|hit| hit.distance)
    }
}

/// Implements what [`QueryResult`] and [`SearchResult`](crate::search::SearchResult) have in common.
macro_rules! list_of_hits {
    ($list:ident, $hit:ident) => {
        impl $list {
            /// Keeps the hits for which a function returns `true`. It may change them.
            pub(crate) fn retain_mut(&mut self, keep: impl FnMut(&mut $hit) -> bool) {
                self.hits.retain_mut(keep);
            }

            /// Iterates over the metadata, which may be changed.
            pub(crate) fn metadatas_mut(&mut self) -> impl Iterator<Item = &mut Metadata> {
                self.hits.iter_mut().map(|hit| &mut hit.metadata)
            }

            /// Returns the hits as a `Vec`.
            pub fn into_hits(self) -> Vec<$hit> {
                self.hits
            }

            /// Iterates over the ids.
            pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
                self.hits.iter().map(|hit| hit.id.as_str())
            }

            /// Iterates over the documents.
            pub fn documents(&self) -> impl ExactSizeIterator<Item = Option<&str>> {
                self.hits.iter().map(|hit| hit.document.as_deref())
            }

            /// Iterates over the metadata.
            pub fn metadatas(&self) -> impl ExactSizeIterator<Item = &Metadata> {
                self.hits.iter().map(|hit| &hit.metadata)
            }

            /// Iterates over the vectors.
            pub fn embeddings(&self) -> impl ExactSizeIterator<Item = Option<&[f32]>> {
                self.hits.iter().map(|hit| hit.embedding.as_deref())
            }
        }

        impl std::ops::Deref for $list {
            type Target = [$hit];

            fn deref(&self) -> &[$hit] {
                &self.hits
            }
        }

        impl IntoIterator for $list {
            type Item = $hit;
            type IntoIter = std::vec::IntoIter<$hit>;

            fn into_iter(self) -> Self::IntoIter {
                self.hits.into_iter()
            }
        }

        impl<'a> IntoIterator for &'a $list {
            type Item = &'a $hit;
            type IntoIter = std::slice::Iter<'a, $hit>;

            fn into_iter(self) -> Self::IntoIter {
                self.hits.iter()
            }
        }
    };
}
pub(crate) use list_of_hits;

list_of_hits!(QueryResult, Hit);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_leaves_out_absent_fields_and_is_read_back() {
        let bare = Hit {
            id: "1".to_owned(),
            distance: 0.5,
            document: None,
            uri: None,
            metadata: Metadata::new(),
            embedding: None,
        };
        let full = Hit {
            document: Some("x".to_owned()),
            uri: Some("u".to_owned()),
            metadata: Metadata::from([("k", 1)]),
            embedding: Some(vec![1.0]),
            ..bare.clone()
        };
        let far = Hit {
            distance: f32::INFINITY,
            ..bare.clone()
        };
        for (hit, json) in [
            (&bare, r#"{"id":"1","distance":0.5}"#),
            (
                &full,
                r#"{"id":"1","distance":0.5,"document":"x","uri":"u","metadata":{"k":1},"embedding":[1.0]}"#,
            ),
            (&far, r#"{"id":"1","distance":null}"#),
        ] {
            assert_eq!(serde_json::to_string(hit).unwrap(), json);
            assert_eq!(serde_json::from_str::<Hit>(json).unwrap(), *hit);
        }
        assert!(serde_json::from_str::<Hit>(r#"{"id":"1"}"#).is_err());

        let record = Record::new("1").document("x").uri("u").metadata("k", 1);
        assert_eq!(Record::from(full), record.embedding([1.0]));
    }
}
