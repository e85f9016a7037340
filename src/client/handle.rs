//! [`Client`]: a handle to a server, a tenant and a database.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::capabilities::Capabilities;
use super::chroma::Chroma;
use super::info::PreFlightChecks;
use crate::embed::Allowed;
use crate::logs;
use crate::metrics::{Metrics, Recorder};
use crate::transport::{CallOptions, ConnectOptions, Endpoints, RetryPolicy, Transport};

/// A handle to a Chroma server, with a tenant and a database.
///
/// A client is cheap to clone and can be shared between threads. All clones share one pool of keep-alive
/// connections. The pool grows to as many connections as threads use at the same time. Up to 64 idle
/// connections stay open, each for at most 90 s. Creating a client sends no request, unless the tenant or the
/// database has to be looked up; see [`ClientBuilder::build`](crate::ClientBuilder::build).
///
/// ```no_run
/// use chroma_blocking::Client;
///
/// let client = Client::from_env()?;
/// let count = client.count_collections()?;
/// println!("{} has {count} collections", client.url());
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    pub(super) server: Arc<Server>,
    tenant: Arc<str>,
    database: Arc<str>,
    pub(super) options: CallOptions,
}

/// The state that all clones of a client share.
pub(super) struct Server {
    pub(super) transport: Transport,
    pub(super) limits: OnceLock<PreFlightChecks>,
    pub(super) capabilities: OnceLock<Capabilities>,
    /// The environment variables that stored settings may name.
    allowed: Allowed,
    /// The maximum size of a request's body in bytes. Lowered when the server refuses a smaller request.
    max_payload_size: AtomicUsize,
}

/// The validated settings of a client.
pub(crate) struct Settings {
    pub(crate) endpoints: Endpoints,
    pub(crate) connect_options: ConnectOptions,
    pub(crate) retry: RetryPolicy,
    pub(crate) max_payload_size: usize,
    pub(crate) tenant: String,
    pub(crate) database: String,
    pub(crate) allowed: Allowed,
}

impl Client {
    pub(crate) fn with_settings(settings: Settings) -> Client {
        let Settings {
            endpoints,
            connect_options,
            retry,
            max_payload_size,
            tenant,
            database,
            allowed,
        } = settings;
        Client {
            server: Arc::new(Server {
                transport: Transport::new(endpoints, connect_options, &Chroma),
                limits: OnceLock::new(),
                capabilities: OnceLock::new(),
                allowed,
                max_payload_size: AtomicUsize::new(max_payload_size),
            }),
            tenant: tenant.into(),
            database: database.into(),
            options: retry.into(),
        }
    }

    /// Returns the address of the server. If there are several endpoints, this is the primary.
    pub fn url(&self) -> &str {
        self.server.transport.endpoint().as_str()
    }

    /// Returns the name of the tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns the name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns a client for another tenant of the same server. It shares the connections.
    #[must_use]
    pub fn with_tenant(&self, tenant: impl AsRef<str>) -> Client {
        Client {
            tenant: tenant.as_ref().into(),
            ..self.clone()
        }
    }

    /// Returns a client for another database of the same server. It shares the connections.
    #[must_use]
    pub fn with_database(&self, database: impl AsRef<str>) -> Client {
        Client {
            database: database.as_ref().into(),
            ..self.clone()
        }
    }

    /// Returns a client whose calls follow another retry policy, including its deadline. It shares the
    /// connections.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use chroma_blocking::{Client, RetryPolicy};
    ///
    /// let client = Client::from_env()?;
    /// let quick = RetryPolicy::none().deadline(Duration::from_millis(500));
    /// let is_up = client.with_retry(quick).heartbeat().is_ok();
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    #[must_use]
    pub fn with_retry(&self, policy: RetryPolicy) -> Client {
        self.map_options(|options| options.with_policy(policy))
    }

    /// Returns a client whose calls end when the flag is set.
    pub(crate) fn with_cancel(&self, flag: Arc<AtomicBool>) -> Client {
        self.map_options(|options| options.with_cancel(flag))
    }

    /// Returns the flag that cancels the client's calls, if there is one.
    pub(crate) fn cancel_flag(&self) -> Option<&AtomicBool> {
        self.options.cancel_flag()
    }

    /// Returns the retry policy, deadline and cancel flag of the client's calls.
    #[cfg(feature = "hybrid")]
    pub(crate) fn call_options(&self) -> &CallOptions {
        &self.options
    }

    /// Returns a snapshot of what this client, its clones and their collections have done so far: calls,
    /// errors, bytes and latencies by operation, connections, circuit breakers, and embeddings.
    ///
    /// ```no_run
    /// # let client = chroma_blocking::Client::from_env()?;
    /// println!("{}", client.metrics()); // a table
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.server.transport.metrics()
    }

    /// Returns the counters behind [`metrics`](Client::metrics).
    pub(crate) fn recorder(&self) -> &Recorder {
        self.server.transport.recorder()
    }

    /// Returns the environment variables that stored settings may name.
    pub(crate) fn allowed(&self) -> &Allowed {
        &self.server.allowed
    }

    /// Whether the server is Chroma Cloud.
    pub(crate) fn is_cloud(&self) -> bool {
        self.server.transport.endpoint().is_cloud()
    }

    /// Returns the maximum size of a response that holds records, in bytes.
    pub(super) fn max_response_size(&self) -> u64 {
        self.server.transport.max_response_size()
    }

    /// Returns the maximum size of a request's body in bytes.
    pub(crate) fn max_payload_size(&self) -> usize {
        self.server.max_payload_size.load(Ordering::Relaxed)
    }

    /// Lowers the maximum size of a request's body, after the server has refused a larger request.
    pub(crate) fn limit_payload_size(&self, bytes: usize) {
        let payload_size = &self.server.max_payload_size;
        let before = payload_size.fetch_min(bytes, Ordering::Relaxed);
        if bytes < before {
            log::warn!(
                target: logs::CLIENT, bytes = bytes;
                "the server refused a request as too large; from now on, requests are limited to {bytes} bytes"
            );
        }
    }

    /// Returns a client for one call. The deadline of the retry policy starts now, and covers all requests of
    /// the call.
    pub(crate) fn begin(&self) -> Client {
        self.map_options(CallOptions::begin)
    }

    /// Returns a client that sends each request once.
    pub(crate) fn without_retries(&self) -> Client {
        self.map_options(CallOptions::without_retries)
    }

    /// Returns a client that reads from the primary endpoint, so that it sees what it has written.
    pub(crate) fn at_primary(&self) -> Client {
        self.map_options(CallOptions::reading_from_primary)
    }

    fn map_options(&self, change: impl FnOnce(CallOptions) -> CallOptions) -> Client {
        Client {
            server: self.server.clone(),
            tenant: self.tenant.clone(),
            database: self.database.clone(),
            options: change(self.options.clone()),
        }
    }
}

/// Shows no secrets.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url())
            .field("tenant", &self.tenant)
            .field("database", &self.database)
            .field("retry", &self.options.policy())
            .finish_non_exhaustive()
    }
}
