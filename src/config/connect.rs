//! From the settings to a client: validation, endpoints, and the look-up of the tenant and database.

use super::builder::{ClientBuilder, DefaultsFrom, Named};
use crate::client::operations::IDENTITY;
use crate::client::{Client, Identity, Settings};
use crate::environment::Environment;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::logs;
use crate::model::name;
use crate::printable::{one_line_of, short};
use crate::transport::{self, ConnectOptions, Endpoint, EndpointOptions, Endpoints};

/// The default address of a Chroma server.
const DEFAULT_HOST: &str = "http://localhost:8000";
/// The address of Chroma Cloud.
const CLOUD_HOST: &str = "https://api.trychroma.com";
/// Chroma's default port.
const DEFAULT_PORT: u16 = 8000;
const DEFAULT_PAYLOAD_SIZE: usize = 16 << 20;
const DEFAULT_TENANT: &str = "default_tenant";
const DEFAULT_DATABASE: &str = "default_database";
/// The name that the identity of a key has for "all tenants" or "all databases".
const ANY: &str = "*";
/// The maximum length of a list of databases in an error, in bytes.
const MAX_SHOWN: usize = 2_000;

/// Reads the address of a Chroma server, which may be copied with the path of its API.
///
/// # Errors
/// [`InvalidInput::Setting`] if it is malformed.
pub(super) fn chroma_endpoint(
    setting: &'static str,
    address: &str,
) -> Result<Endpoint, InvalidInput> {
    Endpoint::parse(setting, address, DEFAULT_PORT).map(Endpoint::without_api_path)
}

impl ClientBuilder {
    /// Returns the client. It sends no request, with one exception: for Chroma Cloud, or with
    /// [`find_database`](ClientBuilder::find_database), it calls [`Client::identity`] unless both the tenant
    /// and the database are set.
    ///
    /// # Errors
    /// - [`InvalidInput::Setting`] if a setting is not valid, or if the tenant or database has to be chosen.
    ///   It names the setting and its value.
    /// - Any error of [`Client::identity`], if it is called.
    pub fn build(self) -> Result<Client> {
        let wanted = Wanted {
            tenant: self.tenant.clone(),
            database: self.database.clone(),
            defaults_from: self.defaults_from,
        };
        let find = self.is_cloud() || self.find_database;
        let client = self
            .connect_in(&Environment::of_process())
            .map_err(invalid)?;
        if !find || wanted.tenant.is_some() && wanted.database.is_some() {
            return Ok(client);
        }
        let (tenant, database) = wanted.choose(client.identity()?)?;
        Ok(client.with_tenant(tenant).with_database(database))
    }

    fn is_cloud(&self) -> bool {
        let has_key = self.token.is_some();
        let host = self.host.as_ref().map(|host| host.value.trim());
        self.cloud || host.map_or(has_key, transport::is_cloud)
    }

    /// Returns the client. Sends no request. The proxies are those of `environment`, unless one is set.
    pub(super) fn connect_in(self, environment: &Environment<'_>) -> Result<Client, InvalidInput> {
        self.validate()?;
        let (primary, replicas) = self.addresses(environment)?;
        let headers = self.secret_headers()?;
        if !headers.is_empty() {
            warn_of_cleartext(&primary, &replicas);
        }
        let cloud_key = if primary.is_cloud() {
            self.token.as_ref().map(|token| token.value.clone())
        } else {
            None
        };
        Ok(Client::with_settings(Settings {
            connect_options: ConnectOptions {
                headers,
                ..self.connect_options()?
            },
            endpoints: Endpoints::new(
                primary,
                EndpointOptions {
                    replicas,
                    read_from: self.read_from,
                    fail_over_writes: self.fail_over_writes,
                    breaker: self.breaker,
                },
            ),
            retry: self.retry,
            max_payload_size: self.max_payload_size.unwrap_or(DEFAULT_PAYLOAD_SIZE),
            tenant: self.tenant.unwrap_or_else(|| DEFAULT_TENANT.to_owned()),
            database: self.database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned()),
            allowed: self.allowed.with_cloud_key(cloud_key),
        }))
    }

    /// Checks the settings that are not parsed by [`connect_in`](ClientBuilder::connect_in).
    fn validate(&self) -> Result<(), InvalidInput> {
        self.allowed.check()?;
        let bad = |name, value: &str, why: &str| InvalidInput::setting(name, value, why);
        if self.is_cloud() && self.token.is_none() {
            let setting = self.defaults_from.name("CHROMA_API_KEY", "api_key");
            let why = format!("Chroma Cloud needs a key; set {setting}");
            return Err(bad(setting, "", &why));
        }
        for (name, timeout) in [
            ("connection_timeout", self.timeouts.connect),
            ("request_timeout", self.timeouts.request),
        ] {
            if timeout.is_zero() {
                return Err(bad(name, "0", "it must be greater than zero"));
            }
        }
        if self.max_payload_size == Some(0) {
            let why = "it must be greater than zero; the default is 16 MiB (16 << 20)";
            return Err(bad("max_payload_size", "0", why));
        }
        if self.max_response_size == Some(0) {
            let why = "it must be greater than zero; the default is 2 GiB (2 << 30)";
            return Err(bad("max_response_size", "0", why));
        }
        if self.breaker.is_some_and(|breaker| breaker.failures == 0) {
            let why = "set failures to at least 1";
            return Err(bad("circuit_breaker", "0 failures", why));
        }
        if self
            .breaker
            .is_some_and(|breaker| breaker.open_for.is_zero())
        {
            let why = "it would never be open; set open_for to more than zero";
            return Err(bad("circuit_breaker", "open for 0 s", why));
        }
        for (name, value) in [("tenant", &self.tenant), ("database", &self.database)] {
            if value.as_ref().is_some_and(String::is_empty) {
                return Err(bad(name, "", "it must not be empty"));
            }
        }
        Ok(())
    }

    /// Returns the addresses of the primary and the replicas.
    fn addresses(
        &self,
        environment: &Environment<'_>,
    ) -> Result<(Endpoint, Vec<Endpoint>), InvalidInput> {
        let default = if self.is_cloud() {
            CLOUD_HOST
        } else {
            DEFAULT_HOST
        };
        let by_default = Named::new(self.defaults_from.name("CHROMA_HOST", "host"), default);
        let Named { setting, value } = self.host.as_ref().unwrap_or(&by_default);
        let primary = chroma_endpoint(setting, value)?;
        let replicas = self
            .replicas
            .iter()
            .map(|host| chroma_endpoint("replicas", host));
        let replicas: Vec<_> = replicas.collect::<Result<_, _>>()?;
        if replicas.len() >= Endpoints::MAX {
            let found = format!("{} hosts", replicas.len());
            let why = format!("at most {} are allowed", Endpoints::MAX - 1);
            return Err(InvalidInput::setting("replicas", found, why));
        }
        for (index, replica) in replicas.iter().enumerate() {
            let mut before = replicas[..index].iter().chain([&primary]);
            if before.any(|other| other.as_str() == replica.as_str()) {
                let why = "this address is given twice; give each address once";
                return Err(InvalidInput::setting("replicas", replica.as_str(), why));
            }
        }
        let in_code = self.parsed_proxy()?;
        let through_proxy = |endpoint: Endpoint| {
            let proxy = match &in_code {
                Some(proxy) => Some(proxy.clone()),
                None => transport::proxy_from_environment(&endpoint, environment)?,
            };
            Ok(endpoint.through(proxy))
        };
        let replicas = replicas
            .into_iter()
            .map(through_proxy)
            .collect::<Result<_, _>>()?;
        Ok((through_proxy(primary)?, replicas))
    }

    fn connect_options(&self) -> Result<ConnectOptions, InvalidInput> {
        #[cfg(not(feature = "tls"))]
        self.refuse_certificates()?;
        let defaults = ConnectOptions::default();
        Ok(ConnectOptions {
            timeouts: self.timeouts,
            headers: Vec::new(),
            secrets: self.password().into_iter().collect(),
            credential_sources: self.credential_sources(),
            retry_budget: self.retry_budget.unwrap_or(defaults.retry_budget),
            max_response_size: self.max_response_size.unwrap_or(defaults.max_response_size),
            #[cfg(feature = "tls")]
            root_certificates: self.root_certificates()?,
        })
    }
}

/// Warns of each endpoint on another machine that gets the credentials over plain http.
fn warn_of_cleartext(primary: &Endpoint, replicas: &[Endpoint]) {
    for endpoint in [primary].into_iter().chain(replicas) {
        if !endpoint.is_secure() && !endpoint.is_loopback() {
            let url = endpoint.as_str();
            log::warn!(
                target: logs::CLIENT, endpoint = url;
                "the credentials for {url} are sent without encryption; use https"
            );
        }
    }
}

/// The tenant and the database that are set.
struct Wanted {
    tenant: Option<String>,
    database: Option<String>,
    defaults_from: DefaultsFrom,
}

impl Wanted {
    /// Returns the tenant and the database. Chooses what is not set from what the key may open.
    ///
    /// # Errors
    /// - [`InvalidInput::Setting`] if one of them has to be set.
    /// - [`Error::Decode`] if the server returned a name that cannot be part of a path.
    fn choose(self, mut identity: Identity) -> Result<(String, String)> {
        let names = self.defaults_from;
        let tenant = match self.tenant {
            Some(tenant) => tenant,
            None if identity.tenant == ANY => {
                let setting = names.name("CHROMA_TENANT", "tenant");
                let why = format!("the key may open every tenant; choose one with {setting}");
                return Err(invalid(InvalidInput::setting(setting, "", why)));
            }
            None => from_server("tenant", &identity.tenant)?,
        };
        identity.databases.sort();
        identity.databases.dedup();
        let database = match (self.database, &identity.databases[..]) {
            (Some(database), _) => database,
            (None, [only]) if only != ANY && tenant == identity.tenant => {
                from_server("database", only)?
            }
            (None, databases) => {
                let setting = names.name("CHROMA_DATABASE", "database");
                let databases = format!("{databases:?}");
                let (databases, tenant) =
                    (one_line_of(&databases, MAX_SHOWN), short(&identity.tenant));
                let why = format!(
                    "the key may open the databases {databases} of the tenant {tenant:?}; choose one with {setting}"
                );
                return Err(invalid(InvalidInput::setting(setting, "", why)));
            }
        };
        Ok((tenant, database))
    }
}

/// Returns a name that the server chose, unless it would change the structure of later paths.
fn from_server(what: &'static str, name: &str) -> Result<String> {
    name::check_in_path(what, name).map_err(|reason| Error::Decode {
        call: Box::new(Call::new(IDENTITY.name, None)),
        message: reason.to_string(),
    })?;
    Ok(name.to_owned())
}

fn invalid(reason: InvalidInput) -> Error {
    Call::new("client", None).invalid(reason)
}

#[cfg(all(test, feature = "functions", feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn secure_05_only_a_client_of_chroma_cloud_has_a_key_for_its_models() {
        for (host, is_cloud) in [
            ("https://api.trychroma.com", true),
            ("europe-west1.gcp.trychroma.com", true),
            ("https://api.trychroma.com.example.com", false),
            ("https://db.example.com", false),
            ("localhost", false),
        ] {
            let builder = ClientBuilder::default().host(host).api_key("s3cret");
            let client = builder.connect_in(&Environment::of(&|_| None)).unwrap();
            let expected = is_cloud.then_some("s3cret");
            assert_eq!(client.allowed().cloud_key(), expected, "{host}");
            assert!(!format!("{client:?} {:?}", client.allowed()).contains("s3cret"));
        }
    }
}
