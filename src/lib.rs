//! A blocking client for [Chroma](https://www.trychroma.com), the vector database, for programs without an async
//! runtime: command-line tools, threaded daemons, build scripts, batch jobs.
//!
//! ```
//! # #[cfg(feature = "local-server")]
//! # fn main() -> chroma_blocking::Result<()> {
//! use chroma_blocking::{Hashing, Key, LocalServer, Record};
//!
//! // A server for as long as the program runs. For a running server,
//! // use Client::new("host:8000") or Client::from_env().
//! let server = LocalServer::builder().install(true).start()?;
//! let client = server.client()?;
//!
//! let notes = client
//!     .collection("notes")
//!     .embedding_function(Hashing::default()) // or Gemini, Ollama, OpenAi …
//!     .get_or_create()?;
//! notes.upsert([
//!     Record::new("1")
//!         .document("Rust has no garbage collector")
//!         .metadata("year", 2015),
//!     Record::new("2")
//!         .document("Chroma stores embeddings")
//!         .metadata("year", 2023),
//! ])?;
//!
//! let recent = Key::field("year").gte(2010);
//! let hits = notes.query("garbage collection").filter(recent).run()?;
//! for hit in hits {
//!     println!("{:.3}  {}", hit.distance, hit.document.unwrap_or_default());
//! }
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "local-server"))]
//! # fn main() {}
//! ```
//!
//! # Where to start
//! The [`manual`] has a section per task, with examples. [`operations`] lists every operation of Chroma's Python
//! client with the method that does the same here. The repository's `docs/` has guides for users of Chroma's other
//! clients.
//!
//! | task | start with |
//! |---|---|
//! | connect | [`Client`], [`ClientBuilder`], [`RetryPolicy`]; module [`client`] |
//! | open or create a collection | [`Client::collection`]; modules [`collection`] and [`schema`] |
//! | write and read records | [`Collection::upsert`], [`Collection::get`], [`Collection::scan`], [`Record`]; module [`record`] |
//! | select records | [`Key`], [`Where`]; module [`filter`] |
//! | find similar records | [`Collection::query`], [`Collection::search`]; module [`search`] |
//! | turn texts into vectors | `Gemini`, `embed::HttpFunction`, `embed::Onnx`, [`Hashing`], [`EmbeddingFunction`]; module [`embed`] |
//! | write many records | [`Collection::ingest`], [`Collection::export`]; module [`ingest`] |
//! | copy, back up, embed again | `Collection::copy_to`, `Client::backup`, `Collection::reembed`; module `transfer` |
//! | handle errors | [`Error`], [`InvalidInput`]; module [`error`] |
//! | see what a client does | [`Client::metrics`], [`Progress`]; module [`metrics`] |
//! | run a server | `LocalServer`; module `local` |
//!
//! # Features
//! - `gemini` (default): `Gemini`, which sends its requests from a `rayon` pool.
//! - `functions` (default): `embed::HttpFunction`, the models of OpenAI, Ollama, Hugging Face, Cohere and others.
//!   Includes `gemini`.
//! - `onnx`: `embed::Onnx`, which runs sentence models on this machine, among them the default model of Chroma's
//!   Python client. Needs Rust 1.94; the crate without it needs 1.85.
//! - `bm25`: `embed::Bm25`, which makes sparse vectors of words, offline.
//! - `hybrid`: search by words and vectors together on any server; module `hybrid`. Includes `bm25`.
//! - `tls` (default): https, by rustls. Without it, the client speaks plain http only.
//! - `local-server` (default): `LocalServer`, which starts a Chroma server and can install one.
//! - `disk-cache`: `embed::DiskCache`, which keeps embeddings in a file.
//! - `transfer`: module `transfer`, which copies collections between servers, embeds them again, and keeps backups.
//! - `cli`: the program `chroma_client`, which does all of this from a shell. Includes `transfer`, `csv` and
//!   `disk-cache`.
//! - `csv`: `ingest::csv_records`, which reads records from CSV files.
//! - `metrics`: reports what [`Client::metrics`] counts to the `metrics` facade as well. A program must use
//!   version 0.24 of that crate.
//! - `opentelemetry`: a span for each call and each attempt. A program must use version 0.33 of that crate.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod client;
pub mod collection;
mod config;
mod durable;
pub mod embed;
mod environment;
pub mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "hybrid")]
pub mod hybrid;
#[cfg(not(feature = "hybrid"))]
mod hybrid;
pub mod ingest;
mod invalid;
#[cfg(feature = "local-server")]
pub mod local;
mod logs;
pub mod metrics;
mod model;
mod printable;
mod random;
#[cfg(feature = "transfer")]
pub mod transfer;
mod transport;
mod wire;

#[doc(inline)]
pub use client::Client;
#[doc(inline)]
pub use collection::Collection;
pub use config::ClientBuilder;
#[cfg(feature = "gemini")]
#[doc(inline)]
pub use embed::Gemini;
#[doc(inline)]
pub use embed::{EmbeddingFunction, Hashing};
#[doc(inline)]
pub use error::{Error, Result};
pub use invalid::InvalidInput;
#[cfg(feature = "local-server")]
#[doc(inline)]
pub use local::LocalServer;
pub use model::embeddings::Embeddings;
pub use model::filter::{self, Key, Where};
pub use model::metadata::{Metadata, MetadataValue};
pub use model::progress::{Progress, ProgressStage};
pub use model::record::Record;
pub use model::results::{GetResult, Hit, Include, QueryResult};
pub use model::schema;
#[doc(inline)]
pub use model::search::Search;
pub use model::space::Space;
/// Re-exported, since its `Value` is part of the public API: in the configuration of an embedding function and in
/// the parameters of an attached function.
pub use serde_json;
pub use transport::RetryPolicy;

/// Searches: rank records by vectors, words and arithmetic, and group the hits.
///
/// Start from [`Search::new`]. Score records with a [`Knn`](search::Knn), with several of them joined by
/// arithmetic (see [`Rank`](search::Rank)), or with reciprocal rank fusion ([`Rrf`](search::Rrf)).
/// [`GroupBy`](search::GroupBy) limits the hits of each group. Pass the search to
/// [`Collection::search`].
///
/// Chroma Cloud and distributed Chroma evaluate searches. A single-node server does not; there, the client
/// evaluates them, with the feature `hybrid`. See the module `hybrid`.
///
/// ```no_run
/// use chroma_blocking::{Client, Key, Search};
/// use chroma_blocking::search::Knn;
///
/// let notes = Client::cloud_from_env()?.collection("notes").get()?;
/// let search = Search::new()
///     .filter(Key::field("year").gte(2020))
///     .rank(Knn::text("memory safety").limit(100))
///     .limit(10)
///     .select([Key::document(), Key::score()]);
/// for hit in notes.search(search).run()? {
///     println!("{:?} {}", hit.score, hit.id);
/// }
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
pub mod search {
    pub use crate::hybrid::{RunSearch, RunSearches};
    pub use crate::model::search::*;
}

/// Forms of records: owned, borrowed, by row or by column.
///
/// A write accepts anything that implements [`IntoRecords`](record::IntoRecords): one [`Record`], an iterator
/// of records, or borrowed [`Columns`](record::Columns). Your own types that implement
/// [`AsRecord`](record::AsRecord) are written without a copy.
pub mod record {
    pub use crate::model::columns::Columns;
    pub use crate::model::embeddings::Vectors;
    pub use crate::model::metadata::{MetadataIter, SparseVector, Strings, StringsIter};
    pub use crate::model::record::{AsRecord, RecordRef};
    pub use crate::model::records::IntoRecords;
    pub use crate::model::results::{IntoIter, Iter};
}

#[allow(unused_imports)]
pub mod manual {
    // Its examples start a server.
    #![cfg_attr(
        any(feature = "local-server", not(doctest)),
        doc = include_str!("../docs/manual.md")
    )]
    #[cfg(doc)]
    use crate::*;
}

#[allow(unused_imports)]
pub mod operations {
    #![doc = include_str!("../docs/operations.md")]
    #[cfg(doc)]
    use crate::{client::*, collection::*, *};
}

/// The program in the README compiles.
#[cfg(all(doctest, feature = "local-server"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs in the guide for users of Chroma's Python client compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-python.md")]
struct FromPython;

/// The programs in the guide for users of the official crate compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-official-crate.md")]
struct FromOfficialCrate;

/// The programs in the guide for users of the crate `chromadb` compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-chromadb.md")]
struct FromChromadb;

/// The programs in the document on embedding functions compile.
#[cfg(all(doctest, feature = "bm25", feature = "functions", feature = "onnx"))]
#[doc = include_str!("../docs/embeddings.md")]
struct EmbeddingFunctions;

/// The programs in the document on operating compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/operating.md")]
struct Operating;

/// The programs in the document on hybrid search compile.
#[cfg(all(doctest, feature = "functions", feature = "hybrid"))]
#[doc = include_str!("../docs/hybrid.md")]
struct Hybrid;

/// The programs in the document on moving data compile.
#[cfg(all(doctest, feature = "transfer"))]
#[doc = include_str!("../docs/moving.md")]
struct Moving;
