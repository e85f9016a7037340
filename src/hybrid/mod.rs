//! Search by words and by vectors together, on servers that have no search.
//!
//! A [`Search`](crate::Search) is sent to the server. If the server has no search, the client evaluates it, by
//! Chroma's rules. For search by words, it keeps a [`WordIndex`].
//!
//! [`Query::rerank`](crate::collection::Query::rerank) fetches more hits than it returns, and lets a
//! [`Reranker`](crate::embed::Reranker) choose the best ones.

#[cfg(feature = "hybrid")]
mod evaluate;
#[cfg(feature = "hybrid")]
mod rerank;
#[cfg(feature = "hybrid")]
mod reranked;
mod search;
#[cfg(feature = "hybrid")]
mod words;

#[cfg(feature = "hybrid")]
pub use rerank::RerankedQuery;
#[cfg(feature = "hybrid")]
pub use reranked::{RerankedHit, RerankedResult};
pub use search::{RunSearch, RunSearches};
#[cfg(feature = "hybrid")]
pub use words::{Freshness, WordIndex, WordIndexBuilder};
