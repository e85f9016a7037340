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
//! This page is the manual: a section for each task, from the first connection to tests of your own code. The examples run
//! as they stand, against a real server. Who comes from another client finds a table of calls and a whole program in the
//! repository's `docs/`.
//!
//! # Connect
//! [`Client::from_env`] reads the environment, [`Client::new`] takes an address, [`Client::builder`] has every option. A
//! client sends nothing until it is asked to; it is cheap to clone, and threads may share it.
//!
//! ```
//! use std::time::Duration;
//! use chroma_blocking::Client;
//!
//! # let server = chroma_blocking::LocalServer::builder().install(true).start()?;
//! # let url = server.url();
//! let client = Client::builder()
//!     .host(url) // "http://localhost:8000", unless CHROMA_HOST or this says otherwise
//!     .request_timeout(Duration::from_secs(10))
//!     .build()?;
//! client.heartbeat()?; // it is there, and it is Chroma
//! assert_eq!(client.count_collections()?, 0);
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! Keys, tokens, passwords, headers, proxies and certificates: [`ClientBuilder`]. Tenants and databases:
//! [`Client::create_tenant`], [`Client::create_database`] and their kin; [`Client::with_tenant`] and
//! [`Client::with_database`] go there.
//!
//! # Collections
//! ```
//! use chroma_blocking::Space;
//! use chroma_blocking::schema::HnswConfig;
//!
//! # let server = chroma_blocking::LocalServer::builder().install(true).start()?;
//! # let client = server.client()?;
//! let points = client
//!     .collection("points")
//!     .space(Space::Cosine)
//!     .hnsw(HnswConfig::new().ef_search(200))
//!     .metadata("source", "survey")
//!     .get_or_create()?; // or create(), which fails where it exists, or get(), which fails where it does not
//! assert_eq!(points.space(), Some(Space::Cosine));
//!
//! for collection in client.list_collections().run()? {
//!     println!("{}: {} records", collection.name(), collection.count()?);
//! }
//! let points = points.modify().name("old-points").run()?;
//! client.delete_collection(points.name())?;
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! A [`Schema`](schema::Schema) says what is indexed at all; [`SpannConfig`](schema::SpannConfig) is for Chroma Cloud. [`Collection::configuration`] and
//! [`Collection::schema`] read back what a collection is made of.
//!
//! # Records
//! [`Collection::add`], [`upsert`](Collection::upsert) and [`update`](Collection::update) take [`Record`]s, or
//! [`Columns`](record::Columns) borrowed from the caller. Calls of any size are fine: they are cut into requests by the server's limits.
//! [`Collection::get`] reads by id, by filter and by page; [`Collection::scan`] iterates all of a collection in constant
//! memory, also while it is written to. Metadata goes into structs and comes from them: [`Metadata::to_struct`],
//! [`Metadata::from_struct`].
//!
//! ```
//! use chroma_blocking::{Key, Record};
//! use chroma_blocking::record::{Columns, Vectors};
//!
//! # let server = chroma_blocking::LocalServer::builder().install(true).start()?;
//! # let points = server.client()?.collection("points").create()?;
//! points.upsert([
//!     Record::new("a").embedding([0.1, 0.9]).metadata("city", "Bern").metadata("height", 540),
//!     Record::new("b").embedding([0.8, 0.2]).metadata("city", "Oslo").metadata("height", 23),
//! ])?;
//! // Vectors that lie in one slice go as they are.
//! points.add(Columns::new(&["c", "d"]).embeddings(Vectors::flat(&[0.5, 0.5, 0.3, 0.3], 2)))?;
//! points.update([Record::new("a").metadata("height", 542)])?; // the rest of it stays
//!
//! let found = points.get().ids(["a"]).run()?;
//! assert_eq!(found.row(0).and_then(|row| row.metadata.get("height")?.as_int()), Some(542));
//! for record in points.scan() {
//!     println!("{}", record?.id);
//! }
//! points.delete().filter(Key::field("height").lt(100)).run()?;
//! assert_eq!(points.count()?, 3);
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! A [`Transaction`](collection::Transaction) reads and writes, and takes effect only if nobody else wrote meanwhile what it read; it needs a server
//! newer than 1.5.9.
//!
//! # Filters
//! [`Key`] makes a [`Where`], and `&` and `|` join them. [`Where::from_json`] reads what Chroma's other clients take, and a
//! filter prints as that.
//!
//! ```
//! use chroma_blocking::{Key, Where};
//!
//! let recent = Key::field("year").gte(2020) & Key::field("status").is_in(["open", "draft"]);
//! let either = recent.clone() | Key::document().contains("urgent") & Key::document().not_regex("(?i)spam");
//! assert_eq!(
//!     recent.to_string(),
//!     r#"{"$and":[{"year":{"$gte":2020}},{"status":{"$in":["open","draft"]}}]}"#
//! );
//! assert_eq!(Where::from_json(&recent.to_string())?, recent);
//! # let _ = either;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Search
//! [`Collection::query`] finds what is nearest to a text or a vector; [`query_many`](Collection::query_many) asks several
//! questions in one request.
//!
//! ```
//! use chroma_blocking::{Hashing, Key, Record};
//!
//! # let server = chroma_blocking::LocalServer::builder().install(true).start()?;
//! # let client = server.client()?;
//! let notes = client.collection("notes").embedding_function(Hashing::default()).create()?;
//! notes.upsert([
//!     Record::new("1").document("Rust has no garbage collector").metadata("year", 2015),
//!     Record::new("2").document("Chroma stores embeddings").metadata("year", 2023),
//! ])?;
//! let hits = notes.query("garbage collection").filter(Key::field("year").gte(2010)).n_results(1).run()?;
//! assert!(hits.ids().eq(["1"]));
//! for hit in hits {
//!     println!("{:.3}  {}  {}", hit.distance, hit.id, hit.document.unwrap_or_default());
//! }
//! let answers = notes.query_many(["memory", "embeddings"]).run()?;
//! assert_eq!(answers.len(), 2);
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! Chroma Cloud and distributed Chroma have more: [`Collection::search`] takes a [`Search`], with dense and sparse vectors in
//! one rank, arithmetic on ranks ([`Knn`](search::Knn), [`Rank`](search::Rank)), reciprocal rank fusion ([`Rrf`](search::Rrf)) and groups ([`GroupBy`](search::GroupBy)). Single-node
//! servers answer [`Error::Unsupported`].
//!
//! ```no_run
//! use chroma_blocking::{Client, Key, Search};
//! use chroma_blocking::record::SparseVector;
//! use chroma_blocking::search::Knn;
//!
//! let notes = Client::cloud_from_env()?.collection("notes").get()?;
//! let words = SparseVector { indices: vec![7, 42], values: vec![0.8, 0.3] };
//! let rank = 0.7 * Knn::text("memory safety") + 0.3 * Knn::sparse("words", words).default(10);
//! let hits = notes.search(Search::new().rank(rank).limit(5).select([Key::document(), Key::score()])).run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Embeddings
//! [`Gemini`] embeds by meaning, [`Hashing`] by wording and offline; [`EmbeddingFunction`] is the trait for one of your own, and
//! has an example ([`EmbeddingContext`](embed::EmbeddingContext) has one that wraps another function). A
//! collection remembers its function, and opens with it in every client of Chroma; one without a function, or with one that
//! is not known here, works with the caller's vectors. A cache sees to it that no text is paid for twice:
//! [`GeminiBuilder::cache`](embed::GeminiBuilder::cache), or [`Cached`](embed::Cached) in front of any function; in memory ([`MemoryCache`](embed::MemoryCache)), or on disk (`DiskCache`).
//!
#![cfg_attr(feature = "gemini", doc = "```no_run")]
#![cfg_attr(not(feature = "gemini"), doc = "```ignore")]
//! use chroma_blocking::{Client, Gemini};
//! use chroma_blocking::embed::MemoryCache;
//!
//! let gemini = Gemini::builder()               // the key is in GOOGLE_API_KEY or GEMINI_API_KEY
//!     .concurrency(8)                          // requests of 100 texts at a time
//!     .requests_per_minute(3000)               // what your quota says; never exceeded
//!     .cache(MemoryCache::new(256 << 20))
//!     .build()?;
//! let notes = Client::from_env()?.collection("notes").embedding_function(gemini.clone()).get_or_create()?;
//!
//! let texts = ["any number", "of texts"];
//! let vectors = gemini.embed(texts).on_progress(|progress| eprintln!("{progress}")).run()?;
//! assert_eq!(vectors.len(), texts.len());
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! When [`Gemini::embed`] fails, the error brings every vector that was made ([`Error::PartlyEmbedded`]).
//!
//! # Batches
//! [`Collection::ingest`] takes any iterator of records, or of results of records, and reads, embeds and writes them at the
//! same time: in bounded memory, in their order, and safe to kill. See [`Ingest`](ingest::Ingest). [`jsonl_records`](ingest::jsonl_records) reads JSON Lines as
//! records, [`text_records`](ingest::text_records) a folder of text files, `csv_records` CSV (feature `csv`); what cannot be read is an error in its
//! place. [`TextSplitter`](ingest::TextSplitter) cuts long texts into pieces. [`Collection::export`] writes a collection to JSON Lines, which are
//! read as an equal one.
//!
//! ```
//! use chroma_blocking::{Hashing, Record};
//! use chroma_blocking::ingest::{BadRecords, jsonl_records};
//!
//! # let server = chroma_blocking::LocalServer::builder().install(true).start()?;
//! # let client = server.client()?;
//! # let folder = std::env::temp_dir().join(format!("chroma-blocking-manual-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let (path, bad, checkpoint) = (folder.join("notes.jsonl"), folder.join("bad.jsonl"), folder.join("notes.ckpt"));
//! # std::fs::write(&path, "{\"id\":\"1\",\"document\":\"one\"}\nno JSON\n{\"id\":\"2\",\"document\":\"two\"}\n")?;
//! let notes = client.collection("notes").embedding_function(Hashing::default()).create()?;
//! let report = notes
//!     .ingest(jsonl_records(&path)?)
//!     .checkpoint(&checkpoint)                    // killed, it goes on where it was
//!     .bad_records(BadRecords::dead_letters(&bad)) // rather than to stop
//!     .on_progress(|progress| eprintln!("{} records", progress.written))
//!     .run()?;
//! assert_eq!((report.written, report.failed), (2, 1));
//! println!("{report}"); // 2 written, 1 failed, 2 embedded in 0.1 s, 20 per second
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors and retries
//! [`Error`] is sorted by what can be done about it. Bad input is refused before anything is sent ([`InvalidInput`]); what may
//! be repeated is tried again ([`RetryPolicy`]). Where the answer to a call that may not be repeated is lost (`create`, `fork`,
//! deleting a collection …), the client asks the server whether it took effect. An error says whether the server may have
//! acted ([`Call::may_have_acted`](error::Call::may_have_acted)), and of a large write, which ids are in ([`Error::PartlyDone`]).
//!
//! ```
//! use std::time::Duration;
//! use chroma_blocking::{Error, Record, RetryPolicy};
//!
//! # let server = chroma_blocking::LocalServer::builder().install(true).start()?;
//! # let client = server.client()?;
//! match client.collection("notes").get() {
//!     Ok(notes) => println!("{} records", notes.count()?),
//!     Err(Error::NotFound { .. }) => println!("not there yet"),
//!     Err(error) if error.is_retryable() => eprintln!("{error}; later perhaps"),
//!     Err(error) => return Err(error),
//! }
//!
//! let notes = client.collection("notes").create()?;
//! let twice = [Record::new("1").embedding([0.1]), Record::new("1").embedding([0.2])];
//! let error = notes.upsert(twice).unwrap_err();
//! assert_eq!(error.kind(), "invalid");
//! println!("{error}"); // upsert "notes": the same id more than once in one call: "1"; keep one record for each id
//!
//! // Within two seconds, whatever the server does; or else an error.
//! let hurried = notes.with_retry(RetryPolicy::default().deadline(Duration::from_secs(2)));
//! hurried.count()?;
//! # Ok::<(), Error>(())
//! ```
//!
//! A client can leave a server alone that keeps failing ([`CircuitBreaker`](client::CircuitBreaker)), and can know several addresses of the same data
//! ([`ClientBuilder::replicas`]).
//!
//! A request that was given up, because its answer took too long, may still reach the server and take effect later than
//! one that was sent after it. So after a timeout write nothing else to the same record, unless either order is fine.
//!
//! # See what it does
//! **Metrics.** [`Client::metrics`] is a snapshot of what a client has done: calls, errors by kind, retries, bytes and latencies
//! by operation, connections, breakers, embeddings. It prints as a table. The feature `metrics` reports the same to the facade
//! [`metrics`](https://docs.rs/metrics), for Prometheus and others: counters, gauges and histograms whose names begin with
//! `chroma_client_`; install the recorder before the first client is made.
//!
//! ```
//! # let server = chroma_blocking::LocalServer::builder().install(true).start()?;
//! # let client = server.client()?;
//! client.heartbeat()?;
//! let metrics = client.metrics();
//! let heartbeat = &metrics.operations["heartbeat"];
//! assert_eq!((heartbeat.calls, heartbeat.failed()), (1, 0));
//! println!("99 % took no longer than {:?}\n{metrics}", heartbeat.latency.p99);
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! **Logs** go through the crate [`log`](https://docs.rs/log), each with its particulars as key-values.
//!
//! | level | what |
//! |---|---|
//! | `error` | what nobody hears of otherwise: a local server or its folder that could not be put away |
//! | `warn` | each retry, with its reason (`error`, `status`) and its wait (`wait_ms`); a bad record that was left out; a cache that fails |
//! | `info` | a batch job's milestones; a lost answer that turned out well; an installation |
//! | `debug` | each request: `operation`, `collection` (or `database`, `tenant`, `model`), `endpoint`, `attempt`, `status`, `elapsed_ms`, `bytes_out`, `bytes_in` |
//!
//! | target | of |
//! |---|---|
//! | `chroma_blocking::http` | requests, Gemini's too, and the retries of those to Chroma |
//! | `chroma_blocking::client` | settings, and what became of a request whose answer was lost |
//! | `chroma_blocking::embed` | embedding functions, their retries, limits and caches |
//! | `chroma_blocking::ingest` | batch jobs |
//! | `chroma_blocking::local` | servers on this machine |
//!
//! No secret is in these. But at level `trace` the crate `ureq-proto`, which this one uses, logs every byte that is sent, keys
//! included: leave its target `ureq_proto` off, or have the level compiled out of release builds (feature
//! `release_max_level_debug` of `log`). With `env_logger` (`cargo add log`, `cargo add env_logger --features kv`; `kv` prints
//! the key-values):
//!
//! ```
//! env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,chroma_blocking=info"))
//!     .filter_module("ureq_proto", log::LevelFilter::Info)
//!     .init();
//! // RUST_LOG=chroma_blocking::http=debug shows each request:
//! // [… DEBUG chroma_blocking::http] GET http://localhost:8000/api/v2/heartbeat operation=heartbeat endpoint=http://localhost:8000
//! //     attempt=1 status=200 elapsed_ms=0.41 bytes_out=0 bytes_in=44
//! ```
//!
//! **Into `tracing`.** `tracing_subscriber::fmt().init()` takes in the lines of `log` by itself (its default feature
//! `tracing-log`); other subscribers do after `tracing_log::LogTracer::init()`. The messages say what people need;
//! `tracing-log` 0.2 leaves the key-values behind, so where a machine is to read them, use a logger that keeps them, or spans.
//!
//! **Traces.** With the feature `opentelemetry` each call is a span, and each attempt a span below it, by the semantic
//! conventions for databases and for HTTP. They belong to the current span of the thread that made the call, also where
//! other threads do the work, and go to the global tracer provider. Of several endpoints, a call's span names the primary
//! one, and that of an attempt the one that was asked. What the global propagator makes of them (`traceparent`, `baggage`)
//! goes into requests to Chroma, and not to Google. With neither set, nothing happens.
//!
//! **Progress.** Long calls tell how far they are: [`Collection::with_progress`], [`Ingest::on_progress`](ingest::Ingest::on_progress),
//! `Embed::on_progress`, [`Export::on_progress`](collection::Export::on_progress).
//!
//! # A local server
//! [`LocalServer`] is a real Chroma server for as long as your program runs: found on this machine or, if you allow it,
//! installed from PyPI into the user's cache folder. It is gone when the program is, even after `kill -9`.
//!
//! ```
//! use chroma_blocking::LocalServer;
//!
//! let server = LocalServer::builder().install(true).on_install(|plan| eprintln!("{plan}")).start()?;
//! let client = server.client()?;
//! println!("{} speaks version {}", server.url(), client.version()?);
//! server.stop()?; // or drop it
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! # Chroma Cloud
//! ```no_run
//! use chroma_blocking::Client;
//!
//! let client = Client::cloud_from_env()?; // CHROMA_API_KEY; CHROMA_TENANT and CHROMA_DATABASE are found out
//! println!("{} in {}", client.database(), client.tenant());
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! # Build scripts
//! With few crates and no runtime it fits into a `build.rs`: without the default features it needs 31 crates, itself among
//! them, and compiles no C. Embed what your program ships while it is built, and only what has changed since.
//!
//! ```no_run
//! // build.rs; in Cargo.toml: [build-dependencies] chroma-blocking = { path = "../chroma-blocking", default-features = false }
//! use chroma_blocking::{Hashing, LocalServer};
//! use chroma_blocking::ingest::text_records;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     println!("cargo::rerun-if-changed=docs");
//!     let server = LocalServer::builder().install(true).start()?;
//!     let docs = server.client()?.collection("docs").embedding_function(Hashing::default()).get_or_create()?;
//!     docs.ingest(text_records("docs")?).run()?;
//!     let out = std::path::Path::new(&std::env::var("OUT_DIR")?).join("docs.jsonl");
//!     docs.export().to_file(out)?;
//!     Ok(())
//! }
//! ```
//!
//! The repository's `examples/build_script` is a whole crate of that kind.
//!
//! # Test your own code
//! Against a real server: one for a whole test binary, since it takes a second to start, and a collection of its own for each
//! test. Against one that fails: no server at all (an address where nothing listens), and a policy without waits.
//!
//! ```
//! use std::sync::OnceLock;
//! use chroma_blocking::{Client, Collection, Error, Hashing, LocalServer, Record, RetryPolicy};
//!
//! /// What is to be tested.
//! fn remember(notes: &Collection, text: &str) -> chroma_blocking::Result<()> {
//!     notes.upsert([Record::new(text.len().to_string()).document(text)])
//! }
//!
//! /// The server of all tests. It ends with the process, although a static is never dropped.
//! fn client() -> Client {
//!     static SERVER: OnceLock<LocalServer> = OnceLock::new();
//!     let server = SERVER.get_or_init(|| LocalServer::builder().install(true).start().expect("a server"));
//!     server.client().expect("its own address")
//! }
//!
//! // #[test]
//! fn notes_are_remembered() {
//!     let notes = client().collection("notes_are_remembered").embedding_function(Hashing::default()).create().unwrap();
//!     remember(&notes, "milk").unwrap();
//!     assert_eq!(notes.count().unwrap(), 1);
//! }
//!
//! // #[test]
//! fn without_a_server_it_says_so() {
//!     let nobody = Client::builder().host("127.0.0.1:9").retry(RetryPolicy::none()).build().unwrap();
//!     let error = nobody.heartbeat().unwrap_err();
//!     assert!(matches!(error, Error::Connection { .. }), "{error}");
//! }
//! # notes_are_remembered();
//! # without_a_server_it_says_so();
//! ```
//!
//! Embeddings in tests need no key: [`Hashing`] is deterministic and offline, and an [`EmbeddingFunction`] of a few lines
//! gives whatever vectors a test wants.
//!
//! # Features
//! - `gemini` (default): [`Gemini`], and `rayon` for the threads that it sends from and for work on many texts.
//! - `tls` (default): https, through rustls. Without it only http is spoken, to a server on this machine for example.
//! - `disk-cache`: `DiskCache`, which keeps vectors in a file.
//! - `csv`: `csv_records`, which reads CSV files.
//! - `metrics`: what [`Client::metrics`] counts, also for the facade `metrics`.
//! - `opentelemetry`: spans for calls and attempts, and their context in requests.
//!
//! # Every operation
//! [Every operation](operations) of Chroma's Python client is here, with what servers of each version do with it.

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
pub mod ingest;
mod invalid;
pub mod local;
mod logs;
pub mod metrics;
mod model;
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
#[doc(inline)]
pub use local::LocalServer;
pub use model::embeddings::Embeddings;
pub use model::filter::{self, Key, Where};
pub use model::metadata::{Metadata, MetadataValue};
pub use model::progress::{Progress, ProgressStage};
pub use model::record::Record;
pub use model::results::{GetResult, Hit, Include, QueryResult};
#[doc(inline)]
pub use model::search::Search;
pub use model::space::Space;
pub use model::{schema, search};
pub use transport::RetryPolicy;

/// The forms in which a program hands over records: owned, borrowed, by row or by column.
pub mod record {
    pub use crate::model::embeddings::Vectors;
    pub use crate::model::metadata::SparseVector;
    pub use crate::model::record::{AsRecord, RecordRef};
    pub use crate::model::results::{IntoIter, Iter};
    pub use crate::model::rows::{Columns, IntoRecords};
}

#[allow(unused_imports)]
pub mod operations {
    #![doc = include_str!("../docs/operations.md")]
    #[cfg(doc)]
    use crate::{client::*, collection::*, *};
}

/// The programs in the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The programs in the guide for users of Chroma's Python client compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-python.md")]
struct FromPython;

/// The same for users of the official crate.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-official-crate.md")]
struct FromOfficialCrate;

/// The same for users of the crate `chromadb`.
#[cfg(doctest)]
#[doc = include_str!("../docs/from-chromadb.md")]
struct FromChromadb;

/// Those of the documents, too.
#[cfg(doctest)]
#[doc = include_str!("../docs/operating.md")]
struct Operating;
