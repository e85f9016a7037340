//! Collections and everything that is done with them: writing, reading, searching and deleting records.
//!
//! Start from [`Client::collection`](crate::Client::collection), which opens or creates a [`Collection`].
//!
//! | To… | call |
//! |---|---|
//! | write records | [`add`](Collection::add), [`upsert`](Collection::upsert), [`update`](Collection::update) |
//! | read records | [`get`](Collection::get), [`get_one`](Collection::get_one) |
//! | inspect a collection | [`peek`](Collection::peek), [`count`](Collection::count) |
//! | read all records of a large collection | [`scan`](Collection::scan), [`export`](Collection::export) |
//! | find the nearest records | [`query`](Collection::query), [`query_many`](Collection::query_many) |
//! | search by words, vectors and groups | [`search`](Collection::search), [`search_many`](Collection::search_many) |
//! | delete records | [`delete`](Collection::delete) |
//! | change the collection itself | [`modify`](Collection::modify), [`fork`](Collection::fork) |
//! | read and write atomically | [`transaction`](Collection::transaction) |
//! | load a large data set | [`ingest`](Collection::ingest) |
//!
//! [`with_retry`](Collection::with_retry), [`with_progress`](Collection::with_progress) and
//! [`with_cancel`](Collection::with_cancel) return the same collection with other settings for its calls.
//!
//! ```no_run
//! use chroma_blocking::{Client, Hashing, Record};
//!
//! let notes = Client::from_env()?
//!     .collection("notes")
//!     .embedding_function(Hashing::default())
//!     .get_or_create()?;
//! notes.upsert([
//!     Record::new("1").document("Rust has no garbage collector"),
//!     Record::new("2").document("Chroma stores embeddings"),
//! ])?;
//! for hit in notes.query("memory safety").n_results(1).run()? {
//!     println!("{}: {}", hit.id, hit.distance);
//! }
//! # Ok::<(), chroma_blocking::Error>(())
//! ```

mod announce;
mod batches;
mod builder;
mod collections;
mod delete;
mod embedding;
mod embedding_functions;
mod export;
mod fork;
mod functions;
mod get;
mod handle;
mod ids;
mod like;
mod limits;
mod modify;
mod new;
mod observer;
mod open;
#[cfg(any(test, fuzzing))]
mod parsers;
mod progress;
mod query;
mod query_input;
mod read;
mod retry;
mod scan;
mod selection;
mod sparse;
mod sparse_key;
pub(crate) mod stamp;
mod stored;
mod transaction;
mod write;

pub use builder::CollectionBuilder;
pub use collections::ListCollections;
pub use delete::Delete;
pub(crate) use embedding::TextEmbedder;
pub use export::Export;
pub use fork::IndexingStatus;
pub use functions::{AttachFunction, Attached, AttachedFunction, DetachFunction};
pub use get::Get;
pub use handle::Collection;
pub use ids::IntoIds;
#[cfg(feature = "transfer")]
pub(crate) use like::CollectionSettings;
#[cfg(feature = "hybrid")]
pub(crate) use limits::MAX_IDS;
pub use modify::Modify;
#[cfg(feature = "hybrid")]
pub(crate) use observer::{WriteObserver, Written};
pub use open::CollectionOpener;
#[cfg(any(test, fuzzing))]
pub(crate) use parsers::PARSERS;
pub use query::{Query, QueryMany};
pub use query_input::{IntoQueries, IntoQuery};
#[cfg(feature = "transfer")]
pub(crate) use scan::PageReader;
pub use scan::{Scan, ScanPages};
pub use stamp::STAMP;
pub use transaction::{Committed, Transaction};
