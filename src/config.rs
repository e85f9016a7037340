//! [`ClientBuilder`]: a client's settings, from code or from the environment.

use std::fmt;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue};

use crate::client::Client;
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::transport::{self, Endpoint, RetryPolicy, Timeouts};

/// Where a Chroma server listens unless told otherwise.
const DEFAULT_HOST: &str = "http://localhost:8000";
const DEFAULT_PORT: u16 = 8000;
/// Chroma Cloud's address.
const CLOUD: &str = "https://api.trychroma.com";
const DEFAULT_TENANT: &str = "default_tenant";
const DEFAULT_DATABASE: &str = "default_database";

/// A client's settings. Every one has a default; nothing is sent before the first call of the client.
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
    host: Option<(&'static str, String)>,
    tenant: Option<String>,
    database: Option<String>,
    token: Option<(&'static str, String)>,
    timeouts: Timeouts,
    retry: RetryPolicy,
}

impl ClientBuilder {
    /// Where the server is: a URL, `host:port`, or a host with Chroma's port 8000. Default `http://localhost:8000`, or
    /// Chroma Cloud when there is an API key.
    pub fn host(mut self, host: impl Into<String>) -> ClientBuilder {
        self.host = Some(("host", host.into()));
        self
    }

    /// The tenant. Default `default_tenant`.
    pub fn tenant(mut self, tenant: impl Into<String>) -> ClientBuilder {
        self.tenant = Some(tenant.into());
        self
    }

    /// The database. Default `default_database`.
    pub fn database(mut self, database: impl Into<String>) -> ClientBuilder {
        self.database = Some(database.into());
        self
    }

    /// A key of Chroma Cloud, or of a server that asks for `x-chroma-token`. It is in no log, error or `Debug`, and
    /// goes over http only to this machine.
    pub fn api_key(mut self, key: impl Into<String>) -> ClientBuilder {
        self.token = Some(("api_key", key.into()));
        self
    }

    /// How long to wait for a connection, name look-up and TLS included. Default 30 s.
    pub fn connection_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.connect = timeout;
        self
    }

    /// How long one attempt of a request may take, from the first byte sent to the last one received. Default 60 s.
    pub fn request_timeout(mut self, timeout: Duration) -> ClientBuilder {
        self.timeouts.request = timeout;
        self
    }

    /// When and how often to try again.
    pub fn retry(mut self, policy: RetryPolicy) -> ClientBuilder {
        self.retry = policy;
        self
    }

    /// The client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`], which names the setting and its value.
    pub fn build(self) -> Result<Client> {
        self.check()
            .map_err(|reason| Call::new("client", None).invalid(reason))
    }

    fn check(self) -> Result<Client, InvalidInput> {
        let bad = |name, value: &str, why: &str| InvalidInput::Setting {
            name,
            value: value.to_owned(),
            why: why.to_owned(),
        };
        let cloud = self.host.is_none() && self.token.is_some();
        let (name, host) = match &self.host {
            Some((name, host)) => (*name, host.as_str()),
            None => ("host", if cloud { CLOUD } else { DEFAULT_HOST }),
        };
        let endpoint = Endpoint::parse(name, host, DEFAULT_PORT)?;
        if cloud && (self.tenant.is_none() || self.database.is_none()) {
            return Err(bad(
                "CHROMA_TENANT, CHROMA_DATABASE",
                "",
                "Chroma Cloud needs both; or set CHROMA_HOST for a server of your own",
            ));
        }
        for (name, wait) in [
            ("connection_timeout", self.timeouts.connect),
            ("request_timeout", self.timeouts.request),
        ] {
            if wait.is_zero() {
                return Err(bad(name, "0", "no request can be done in no time"));
            }
        }
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        if let Some((name, token)) = &self.token {
            if !endpoint.is_secure() && !endpoint.is_loopback() {
                let why = "an API key would be sent to it readable by all; use https";
                return Err(bad("host", endpoint.as_str(), why));
            }
            let token = transport::secret(name, "", token)?;
            headers.push((HeaderName::from_static("x-chroma-token"), token));
        }
        let name = |setting, value: Option<String>, default: &str| match value {
            Some(empty) if empty.is_empty() => Err(bad(setting, "", "it must not be empty")),
            value => Ok(value.unwrap_or_else(|| default.to_owned())),
        };
        Ok(Client::new_on(
            endpoint,
            headers,
            self.timeouts,
            self.retry,
            name("tenant", self.tenant, DEFAULT_TENANT)?,
            name("database", self.database, DEFAULT_DATABASE)?,
        ))
    }

    /// Settings from the environment, for whatever is set there:
    ///
    /// | variable | setting | default |
    /// |---|---|---|
    /// | `CHROMA_HOST` or `CHROMA_ENDPOINT` | [`host`](ClientBuilder::host) | `http://localhost:8000` |
    /// | `CHROMA_TENANT` | [`tenant`](ClientBuilder::tenant) | `default_tenant` |
    /// | `CHROMA_DATABASE` | [`database`](ClientBuilder::database) | `default_database` |
    /// | `CHROMA_API_KEY` | [`api_key`](ClientBuilder::api_key) | none |
    /// | `MAX_RETRIES` | [`RetryPolicy::max_retries`] | 3 |
    /// | `RETRY_DELAY_MS` | [`RetryPolicy::base_delay`] | 1000 |
    /// | `CONNECTION_TIMEOUT_MS` | [`connection_timeout`](ClientBuilder::connection_timeout) | 30000 |
    /// | `REQUEST_TIMEOUT_MS` | [`request_timeout`](ClientBuilder::request_timeout) | 60000 |
    ///
    /// A variable that is set to nothing counts as not set.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`], which names the variable and its value.
    pub fn from_env() -> Result<ClientBuilder> {
        ClientBuilder::read(&Environment::of_process())
            .map_err(|reason| Call::new("client", None).invalid(reason))
    }

    fn read(environment: &Environment<'_>) -> Result<ClientBuilder, InvalidInput> {
        let host = environment.get("CHROMA_HOST");
        let endpoint = environment.get("CHROMA_ENDPOINT");
        let host = match (host, endpoint) {
            (Some(host), Some(endpoint)) if host != endpoint => {
                return Err(InvalidInput::Setting {
                    name: "CHROMA_ENDPOINT",
                    value: endpoint,
                    why: format!("CHROMA_HOST says another server, {host:?}; unset one of them"),
                });
            }
            (Some(host), _) => Some(("CHROMA_HOST", host)),
            (None, endpoint) => endpoint.map(|endpoint| ("CHROMA_ENDPOINT", endpoint)),
        };
        let defaults = ClientBuilder::default();
        let millis = |name, default: Duration| {
            Ok(environment
                .number(name)?
                .map_or(default, Duration::from_millis))
        };
        let mut retry = RetryPolicy::default();
        if let Some(retries) = environment.number("MAX_RETRIES")? {
            retry = retry.max_retries(u32::try_from(retries).unwrap_or(u32::MAX));
        }
        if let Some(delay) = environment.number("RETRY_DELAY_MS")? {
            retry = retry.base_delay(Duration::from_millis(delay));
        }
        let positive = |name: &'static str, wait: Duration| match wait.is_zero() {
            true => Err(InvalidInput::Setting {
                name,
                value: "0".to_owned(),
                why: "no request can be done in no time".to_owned(),
            }),
            false => Ok(wait),
        };
        let timed = |name, default| positive(name, millis(name, default)?);
        Ok(ClientBuilder {
            host,
            tenant: environment.get("CHROMA_TENANT"),
            database: environment.get("CHROMA_DATABASE"),
            token: environment
                .get("CHROMA_API_KEY")
                .map(|key| ("CHROMA_API_KEY", key)),
            timeouts: Timeouts {
                connect: timed("CONNECTION_TIMEOUT_MS", defaults.timeouts.connect)?,
                request: timed("REQUEST_TIMEOUT_MS", defaults.timeouts.request)?,
            },
            retry,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn client(variables: &[(&str, &str)]) -> Result<Client, InvalidInput> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ClientBuilder::read(&Environment::of(&lookup))?.check()
    }

    fn url(variables: &[(&str, &str)]) -> String {
        client(variables).unwrap().url().to_owned()
    }

    #[test]
    fn an_empty_environment_is_a_server_on_this_machine() {
        assert_eq!(url(&[]), "http://localhost:8000");
        assert_eq!(
            url(&[("CHROMA_HOST", " "), ("MAX_RETRIES", "")]),
            "http://localhost:8000"
        );
    }

    #[test]
    fn both_names_of_the_host_are_read() {
        assert_eq!(url(&[("CHROMA_HOST", "db:1")]), "http://db:1");
        assert_eq!(url(&[("CHROMA_ENDPOINT", "http://db:1/")]), "http://db:1");
        assert_eq!(
            url(&[("CHROMA_HOST", "db:1"), ("CHROMA_ENDPOINT", "db:1")]),
            "http://db:1"
        );
        let error = client(&[("CHROMA_HOST", "a"), ("CHROMA_ENDPOINT", "b")]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("CHROMA_ENDPOINT") && error.contains("CHROMA_HOST"),
            "{error}"
        );
    }

    #[test]
    fn every_setting_is_read() {
        let client = client(&[
            ("CHROMA_TENANT", "t"),
            ("CHROMA_DATABASE", "d"),
            ("MAX_RETRIES", "7"),
            ("RETRY_DELAY_MS", "5"),
            ("CONNECTION_TIMEOUT_MS", "6"),
            ("REQUEST_TIMEOUT_MS", "8"),
        ])
        .unwrap();
        assert_eq!((client.tenant(), client.database()), ("t", "d"));
        let shown = format!("{client:?}");
        for part in ["max_retries: 7", "base_delay: 5ms"] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn a_bad_value_is_named_with_its_variable() {
        for (name, value) in [
            ("CHROMA_HOST", "http://"),
            ("CHROMA_ENDPOINT", "ftp://x"),
            ("MAX_RETRIES", "-1"),
            ("RETRY_DELAY_MS", "1s"),
            ("CONNECTION_TIMEOUT_MS", "0"),
            ("REQUEST_TIMEOUT_MS", "99999999999999999999"),
        ] {
            let error = client(&[(name, value)]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{name} is {value:?}")),
                "{error}"
            );
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_key_alone_means_chroma_cloud() {
        let key = ("CHROMA_API_KEY", "s3cret");
        let all = [key, ("CHROMA_TENANT", "t"), ("CHROMA_DATABASE", "d")];
        assert_eq!(url(&all), "https://api.trychroma.com");
        let error = client(&[key]).unwrap_err().to_string();
        assert!(error.contains("CHROMA_TENANT"), "{error}");
    }

    #[test]
    fn a_key_is_not_sent_in_the_open_and_never_shown() {
        let key = |key| ("CHROMA_API_KEY", key);
        assert!(client(&[key("s3cret"), ("CHROMA_HOST", "localhost")]).is_ok());
        let open = client(&[key("s3cret"), ("CHROMA_HOST", "db.example.com")]).unwrap_err();
        assert!(open.to_string().contains("https"), "{open}");
        let broken = client(&[key("s3cret\nx: y"), ("CHROMA_HOST", "localhost")]).unwrap_err();
        let local = client(&[key("s3cret"), ("CHROMA_HOST", "localhost")]).unwrap();
        let builder = Client::builder().api_key("s3cret");
        for shown in [
            open.to_string(),
            broken.to_string(),
            format!("{local:?} {builder:?}"),
        ] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
