//! [`ConnectOptions`]: timeouts, certificates and limits of a pool of connections.

use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue};

/// The longest timeout. A longer one is cut to this, because `Duration::MAX`, which means "no timeout" to
/// many callers, cannot be added to a time.
pub(super) const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The default retry budget, as in the standard retry mode of AWS's SDKs: 500 tokens, 5 for each retry.
const RETRY_BUDGET: u32 = 100;
/// The default maximum size of a response that holds rows: 2 GiB.
const MAX_RESPONSE: u64 = 2 << 30;

/// Timeouts of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timeouts {
    /// For a connection, including name lookup and TLS.
    pub(crate) connect: Duration,
    /// For one attempt, from the first byte sent to the last byte received.
    pub(crate) request: Duration,
    /// For the next bytes of a response. `None` if only `request` limits it.
    pub(crate) silence: Option<Duration>,
    /// How the user changes them, for errors: by a setter or an environment variable. `None` if nothing does.
    pub(crate) connect_setting: Option<&'static str>,
    pub(crate) request_setting: &'static str,
}

/// The setters of [`Timeouts`].
pub(crate) const CONNECT_SETTER: &str = "connection_timeout(...)";
pub(crate) const REQUEST_SETTER: &str = "request_timeout(...)";

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(30),
            request: Duration::from_secs(60),
            silence: None,
            connect_setting: Some(CONNECT_SETTER),
            request_setting: REQUEST_SETTER,
        }
    }
}

/// How to connect to a server, and the limits of all calls together.
#[derive(Clone)]
pub(crate) struct ConnectOptions {
    pub(crate) timeouts: Timeouts,
    /// The headers of each request. Their sensitive values are kept out of errors and logs.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Secrets that are not a header's value, such as a password that a header encodes. They are kept out of
    /// errors and logs.
    pub(crate) secrets: Vec<String>,
    /// The variables and settings that the credentials come from.
    pub(crate) credential_sources: Vec<String>,
    /// The number of retries that all calls together can make in a row.
    pub(crate) retry_budget: u32,
    /// The maximum size of a response that holds rows, in bytes.
    pub(crate) max_response_size: u64,
    /// Replaces the certificates of public authorities.
    #[cfg(feature = "tls")]
    pub(crate) root_certificates: Vec<ureq::tls::Certificate<'static>>,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            timeouts: Timeouts::default(),
            headers: Vec::new(),
            secrets: Vec::new(),
            credential_sources: Vec::new(),
            retry_budget: RETRY_BUDGET,
            max_response_size: MAX_RESPONSE,
            #[cfg(feature = "tls")]
            root_certificates: Vec::new(),
        }
    }
}
