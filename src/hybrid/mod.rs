//! Search by words and by vectors together, on servers that have no search.
//!
//! A [`Search`](crate::Search) is sent to the server. If the server has no search, the client evaluates it, by
//! Chroma's rules. For search by words, it keeps a [`WordIndex`].

#[cfg(feature = "hybrid")]
mod evaluate;
mod search;
#[cfg(feature = "hybrid")]
mod words;

pub use search::{RunSearch, RunSearches};
#[cfg(feature = "hybrid")]
pub use words::{Freshness, WordIndex, WordIndexBuilder};
