//! [`Client`]: a server, a tenant and a database, and the collections in it.

mod capabilities;
pub(crate) mod chroma;
mod lists;
pub(crate) mod operations;
#[cfg(any(test, fuzzing))]
mod parsers;
pub(crate) mod reconcile;
mod request;
mod tenants;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use ureq::http::{HeaderName, HeaderValue};

use capabilities::Capabilities;
pub use lists::ListDatabases;
pub(crate) use lists::{Part, list};
#[cfg(any(test, fuzzing))]
pub(crate) use parsers::PARSERS;
pub(crate) use request::Request;
pub use tenants::{Database, Tenant};

pub use crate::transport::{CircuitBreaker, Jitter, ReadFrom};

use crate::error::{Call, Error, Result};
use crate::logs;
use crate::metrics::{Metrics, Recorder};
use crate::model::name;
use crate::transport::{CallOptions, Connecting, Endpoints, Operation, RetryPolicy, Transport};
use crate::wire::read;
use operations as op;

/// A Chroma server, a tenant and a database.
///
/// Cheap to clone, and to be shared by threads: all clones use one pool of keep-alive connections, which has as many as
/// threads ever used it at once, and keeps up to 64 of them open while idle (for 90 s). Making a client sends nothing.
///
/// ```no_run
/// use chroma_blocking::Client;
///
/// let client = Client::from_env()?;
/// println!("{} has {} collections", client.url(), client.count_collections()?);
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct Client {
    server: Arc<Server>,
    tenant: Arc<str>,
    database: Arc<str>,
    options: CallOptions,
}

/// What all clones share.
struct Server {
    transport: Transport,
    limits: OnceLock<PreFlightChecks>,
    /// Bytes of a request's body; less than was set where the server refused that.
    max_payload_size: AtomicUsize,
    published: OnceLock<Option<Capabilities>>,
}

/// What a server says of itself before work begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PreFlightChecks {
    /// Records that one request may hold. Larger calls are cut into several requests.
    pub max_batch_size: usize,
    /// Whether vectors may be sent in base64. Servers before 1.0.21 do not say, and cannot.
    #[serde(default)]
    pub supports_base64_encoding: bool,
}

/// Whom a server takes this client for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The user; empty on a server without authentication.
    #[serde(default)]
    pub user_id: String,
    /// The user's tenant.
    pub tenant: String,
    /// The databases that the user may open.
    #[serde(default)]
    pub databases: Vec<String>,
}

impl Client {
    pub(crate) fn new_on(
        endpoints: Endpoints,
        headers: Vec<(HeaderName, HeaderValue)>,
        connecting: Connecting,
        retry: RetryPolicy,
        max_payload_size: usize,
        tenant: String,
        database: String,
    ) -> Client {
        Client {
            server: Arc::new(Server {
                transport: Transport::new(endpoints, headers, connecting, &chroma::Chroma),
                limits: OnceLock::new(),
                max_payload_size: AtomicUsize::new(max_payload_size),
                published: OnceLock::new(),
            }),
            tenant: tenant.into(),
            database: database.into(),
            options: retry.into(),
        }
    }

    /// Where the server is: the primary one, where there are several.
    pub fn url(&self) -> &str {
        self.server.transport.endpoint().as_str()
    }

    /// Whether the server is Chroma Cloud.
    pub(crate) fn is_cloud(&self) -> bool {
        self.server.transport.endpoint().is_cloud()
    }

    /// Bytes that the body of a request may have.
    pub(crate) fn max_payload_size(&self) -> usize {
        self.server.max_payload_size.load(Ordering::Relaxed)
    }

    /// The server refuses more than about so many bytes.
    pub(crate) fn limit_payload_size(&self, bytes: usize) {
        let before = self
            .server
            .max_payload_size
            .fetch_min(bytes, Ordering::Relaxed);
        if bytes < before {
            log::warn!(
                target: logs::CLIENT, bytes = bytes;
                "the server refuses large requests; from now on they have at most {bytes} bytes"
            );
        }
    }

    /// What this client, its clones and their collections have done so far: calls, errors, bytes and times by operation,
    /// connections, breakers, embeddings.
    ///
    /// ```no_run
    /// # let client = chroma_blocking::Client::from_env()?;
    /// println!("{}", client.metrics()); // a table
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.server.transport.metrics()
    }

    /// Where what is done is counted.
    pub(crate) fn recorder(&self) -> &Recorder {
        self.server.transport.recorder()
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The same client in another tenant; connections are shared.
    #[must_use]
    pub fn with_tenant(&self, tenant: impl AsRef<str>) -> Client {
        Client {
            tenant: tenant.as_ref().into(),
            ..self.clone()
        }
    }

    /// The same client in another database; connections are shared.
    #[must_use]
    pub fn with_database(&self, database: impl AsRef<str>) -> Client {
        Client {
            database: database.as_ref().into(),
            ..self.clone()
        }
    }

    /// The same client, whose calls are tried again by another policy, and have its deadline; connections are shared.
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
        Client {
            options: policy.into(),
            ..self.clone()
        }
    }

    /// The same client for one call: all requests by it together have the policy's deadline.
    pub(crate) fn begin(&self) -> Client {
        Client {
            options: self.options.clone().begin(),
            ..self.clone()
        }
    }

    /// The same client for the rest of a call, without retries.
    pub(crate) fn without_retries(&self) -> Client {
        Client {
            options: self.options.clone().without_retries(),
            ..self.clone()
        }
    }

    /// The same client, which reads where it writes: to see what it has written.
    pub(crate) fn at_primary(&self) -> Client {
        Client {
            options: self.options.clone().reading_from_primary(),
            ..self.clone()
        }
    }

    /// The server's clock, in nanoseconds since 1970: it is there, and it is Chroma.
    ///
    /// # Errors
    /// [`Error::Connection`] when nothing answers, [`Error::NotChroma`] when something else does.
    pub fn heartbeat(&self) -> Result<u128> {
        self.heartbeat_with(self.options.clone())
    }

    fn heartbeat_with(&self, options: CallOptions) -> Result<u128> {
        match self.request(&op::HEARTBEAT).exchange(options, nanoseconds) {
            Err(Error::Decode { call, message }) => Err(Error::NotChroma { call, message }),
            result => result,
        }
    }

    /// The version of the server's API, which is "1.0.0" on every server since 1.0.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn version(&self) -> Result<String> {
        self.request(&op::VERSION).send(read::json)
    }

    /// Whether the server and what it depends on are ready to work. [`heartbeat`](Client::heartbeat) asks less.
    ///
    /// # Errors
    /// [`Error::Server`] with status 503 when it is not ready.
    pub fn healthcheck(&self) -> Result<()> {
        self.request(&op::HEALTHCHECK).send(read::done)
    }

    /// Deletes everything on the server: all tenants, databases, collections and records. Servers refuse it unless
    /// their setting `allow_reset` is on.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when it is off.
    pub fn reset(&self) -> Result<()> {
        self.request(&op::RESET).send(read::done)
    }

    /// What the server says of its limits. Asked once, and then remembered by all clones of this client.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn pre_flight_checks(&self) -> Result<PreFlightChecks> {
        if let Some(limits) = self.server.limits.get() {
            return Ok(*limits);
        }
        let limits = self.request(&op::PRE_FLIGHT_CHECKS).send(read::json)?;
        Ok(*self.server.limits.get_or_init(|| limits))
    }

    /// Whom the server takes this client for, and which databases that user may open.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when the key is missing or wrong.
    pub fn identity(&self) -> Result<Identity> {
        self.request(&op::IDENTITY).send(read::json)
    }

    /// The number of collections in the database.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn count_collections(&self) -> Result<usize> {
        self.request(&op::COUNT_COLLECTIONS).send(read::json)
    }

    /// Deletes a collection with all of its records. When the answer is lost, it asks whether the collection is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this name.
    pub fn delete_collection(&self, name: &str) -> Result<()> {
        self.check_name(&op::DELETE_COLLECTION, name)?;
        let client = self.begin();
        let delete = || {
            client
                .request(&op::DELETE_COLLECTION)
                .collection(name, name)
                .send(read::done)
        };
        client.reconcile(delete, |client| {
            reconcile::deleted(
                client
                    .request(&op::GET_COLLECTION)
                    .collection(name, name)
                    .send(read::done),
            )
        })
    }

    /// Refuses a collection name that cannot exist.
    pub(crate) fn check_name(&self, operation: &'static Operation, name: &str) -> Result<()> {
        name::check("collection", name)
            .map_err(|reason| Call::new(operation.name, Some(name)).invalid(reason))
    }

    /// Whether the server can do it by its own description, which is asked once. One that publishes none can do what
    /// Chroma Cloud can, if that is where it is; of any other nobody knows, and it is not put to the test.
    pub(crate) fn supports(&self, it: fn(Capabilities) -> bool) -> Result<bool> {
        let published = match self.server.published.get() {
            Some(published) => published,
            None => {
                let published = match self.request(&op::DESCRIPTION).send(Capabilities::read) {
                    Ok(published) => Some(published),
                    Err(
                        Error::NotFound { .. }
                        | Error::NotChroma { .. }
                        | Error::Unsupported { .. }
                        | Error::Decode { .. },
                    ) => None,
                    Err(error) => return Err(error),
                };
                self.server.published.get_or_init(|| published)
            }
        };
        Ok(match published {
            Some(published) => it(*published),
            None => self.is_cloud(),
        })
    }

    /// After an answer that makes no sense, asks whether a Chroma server is there at all: the error then says what is
    /// wrong, the address or the server's age.
    fn second_look(&self, error: Error, options: CallOptions) -> Error {
        let (call, message, decode) = match error {
            Error::Decode { call, message } => (call, message, true),
            Error::NotChroma { call, message } => (call, message, false),
            other => return other,
        };
        match (self.heartbeat_with(options.without_retries()), decode) {
            (Err(Error::NotChroma { .. }), _) | (Err(_), false) => {
                Error::NotChroma { call, message }
            }
            (Ok(_), false) => Error::Unsupported { call, message },
            (_, true) => Error::Decode { call, message },
        }
    }
}

/// Reads the answer to `heartbeat`.
fn nanoseconds(answer: &[u8]) -> Result<u128, String> {
    #[derive(Deserialize)]
    struct Beat {
        #[serde(rename = "nanosecond heartbeat")]
        nanoseconds: u128,
    }
    read::json(answer).map(|Beat { nanoseconds }| nanoseconds)
}

/// Says no secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url())
            .field("tenant", &self.tenant)
            .field("database", &self.database)
            .field("retry", self.options.policy())
            .finish_non_exhaustive()
    }
}
