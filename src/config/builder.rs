//! [`ClientBuilder`]: the settings and their setters.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "local-server")]
use crate::client::LOCAL_SERVER;
use crate::embed::Allowed;
#[cfg(feature = "onnx")]
use crate::embed::Onnx;
use crate::transport::{
    CONNECT_SETTER, CircuitBreaker, REQUEST_SETTER, ReadFrom, RetryPolicy, Timeouts,
};

/// The settings of a client. Each has a default. [`build`](ClientBuilder::build) returns the client.
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
    pub(super) defaults_from: DefaultsFrom,
    pub(super) host: Option<Named>,
    pub(super) cloud: bool,
    pub(super) find_database: bool,
    pub(super) tenant: Option<String>,
    pub(super) database: Option<String>,
    pub(super) token: Option<Named>,
    pub(super) authorization: Option<Authorization>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) proxy: Option<String>,
    pub(super) certificates: Option<Vec<u8>>,
    pub(super) timeouts: Timeouts,
    pub(super) retry: RetryPolicy,
    pub(super) retry_budget: Option<u32>,
    pub(super) breaker: Option<CircuitBreaker>,
    pub(super) replicas: Vec<String>,
    pub(super) read_from: ReadFrom,
    pub(super) fail_over_writes: bool,
    pub(super) max_payload_size: Option<usize>,
    pub(super) max_response_size: Option<u64>,
    pub(super) allowed: Allowed,
}

/// The source of the settings that the caller did not set in code.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum DefaultsFrom {
    #[default]
    Code,
    Environment,
}

impl DefaultsFrom {
    /// Returns how the user changes a setting.
    pub(super) fn name(self, variable: &'static str, setter: &'static str) -> &'static str {
        match self {
            DefaultsFrom::Code => setter,
            DefaultsFrom::Environment => variable,
        }
    }
}

/// A value, and the setting or environment variable that it comes from.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) setting: &'static str,
    pub(super) value: String,
}

/// The credentials in the header `Authorization`.
#[derive(Clone)]
pub(super) enum Authorization {
    Bearer(String),
    Basic { user: String, password: String },
}

impl Named {
    pub(super) fn new(setting: &'static str, value: impl Into<String>) -> Named {
        Named {
            setting,
            value: value.into(),
        }
    }
}

impl ClientBuilder {
    /// Sets the address of the server: a URL, `host:port`, or a host name with Chroma's port 8000. Default:
    /// `http://localhost:8000`, or Chroma Cloud if an API key is set.
    pub fn host(mut self, host: impl Into<String>) -> ClientBuilder {
        self.host = Some(Named::new("host", host));
        self
    }

    /// Sets the address of a [`LocalServer`](crate::LocalServer).
    #[cfg(feature = "local-server")]
    pub(crate) fn local_server(mut self, url: &str) -> ClientBuilder {
        self.host = Some(Named::new(LOCAL_SERVER, url));
        self
    }

    /// Connects to Chroma Cloud, or, if a host is set, to a server that works like it: an API key is
    /// required, and the tenant and database are looked up unless they are set. A host under `trychroma.com`
    /// implies this.
    pub fn cloud(mut self) -> ClientBuilder {
        self.cloud = true;
        self
    }

    /// Sets whether [`build`](ClientBuilder::build) asks the server for the tenant and the database, unless
    /// they are set. It calls [`Client::identity`](crate::Client::identity) for that. Default: `true` for
    /// Chroma Cloud, `false` for other servers. `false` has no effect for Chroma Cloud.
    pub fn find_database(mut self, find: bool) -> ClientBuilder {
        self.find_database = find;
        self
    }

    /// Sets the tenant. Default: `default_tenant`; for Chroma Cloud, the tenant that the key belongs to.
    pub fn tenant(mut self, tenant: impl Into<String>) -> ClientBuilder {
        self.tenant = Some(tenant.into());
        self
    }

    /// Sets the database. Default: `default_database`; for Chroma Cloud, the key's database if there is
    /// exactly one.
    pub fn database(mut self, database: impl Into<String>) -> ClientBuilder {
        self.database = Some(database.into());
        self
    }

    /// Sets the timeout for establishing a connection, including name resolution and TLS. Must be greater
    /// than zero. Default: 30 s.
    pub fn connection_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.connect = timeout;
        self.timeouts.connect_setting = Some(CONNECT_SETTER);
        self
    }

    /// Sets the timeout for one attempt of a request, from connecting to the last byte received. Must be
    /// greater than zero. Default: 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.request = timeout;
        self.timeouts.request_setting = REQUEST_SETTER;
        self
    }

    /// Sets the approximate maximum size of a request's body in bytes. Larger writes are split into several
    /// requests. Must be greater than zero. Default: 16 MiB.
    ///
    /// Servers accept up to 40 MiB unless they are configured with another `max_payload_size_bytes`. If a
    /// server or a gateway refuses a request as too large, the client splits it in half, and lowers this
    /// limit for all later requests.
    pub fn max_payload_size(mut self, bytes: usize) -> ClientBuilder {
        self.max_payload_size = Some(bytes);
        self
    }

    /// Sets the maximum size of a response with rows (`get`, `query`, `search`, lists) in bytes. The client
    /// stops reading a larger response and returns [`Error::Decode`](crate::Error::Decode). Must be greater
    /// than zero. Default: 2 GiB.
    ///
    /// Each response takes at most about 12 times this size in memory, including its JSON; a short response
    /// may take up to 64 MiB. Responses with vectors or long documents take two or three times their size. So
    /// divide the memory that a call may take by 12.
    ///
    /// For other responses the maximum is 16 MiB, or this limit if it is lower.
    pub fn max_response_size(mut self, bytes: u64) -> ClientBuilder {
        self.max_response_size = Some(bytes);
        self
    }

    /// Allows collections to name one more environment variable for the API key of their embedding function.
    /// May be called several times. Default: none.
    ///
    /// A collection stores its embedding function with the name of that variable, and anyone who may write to
    /// the server can change the name. The function would send the variable's value to its provider. So a
    /// function that is made from a collection's configuration reads only the provider's own variables (for
    /// `openai`, these are `OPENAI_API_KEY` and `CHROMA_OPENAI_API_KEY`), and the variables that are allowed
    /// here. A collection that names another variable can be opened, and works with vectors. Texts are
    /// refused with [`InvalidInput::StoredEmbeddingFunction`](crate::InvalidInput::StoredEmbeddingFunction),
    /// and the variable is not read.
    ///
    /// Functions that you set in code are not affected.
    ///
    /// ```
    /// use chroma_blocking::Client;
    ///
    /// let client = Client::builder()
    ///     .host("db.example.com:8000")
    ///     .allow_key_variable("MY_OPENAI_KEY")
    ///     .build()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn allow_key_variable(mut self, name: impl Into<String>) -> ClientBuilder {
        self.allowed.allow_key_variable(name.into());
        self
    }

    /// Allows collections to name one more host for the requests of their embedding function. May be called
    /// several times. Default: none.
    ///
    /// A collection stores the address of some functions: of `ollama`, `huggingface_server`, and `openai`
    /// with another service. Anyone who may write to the server can change it, and would get the texts and
    /// the key. So a function that is made from a collection's configuration sends them only to the
    /// provider's own hosts and to the hosts that are allowed here. This machine gets the texts, and the key
    /// only if it is allowed here. A collection that names another host can be opened, and works with
    /// vectors. Texts are refused with
    /// [`InvalidInput::StoredEmbeddingFunction`](crate::InvalidInput::StoredEmbeddingFunction).
    ///
    /// A host is a name or an IP address, without scheme, port and path. Every port and path of it is
    /// allowed, also those of other accounts (`gateway.ai.cloudflare.com` has one host for all). A key is
    /// sent over https, or to this machine. Functions that you set in code are not affected.
    ///
    /// ```
    /// use chroma_blocking::Client;
    ///
    /// let client = Client::builder()
    ///     .host("db.example.com:8000")
    ///     .allow_embedding_host("ollama.internal")
    ///     .build()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn allow_embedding_host(mut self, host: impl Into<String>) -> ClientBuilder {
        self.allowed.allow_host(host.into());
        self
    }

    /// Registers a model on this machine for collections that store a `sentence_transformer` with its name.
    /// May be called several times. Default: none.
    ///
    /// Such a collection then opens with the model by itself. The names are compared without the parts
    /// `sentence-transformers/` and `Xenova/`. A collection that names another model can be opened, and
    /// works with vectors. Texts are refused with
    /// [`InvalidInput::StoredEmbeddingFunction`](crate::InvalidInput::StoredEmbeddingFunction). If a
    /// collection names a path, the crate does not open it, since anyone who may write to the server can
    /// change the name.
    ///
    /// A collection that this crate created stores the pooling, the prefixes and the other options of its
    /// function, and keeps them. For a collection of another client, those of the registered model apply.
    ///
    /// Chroma's default function needs no registration. To choose the folder of its model, register
    /// [`Onnx::mini_lm_from(folder)`](crate::embed::Onnx::mini_lm_from).
    ///
    /// ```no_run
    /// use chroma_blocking::Client;
    /// use chroma_blocking::embed::{Onnx, Pooling};
    ///
    /// let bge = Onnx::builder("BAAI/bge-small-en-v1.5", "/models/bge-small")
    ///     .pooling(Pooling::Cls)
    ///     .build()?;
    /// let client = Client::builder().allow_onnx_model(bge).build()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    #[cfg(feature = "onnx")]
    pub fn allow_onnx_model(mut self, model: Onnx) -> ClientBuilder {
        self.allowed.allow_onnx_model(model);
        self
    }

    /// Sets when and how often a failed request is retried, and the deadline of a call. Default:
    /// [`RetryPolicy::default`].
    pub fn retry(mut self, policy: RetryPolicy) -> ClientBuilder {
        self.retry = policy;
        self
    }

    /// Sets the retry budget of this client and its clones: how many retries may fail before requests succeed
    /// again. The budget keeps many clients from overloading a failing server. While it is used up, calls
    /// fail without a retry, and [`Call::not_retried_because`](crate::error::Call::not_retried_because) says
    /// so.
    ///
    /// A call pays for its retries only if it fails in the end. So the number of threads does not matter:
    /// each call in progress may use all retries of its policy. A retry that cannot connect costs nothing.
    /// Five calls that succeed restore one retry. 0 turns retries off, and `u32::MAX` means unlimited.
    /// Default: 100.
    pub fn retry_budget(mut self, retries: u32) -> ClientBuilder {
        self.retry_budget = Some(retries);
        self
    }

    /// Sets a circuit breaker: the client stops sending requests to an endpoint that keeps failing. Default:
    /// none.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> ClientBuilder {
        self.breaker = Some(breaker);
        self
    }

    /// Sets further addresses of the same data, in addition to the primary, which is
    /// [`host`](ClientBuilder::host). These are frontends of a distributed Chroma without a load balancer, or
    /// servers that you keep identical yourself. Every endpoint gets the same credentials. At most 63.
    /// Default: none.
    ///
    /// Reads go to the endpoint that [`read_from`](ClientBuilder::read_from) selects. They move on to another
    /// endpoint if there is no connection, the connection breaks, no response arrives in time, or the status
    /// is 500, 502, 503, 504 or 520 to 524. That happens without a wait, but counts as one of the policy's
    /// retries. An endpoint that failed in any way other than with status 500 is skipped for ten seconds, or
    /// for the time set by [`circuit_breaker`](ClientBuilder::circuit_breaker).
    ///
    /// Writes stay on the primary unless [`fail_over_writes`](ClientBuilder::fail_over_writes) is set. So do
    /// requests that check whether a write took effect.
    ///
    /// # Consistency
    /// Frontends of one distributed Chroma read the same log. A read sees every earlier write, whichever
    /// endpoint responds, except with [`ReadLevel::IndexOnly`](crate::search::ReadLevel::IndexOnly).
    ///
    /// Separate servers give no such guarantee:
    ///
    /// - With [`ReadFrom::FirstHealthy`] you read your own writes until the primary fails, and the data of
    ///   the replica afterwards.
    /// - With [`ReadFrom::RoundRobin`] two consecutive reads may differ, even within one
    ///   [`scan`](crate::Collection::scan) or one [`Transaction`](crate::collection::Transaction). A
    ///   transaction is committed on the primary.
    ///
    /// Collections are addressed by id, so the ids must be the same on all servers.
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

    /// Sets which endpoint is read from. Default: [`ReadFrom::FirstHealthy`].
    pub fn read_from(mut self, which: ReadFrom) -> ClientBuilder {
        self.read_from = which;
        self
    }

    /// Sets whether writes may go to a replica if the primary fails. Use it for frontends of one distributed
    /// Chroma only: separate servers would no longer have the same data. Default: `false`.
    pub fn fail_over_writes(mut self, allowed: bool) -> ClientBuilder {
        self.fail_over_writes = allowed;
        self
    }
}

/// Shows no secrets.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("cloud", &self.cloud)
            .field("tenant", &self.tenant)
            .field("database", &self.database)
            .field("timeouts", &self.timeouts)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
