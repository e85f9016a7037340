//! A blocking client for [Chroma](https://www.trychroma.com), the vector database: for command-line tools, daemons
//! with threads, build scripts and batch jobs. No async runtime, no `protoc`, few dependencies.
//!
#![cfg_attr(feature = "gemini", doc = "```no_run")]
#![cfg_attr(not(feature = "gemini"), doc = "```ignore")]
//! use chroma_blocking::{Client, Gemini, Key, Record};
//!
//! let client = Client::from_env()?;                      // CHROMA_HOST and friends
//! let notes = client
//!     .collection("notes")
//!     .embedding_function(Gemini::from_env()?)           // GOOGLE_API_KEY or GEMINI_API_KEY
//!     .get_or_create()?;
//!
//! notes.upsert([
//!     Record::new("1").document("Rust has no garbage collector").metadata("year", 2015),
//!     Record::new("2").document("Chroma stores embeddings").metadata("year", 2023),
//! ])?;
//!
//! for hit in notes.query("memory safety").filter(Key::field("year").gte(2010)).n_results(5).run()? {
//!     println!("{:.3}  {}  {}", hit.distance, hit.id, hit.document.unwrap_or_default());
//! }
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! # Connect
//! [`Client::from_env`] reads the environment, [`Client::new`] takes an address, [`Client::builder`] has every option.
//! A client sends nothing until it is asked to; it is cheap to clone, and threads may share it.
//!
//! # Configure
//! A collection is made with a [`Space`], the settings of an index ([`HnswConfig`], [`SpannConfig`]), or a [`Schema`],
//! which says what is indexed at all. [`Collection::configuration`] and [`Collection::schema`] read them back, and
//! [`Collection::modify`] changes what may change.
//!
//! Tenants and databases: [`Client::create_tenant`], [`Client::create_database`] and their kin;
//! [`Client::with_tenant`] and [`Client::with_database`] go there. [`Client::cloud`] is for Chroma Cloud.
//! [Every operation](operations) of Chroma's Python client is here, with what servers of each version do with it.
//!
//! # Write
//! [`Collection::add`], [`upsert`](Collection::upsert) and [`update`](Collection::update) take [`Record`]s, or
//! [`Columns`] borrowed from the caller. Calls of any size are fine: they are cut into requests by the server's limits.
//!
//! # Read
//! [`Collection::get`], [`query`](Collection::query) and [`query_many`](Collection::query_many) return options to be
//! set and [`run`](Query::run). What comes back is read by row or by column: [`GetResult`], [`QueryResult`]. Metadata
//! goes into structs and comes from them: [`Metadata::to_struct`], [`Metadata::from_struct`].
//! [`Collection::scan`] iterates a whole collection in constant memory, also while it is written to.
//!
//! # Batch jobs
//! [`Collection::ingest`] takes any iterator of records, or of results of records, and embeds and writes them: in bounded
//! memory, in their order, and safe to kill. See [`Ingest`].
//!
//! # Files
//! [`jsonl_records`] reads JSON Lines as records, [`text_records`] a folder of text files, and `csv_records` CSV; each is
//! an iterator in which what cannot be read is an error in its place. [`TextSplitter`] cuts long texts into pieces.
//! [`Collection::export`] writes a collection to JSON Lines, which are read as an equal one.
//!
//! # Filter
//! [`Key`] makes a [`Where`], and `&` and `|` join them. [`Where::from_json`] reads what Chroma's other clients take,
//! and a filter prints as that.
//!
//! # Change what nobody else has changed
//! A [`Transaction`] reads and writes, and takes effect only if nobody else wrote meanwhile what it read. It needs a
//! server newer than 1.5.9.
//!
//! # Search
//! [`Collection::search`] takes a [`Search`]: dense and sparse vectors in one rank, arithmetic on ranks, reciprocal
//! rank fusion, groups. Chroma Cloud and distributed Chroma have it; single-node servers do not. See [`Knn`], [`Rank`],
//! [`Rrf`] and [`GroupBy`].
//!
//! # Embed
//! [`Gemini`] embeds by meaning, [`Hashing`] by wording and offline; [`EmbeddingFunction`] is the trait for others. A
//! collection remembers its function, and opens with it in every client of Chroma; one without a function, or with one
//! that is not known here, works with the caller's vectors. [`Cached`] puts a cache in front of any function, in memory
//! ([`MemoryCache`]) or on disk (`DiskCache`), so that no text is paid for twice; [`Gemini`] can have one inside.
//!
//! [`Gemini::embed`] takes any number of texts: several batches at a time, within the limits of the service, and when it
//! fails, the error brings every vector that was made ([`Error::PartlyEmbedded`]).
//!
//! # When it fails
//! [`Error`] is sorted by what can be done about it. Bad input is refused before anything is sent
//! ([`InvalidInput`]); what may be repeated is tried again ([`RetryPolicy`]). What may not, and whose answer was lost
//! (`create`, `fork`, deleting a collection …), is asked for: is it done? An error says whether the server may have acted
//! ([`Call::may_have_acted`]), and of a large write, which ids are in ([`Error::PartlyDone`]).
//!
//! A call can have a deadline ([`RetryPolicy::deadline`], for some calls by [`Collection::with_retry`]), which holds
//! whatever the server does. A client can leave a server alone that keeps failing ([`CircuitBreaker`]), and can know
//! several addresses of the same data ([`ClientBuilder::replicas`]).
//!
//! A request that was given up, because its answer took too long, may still reach the server and take effect later than
//! one that was sent after it. So let two writes to the same record not follow each other after a timeout, or write what
//! may come in any order.
//!
//! # A server of your own
//! [`LocalServer`] starts a real Chroma server for as long as your program runs: for tests, tools and build scripts.
//!
//! # Logs
//! Through the crate [`log`](https://docs.rs/log), target `chroma_blocking`: each request at `debug`, each retry at
//! `warn`, both with key-values. No secret is in these. But at level `trace` the crate `ureq-proto`, which this one uses,
//! logs every byte that is sent, keys included: leave that level off, or its target `ureq_proto`.
//!
//! # Features
//! - `gemini` (default): [`Gemini`], and `rayon` for the threads that it sends from.
//! - `tls` (default): https, through rustls. Without it only http is spoken, to a server on this machine for example.
//! - `disk-cache`: `DiskCache`, which keeps vectors in a file.
//! - `csv`: `csv_records`, which reads CSV files.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
mod collection;
mod config;
mod embed;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod ingest;
mod local;
mod logs;
mod metrics;
mod model;
mod transport;
mod wire;

pub use client::{
    Client, Database, Identity, ListCollections, ListDatabases, PreFlightChecks, Tenant,
};
pub use collection::{
    AttachFunction, Attached, AttachedFunction, Collection, CollectionBuilder, CollectionOpener,
    Committed, Delete, DetachFunction, Export, Get, IndexingStatus, Modify, Progress,
    ProgressStage, Queries, Query, QueryInput, QueryMany, Scan, ScanPages, ScanRecords, SearchCall,
    SearchManyCall, Transaction,
};
pub use config::ClientBuilder;
#[cfg(feature = "disk-cache")]
pub use embed::DiskCache;
pub use embed::{
    Cached, EmbeddingCache, EmbeddingContext, EmbeddingError, EmbeddingFunction, Hashing,
    MemoryCache, Purpose,
};
#[cfg(feature = "gemini")]
pub use embed::{EmbedCall, Gemini, GeminiBuilder, LongTexts, ModelStyle, RefusedTexts, TaskType};
pub use error::{Call, Error, InvalidInput, RefusedText, Result};
pub use ingest::{
    BadRecord, BadRecords, Ingest, IngestProgress, IngestReport, IngestStage, IntoRecord,
    JsonLines, MissingIds, NestedFields, TextFiles, TextSplitter, jsonl_records, text_records,
};
#[cfg(feature = "csv")]
pub use ingest::{CsvRows, csv_records};
pub use local::{InstallPlan, LocalServer, LocalServerBuilder};
pub use metrics::{
    BreakerState, EmbeddingMetrics, EndpointMetrics, Latency, Metrics, OperationMetrics,
    PoolMetrics,
};
pub use model::configuration::{CollectionConfiguration, EmbeddingFunctionConfiguration};
pub use model::embeddings::{Embeddings, Vectors};
pub use model::filter::{Key, Where};
pub use model::index::{HnswConfig, SpannConfig};
pub use model::metadata::{Metadata, MetadataValue, SparseVector};
pub use model::record::{AsRow, Record, Row};
pub use model::results::{GetResult, Hit, Include, IntoRecords, QueryResult, RowIter};
pub use model::rows::{Columns, IntoRows, Rows};
pub use model::schema::{InvertedIndex, Schema, SparseVectorIndexConfig, VectorIndexConfig};
pub use model::search::{GroupBy, Knn, Rank, ReadLevel, Rrf, Search, SearchHit, SearchResult};
pub use model::space::Space;
pub use transport::{CircuitBreaker, Jitter, ReadFrom, RetryPolicy};

#[doc = include_str!("../docs/operations.md")]
///
#[allow(unused_imports)]
pub mod operations {
    #[cfg(doc)]
    use crate::*;
}

/// The programs in the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
