//! [`Error`] and the ways to make one.

use std::ops::Range;
use std::time::Duration;

use super::call::{Call, RefusedText};
use crate::invalid::InvalidInput;
use crate::model::differences::Differences;
use crate::model::embeddings::Embeddings;
use crate::model::report::IngestReport;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of every fallible call. The variants differ in what the caller can do about them.
///
/// Every message names the operation, the collection if there is one, and the value at fault. No message
/// holds a secret. [`Error::is_retryable`] and [`Error::status`] answer the common questions without a
/// `match`. The [module](crate::error) says how to print an error with its causes.
///
/// ```
/// use chroma_blocking::{Client, Error, InvalidInput};
///
/// let client = Client::new("localhost:8000")?;
/// let refused = client.collection("no").get_or_create().unwrap_err();
/// assert!(matches!(
///     refused,
///     Error::Invalid { reason: InvalidInput::Name { .. }, .. }
/// ));
/// assert!(!refused.is_retryable());
/// # Ok::<(), Error>(())
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is invalid. Nothing was sent. Correct the input.
    #[non_exhaustive]
    Invalid {
        /// The call that refused the input.
        call: Box<Call>,
        /// The fault in the input.
        reason: InvalidInput,
    },
    /// The tenant, database, collection or model does not exist (HTTP 404).
    #[non_exhaustive]
    NotFound {
        /// The call that failed.
        call: Box<Call>,
        /// The server's message.
        message: String,
    },
    /// The tenant, database or collection to create already exists (HTTP 409).
    #[non_exhaustive]
    AlreadyExists {
        /// The call that failed.
        call: Box<Call>,
        /// The server's message.
        message: String,
    },
    /// Another client wrote what a [`Transaction`](crate::collection::Transaction) had read (HTTP 409), or
    /// the state that it had read no longer exists (HTTP 412). Nothing was written. Run the transaction
    /// again.
    #[non_exhaustive]
    Conflict {
        /// The call that failed.
        call: Box<Call>,
        /// The server's message.
        message: String,
    },
    /// The server does not support the operation: it is too old or a single-node server (HTTP 501, or an
    /// unknown path).
    #[non_exhaustive]
    Unsupported {
        /// The call that failed.
        call: Box<Call>,
        /// The server's message.
        message: String,
    },
    /// The key is missing or wrong, or lacks a permission (HTTP 401 and 403).
    #[non_exhaustive]
    Unauthorized {
        /// The call that failed.
        call: Box<Call>,
        /// 401 or 403; for Gemini also 400, its status for an invalid key.
        status: u16,
        /// The server's message, and the variable or setting that the key came from.
        message: String,
    },
    /// Too many requests (HTTP 429), and the retries are used up.
    #[non_exhaustive]
    RateLimited {
        /// The call that failed.
        call: Box<Call>,
        /// The wait that the server asked for, if it named one.
        retry_after: Option<Duration>,
        /// The server's message.
        message: String,
    },
    /// A quota of the day is used up or zero, or the account has no credit left (HTTP 429). A short wait does
    /// not help.
    #[non_exhaustive]
    QuotaExhausted {
        /// The call that failed.
        call: Box<Call>,
        /// The server's name for the quota. Empty if the server named none.
        quota: String,
        /// The server's message.
        message: String,
    },
    /// The request or its result exceeds a limit of the server: the size of a body (HTTP 413), or a limit of
    /// the `SQLite` database of a single-node server (HTTP 500). The server did nothing. Ask for less at a
    /// time.
    #[non_exhaustive]
    TooLarge {
        /// The call that failed.
        call: Box<Call>,
        /// The HTTP status.
        status: u16,
        /// The server's message, and advice.
        message: String,
    },
    /// The response did not arrive in time. The server may have acted on the request; see
    /// [`Call::may_have_acted`].
    #[non_exhaustive]
    Timeout {
        /// The call that failed.
        call: Box<Call>,
        /// Which time limit was exceeded, and the setting that raises it.
        message: String,
        /// A [`std::io::Error`] of the kind `TimedOut`. `None` if the deadline had passed before a request
        /// was sent.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The server cannot be reached, or the connection broke before the complete response had arrived.
    #[non_exhaustive]
    Connection {
        /// The call that failed.
        call: Box<Call>,
        /// A description of the failure.
        message: String,
        /// Advice. May be empty.
        hint: String,
        /// Whether another attempt may succeed. `false` if the server's certificate is refused, if the
        /// port does not speak TLS, or if the server ends the connection with a TLS alert.
        retryable: bool,
        /// The cause: most often a [`std::io::Error`], whose kind tells a refused connection from a reset
        /// one.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The [`CircuitBreaker`](crate::client::CircuitBreaker) is open, because the server kept failing.
    /// Nothing was sent.
    #[non_exhaustive]
    CircuitOpen {
        /// The call that was not made.
        call: Box<Call>,
        /// The time until the breaker allows a call.
        retry_after: Duration,
    },
    /// The server at this address is not a Chroma server with the v2 API (Chroma 1.0 or newer).
    #[non_exhaustive]
    NotChroma {
        /// The call that failed.
        call: Box<Call>,
        /// A description of the server's response.
        message: String,
    },
    /// The server refused the request, or failed while it processed the request (any other HTTP status).
    #[non_exhaustive]
    Server {
        /// The call that failed.
        call: Box<Call>,
        /// The HTTP status.
        status: u16,
        /// The server's name for the error, such as `InvalidArgumentError` or `INTERNAL`. Empty if it gave
        /// none.
        name: String,
        /// The wait that the server asked for, if it named one.
        retry_after: Option<Duration>,
        /// The server's message.
        message: String,
    },
    /// The index of the collection is broken at the server, most likely because the server was killed while
    /// it wrote the index (HTTP 500). Most calls on the collection fail, including `get` and `count`.
    ///
    /// Check the free space of the server's disk, and restart the server. If the error stays, restore a backup
    /// of the server's data folder. Without a backup, delete the collection and fill it again from its source; a batch job must begin without its
    /// [checkpoint](crate::ingest::Ingest::checkpoint). The client repeats a call once, since a server that
    /// has just started may still repair its index.
    #[non_exhaustive]
    BrokenIndex {
        /// The call that failed.
        call: Box<Call>,
        /// The server's message.
        message: String,
    },
    /// The storage of the server failed: its disk is full, or its data folder cannot be written or is damaged
    /// (HTTP 500). The client repeats a call once. Further retries do not help until the server is
    /// repaired.
    #[non_exhaustive]
    Storage {
        /// The call that failed.
        call: Box<Call>,
        /// The server's message, and what to do.
        message: String,
    },
    /// The response cannot be read, or it does not belong to this operation.
    #[non_exhaustive]
    Decode {
        /// The call that failed.
        call: Box<Call>,
        /// The fault in the response, and its position.
        message: String,
    },
    /// An embedding function failed. Nothing was written or queried.
    #[non_exhaustive]
    Embedding {
        /// The call that needed the embeddings.
        call: Box<Call>,
        /// The function's name, as in a collection's configuration.
        function: String,
        /// The function's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A reranker (feature `hybrid`) failed.
    #[non_exhaustive]
    Reranking {
        /// The call whose hits were to be reranked.
        call: Box<Call>,
        /// The reranker's name.
        reranker: String,
        /// The reranker's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A call that sends several requests failed at one of them.
    ///
    /// To finish the call, send the records of `unknown` and `pending` again. Each id is in one of the three
    /// lists.
    ///
    /// ```no_run
    /// # use std::collections::HashSet;
    /// # use chroma_blocking::{Client, Error, Record};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let mut records: Vec<Record> = (0..20_000)
    ///     .map(|i| Record::new(i.to_string()).embedding([0.5]))
    ///     .collect();
    /// if let Err(error) = notes.upsert(&records) {
    ///     eprintln!("{error:#}");
    ///     let Error::PartlyDone { unknown, pending, .. } = error else {
    ///         return Err(error);
    ///     };
    ///     let left: HashSet<_> = unknown.into_iter().chain(pending).collect();
    ///     records.retain(|record| left.contains(&record.id));
    ///     notes.upsert(&records)?;
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// The second call embeds the documents of these records again, unless the embedding function is
    /// [`Cached`](crate::embed::Cached) or has a [cache](crate::embed::GeminiBuilder::cache).
    #[non_exhaustive]
    PartlyDone {
        /// The call that failed.
        call: Box<Call>,
        /// The ids that the server acknowledged.
        done: Vec<String>,
        /// The ids of the request whose response was lost. The server may have written them.
        unknown: Vec<String>,
        /// The ids that the server has certainly not written.
        pending: Vec<String>,
        /// The failure that stopped the call.
        source: Box<Error>,
    },
    /// Some texts of a call could not be embedded.
    ///
    /// The vectors made so far, which may have cost money, are in `vectors`. To finish the call, embed the
    /// texts of `pending` again, and correct those of `refused`.
    #[non_exhaustive]
    PartlyEmbedded {
        /// The call that failed.
        call: Box<Call>,
        /// The indices of the texts that have vectors, counted from 0, in ascending order. If this error is
        /// the source of a write's error, they are indices of the records given to the write.
        done: Vec<usize>,
        /// The vectors, in the order of `done`.
        vectors: Box<Embeddings>,
        /// The texts that cannot be embedded as they are, in ascending order.
        refused: Vec<RefusedText>,
        /// The indices of the texts that have no vector yet, in ascending order.
        pending: Vec<usize>,
        /// The failure that stopped the call. If none did, the reason why a text was refused.
        source: Box<Error>,
    },
    /// A batch job ([`Ingest`](crate::ingest::Ingest)) stopped before the end of its input. If it has a
    /// checkpoint, the next run continues from there.
    #[non_exhaustive]
    Ingest {
        /// The job.
        call: Box<Call>,
        /// The job's work until it stopped.
        report: Box<IngestReport>,
        /// The failure that stopped the job.
        source: Box<Error>,
    },
    /// A copy differs from its source, although all records were written. Another program may have changed
    /// one of the two, or the server has lost records. Run the call again to write what differs.
    #[non_exhaustive]
    Differs {
        /// The call that compared the two.
        call: Box<Call>,
        /// The differences.
        differences: Box<Differences>,
    },
    /// The caller's cancel flag stopped the call.
    #[non_exhaustive]
    Cancelled {
        /// The call that was stopped.
        call: Box<Call>,
    },
    /// A local server could not be found, installed, started or stopped.
    #[non_exhaustive]
    LocalServer {
        /// A description of the failure, and advice.
        message: String,
        /// The cause, such as a [`std::io::Error`], if there is one.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A file, a reader or a writer failed.
    #[non_exhaustive]
    Io {
        /// A description of the failure, with the file's name.
        message: String,
        /// The cause.
        source: std::io::Error,
    },
    /// An embedding cache could not be opened, read or written.
    #[non_exhaustive]
    Cache {
        /// A description of the failure, with the file's name.
        message: String,
        /// The cause, such as a [`std::io::Error`], if there is one.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl From<InvalidInput> for Error {
    /// Returns an [`Error::Invalid`] that names no call, for a value that could not be created.
    fn from(reason: InvalidInput) -> Error {
        Call::default().invalid(reason)
    }
}

impl Call {
    /// Returns the error of this call for an input that was refused before anything was sent.
    pub(crate) fn invalid(self, reason: InvalidInput) -> Error {
        Error::Invalid {
            call: Box::new(self),
            reason,
        }
    }
}

impl Error {
    /// Turns the error of the request for `range` into the error of a call about all `ids`.
    ///
    /// Returns `self`, if the request was the whole call, or if it was the first one and the server has
    /// certainly not acted on it. Otherwise returns an [`Error::PartlyDone`] that says what happened to each
    /// id.
    pub(crate) fn stopped<S: AsRef<str>>(self, ids: &[S], range: Range<usize>) -> Error {
        let call = self.call().cloned().unwrap_or_default();
        if range == (0..ids.len()) || range.start == 0 && !call.may_have_acted {
            return self;
        }
        let owned = |range: Range<usize>| {
            let ids = ids.get(range).unwrap_or_default();
            ids.iter().map(|id| id.as_ref().to_owned()).collect()
        };
        let first_pending = if call.may_have_acted {
            range.end
        } else {
            range.start
        };
        Error::PartlyDone {
            call: Box::new(Call {
                // The source has it.
                not_retried_because: None,
                ..call
            }),
            done: owned(0..range.start),
            unknown: owned(range.start..first_pending),
            pending: owned(first_pending..ids.len()),
            source: Box::new(self),
        }
    }
}
