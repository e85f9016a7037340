//! [`ClientBuilder`]: a client's settings.

mod access;
mod from_env;

use std::fmt;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue};

use crate::client::Client;
#[cfg(doc)]
use crate::error::Error;
use crate::error::{Call, InvalidInput, Result};
use crate::logs;
use crate::transport::{
    self, CircuitBreaker, Connecting, Endpoint, Endpoints, ReadFrom, RetryPolicy, Timeouts,
};

/// Where a Chroma server listens unless told otherwise.
const DEFAULT_HOST: &str = "http://localhost:8000";
const DEFAULT_PORT: u16 = 8000;
const DEFAULT_PAYLOAD_SIZE: usize = 16 << 20;
/// Chroma Cloud's address.
const CLOUD: &str = "https://api.trychroma.com";
const DEFAULT_TENANT: &str = "default_tenant";
const DEFAULT_DATABASE: &str = "default_database";

/// A client's settings. Every one has a default, and nothing is sent before the first call of the client, but for what
/// [`build`](ClientBuilder::build) says of Chroma Cloud.
///
/// ```
/// use std::time::Duration;
/// use chroma_blocking::{Client, RetryPolicy};
///
/// let client = Client::builder()
///     .host("db.example.com:8000")
///     .database("notes")
///     .request_timeout(Duration::from_secs(10))
///     .retry(RetryPolicy::default().max_retries(5))
///     .build()?;
/// assert_eq!(client.url(), "http://db.example.com:8000");
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "does nothing until build() is called"]
pub struct ClientBuilder {
    /// With the name of the setting or the variable that it came from.
    host: Option<(&'static str, String)>,
    cloud: bool,
    find_database: bool,
    tenant: Option<String>,
    database: Option<String>,
    token: Option<(&'static str, String)>,
    authorization: Option<(&'static str, String)>,
    /// The one that is in `authorization`, encoded.
    password: Option<String>,
    headers: Vec<(String, String)>,
    proxy: Option<String>,
    certificates: Option<Vec<u8>>,
    timeouts: Timeouts,
    retry: RetryPolicy,
    retry_budget: Option<u32>,
    breaker: Option<CircuitBreaker>,
    replicas: Vec<String>,
    read_from: ReadFrom,
    fail_over_writes: bool,
    max_payload_size: Option<usize>,
    max_response_size: Option<u64>,
}

impl ClientBuilder {
    /// Where the server is: a URL, `host:port`, or a host with Chroma's port 8000. Default `http://localhost:8000`, or
    /// Chroma Cloud when there is an API key.
    pub fn host(mut self, host: impl Into<String>) -> ClientBuilder {
        self.host = Some(("host", host.into()));
        self
    }

    /// The server is Chroma Cloud, or, where a host is set, one that works like it: it needs a key, and is asked for tenant
    /// and database where they are not set. A host of `trychroma.com` is Chroma Cloud anyway.
    pub fn cloud(mut self) -> ClientBuilder {
        self.cloud = true;
        self
    }

    /// Asks the server for what is not set of tenant and database ([`Client::identity`]), when the client is built. That
    /// is so for Chroma Cloud anyway.
    pub fn find_database(mut self) -> ClientBuilder {
        self.find_database = true;
        self
    }

    /// The tenant. Default `default_tenant`; on Chroma Cloud, the one that the key belongs to.
    pub fn tenant(mut self, tenant: impl Into<String>) -> ClientBuilder {
        self.tenant = Some(tenant.into());
        self
    }

    /// The database. Default `default_database`; on Chroma Cloud, the only one, if there is only one.
    pub fn database(mut self, database: impl Into<String>) -> ClientBuilder {
        self.database = Some(database.into());
        self
    }

    /// How long to wait for a connection, name look-up and TLS included. Default 30 s.
    pub fn connection_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.connect = timeout;
        self
    }

    /// How long one attempt of a request may take, from connecting to the last byte received. Default 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.request = timeout;
        self
    }

    /// About how many bytes the body of a request may have: calls that write more are cut into several requests. Default
    /// 16 MiB. Servers refuse more than 40 MiB, unless their setting `max_payload_size_bytes` says otherwise; what a
    /// server or a gateway before it refuses as too large is cut in half, and so is everything after that.
    pub fn max_payload_size(mut self, bytes: usize) -> ClientBuilder {
        self.max_payload_size = Some(bytes);
        self
    }

    /// How many bytes an answer may have that holds rows (`get`, `query`, `search`, lists); a larger one is not read to its
    /// end, and is an error. Default 2 GiB. Other answers may have 16 MiB.
    pub fn max_response_size(mut self, bytes: u64) -> ClientBuilder {
        self.max_response_size = Some(bytes);
        self
    }

    /// When and how often to try again, and how long a call may take in all.
    pub fn retry(mut self, policy: RetryPolicy) -> ClientBuilder {
        self.retry = policy;
        self
    }

    /// How many retries all calls of this client and its clones may make before answers have to come again, so that many
    /// clients do not hammer a server that is ill. Five calls that succeed at once bring back one retry, and a call that
    /// succeeds after retries brings back one of them. Default 100; `u32::MAX` is without end.
    pub fn retry_budget(mut self, retries: u32) -> ClientBuilder {
        self.retry_budget = Some(retries);
        self
    }

    /// Leaves an endpoint alone that keeps failing. Default: off.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> ClientBuilder {
        self.breaker = Some(breaker);
        self
    }

    /// More addresses of the same data, beside [`host`](ClientBuilder::host), which is the primary: of a distributed
    /// Chroma's frontends where no load balancer is before them, or of copies that you keep equal yourself. Each gets the
    /// same key. At most 63.
    ///
    /// Reads go [where you choose](ClientBuilder::read_from), and elsewhere when that fails: when there is no connection, it
    /// breaks, no answer comes in time, or it is 500, 502, 503, 504 or 520 to 524. That is at once, without a wait, but each
    /// time counts as one of the policy's retries. An endpoint that failed (but for 500) is passed over for ten seconds, or
    /// as long as your [`circuit_breaker`](ClientBuilder::circuit_breaker) says. Writes stay on the primary
    /// ([`fail_over_writes`](ClientBuilder::fail_over_writes)), and so does what asks how a write went.
    ///
    /// **What you read.** Frontends of one distributed Chroma read the same log, so a read after a write sees it, whichever
    /// answers (but for [`ReadLevel::IndexOnly`](crate::search::ReadLevel::IndexOnly)). Of copies nobody promises that: with
    /// [`ReadFrom::FirstHealthy`] you read what you wrote until the primary fails, and what the copy has from then on; with
    /// [`ReadFrom::RoundRobin`] two reads in a row may differ, also those of one [`scan`](crate::Collection::scan) or of one
    /// [`Transaction`](crate::collection::Transaction), which is committed on the primary. A collection goes by its id, so the copies
    /// must have the same ids.
    ///
    /// ```
    /// use chroma_blocking::Client;
    /// use chroma_blocking::client::ReadFrom;
    ///
    /// let client = Client::builder()
    ///     .host("http://chroma-0:8000")
    ///     .replicas(["http://chroma-1:8000", "http://chroma-2:8000"])
    ///     .read_from(ReadFrom::RoundRobin)
    ///     .build()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn replicas<S: Into<String>>(
        mut self,
        hosts: impl IntoIterator<Item = S>,
    ) -> ClientBuilder {
        self.replicas = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Which of several endpoints is read from. Default [`ReadFrom::FirstHealthy`].
    pub fn read_from(mut self, which: ReadFrom) -> ClientBuilder {
        self.read_from = which;
        self
    }

    /// Lets writes go to a replica, too, when the primary fails. Right for frontends of one Chroma; copies would no longer
    /// be equal. Default: no.
    pub fn fail_over_writes(mut self, allowed: bool) -> ClientBuilder {
        self.fail_over_writes = allowed;
        self
    }

    /// The client. Nothing is sent yet, with one exception: of Chroma Cloud, tenant and database are asked where they
    /// are not set ([`Client::identity`]).
    ///
    /// # Errors
    /// [`InvalidInput::Setting`], which names the setting and its value.
    pub fn build(self) -> Result<Client> {
        let (tenant, database) = (self.tenant.clone(), self.database.clone());
        let find = self.is_cloud() || self.find_database;
        let invalid = |reason| Call::new("client", None).invalid(reason);
        let client = self.check().map_err(invalid)?;
        if !find || tenant.is_some() && database.is_some() {
            return Ok(client);
        }
        let mut identity = client.identity()?;
        // One that may do everything everywhere has no place of its own.
        let any = |name: &String| name == "*";
        let choose = |name, why: String| {
            let value = String::new();
            Err(invalid(InvalidInput::Setting { name, value, why }))
        };
        let tenant = match tenant {
            Some(tenant) => tenant,
            None if any(&identity.tenant) => {
                return choose(
                    "CHROMA_TENANT",
                    "this key is good for any; choose one".to_owned(),
                );
            }
            None => identity.tenant.clone(),
        };
        identity.databases.sort();
        identity.databases.dedup();
        let database = match (database, &identity.databases[..]) {
            (Some(database), _) => database,
            (None, [only]) if !any(only) && tenant == identity.tenant => only.clone(),
            (None, databases) => {
                let why = format!(
                    "choose one; this key is good for {databases:?} of {:?}",
                    identity.tenant
                );
                return choose("CHROMA_DATABASE", why);
            }
        };
        Ok(client.with_tenant(tenant).with_database(database))
    }

    fn is_cloud(&self) -> bool {
        let host = self.host.as_ref().map(|(_, host)| host.trim());
        self.cloud || host.map_or(self.token.is_some(), transport::is_cloud)
    }

    fn check(self) -> Result<Client, InvalidInput> {
        let (name, host) = match (&self.host, self.is_cloud()) {
            (Some((name, host)), _) => (*name, host.as_str()),
            (None, true) => ("host", CLOUD),
            (None, false) => ("host", DEFAULT_HOST),
        };
        if self.is_cloud() && self.token.is_none() {
            return Err(bad("CHROMA_API_KEY", "", "Chroma Cloud needs a key"));
        }
        let endpoint = Endpoint::parse(name, host, DEFAULT_PORT)?;
        for (name, wait) in [
            ("connection_timeout", self.timeouts.connect),
            ("request_timeout", self.timeouts.request),
        ] {
            if wait.is_zero() {
                return Err(bad(name, "0", "no request can be done in no time"));
            }
        }
        let max_payload_size = self.max_payload_size.unwrap_or(DEFAULT_PAYLOAD_SIZE);
        if max_payload_size == 0 {
            let why = "no request has so few bytes; give it some MiB, such as 16 << 20";
            return Err(bad("max_payload_size", "0", why));
        }
        let max_response_size = self.max_response_size;
        if max_response_size == Some(0) {
            let why = "no answer has so few bytes; the default is 2 GiB, 2 << 30";
            return Err(bad("max_response_size", "0", why));
        }
        if self.breaker.is_some_and(|breaker| breaker.failures == 0) {
            let why = "failures must be 1 or more, or it would never close";
            return Err(bad("circuit_breaker", "0 failures", why));
        }
        let replicas = (self.replicas.iter())
            .map(|host| Endpoint::parse("replicas", host, DEFAULT_PORT))
            .collect::<Result<Vec<_>, _>>()?;
        if replicas.len() >= Endpoints::MOST {
            let why = format!("there can be {}", Endpoints::MOST - 1);
            return Err(bad("replicas", &format!("{} hosts", replicas.len()), why));
        }
        let all = || [&endpoint].into_iter().chain(&replicas);
        if let Some(twice) = (replicas.iter().enumerate())
            .find(|(index, replica)| all().take(index + 1).any(|other| other == *replica))
        {
            let why = "it is there twice";
            return Err(bad("replicas", twice.1.as_str(), why));
        }
        let headers: Vec<(HeaderName, HeaderValue)> = self.access()?;
        let open = |endpoint: &&Endpoint| !endpoint.is_secure() && !endpoint.is_loopback();
        for endpoint in all().filter(open).filter(|_| !headers.is_empty()) {
            log::warn!(
                target: logs::CLIENT, endpoint = endpoint.as_str();
                "the secrets of requests to {} are sent without encryption",
                endpoint.as_str()
            );
        }
        #[cfg(not(feature = "tls"))]
        self.no_certificates()?;
        let defaults = Connecting::default();
        let connecting = Connecting {
            timeouts: self.timeouts,
            secrets: self.password.iter().cloned().collect(),
            proxy: self.proxy_to_use()?,
            retry_budget: self.retry_budget.unwrap_or(defaults.retry_budget),
            max_response_size: max_response_size.unwrap_or(defaults.max_response_size),
            #[cfg(feature = "tls")]
            root_certificates: self.root_certificates()?,
        };
        let name = |setting, value: Option<String>, default: &str| match value {
            Some(empty) if empty.is_empty() => Err(bad(setting, "", "it must not be empty")),
            value => Ok(value.unwrap_or_else(|| default.to_owned())),
        };
        let endpoints = Endpoints::new(
            endpoint,
            replicas,
            self.read_from,
            self.fail_over_writes,
            self.breaker,
        );
        Ok(Client::new_on(
            endpoints,
            headers,
            connecting,
            self.retry,
            max_payload_size,
            name("tenant", self.tenant, DEFAULT_TENANT)?,
            name("database", self.database, DEFAULT_DATABASE)?,
        ))
    }
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

    /// A client of Chroma Cloud. Tenant and database are asked of the server: the tenant that the key belongs to, and
    /// its database, if there is exactly one.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] for a wrong key; [`InvalidInput::Setting`] with the names
    /// of the databases when there are several: choose one with [`ClientBuilder::database`].
    pub fn cloud(api_key: impl Into<String>) -> Result<Client> {
        Client::builder().cloud().api_key(api_key).build()
    }

    /// A client of Chroma Cloud with the key in `CHROMA_API_KEY`, and the other settings in the environment. What
    /// `CHROMA_TENANT` and `CHROMA_DATABASE` do not say is asked of the server, as by [`Client::cloud`].
    ///
    /// # Errors
    /// As for [`Client::cloud`]; and when there is no key.
    pub fn cloud_from_env() -> Result<Client> {
        ClientBuilder::from_env()?.cloud().build()
    }

    /// A client with options.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

fn bad(name: &'static str, value: &str, why: impl Into<String>) -> InvalidInput {
    InvalidInput::Setting {
        name,
        value: value.to_owned(),
        why: why.into(),
    }
}

/// Says no secret.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("tenant", &self.tenant)
            .field("database", &self.database)
            .field("timeouts", &self.timeouts)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
