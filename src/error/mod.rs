//! [`Error`]: what can go wrong, sorted by what the caller can do about it.

mod kind;
mod words;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

pub(crate) use crate::invalid::InvalidInput;
use words::{Advice, Before, Behind, Refused, Wait};

use crate::model::embeddings::Embeddings;
use crate::model::report::IngestReport;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by what can be done about it.
///
/// Every message names the operation, the collection where there is one, and the value at fault; none holds a
/// secret. [`Error::is_retryable`] and [`Error::status`] answer the common questions without a `match`.
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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is wrong. Nothing was sent; mend the input.
    #[error("{}{reason}", Before(call))]
    Invalid {
        /// The call that refused it.
        call: Box<Call>,
        /// What is wrong with it.
        reason: InvalidInput,
    },
    /// The server has no such tenant, database, collection or model (HTTP 404).
    #[error("{call}: not found: {message}")]
    NotFound {
        /// The call that failed.
        call: Box<Call>,
        /// The server's own words.
        message: String,
    },
    /// What was to be created is there already (HTTP 409).
    #[error("{call}: already exists: {message}")]
    AlreadyExists {
        /// The call that failed.
        call: Box<Call>,
        /// The server's own words.
        message: String,
    },
    /// Somebody else has written what a [`Transaction`](crate::collection::Transaction) had read, or the state that it read is there
    /// no more (HTTP 409 and 412). Nothing was written; begin again.
    #[error("{call}: conflict: {message}; nothing was written, begin the transaction again")]
    Conflict {
        /// The call that failed.
        call: Box<Call>,
        /// The server's own words.
        message: String,
    },
    /// This server cannot do it: it is too old, or it is a single-node server (HTTP 501, or an unknown path).
    #[error("{call}: this server does not support it: {message}")]
    Unsupported {
        /// The call that failed.
        call: Box<Call>,
        /// The server's own words.
        message: String,
    },
    /// The key is missing, wrong, or not allowed to do this (HTTP 401 and 403).
    #[error(
        "{call}: not authorized (HTTP {status}): {message}; is the key right, and may it do this?"
    )]
    Unauthorized {
        /// The call that failed.
        call: Box<Call>,
        /// 401 or 403, or the 400 with which Gemini refuses a key.
        status: u16,
        /// The server's own words.
        message: String,
    },
    /// Too many requests (HTTP 429), and the retries are used up.
    #[error("{call}: rate limited{}: {message}", Wait(*retry_after))]
    RateLimited {
        /// The call that failed.
        call: Box<Call>,
        /// How long the server asked to wait, where it said so.
        retry_after: Option<Duration>,
        /// The server's own words.
        message: String,
    },
    /// A quota for the whole day is used up (HTTP 429): to wait a little does not help.
    #[error("{call}: the quota {quota} is used up: {message}")]
    QuotaExhausted {
        /// The call that failed.
        call: Box<Call>,
        /// The server's name for the quota.
        quota: String,
        /// The server's own words.
        message: String,
    },
    /// No answer in time. The server may have acted on the request or not.
    #[error("{call}: timed out: {message}")]
    Timeout {
        /// The call that failed.
        call: Box<Call>,
        /// Which wait it was, and which setting bounds it.
        message: String,
    },
    /// The server cannot be reached, or the connection broke before the whole answer was in.
    #[error("{call}: {message}{}", Behind("; ", hint))]
    Connection {
        /// The call that failed.
        call: Box<Call>,
        /// What happened.
        message: String,
        /// What to try, where there is something to try.
        hint: String,
    },
    /// The server kept failing, so it is left alone for a while ([`CircuitBreaker`](crate::client::CircuitBreaker)). Nothing was
    /// sent.
    #[error("{call}: the circuit breaker is open, try again in {:.1} s", retry_after.as_secs_f64())]
    CircuitOpen {
        /// The call that was not made.
        call: Box<Call>,
        /// When the next call may try.
        retry_after: Duration,
    },
    /// Something answers at this address, but it is not a Chroma server with the v2 API (Chroma 1.0 or newer).
    #[error(
        "{call}: this is not a Chroma server with the v2 API (Chroma 1.0 or newer): {message}; check the host and port"
    )]
    NotChroma {
        /// The call that failed.
        call: Box<Call>,
        /// What it answered instead.
        message: String,
    },
    /// The server refused the request or failed on it (any other HTTP status).
    #[error(
        "{call}: HTTP {status}{}{}: {message}{}",
        Behind(" ", name), Wait(*retry_after), Advice(*status, name)
    )]
    Server {
        /// The call that failed.
        call: Box<Call>,
        /// The HTTP status.
        status: u16,
        /// The server's name for the error (`InvalidArgumentError`, `INTERNAL` …); empty where it gave none.
        name: String,
        /// How long the server asked to wait, where it said so.
        retry_after: Option<Duration>,
        /// The server's own words.
        message: String,
    },
    /// The answer is not what this operation answers.
    #[error("{call}: cannot read the answer: {message}")]
    Decode {
        /// The call that failed.
        call: Box<Call>,
        /// What was wrong with the answer, and where.
        message: String,
    },
    /// An embedding function failed; nothing was written or asked.
    #[error("{call}: the embedding function {function} failed: {source}")]
    Embedding {
        /// The call that wanted the embeddings.
        call: Box<Call>,
        /// The function's name, as in a collection's configuration.
        function: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A call that needed several requests failed in one of them.
    ///
    /// To finish the job, send the records of `unknown` and `pending` again; each id is in one of the three lists.
    ///
    /// ```no_run
    /// # use std::collections::HashSet;
    /// # use chroma_blocking::{Client, Error, Record};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let mut records: Vec<Record> = (0..20_000).map(|i| Record::new(format!("{i}")).embedding([0.5])).collect();
    /// if let Err(Error::PartlyDone { unknown, pending, source, .. }) = notes.upsert(&records) {
    ///     eprintln!("{} are left: {source}", unknown.len() + pending.len());
    ///     let left: HashSet<_> = unknown.into_iter().chain(pending).collect();
    ///     records.retain(|record| left.contains(&record.id));
    ///     notes.upsert(&records)?;
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// Texts that were embedded for it are embedded again then, unless the function is [`Cached`](crate::embed::Cached) or has a
    /// [cache](crate::embed::GeminiBuilder::cache).
    #[error(
        "{call}: stopped after {} of {} records ({} of unknown fate): {source}",
        done.len(), done.len() + unknown.len() + pending.len(), unknown.len()
    )]
    PartlyDone {
        /// The call that failed.
        call: Box<Call>,
        /// Ids that the server acknowledged.
        done: Vec<String>,
        /// Ids of the request whose answer was lost: they may be in or not.
        unknown: Vec<String>,
        /// Ids that the server certainly does not have from this call.
        pending: Vec<String>,
        /// The failure that stopped it.
        source: Box<Error>,
    },
    /// A call that needed several requests could not embed all of its texts.
    ///
    /// What was made, and paid for, is in `vectors`. To finish the job, embed the texts of `pending` again, and mend those
    /// of `refused`.
    #[error(
        "{call}: embedded {} of {} texts{}: {source}",
        done.len(), done.len() + refused.len() + pending.len(), Refused(refused)
    )]
    PartlyEmbedded {
        /// The call that failed.
        call: Box<Call>,
        /// Which texts have vectors, counted from 0, in ascending order. In an error of a collection's write, which has
        /// this one as its source, they are counted by the records that were given.
        done: Vec<usize>,
        /// Their vectors, in the order of `done`.
        vectors: Box<Embeddings>,
        /// Texts that cannot be embedded as they are, in ascending order.
        refused: Vec<RefusedText>,
        /// Texts of which there is no vector yet, in ascending order.
        pending: Vec<usize>,
        /// The failure that stopped it; where nothing did, why a text was refused.
        source: Box<Error>,
    },
    /// A batch job ([`Ingest`](crate::ingest::Ingest)) stopped before the end of its input. With a checkpoint the next run goes on
    /// where this one stopped.
    #[error("{call}: stopped ({report}): {source}")]
    Ingest {
        /// The job.
        call: Box<Call>,
        /// What it did until then.
        report: Box<IngestReport>,
        /// What stopped it.
        source: Box<Error>,
    },
    /// The caller's flag stopped the call before it was done.
    #[error("{call}: cancelled")]
    Cancelled {
        /// The call that was stopped.
        call: Box<Call>,
    },
    /// A server on this machine could not be found, installed or started.
    #[error("local Chroma server: {message}")]
    LocalServer {
        /// What happened, and what to do.
        message: String,
    },
    /// A file, or whatever else a reader reads from, an export writes to or a batch job keeps, could not be opened, read or
    /// written.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done, and with which file.
        what: String,
        /// Why it could not be done.
        source: std::io::Error,
    },
    /// A cache of vectors could not be opened, read or written.
    #[error("cache of vectors: {message}")]
    Cache {
        /// Which file, what happened, and what to do.
        message: String,
    },
}

impl From<InvalidInput> for Error {
    /// Of what is not about a call: a value that could not be made.
    fn from(reason: InvalidInput) -> Error {
        Call::default().invalid(reason)
    }
}

impl Error {
    /// Whether the same call may succeed later without any change: timeouts, broken connections, rate limits, an open
    /// circuit breaker, and the statuses 408, 500, 502, 503, 504 and 520 to 524.
    ///
    /// The client has already used its own retries by then ([`RetryPolicy`](crate::RetryPolicy)).
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::RateLimited { .. }
            | Error::Timeout { .. }
            | Error::Connection { .. }
            | Error::CircuitOpen { .. } => true,
            // 520 to 524: a content delivery network that cannot reach its origin.
            Error::Server { status, .. } => matches!(status, 408 | 500 | 502..=504 | 520..=524),
            Error::PartlyDone { source, .. }
            | Error::PartlyEmbedded { source, .. }
            | Error::Ingest { source, .. } => source.is_retryable(),
            Error::Embedding { source, .. } => source
                .downcast_ref::<Error>()
                .is_some_and(Error::is_retryable),
            _ => false,
        }
    }

    /// The HTTP status of the answer, where there was one and it tells more than the kind of the error.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::NotFound { .. } => Some(404),
            Error::AlreadyExists { .. } => Some(409),
            Error::RateLimited { .. } | Error::QuotaExhausted { .. } => Some(429),
            Error::Unauthorized { status, .. } | Error::Server { status, .. } => Some(*status),
            Error::PartlyDone { source, .. }
            | Error::PartlyEmbedded { source, .. }
            | Error::Ingest { source, .. } => source.status(),
            Error::Embedding { source, .. } => source.downcast_ref::<Error>()?.status(),
            _ => None,
        }
    }

    /// The wait that the server asked for, in a header or in the body.
    pub(crate) fn asked_wait(&self) -> Option<Duration> {
        match self {
            Error::RateLimited { retry_after, .. } | Error::Server { retry_after, .. } => {
                *retry_after
            }
            Error::PartlyDone { source, .. } | Error::PartlyEmbedded { source, .. } => {
                source.asked_wait()
            }
            Error::Embedding { source, .. } => source.downcast_ref::<Error>()?.asked_wait(),
            _ => None,
        }
    }

    /// Call and words of an error that `transport` makes, to be completed there.
    pub(crate) fn sent_mut(&mut self) -> Option<(&mut Call, [Option<&mut String>; 2])> {
        match self {
            Error::Server {
                call,
                message,
                name,
                ..
            } => Some((call, [Some(message), Some(name)])),
            Error::QuotaExhausted {
                call,
                message,
                quota,
            } => Some((call, [Some(message), Some(quota)])),
            Error::NotFound { call, message, .. }
            | Error::AlreadyExists { call, message, .. }
            | Error::Conflict { call, message, .. }
            | Error::Unsupported { call, message, .. }
            | Error::Unauthorized { call, message, .. }
            | Error::RateLimited { call, message, .. }
            | Error::Timeout { call, message, .. }
            | Error::Connection { call, message, .. }
            | Error::NotChroma { call, message, .. }
            | Error::Decode { call, message, .. } => Some((call, [Some(message), None])),
            _ => None,
        }
    }

    /// The call that failed; `None` for what happens before there is one.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Error::Invalid { call, .. }
            | Error::NotFound { call, .. }
            | Error::AlreadyExists { call, .. }
            | Error::Conflict { call, .. }
            | Error::Unsupported { call, .. }
            | Error::Unauthorized { call, .. }
            | Error::RateLimited { call, .. }
            | Error::QuotaExhausted { call, .. }
            | Error::Timeout { call, .. }
            | Error::Connection { call, .. }
            | Error::CircuitOpen { call, .. }
            | Error::NotChroma { call, .. }
            | Error::Server { call, .. }
            | Error::Decode { call, .. }
            | Error::Embedding { call, .. }
            | Error::PartlyDone { call, .. }
            | Error::PartlyEmbedded { call, .. }
            | Error::Ingest { call, .. }
            | Error::Cancelled { call } => Some(call),
            Error::LocalServer { .. } | Error::Io { .. } | Error::Cache { .. } => None,
        }
    }

    /// The call that failed, to be completed by the code that made it.
    pub(crate) fn call_mut(&mut self) -> Option<&mut Call> {
        match self {
            Error::Invalid { call, .. }
            | Error::NotFound { call, .. }
            | Error::AlreadyExists { call, .. }
            | Error::Conflict { call, .. }
            | Error::Unsupported { call, .. }
            | Error::Unauthorized { call, .. }
            | Error::RateLimited { call, .. }
            | Error::QuotaExhausted { call, .. }
            | Error::Timeout { call, .. }
            | Error::Connection { call, .. }
            | Error::CircuitOpen { call, .. }
            | Error::NotChroma { call, .. }
            | Error::Server { call, .. }
            | Error::Decode { call, .. }
            | Error::Embedding { call, .. }
            | Error::PartlyDone { call, .. }
            | Error::PartlyEmbedded { call, .. }
            | Error::Ingest { call, .. }
            | Error::Cancelled { call } => Some(call),
            Error::LocalServer { .. } | Error::Io { .. } | Error::Cache { .. } => None,
        }
    }

    /// The error of a call about these ids that was stopped by this failure of the request for `range`: this one when it
    /// was the whole call, or the first request and certainly in vain; else with what became of each id.
    pub(crate) fn stopped<S: AsRef<str>>(self, ids: &[S], range: Range<usize>) -> Error {
        let call = self.call().cloned().unwrap_or_default();
        if range == (0..ids.len()) || range.start == 0 && !call.may_have_acted {
            return self;
        }
        let owned = |range: Range<usize>| {
            let ids = ids.get(range).unwrap_or_default();
            ids.iter().map(|id| id.as_ref().to_owned()).collect()
        };
        let unknown = match call.may_have_acted {
            true => range.clone(),
            false => range.start..range.start,
        };
        Error::PartlyDone {
            call: Box::new(call),
            done: owned(0..range.start),
            pending: owned(unknown.end..ids.len()),
            unknown: owned(unknown),
            source: Box::new(self),
        }
    }

    /// A failure of the local server, with advice in the message.
    pub(crate) fn local(message: impl Into<String>) -> Error {
        Error::LocalServer {
            message: message.into(),
        }
    }
}

/// A text that cannot be embedded as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedText {
    /// Which text, counted from 0.
    pub index: usize,
    /// Why; where the server refused it, in the server's own words.
    pub message: String,
}

/// Which call failed, and how far it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The operation, by this crate's name for it: `upsert`, `get_or_create_collection` …
    pub operation: &'static str,
    /// What it was about, where there is such a thing: the collection's name, or the model's.
    pub subject: Option<String>,
    /// Where the request went, without secrets; empty when nothing was sent.
    pub url: String,
    /// How many times the request was sent; 0 when nothing was sent.
    pub attempts: u32,
    /// From the start of the call to the error, waits included.
    pub elapsed: Duration,
    /// Whether the server may have changed something as it was asked: an answer was lost, or it failed at it. Never for what
    /// only reads.
    pub may_have_acted: bool,
}

impl Call {
    /// A call that has sent nothing yet.
    pub(crate) fn new(operation: &'static str, subject: Option<&str>) -> Call {
        Call {
            operation,
            subject: subject.map(str::to_owned),
            ..Call::default()
        }
    }

    /// This call, refused before anything was sent.
    pub(crate) fn invalid(self, reason: InvalidInput) -> Error {
        Error::Invalid {
            call: Box::new(self),
            reason,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if let Some(subject) = &self.subject {
            write!(f, " {subject:?}")?;
        }
        if !self.url.is_empty() {
            write!(f, " at {}", self.url)?;
        }
        let seconds = self.elapsed.as_secs_f64();
        match self.attempts {
            0 => Ok(()),
            1 if seconds < 1.0 => Ok(()),
            1 => write!(f, " (after {seconds:.1} s)"),
            attempts => write!(f, " ({attempts} attempts in {seconds:.1} s)"),
        }?;
        Ok(())
    }
}
