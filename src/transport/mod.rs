//! The one place that knows HTTP: an operation and its bytes go in, a parsed answer or an [`Error`] comes out.
//!
//! It knows neither Chroma nor Gemini. Both hand it an [`Operation`], bytes and a parser, and a [`Dialect`] that reads
//! their errors; connections, timeouts, retries and logs are written here once.

mod endpoint;
pub(crate) mod retry;
mod tcp;

use std::fmt::Debug;
use std::io::{self, Read};
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{self, HeaderName, HeaderValue, Method, Request};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, AsSendBody, Body, Timeout};

pub(crate) use endpoint::{Endpoint, is_cloud, shown_address};
pub use retry::RetryPolicy;

use crate::error::{Call, Error, InvalidInput, Result};

/// Idle connections that are kept for one server.
const IDLE_CONNECTIONS: usize = 64;
/// How long an idle connection is kept.
const IDLE_AGE: Duration = Duration::from_secs(90);
/// Longer waits are cut to this: `Duration::MAX` is how people say "without end", and cannot be added to a time.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// No answer may be larger; a server that sends more is not waited for.
const MAX_ANSWER: u64 = 2 << 30;
/// Room made for an answer before its first byte is in, whatever length the server announces.
const MAX_RESERVED: u64 = 16 << 20;

/// What stands for a secret.
const HIDDEN: &str = "<hidden>";

/// What to do about a certificate that nobody vouches for.
const DISTRUSTED_HINT: &str =
    "if the server is yours, give the certificate of its authority to ca_certificates(...)";

/// What a server is asked to do: the same name, method and path for every request of its kind.
#[derive(Debug)]
pub(crate) struct Operation {
    /// This crate's name for it, as errors and logs show it.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// The path, with `{name}` where a parameter goes.
    pub(crate) path: &'static str,
    pub(crate) repeat: Repeat,
}

/// Whether a request may be sent again when nobody knows if the server has acted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is the same as once.
    Freely,
    /// Only when the server certainly did not act.
    IfNotActed,
}

/// One request, whose bytes are the same in every attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) operation: &'static Operation,
    /// What it is about, for errors and logs: a collection's name.
    pub(crate) subject: Option<&'a str>,
    /// The path, its parameters filled in, with the query if there is one.
    pub(crate) path: &'a str,
    /// JSON.
    pub(crate) body: Option<&'a [u8]>,
    /// In place of the request timeout, where it is shorter.
    pub(crate) within: Option<Duration>,
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) call: Box<Call>,
    pub(crate) status: u16,
    /// What the `Retry-After` header asked for.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// How one kind of server says no.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// Reads the answer to a request that failed.
    fn error(&self, refusal: Refusal) -> Error;

    /// What to try when nothing answers.
    fn unreachable_hint(&self) -> &'static str;
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timeouts {
    /// For a connection, name look-up and TLS included.
    pub(crate) connect: Duration,
    /// For one attempt, from the first byte sent to the last byte received.
    pub(crate) request: Duration,
}

/// The defaults of every client here.
impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(30),
            request: Duration::from_secs(60),
        }
    }
}

/// How to come to a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connecting {
    pub(crate) timeouts: Timeouts,
    /// In place of the proxy that the environment names.
    pub(crate) proxy: Option<ureq::Proxy>,
    /// Secrets that stand in no header as they are, to be kept out of errors and logs.
    pub(crate) secrets: Vec<String>,
    /// In place of the certificates of public authorities.
    #[cfg(feature = "tls")]
    pub(crate) root_certificates: Vec<ureq::tls::Certificate<'static>>,
}

/// A pool of connections to one server, and how to behave on them. Threads may share it.
#[derive(Debug)]
pub(crate) struct Transport {
    agent: Agent,
    endpoint: Endpoint,
    headers: Vec<(HeaderName, HeaderValue)>,
    secrets: Secrets,
    retry: RetryPolicy,
    dialect: &'static dyn Dialect,
}

/// Says nothing of itself.
struct Secrets(Vec<String>);

impl Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<hidden>")
    }
}

impl Transport {
    pub(crate) fn new(
        endpoint: Endpoint,
        headers: Vec<(HeaderName, HeaderValue)>,
        connecting: Connecting,
        retry: RetryPolicy,
        dialect: &'static dyn Dialect,
    ) -> Transport {
        let timeouts = connecting.timeouts;
        let mut config = Agent::config_builder()
            .user_agent(concat!("chroma-blocking/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // A redirect would carry the key to another host; it is an error that names the new address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .no_delay(true)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .max_idle_age(IDLE_AGE)
            .timeout_resolve(Some(timeouts.connect.min(FOREVER)))
            .timeout_connect(Some(timeouts.connect.min(FOREVER)))
            .timeout_global(Some(timeouts.request.min(FOREVER)));
        if connecting.proxy.is_some() || endpoint.is_loopback() {
            // What is on this machine is not behind a proxy, whatever the environment says.
            config = config.proxy(connecting.proxy);
        }
        #[cfg(feature = "tls")]
        if !connecting.root_certificates.is_empty() {
            let roots = ureq::tls::RootCerts::new_with_certs(&connecting.root_certificates);
            let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
            config = config.tls_config(tls);
        }
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(tcp::TcpConnector::default());
        #[cfg(feature = "tls")]
        let connector = connector.chain(ureq::unversioned::transport::RustlsConnector::default());
        Transport {
            agent: Agent::with_parts(config.build(), connector, tcp::Later),
            endpoint,
            headers,
            secrets: Secrets(connecting.secrets),
            retry,
            dialect,
        }
    }

    pub(crate) fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request, again where that is allowed and may help, and parses the answer.
    pub(crate) fn send<T>(
        &self,
        out: Outgoing<'_>,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Result<T> {
        self.send_by(&self.retry, out, parse)
    }

    /// [`send`](Transport::send), by another policy than the client's.
    pub(crate) fn send_by<T>(
        &self,
        policy: &RetryPolicy,
        out: Outgoing<'_>,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let started = Instant::now();
        let mut attempts = 0;
        // Of any attempt: one whose answer was lost stays unknown, whatever the next one is told.
        let mut may_have_acted = false;
        loop {
            attempts += 1;
            let call = || {
                Box::new(Call {
                    operation: out.operation.name,
                    subject: out.subject.map(str::to_owned),
                    url: self.endpoint.as_str().to_owned(),
                    attempts,
                    elapsed: started.elapsed(),
                    may_have_acted: true,
                })
            };
            let failure = match self.attempt(out, attempts, &call) {
                Ok(answer) => {
                    return parse(&answer).map_err(|message| {
                        self.redacted(Error::Decode {
                            call: call(),
                            message,
                        })
                    });
                }
                Err(failure) => failure,
            };
            may_have_acted |= failure.acted;
            let again = failure.may_be_repeated(out.operation.repeat);
            let mut error = self.redacted(failure.error);
            if let Some((call, _)) = error.sent_mut() {
                call.may_have_acted = may_have_acted;
            }
            let wait = policy
                .wait(attempts - 1, error.asked_wait(), retry::random())
                .filter(|_| again);
            let Some(wait) = wait else {
                return Err(error);
            };
            log::warn!(
                operation = out.operation.name, subject = out.subject.unwrap_or_default(), attempt = attempts,
                wait_ms = wait.as_millis() as u64;
                "{error}; trying again in {:.1} s", wait.as_secs_f64()
            );
            thread::sleep(wait);
        }
    }

    /// Without this client's secrets: servers repeat them ("Consumer 'api_key:…' has been suspended").
    fn redacted(&self, mut error: Error) -> Error {
        if let Some((_, message)) = error.sent_mut() {
            *message = self.without_secrets(mem::take(message));
        }
        error
    }

    /// The same for an answer, before any part of it is taken for an error.
    fn redacted_answer(&self, answer: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(answer) {
            Ok(text) => self.without_secrets(text).into_bytes(),
            Err(other) => other.into_bytes(),
        }
    }

    fn without_secrets(&self, mut text: String) -> String {
        for secret in self.secrets() {
            if text.contains(secret) {
                text = text.replace(secret, HIDDEN);
            }
        }
        text
    }

    fn secrets(&self) -> impl Iterator<Item = &str> {
        /// A shorter one may stand in any text, and guards nothing.
        const SHORTEST: usize = 6;

        let in_headers = self
            .headers
            .iter()
            .filter(|(_, value)| value.is_sensitive())
            .filter_map(|(_, value)| value.to_str().ok())
            // Of "Bearer TOKEN", the token alone too.
            .flat_map(|value| [Some(value), value.split_once(' ').map(|(_, token)| token)])
            .flatten();
        in_headers
            .chain(self.secrets.0.iter().map(String::as_str))
            .filter(|secret| secret.len() >= SHORTEST)
    }

    /// Sends a request once, and reads the whole answer.
    fn attempt(
        &self,
        out: Outgoing<'_>,
        attempt: u32,
        call: &dyn Fn() -> Box<Call>,
    ) -> std::result::Result<Vec<u8>, Failure> {
        let started = Instant::now();
        let result = self.exchange(out);
        let status = result.as_ref().map_or(0, |answer| answer.status);
        log::debug!(
            operation = out.operation.name, subject = out.subject.unwrap_or_default(), attempt = attempt,
            status = status, elapsed_ms = started.elapsed().as_millis() as u64,
            bytes_out = out.body.map_or(0, <[u8]>::len),
            bytes_in = result.as_ref().map_or(0, |answer| answer.body.len());
            "{} {}{}", out.operation.method, self.endpoint.as_str(), out.path
        );
        match result {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(answer.body),
            Ok(answer) => {
                // What is refused with a reason was not done; a gateway or a failure on the way leaves it open.
                let acted = match answer.status {
                    503 => answer.retry_after.is_none(),
                    408 | 500.. => true,
                    _ => false,
                };
                let error = match answer.location {
                    Some(location) => Error::Server {
                        call: call(),
                        status: answer.status,
                        name: String::new(),
                        retry_after: None,
                        message: format!("redirected to {location:?}; use that address instead"),
                    },
                    None => self.dialect.error(Refusal {
                        call: call(),
                        status: answer.status,
                        retry_after: answer.retry_after,
                        body: self.redacted_answer(answer.body),
                    }),
                };
                Err(Failure { error, acted })
            }
            Err(error) => Err(self.broken(error, call())),
        }
    }

    fn exchange(&self, out: Outgoing<'_>) -> std::result::Result<Answer, ureq::Error> {
        let mut request = Request::builder()
            .method(out.operation.method.clone())
            .uri(format!("{}{}", self.endpoint.as_str(), out.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = match out.body {
            Some(body) => {
                let json = HeaderValue::from_static("application/json");
                let request = request.header(http::header::CONTENT_TYPE, json);
                self.run(request.body(body)?, out.within)
            }
            None => self.run(request.body(())?, out.within),
        }?;
        let (parts, body) = response.into_parts();
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let retry_after = header(http::header::RETRY_AFTER)
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        let location = Some(parts.status.is_redirection())
            .filter(|redirected| *redirected)
            .and_then(|_| header(http::header::LOCATION))
            .map(str::to_owned);
        let reserved = body.content_length().unwrap_or(0).min(MAX_RESERVED);
        let mut reader = body.into_with_config().limit(MAX_ANSWER).reader();
        let bytes = read_all(&mut reader, reserved as usize)?;
        Ok(Answer {
            status: parts.status.as_u16(),
            retry_after,
            location,
            body: bytes,
        })
    }

    fn run(
        &self,
        request: Request<impl AsSendBody>,
        within: Option<Duration>,
    ) -> std::result::Result<http::Response<Body>, ureq::Error> {
        let timeout = self.agent.config().timeouts().global;
        let request = match within.filter(|within| timeout.is_none_or(|timeout| *within < timeout))
        {
            Some(within) => {
                let request = self.agent.configure_request(request);
                request.timeout_global(Some(within)).build()
            }
            None => request,
        };
        self.agent.run(request)
    }

    /// What it means when there is no whole answer.
    fn broken(&self, error: ureq::Error, call: Box<Call>) -> Failure {
        let connecting = match &error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectProxyFailed(_) => true,
            ureq::Error::Other(inner) => inner.is::<tcp::ConnectFailed>(),
            _ => false,
        };
        // rustls says so while it connects, in the words of an I/O error: "invalid peer certificate: UnknownIssuer".
        let distrusted = error.to_string().contains("invalid peer certificate");
        let connecting = connecting || distrusted;
        let error = match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => Error::Timeout {
                call,
                message: "no connection within the connection timeout".to_owned(),
            },
            ureq::Error::Timeout(_) => Error::Timeout {
                call,
                message: "no whole answer within the request timeout".to_owned(),
            },
            ureq::Error::Protocol(error) => Error::Decode {
                call,
                message: format!("it is not HTTP: {error}"),
            },
            ureq::Error::BodyExceedsLimit(_) => Error::Decode {
                call,
                message: format!("it is larger than {MAX_ANSWER} bytes; ask for fewer records"),
            },
            other => Error::Connection {
                call,
                message: match connecting {
                    true => format!("cannot connect: {}", words(&other)),
                    false => format!("the connection broke: {}", words(&other)),
                },
                hint: match connecting {
                    _ if distrusted => DISTRUSTED_HINT.to_owned(),
                    true => self.dialect.unreachable_hint().to_owned(),
                    false => String::new(),
                },
            },
        };
        Failure {
            error,
            acted: !connecting,
        }
    }
}

/// Reads to the end; it is likely to come after so many bytes.
fn read_all(reader: &mut impl Read, likely: usize) -> io::Result<Vec<u8>> {
    // The system hands out large pieces of memory cleared; read_to_end would clear them again, bit by bit.
    let mut bytes = vec![0; likely];
    let mut filled = 0;
    while filled < likely {
        match reader.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    location: Option<String>,
    body: Vec<u8>,
}

/// One attempt that came to nothing.
#[derive(Debug)]
struct Failure {
    error: Error,
    /// Whether the server may have acted on the request.
    acted: bool,
}

impl Failure {
    fn may_be_repeated(&self, repeat: Repeat) -> bool {
        self.error.is_retryable() && (!self.acted || repeat == Repeat::Freely)
    }
}

/// What an error says, without what `ureq` calls its kind.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Other(inner) => inner.to_string(),
        ureq::Error::Io(inner) => inner.to_string(),
        other => other.to_string(),
    }
}

/// A secret for a header: kept out of `Debug`, and refused when it could break out of the header.
pub(crate) fn secret(
    setting: &'static str,
    value: &str,
) -> std::result::Result<HeaderValue, InvalidInput> {
    let bad = |why: &str| InvalidInput::Setting {
        name: setting,
        value: "<hidden>".to_owned(),
        why: why.to_owned(),
    };
    if value.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut header = HeaderValue::try_from(value)
        .map_err(|_| bad("it has a character that cannot stand in an HTTP header"))?;
    header.set_sensitive(true);
    Ok(header)
}
