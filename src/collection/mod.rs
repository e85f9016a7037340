//! [`Collection`]: records to write, read, ask and delete.

mod batches;
mod builder;
mod collections;
mod delete;
mod export;
mod fork;
mod functions;
mod get;
mod ids;
mod modify;
mod open;
#[cfg(any(test, fuzzing))]
mod parsers;
mod progress;
mod query;
mod query_input;
mod retry;
mod scan;
mod search;
mod selection;
mod stored;
mod transaction;
mod write;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::model::progress::{Progress, ProgressStage};
pub use builder::CollectionBuilder;
pub use collections::ListCollections;
pub use delete::Delete;
pub use export::Export;
pub use fork::IndexingStatus;
pub use functions::{AttachFunction, Attached, AttachedFunction, DetachFunction};
pub use get::Get;
pub use ids::IntoIds;
pub use modify::Modify;
pub use open::CollectionOpener;
use open::In;
#[cfg(any(test, fuzzing))]
pub(crate) use parsers::PARSERS;
pub use query::{Query, QueryMany};
pub use query_input::{IntoQueries, IntoQuery};
pub use scan::{Scan, ScanPages};
pub use search::{RunSearch, RunSearches};
use stored::Stored;
pub use transaction::{Committed, Transaction};

use crate::client::{Client, Request, operations as op};
use crate::embed::{self, EmbeddingContext, EmbeddingFunction, Purpose, remembered};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::metrics::Embedded;
use crate::model::configuration::CollectionConfiguration;
use crate::model::embeddings::Embeddings;
use crate::model::metadata::Metadata;
use crate::model::records::IntoRecords;
use crate::model::schema::Schema;
use crate::model::search::ReadLevel;
use crate::model::search::Search;
use crate::model::space::Space;
use crate::transport::{Operation, RetryPolicy};
use crate::wire::read;

/// A collection of records on a server.
///
/// Cheap to clone, and to be shared by threads. It speaks of the collection by its id: a collection that is deleted
/// and made again under the same name is another one, and calls then fail with
/// [`Error::NotFound`].
#[derive(Clone)]
pub struct Collection {
    client: Client,
    inner: Arc<Inner>,
    /// What progress is reported to.
    report: Option<Arc<dyn Fn(&Progress) + Send + Sync>>,
}

struct Inner {
    stored: Stored,
    /// Floats per vector; 0 while nobody knows.
    dimension: AtomicUsize,
    embedding_function: Option<Arc<dyn EmbeddingFunction>>,
    /// Why the function that the collection remembers is not here.
    missing: Option<InvalidInput>,
}

impl Collection {
    /// With a function that was passed in, or else with the one that it remembers, if that is known here.
    pub(crate) fn new(
        client: Client,
        stored: Stored,
        given: Option<Arc<dyn EmbeddingFunction>>,
    ) -> Collection {
        let (embedding_function, missing) = match (given, stored.function()) {
            (Some(given), _) => (Some(given), None),
            (None, None) => (None, None),
            (None, Some(remembered)) => match remembered::make(&remembered) {
                Ok(function) => (function, None),
                Err(reason) => (None, Some(reason)),
            },
        };
        let dimension = AtomicUsize::new(stored.dimension.unwrap_or(0));
        let inner = Arc::new(Inner {
            stored,
            dimension,
            embedding_function,
            missing,
        });
        Collection {
            client,
            inner,
            report: None,
        }
    }

    /// The same collection, whose calls are tried again by another policy, and have its deadline; connections are shared.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use chroma_blocking::{Client, Record, RetryPolicy};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let within_a_minute = RetryPolicy::default().max_retries(10).deadline(Duration::from_secs(60));
    /// notes.with_retry(within_a_minute).upsert([Record::new("1").embedding([0.1, 0.2])])?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn with_retry(&self, policy: RetryPolicy) -> Collection {
        self.on(&self.client.with_retry(policy))
    }

    /// The same collection for one call: all requests by it together have the policy's deadline.
    pub(crate) fn begin(&self) -> Collection {
        self.on(&self.client.begin())
    }

    /// The same collection, by another client of the same server.
    fn on(&self, client: &Client) -> Collection {
        Collection {
            client: client.clone(),
            ..self.clone()
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.inner.stored.name
    }

    /// The id that the server gave it, a UUID.
    pub fn id(&self) -> &str {
        &self.inner.stored.id
    }

    /// Its own metadata, as it was when this was opened.
    pub fn metadata(&self) -> Option<&Metadata> {
        self.inner.stored.metadata.as_ref()
    }

    /// How distances are measured, where the server says so; Chroma 1.0.0 does not.
    pub fn space(&self) -> Option<Space> {
        self.configuration().space()
    }

    /// How it is set up, as it was when this was opened. Where the server does not say so, as Chroma 1.0.0, nothing is
    /// set.
    ///
    /// ```no_run
    /// # let notes = chroma_blocking::Client::from_env()?.collection("notes").get()?;
    /// let hnsw = notes.configuration().hnsw.as_ref();
    /// println!("a query looks at {:?} candidates", hnsw.and_then(|hnsw| hnsw.ef_search));
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn configuration(&self) -> &CollectionConfiguration {
        &self.inner.stored.configuration_json
    }

    /// Which indexes it has, as it was when this was opened. Servers before Chroma 1.3 have no schemas.
    pub fn schema(&self) -> Option<&Schema> {
        self.inner.stored.schema.as_ref()
    }

    /// Floats per vector; `None` until the first record is in.
    pub fn dimension(&self) -> Option<usize> {
        Some(self.inner.dimension.load(Ordering::Relaxed)).filter(|dimension| *dimension > 0)
    }

    /// The client that it was opened with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The embedding function that it was opened with, or else the one that it remembers, if that is known here.
    pub fn embedding_function(&self) -> Option<&Arc<dyn EmbeddingFunction>> {
        self.inner.embedding_function.as_ref()
    }

    /// The number of records.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn count(&self) -> Result<usize> {
        self.request(&op::COUNT).send(read::json)
    }

    /// The number of records at a read level: what is indexed is counted faster than what is not. A single-node server
    /// makes no difference.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn count_at(&self, level: ReadLevel) -> Result<usize> {
        let query = format!("read_level={}", level.name());
        self.request(&op::COUNT).query(&query).send(read::json)
    }

    /// Adds records. What is there already stays as it is: the server ignores an id that it has, without a word;
    /// [`upsert`](Collection::upsert) changes it.
    ///
    /// Records are taken as for [`upsert`](Collection::upsert).
    ///
    /// # Errors
    /// As for [`upsert`](Collection::upsert).
    pub fn add(&self, records: impl IntoRecords) -> Result<()> {
        self.begin().write(&op::ADD, &records.into_records())
    }

    /// Writes records: new ones are added, and of those whose id is there, what the new record names is replaced: its
    /// vector, its document, each of its metadata keys. What it does not name stays; a key goes away with
    /// [`Record::remove_metadata`](crate::Record::remove_metadata).
    ///
    /// A record with a document and no vector is embedded. A large call is cut into as many requests as the server's
    /// limits ask for.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Record};
    /// # use chroma_blocking::record::Columns;
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// notes.upsert([
    ///     Record::new("1").document("Rust has no garbage collector").metadata("year", 2015),
    ///     Record::new("2").document("Chroma stores embeddings").metadata("year", 2023),
    /// ])?;
    /// // Or by column, borrowed:
    /// notes.upsert(Columns::new(&["3"]).documents(&["Cargo builds Rust programs"]))?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] before anything is sent, for input that the server would refuse or
    /// lose; [`Error::PartlyDone`], with the ids, when a later one of several requests
    /// failed.
    pub fn upsert(&self, records: impl IntoRecords) -> Result<()> {
        self.begin().write(&op::UPSERT, &records.into_records())
    }

    /// Changes records that are there: what a record names is replaced, the rest stays. A new document without a
    /// vector is embedded. An id that is not there is ignored by the server, without a word.
    ///
    /// Records are taken as for [`upsert`](Collection::upsert).
    ///
    /// # Errors
    /// As for [`upsert`](Collection::upsert).
    pub fn update(&self, records: impl IntoRecords) -> Result<()> {
        self.begin().write(&op::UPDATE, &records.into_records())
    }

    /// Records by a filter, by a rank of several parts, in groups: see [`Search`].
    ///
    /// For Chroma Cloud and distributed Chroma; a single-node server has [`query`](Collection::query) alone, and
    /// answers [`Error::Unsupported`].
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Key, Search};
    /// # use chroma_blocking::record::SparseVector;
    /// # use chroma_blocking::search::{Knn, ReadLevel};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// # let words = SparseVector::default();
    /// let hits = notes
    ///     .search(
    ///         Search::new()
    ///             .filter(Key::field("year").gte(2020))
    ///             .rank(0.7 * Knn::text("memory safety") + 0.3 * Knn::sparse("words", words).default(10))
    ///             .limit(10)
    ///             .select([Key::document(), Key::score(), Key::field("title")]),
    ///     )
    ///     .read_level(ReadLevel::IndexOnly)
    ///     .run()?;
    /// for hit in &hits {
    ///     println!("{:?}  {}  {:?}", hit.score, hit.id, hit.metadata.get("title"));
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn search(&self, search: Search) -> RunSearch {
        RunSearch::new(self.clone(), search)
    }

    /// Several searches in one request: one list of hits for each, in the same order.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Key, Search};
    /// # use chroma_blocking::search::Knn;
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let searches = ["memory safety", "vector search"].map(|text| Search::new().rank(Knn::text(text)).limit(3));
    /// let answers = notes.search_many(searches).run()?;
    /// assert_eq!(answers.len(), 2);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn search_many(&self, searches: impl IntoIterator<Item = Search>) -> RunSearches {
        RunSearches::new(self.clone(), searches.into_iter().collect())
    }

    /// Changes the collection itself: its name, its metadata, and the settings of its index that may change.
    ///
    /// ```no_run
    /// # use chroma_blocking::Client;
    /// # use chroma_blocking::schema::HnswConfig;
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let notes = notes
    ///     .modify()
    ///     .name("old-notes")
    ///     .metadata([("archived", true)])
    ///     .hnsw(HnswConfig::new().ef_search(200))
    ///     .run()?;
    /// assert_eq!(notes.name(), "old-notes");
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn modify(&self) -> Modify {
        Modify::new(self.clone())
    }

    /// Prepares a request about this collection.
    fn request(&self, operation: &'static Operation) -> Request<'_> {
        self.client
            .request(operation)
            .collection(self.name(), self.id())
    }

    /// A call that has sent nothing yet, for errors.
    fn unsent_call(&self, operation: &Operation) -> Call {
        Call::new(operation.name, Some(self.name()))
    }

    /// Embeds texts with the collection's function; `of` says whose text needs one where there is none.
    pub(crate) fn embed(
        &self,
        operation: &'static Operation,
        texts: &[&str],
        purpose: Purpose,
        of: impl FnOnce() -> String,
    ) -> Result<Embeddings> {
        let (mut told, all) = (0, texts.len() as u64);
        let tell = |done| {
            let stage = ProgressStage::Embedding;
            self.report_progress(&Progress::new(operation.name, stage, done, Some(all)));
        };
        // The function's total is not used: it may report only a part of the texts.
        let mut report = |progress: &Progress| {
            told = progress.done.min(all);
            tell(told);
        };
        let mut context = EmbeddingContext::new(purpose).on_progress(&mut report);
        let vectors = self.embed_with(operation, texts, &mut context, of)?;
        // Not every function says something.
        if told < all {
            tell(all);
        }
        Ok(vectors)
    }

    /// As [`embed`](Collection::embed), for who wants to know what it took. The context is a new one.
    pub(crate) fn embed_with(
        &self,
        operation: &'static Operation,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
        of: impl FnOnce() -> String,
    ) -> Result<Embeddings> {
        let Some(function) = &self.inner.embedding_function else {
            let missing = self.inner.missing.clone();
            let reason = missing.unwrap_or_else(|| InvalidInput::NoEmbeddingFunction { of: of() });
            return Err(self.unsent_call(operation).invalid(reason));
        };
        let call = self.unsent_call(operation);
        let started = Instant::now();
        let made = embed::embed(function.as_ref(), texts, context, &call);
        // Where it is not made yet, or there is nothing to embed, nobody was asked.
        if !texts.is_empty() && !matches!(made, Err(Error::Invalid { .. })) {
            let call = Embedded {
                texts: texts.len(),
                used: context.used,
                failed: made.is_err(),
                took: started.elapsed(),
            };
            self.client.recorder().embedded(function.name(), call);
        }
        let vectors = made?;
        match self.dimension() {
            Some(expected) if !vectors.is_empty() && vectors.dimension() != expected => Err(call
                .invalid(InvalidInput::Dimension {
                    of: format!("the embedding function {}", function.name()),
                    expected,
                    found: vectors.dimension(),
                })),
            _ => Ok(vectors),
        }
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("name", &self.name())
            .field("id", &self.id())
            .field("dimension", &self.dimension())
            .field(
                "embedding_function",
                &self.inner.embedding_function.as_ref().map(|f| f.name()),
            )
            .finish_non_exhaustive()
    }
}
