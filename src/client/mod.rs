//! [`Client`]: a server, a tenant and a database, and the collections in it.

mod dialect;
pub(crate) mod operations;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use ureq::http::{HeaderName, HeaderValue};

use crate::collection::{Collection, CollectionBuilder, Stored};
use crate::config::ClientBuilder;
use crate::error::{Call, Error, Result};
use crate::model::collection_name;
use crate::transport::{Endpoint, Operation, Outgoing, RetryPolicy, Timeouts, Transport};
use crate::wire::read;
use operations as op;

/// A Chroma server, a tenant and a database.
///
/// Cheap to clone, and to be shared by threads: all clones use one pool of keep-alive connections, of which up to 10
/// stay open while idle (for 90 s). Making one sends nothing.
///
/// ```no_run
/// use chroma_blocking::Client;
///
/// let client = Client::from_env()?;
/// println!("{} has {} collections", client.url(), client.count_collections()?);
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    tenant: String,
    database: String,
    limits: OnceLock<PreFlightChecks>,
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
    /// A client of the server at `host`: a URL, `host:port`, or a host with Chroma's port 8000.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `host` is no address.
    pub fn new(host: impl Into<String>) -> Result<Client> {
        Client::builder().host(host).build()
    }

    /// A client with the settings in the environment; [`ClientBuilder::from_env`] lists them.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the variable and its value.
    pub fn from_env() -> Result<Client> {
        ClientBuilder::from_env()?.build()
    }

    /// A client with options.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    pub(crate) fn new_on(
        endpoint: Endpoint,
        headers: Vec<(HeaderName, HeaderValue)>,
        timeouts: Timeouts,
        retry: RetryPolicy,
        tenant: String,
        database: String,
    ) -> Client {
        Client(Arc::new(Inner {
            transport: Transport::new(endpoint, headers, timeouts, retry, &dialect::Chroma),
            tenant,
            database,
            limits: OnceLock::new(),
        }))
    }

    /// Where the server is.
    pub fn url(&self) -> &str {
        self.0.transport.endpoint().as_str()
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.0.database
    }

    /// The server's clock, in nanoseconds since 1970: it is there, and it is Chroma.
    ///
    /// # Errors
    /// [`Error::Connection`] when nothing answers, [`Error::NotChroma`] when something else does.
    pub fn heartbeat(&self) -> Result<u128> {
        #[derive(Deserialize)]
        struct Beat {
            #[serde(rename = "nanosecond heartbeat")]
            nanoseconds: u128,
        }

        let out = Outgoing {
            operation: &op::HEARTBEAT,
            subject: None,
            path: op::HEARTBEAT.path,
            body: None,
        };
        match self.0.transport.send(out, read::json::<Beat>) {
            Ok(beat) => Ok(beat.nanoseconds),
            Err(Error::Decode { call, message }) => Err(Error::NotChroma { call, message }),
            Err(error) => Err(error),
        }
    }

    /// The version of the server's API, which is "1.0.0" on every server since 1.0.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn version(&self) -> Result<String> {
        self.call(&op::VERSION, None, None, read::json)
    }

    /// What the server says of its limits. Asked once, and then remembered by all clones of this client.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn pre_flight_checks(&self) -> Result<PreFlightChecks> {
        if let Some(limits) = self.0.limits.get() {
            return Ok(*limits);
        }
        let limits = self.call(&op::PRE_FLIGHT_CHECKS, None, None, read::json)?;
        Ok(*self.0.limits.get_or_init(|| limits))
    }

    /// Whom the server takes this client for, and which databases that user may open.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] when the key is missing or wrong.
    pub fn identity(&self) -> Result<Identity> {
        self.call(&op::IDENTITY, None, None, read::json)
    }

    /// A collection, to be opened or made:
    ///
    /// ```no_run
    /// use chroma_blocking::{Client, Hashing, Space};
    ///
    /// let client = Client::from_env()?;
    /// let points = client.collection("points").get()?;            // must exist
    /// let notes = client
    ///     .collection("notes")
    ///     .embedding_function(Hashing::default())                  // texts become vectors
    ///     .space(Space::Cosine)
    ///     .get_or_create()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn collection(&self, name: impl Into<String>) -> CollectionBuilder {
        CollectionBuilder::new(self.clone(), name.into())
    }

    /// The collections of the database: all of them, or a page. They are opened without embedding functions.
    ///
    /// ```no_run
    /// # let client = chroma_blocking::Client::from_env()?;
    /// for collection in client.list_collections().run()? {
    ///     println!("{}", collection.name());
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn list_collections(&self) -> ListCollections {
        ListCollections {
            client: self.clone(),
            limit: None,
            offset: 0,
        }
    }

    /// The number of collections in the database.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn count_collections(&self) -> Result<usize> {
        self.call(&op::COUNT_COLLECTIONS, None, None, read::json)
    }

    /// Deletes a collection with all of its records.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none of this name.
    pub fn delete_collection(&self, name: &str) -> Result<()> {
        self.check_name(&op::DELETE_COLLECTION, name)?;
        self.call(&op::DELETE_COLLECTION, Some((name, name)), None, read::done)
    }

    /// Refuses a collection name that cannot exist.
    pub(crate) fn check_name(&self, operation: &'static Operation, name: &str) -> Result<()> {
        collection_name::check(name)
            .map_err(|reason| Call::new(operation.name, Some(name)).invalid(reason))
    }

    /// Sends a request in this tenant and database. `collection` is its name, for errors, and what stands for it in
    /// the path.
    pub(crate) fn call<T>(
        &self,
        operation: &'static Operation,
        collection: Option<(&str, &str)>,
        body: Option<&[u8]>,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T> {
        self.call_with_query(operation, collection, "", body, parse)
    }

    fn call_with_query<T>(
        &self,
        operation: &'static Operation,
        collection: Option<(&str, &str)>,
        query: &str,
        body: Option<&[u8]>,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T> {
        let parameters = [
            ("tenant", self.tenant()),
            ("database", self.database()),
            ("collection", collection.map_or("", |(_, in_path)| in_path)),
        ];
        let path = op::path(operation, &parameters) + query;
        let out = Outgoing {
            operation,
            subject: collection.map(|(name, _)| name),
            path: &path,
            body,
        };
        self.0
            .transport
            .send(out, parse)
            .map_err(|error| self.second_look(error))
    }

    /// After an answer that makes no sense, asks whether a Chroma server is there at all: the error then says what is
    /// wrong, the address or the server's age.
    fn second_look(&self, error: Error) -> Error {
        match error {
            Error::Decode { call, message } => match self.heartbeat() {
                Err(Error::NotChroma { .. }) => Error::NotChroma { call, message },
                _ => Error::Decode { call, message },
            },
            Error::NotChroma { call, message } => match self.heartbeat() {
                Ok(_) => Error::Unsupported { call, message },
                Err(_) => Error::NotChroma { call, message },
            },
            other => other,
        }
    }
}

/// Says no secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url())
            .field("tenant", &self.0.tenant)
            .field("database", &self.0.database)
            .field("retry", self.0.transport.retry())
            .finish_non_exhaustive()
    }
}

/// The collections of a database; see [`Client::list_collections`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct ListCollections {
    client: Client,
    limit: Option<usize>,
    offset: usize,
}

/// Collections per request where all are asked for: what Chroma Cloud gives at most unless asked for fewer.
const PAGE: usize = 100;

impl ListCollections {
    /// At most this many. Default: all, in as many requests as it takes.
    pub fn limit(mut self, limit: usize) -> ListCollections {
        self.limit = Some(limit);
        self
    }

    /// From this one on, counted from 0.
    pub fn offset(mut self, offset: usize) -> ListCollections {
        self.offset = offset;
        self
    }

    /// Asks the server.
    ///
    /// # Errors
    /// As for any request: see [`Error`].
    pub fn run(self) -> Result<Vec<Collection>> {
        let wanted = self.limit.unwrap_or(usize::MAX);
        let mut found: Vec<Collection> = Vec::new();
        while found.len() < wanted {
            let limit = PAGE.min(wanted - found.len());
            let query = format!("?limit={limit}&offset={}", self.offset + found.len());
            let client = &self.client;
            let page: Vec<Stored> =
                client.call_with_query(&op::LIST_COLLECTIONS, None, &query, None, read::json)?;
            let last = page.len() < limit;
            let opened = page
                .into_iter()
                .map(|stored| Collection::new(client.clone(), stored, None));
            found.extend(opened);
            if last {
                break;
            }
        }
        Ok(found)
    }
}
