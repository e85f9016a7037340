//! An index of the words of a collection's documents, kept by the client.

mod bm25;
mod build;
mod builder;
mod documents;
mod file;
mod freshness;
mod index;
mod look;
mod own_writes;
mod postings;
mod shared;
mod state;

pub use builder::WordIndexBuilder;
pub use freshness::Freshness;
pub use index::WordIndex;
