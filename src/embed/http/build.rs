//! [`Plan`]: checks the options of a function over HTTP, and makes its [`Engine`].

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use ureq::http::{HeaderName, HeaderValue};

use super::engine::Engine;
use super::key::Key;
#[cfg(feature = "functions")]
use super::key::KeyVariables;
use super::options::Options;
use super::text::BYTES_PER_TOKEN;
use crate::embed::limiter::Limiter;
use crate::environment::Environment;
use crate::error::InvalidInput;
use crate::transport::{
    self, ConnectOptions, Dialect, Endpoint, EndpointOptions, Endpoints, Operation, Transport,
};

/// The transport keeps this many idle connections.
const MAX_CONCURRENCY: usize = 64;
/// The largest dimension of a vector. No known model has as many.
pub(in crate::embed) const MAX_DIMENSION: usize = 65_536;

/// The advice for a response that is larger than [`max_response_size`](super::call::max_response_size).
pub(in crate::embed) const TOO_LARGE: &str =
    "that is more than its vectors can take; check the address, and any proxy";

/// The decisions of a provider about its requests.
pub(in crate::embed) struct Plan {
    /// Chroma's name of the function.
    pub(in crate::embed) name: &'static str,
    pub(in crate::embed) model: String,
    pub(in crate::embed) operation: &'static Operation,
    pub(in crate::embed) address: Address,
    pub(in crate::embed) path: String,
    /// `None` for a service that needs no key.
    pub(in crate::embed) key: Option<Key>,
    /// The header of the key, and the words before it.
    pub(in crate::embed) key_header: (HeaderName, &'static str),
    /// Further headers.
    pub(in crate::embed) headers: Vec<(HeaderName, HeaderValue)>,
    pub(in crate::embed) dialect: &'static dyn Dialect,
    pub(in crate::embed) dimension: Option<usize>,
    /// The most texts in a request.
    pub(in crate::embed) max_batch: usize,
    /// The most bytes in a body.
    pub(in crate::embed) max_bytes: usize,
    /// The most tokens of a text, if they are known.
    pub(in crate::embed) max_tokens: Option<usize>,
    /// Whether the provider's quota of requests counts texts.
    pub(in crate::embed) counts_texts: bool,
}

/// An address, and the setting or variable that it comes from.
pub(in crate::embed) struct Address {
    pub(in crate::embed) setting: &'static str,
    pub(in crate::embed) url: String,
}

impl Address {
    fn endpoint(&self) -> Result<Endpoint, InvalidInput> {
        Endpoint::parse(self.setting, &self.url, 80)
    }

    /// Returns the key to send to the address of a service that may do without one.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the address is malformed, for a bad key, or if a variable that the options
    /// name is not set.
    #[cfg(feature = "functions")]
    pub(super) fn optional_key(
        &self,
        variables: KeyVariables,
        options: &Options,
        environment: &Environment<'_>,
    ) -> Result<Option<Key>, InvalidInput> {
        let is_chosen = options.key.is_some() || !options.key_variables.is_empty();
        let endpoint = self.endpoint()?;
        // A key that only happens to be in the environment does not make plain http an error.
        if !is_chosen && !endpoint.is_secure() && !endpoint.is_loopback() {
            return Ok(None);
        }
        variables.key_if_any(options, environment)
    }

    /// Returns the address that the options or a variable contain, or else `default`.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the variable cannot be read.
    pub(in crate::embed) fn chosen(
        options: &Options,
        variable: Option<&'static str>,
        environment: &Environment<'_>,
        default: &str,
    ) -> Result<Address, InvalidInput> {
        let from = |setting, url: &str| {
            let url = url.to_owned();
            Ok(Address { setting, url })
        };
        if let Some(url) = &options.base_url {
            return from("base_url", url);
        }
        if let Some(variable) = variable {
            if let Some(url) = environment.get(variable)? {
                return from(variable, &url);
            }
        }
        from("base_url", default)
    }
}

impl Plan {
    /// Checks the options, and makes the engine.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if an option is out of range, or the address is malformed.
    pub(in crate::embed) fn build(
        self,
        options: Options,
        environment: &Environment<'_>,
    ) -> Result<Engine, InvalidInput> {
        let Limits {
            limiter,
            batch_size,
            max_bytes,
        } = self.limits(&options)?;
        let transport = self.transport(&options, environment)?;
        Ok(Engine {
            transport,
            name: self.name,
            model: self.model,
            operation: self.operation,
            path: self.path,
            dimension: self.dimension.map_or_else(OnceLock::new, OnceLock::from),
            batch_size,
            max_bytes,
            max_tokens: self.max_tokens,
            counts_texts: self.counts_texts,
            calls: options.calls,
            pool: OnceLock::new(),
            limiter,
        })
    }

    /// Checks the limits. No batch may cost more than a minute allows.
    fn limits(&self, options: &Options) -> Result<Limits, InvalidInput> {
        let batch_size = options.batch_size.unwrap_or(self.max_batch);
        check_range("batch_size", batch_size, 1..=self.max_batch)?;
        check_range(
            "concurrency",
            options.calls.concurrency,
            1..=MAX_CONCURRENCY,
        )?;
        let mut limits = Limits {
            limiter: Limiter::new(options.calls.concurrency),
            batch_size,
            max_bytes: self.max_bytes,
        };
        if let Some(requests) = check_rate("requests_per_minute", options.requests_per_minute)? {
            let mut burst = 1;
            if self.counts_texts {
                limits.batch_size = limits.batch_size.min(requests);
                burst = limits.batch_size;
            }
            limits.limiter = limits.limiter.items(requests, burst);
        }
        if let Some(tokens) = check_rate("tokens_per_minute", options.tokens_per_minute)? {
            let bytes = tokens.saturating_mul(BYTES_PER_TOKEN);
            limits.max_bytes = limits.max_bytes.min(bytes);
            limits.limiter = limits.limiter.tokens(tokens);
        }
        Ok(limits)
    }

    fn transport(
        &self,
        options: &Options,
        environment: &Environment<'_>,
    ) -> Result<Transport, InvalidInput> {
        let endpoint = self.endpoint(environment)?;
        let mut headers = self.headers.clone();
        if let Some(key) = &self.key {
            let (name, before) = &self.key_header;
            headers.push((name.clone(), key.header(before)?));
        }
        let source = self.key.iter().map(|key| key.source.clone());
        Ok(Transport::new(
            Endpoints::new(endpoint, EndpointOptions::default()),
            ConnectOptions {
                headers,
                credential_sources: source.collect(),
                timeouts: options.timeouts,
                ..ConnectOptions::default()
            },
            self.dialect,
        ))
    }

    fn endpoint(&self, environment: &Environment<'_>) -> Result<Endpoint, InvalidInput> {
        let endpoint = self.address.endpoint()?;
        if self.key.is_some() && !endpoint.is_secure() && !endpoint.is_loopback() {
            let why = "the API key would be sent without encryption; use https";
            let Address { setting, url } = &self.address;
            return Err(InvalidInput::setting(setting, url, why));
        }
        let proxy = transport::proxy_from_environment(&endpoint, environment)?;
        Ok(endpoint.through(proxy))
    }
}

/// The limits of requests, after they were checked.
struct Limits {
    limiter: Limiter,
    batch_size: usize,
    max_bytes: usize,
}

pub(in crate::embed) fn check_range(
    name: &'static str,
    value: usize,
    allowed: RangeInclusive<usize>,
) -> Result<(), InvalidInput> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let why = format!("it must be from {} to {}", allowed.start(), allowed.end());
    Err(InvalidInput::setting(name, value.to_string(), why))
}

fn check_rate(name: &'static str, limit: Option<u32>) -> Result<Option<usize>, InvalidInput> {
    if limit == Some(0) {
        return Err(InvalidInput::setting(name, "0", "it must be 1 or more"));
    }
    Ok(limit.map(|limit| limit as usize))
}
