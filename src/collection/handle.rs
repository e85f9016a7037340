//! [`Collection`]: the handle that all calls start from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::embedding_functions::EmbeddingFunctions;
use super::observer::Observers;
use super::sparse_key::SparseKey;
use super::stored::Stored;
use crate::client::{Client, Request};
use crate::embed::{EmbeddingFunction, configured};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::configuration::CollectionConfiguration;
use crate::model::metadata::{Metadata, MetadataValue, NO_METADATA, STAMP};
use crate::model::progress::Progress;
use crate::model::schema::Schema;
use crate::model::space::Space;
use crate::transport::{Operation, RetryPolicy};

/// A collection of records on a server.
///
/// Cloning is cheap, and threads can share a collection. It refers to the collection on the server by its id.
/// If the collection is deleted and another one of the same name is created, calls fail with
/// [`Error::NotFound`].
#[derive(Clone)]
pub struct Collection {
    pub(super) client: Client,
    pub(super) inner: Arc<Inner>,
    /// Called with the progress of each call.
    pub(super) report: Option<Report>,
    pub(super) stamps: Stamps,
}

/// Whether a handle stamps its writes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stamps {
    pub(super) writes: bool,
    /// Whether the stamps are among the metadata that the handle returns.
    pub(super) are_shown: bool,
}

/// A function that is called with the progress of calls.
pub(super) type Report = Arc<dyn Fn(&Progress) + Send + Sync>;

/// The state that all clones share.
pub(super) struct Inner {
    pub(super) stored: Stored,
    /// The number of floats per vector; 0 as long as it is unknown.
    pub(super) dimension: AtomicUsize,
    pub(super) embedding_function: Option<Arc<dyn EmbeddingFunction>>,
    /// The metadata keys with an index of sparse vectors and a function that makes them.
    pub(super) sparse_keys: Vec<SparseKey>,
    /// Why the embedding function in the collection's configuration cannot be used.
    pub(super) unusable_function: Option<InvalidInput>,
    pub(super) observers: Observers,
    /// Whether the server has said that it has no search.
    #[cfg(feature = "hybrid")]
    pub(super) has_no_search: AtomicBool,
}

impl Collection {
    /// Creates a handle with the given embedding functions, or those in the collection's configuration and
    /// schema if this crate has them.
    pub(super) fn new(client: Client, stored: Stored, functions: EmbeddingFunctions) -> Collection {
        let schema = stored.schema.as_ref();
        let sparse_keys = schema.map(|schema| SparseKey::all(schema, &functions, client.allowed()));
        let sparse_keys = sparse_keys.unwrap_or_default();
        let (embedding_function, unusable_function) = match (functions.dense, stored.function()) {
            (Some(given), _) => (Some(given), None),
            (None, None) => (None, None),
            (None, Some(configured)) => match configured::make(&configured, client.allowed()) {
                Ok(function) => (function, None),
                Err(reason) => (None, Some(reason)),
            },
        };
        let dimension = AtomicUsize::new(stored.dimension.unwrap_or(0));
        let inner = Arc::new(Inner {
            stored: stored.with_settings_in_force(),
            dimension,
            sparse_keys,
            embedding_function,
            unusable_function,
            observers: Observers::default(),
            #[cfg(feature = "hybrid")]
            has_no_search: AtomicBool::new(false),
        });
        let metadata = inner.stored.metadata.as_ref();
        let stamp = metadata.and_then(|metadata| metadata.get(STAMP));
        let stamps = Stamps {
            writes: stamp.is_some_and(|stamp| *stamp != MetadataValue::Bool(false)),
            are_shown: false,
        };
        Collection {
            client,
            inner,
            report: None,
            stamps,
        }
    }

    /// Returns the same collection with another retry policy, including its deadline. Both handles share
    /// their connections.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use chroma_blocking::{Client, Record, RetryPolicy};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let minute = Duration::from_secs(60);
    /// let patient = RetryPolicy::default().max_retries(10).deadline(minute);
    /// notes.with_retry(patient).upsert([Record::new("1").embedding([0.1, 0.2])])?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn with_retry(&self, policy: RetryPolicy) -> Collection {
        self.with_client(&self.client.with_retry(policy))
    }

    /// Returns the same collection, whose calls end when the flag is set to `true`. Any thread may set it.
    ///
    /// A call checks the flag before each request, during the waits between attempts, and between the pages
    /// of a scan or an export. A request that has been sent is not interrupted. While texts are embedded, the
    /// embedding function checks the flag, if it supports that
    /// ([`EmbeddingContext::is_cancelled`](crate::embed::EmbeddingContext::is_cancelled)).
    ///
    /// A cancelled call fails with [`Error::Cancelled`]. A write or deletion that the server has acknowledged in
    /// part fails with [`Error::PartlyDone`], whose source is [`Error::Cancelled`]. If the embedding function has
    /// made some of the vectors, they are in the [`Error::PartlyEmbedded`] that is the source of the error.
    ///
    /// A batch job with such a collection fails. To stop one at a checkpoint, use
    /// [`Ingest::cancel`](crate::ingest::Ingest::cancel) instead.
    ///
    /// ```no_run
    /// # use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// # use chroma_blocking::{Client, Error};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let stop = Arc::new(AtomicBool::new(false));
    /// // Somewhere else: stop.store(true, Ordering::Relaxed);
    /// match notes.with_cancel(stop.clone()).export().to_file("notes.jsonl") {
    ///     Err(Error::Cancelled { .. }) => eprintln!("cancelled"),
    ///     result => println!("{} records", result?),
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn with_cancel(&self, flag: Arc<AtomicBool>) -> Collection {
        self.with_client(&self.client.with_cancel(flag))
    }

    /// Returns the same collection without embedding functions, for records that have all their vectors.
    #[cfg(feature = "transfer")]
    pub(crate) fn without_functions(&self) -> Collection {
        let inner = Inner {
            stored: self.inner.stored.clone(),
            dimension: AtomicUsize::new(self.inner.dimension.load(Ordering::Relaxed)),
            embedding_function: None,
            sparse_keys: Vec::new(),
            unusable_function: None,
            observers: Observers::default(),
            #[cfg(feature = "hybrid")]
            has_no_search: AtomicBool::new(false),
        };
        Collection {
            inner: Arc::new(inner),
            ..self.clone()
        }
    }

    /// Returns the same collection for one call: the policy's deadline applies to all of its requests
    /// together.
    pub(crate) fn begin(&self) -> Collection {
        self.with_client(&self.client.begin())
    }

    /// Returns the same collection with another client of the same server.
    pub(super) fn with_client(&self, client: &Client) -> Collection {
        Collection {
            client: client.clone(),
            ..self.clone()
        }
    }

    /// Whether the server may have search: it has not said that it has none.
    #[cfg(feature = "hybrid")]
    pub(crate) fn may_have_search(&self) -> bool {
        !self.inner.has_no_search.load(Ordering::Relaxed)
    }

    /// Remembers that the server has no search.
    #[cfg(feature = "hybrid")]
    pub(crate) fn remember_no_search(&self) {
        self.inner.has_no_search.store(true, Ordering::Relaxed);
    }

    /// Returns the collection's name.
    pub fn name(&self) -> &str {
        &self.inner.stored.name
    }

    /// Returns the collection's id, a UUID that the server chose.
    pub fn id(&self) -> &str {
        &self.inner.stored.id
    }

    /// Returns the metadata of the collection itself, as it was when the collection was opened. Empty if it
    /// has none.
    pub fn metadata(&self) -> &Metadata {
        self.inner.stored.metadata.as_ref().unwrap_or(&NO_METADATA)
    }

    /// Returns the distance function, if the server reports it. Chroma 1.0.0 does not.
    ///
    /// If Chroma before 1.0 created the collection, this is `hnsw:space` in the
    /// [metadata](Collection::metadata), although the server reports [`Space::L2`].
    pub fn space(&self) -> Option<Space> {
        self.configuration().space()
    }

    /// Returns the configuration, as it was when the collection was opened. Its fields are `None` if the
    /// server does not report them, as Chroma 1.0.0 does not.
    ///
    /// These are the settings that the index uses. If Chroma before 1.0 created the collection, the server
    /// reports only defaults, and the keys in the [metadata](Collection::metadata) that start with `hnsw:`
    /// replace them.
    ///
    /// ```no_run
    /// # let notes = chroma_blocking::Client::from_env()?.collection("notes").get()?;
    /// let hnsw = notes.configuration().hnsw.as_ref();
    /// let candidates = hnsw.and_then(|hnsw| hnsw.ef_search);
    /// println!("a query looks at {candidates:?} candidates");
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn configuration(&self) -> &CollectionConfiguration {
        &self.inner.stored.configuration_json
    }

    /// Returns the schema, which lists the indexes, as it was when the collection was opened. Servers before
    /// Chroma 1.3 have no schemas. The settings of the index are those of the
    /// [configuration](Collection::configuration).
    pub fn schema(&self) -> Option<&Schema> {
        self.inner.stored.schema.as_ref()
    }

    /// Returns the number of floats per vector; `None` until the first record is written.
    pub fn dimension(&self) -> Option<usize> {
        match self.inner.dimension.load(Ordering::Relaxed) {
            0 => None,
            dimension => Some(dimension),
        }
    }

    /// Returns the client that the collection was opened with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the embedding function: the one that the collection was opened with, or else the one in its
    /// configuration, if this crate has it.
    pub fn embedding_function(&self) -> Option<&Arc<dyn EmbeddingFunction>> {
        self.inner.embedding_function.as_ref()
    }

    /// Returns the functions in use, for another handle of the same collection.
    pub(super) fn embedding_functions(&self) -> EmbeddingFunctions {
        let sparse = self.inner.sparse_keys.iter().filter_map(|sparse| {
            let function = sparse.function.as_ref().ok()?;
            Some((sparse.key.clone(), function.clone()))
        });
        EmbeddingFunctions {
            dense: self.embedding_function().cloned(),
            sparse: sparse.collect(),
        }
    }

    /// Fails if the caller has cancelled this collection's calls.
    pub(super) fn check_cancelled(&self, operation: &Operation) -> Result<()> {
        let flag = self.client.cancel_flag();
        if flag.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            let call = Box::new(self.unsent_call(operation));
            return Err(Error::Cancelled { call });
        }
        Ok(())
    }

    /// Prepares a request about this collection.
    pub(crate) fn request(&self, operation: &'static Operation) -> Request<'_> {
        self.client
            .request(operation)
            .collection(self.name(), self.id())
    }

    /// Returns the description of a call that has sent nothing yet, for an error.
    pub(crate) fn unsent_call(&self, operation: &Operation) -> Call {
        Call::new(operation.name, Some(self.name()))
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
                &self
                    .inner
                    .embedding_function
                    .as_ref()
                    .map(EmbeddingFunction::name),
            )
            .finish_non_exhaustive()
    }
}
