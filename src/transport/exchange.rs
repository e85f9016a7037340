//! One attempt: a request goes out, a whole answer comes in, or it is said what is known of the failure.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::http::{self, HeaderValue, Method, Request};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, AsSendBody, Body, Timeout};

use super::observe::{Attempt, Observed};
use super::pool::CountingConnector;
use super::{
    CallOptions, Connecting, Endpoint, Endpoints, FOREVER, Failure, Health, Kind, Outgoing,
    Refusal, Transport, tcp,
};
use crate::error::{Call, Error};
use crate::metrics::PoolCounters;

/// Idle connections that are kept for one server.
const IDLE_CONNECTIONS: usize = 64;
/// How long an idle connection is kept.
const IDLE_AGE: Duration = Duration::from_secs(90);
/// Bytes of an answer that holds no rows.
const MAX_SMALL_ANSWER: u64 = 16 << 20;
/// Bytes of an answer that is not a success; what comes behind them is not read.
const MAX_REFUSAL: u64 = 64 << 10;
/// Room made for an answer before its first byte is in, whatever length the server announces.
const MAX_RESERVED: u64 = 16 << 20;

/// What to do about a certificate that nobody vouches for.
const DISTRUSTED_HINT: &str =
    "if you trust the server, pass the certificate of its authority to ca_certificates(...)";
/// What to look at when a connection broke.
const BROKEN_HINT: &str =
    "the server may have stopped or restarted, or a proxy may have cut the connection";

/// Ways to send.
#[derive(Debug)]
pub(super) struct Agents {
    /// With connections that are kept.
    pooled: Agent,
    /// With a new connection for each request: no server has closed it in the meantime.
    fresh: Agent,
}

impl Agents {
    pub(super) fn new(
        endpoints: &Endpoints,
        connecting: &Connecting,
        pool: &Arc<PoolCounters>,
    ) -> Agents {
        Agents {
            pooled: agent(endpoints, connecting, pool, IDLE_CONNECTIONS),
            fresh: agent(endpoints, connecting, pool, 0),
        }
    }
}

/// One that keeps so many connections while they are idle.
fn agent(
    endpoints: &Endpoints,
    connecting: &Connecting,
    pool: &Arc<PoolCounters>,
    idle: usize,
) -> Agent {
    let timeouts = connecting.timeouts;
    let mut config = Agent::config_builder()
        .user_agent(concat!("chroma-blocking/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        // A redirect would carry the key to another host; it is an error that names the new address.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .no_delay(true)
        .max_idle_connections(idle)
        .max_idle_connections_per_host(idle)
        .max_idle_age(IDLE_AGE)
        .timeout_resolve(Some(timeouts.connect.min(FOREVER)))
        .timeout_connect(Some(timeouts.connect.min(FOREVER)))
        .timeout_global(Some(timeouts.request.min(FOREVER)));
    if connecting.proxy.is_some() || endpoints.are_loopback() {
        // What is on this machine is not behind a proxy, whatever the environment says.
        config = config.proxy(connecting.proxy.clone());
    }
    #[cfg(feature = "tls")]
    if !connecting.root_certificates.is_empty() {
        let roots = ureq::tls::RootCerts::new_with_certs(&connecting.root_certificates);
        let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
        config = config.tls_config(tls);
    }
    let connector = ().chain(ConnectProxyConnector::default()).chain(tcp::TcpConnector::default());
    #[cfg(feature = "tls")]
    let connector = connector.chain(ureq::unversioned::transport::RustlsConnector::default());
    let connector = connector.chain(CountingConnector(pool.clone()));
    Agent::with_parts(config.build(), connector, tcp::Later)
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    retry_after: Option<Duration>,
    location: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Transport {
    /// Sends a request once, and reads the whole answer. Once more where it turns out that the connection was not open any
    /// more; `attempts` counts both.
    pub(super) fn attempt(
        &self,
        endpoint: &Endpoint,
        observed: &Observed<'_>,
        options: &CallOptions,
        attempts: &mut u32,
        call: &dyn Fn(&str, u32, bool) -> Box<Call>,
    ) -> Result<Vec<u8>, Failure> {
        // A connection that was kept may be closed by now, and nobody can tell that from a server that acted and fell
        // silent. So what may be done once only has a connection of its own.
        let (agent, kept) = match observed.out.operation.kind {
            Kind::Once => (&self.agents.fresh, false),
            _ => (&self.agents.pooled, true),
        };
        let mut result = self.exchange(agent, endpoint, observed, options, attempts);
        let stale = kept
            && result
                .as_ref()
                .is_err_and(|error| is_stale(error, endpoint));
        if stale {
            observed.stale(endpoint.as_str(), *attempts);
            let fresh = &self.agents.fresh;
            result = self.exchange(fresh, endpoint, observed, options, attempts);
        }
        let call = || call(endpoint.as_str(), *attempts, true);
        let failure = match result {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer.body),
            Ok(answer) => self.refused(answer, call()),
            Err(error) => self.broken(error, call(), !options.is_out_of_time()),
        };
        Err(Failure {
            acted: failure.acted || stale,
            ..failure
        })
    }

    fn exchange(
        &self,
        agent: &Agent,
        endpoint: &Endpoint,
        observed: &Observed<'_>,
        options: &CallOptions,
        attempts: &mut u32,
    ) -> Result<Answer, ureq::Error> {
        *attempts += 1;
        let attempt = observed.attempt(endpoint, *attempts);
        let result = self.send_once(agent, endpoint, observed.out, options.time_left(), &attempt);
        attempt.end(&result);
        result
    }

    fn send_once(
        &self,
        agent: &Agent,
        endpoint: &Endpoint,
        out: Outgoing<'_>,
        left: Option<Duration>,
        attempt: &Attempt<'_>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder()
            .method(out.operation.method.clone())
            .uri(format!("{}{}", endpoint.as_str(), out.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request = attempt.with_context(request);
        let response = match out.body {
            Some(body) => {
                let json = HeaderValue::from_static("application/json");
                let request = request.header(http::header::CONTENT_TYPE, json);
                run(agent, request.body(body)?, left)
            }
            // Without a length, ureq would send no body in chunks.
            None if out.operation.method == Method::POST => {
                run(agent, request.body(&[][..])?, left)
            }
            None => run(agent, request.body(())?, left),
        }?;
        let (parts, body) = response.into_parts();
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let retry_after =
            header(http::header::RETRY_AFTER).and_then(|text| asked_wait(text, SystemTime::now()));
        let location = Some(parts.status.is_redirection())
            .filter(|redirected| *redirected)
            .and_then(|_| header(http::header::LOCATION))
            .map(str::to_owned);
        let bytes = match parts.status.is_success() {
            true => {
                let most = self.max_answer(out.operation.kind);
                let reserved = body
                    .content_length()
                    .unwrap_or(0)
                    .min(MAX_RESERVED)
                    .min(most);
                let mut reader = body.into_with_config().limit(most).reader();
                read_all(&mut reader, reserved as usize)?
            }
            false => {
                let mut bytes = Vec::new();
                // The status is known; the words may be cut off.
                let _ = body.into_reader().take(MAX_REFUSAL).read_to_end(&mut bytes);
                bytes
            }
        };
        Ok(Answer {
            status: parts.status.as_u16(),
            retry_after,
            location,
            body: bytes,
        })
    }

    fn max_answer(&self, kind: Kind) -> u64 {
        match kind {
            Kind::ReadsRows => self.max_response_size,
            _ => MAX_SMALL_ANSWER.min(self.max_response_size),
        }
    }

    /// What an answer means that is not a success.
    fn refused(&self, answer: Answer, call: Box<Call>) -> Failure {
        let status = answer.status;
        // What is refused with a reason was not done; a gateway or a failure on the way leaves it open.
        let acted = match status {
            503 => answer.retry_after.is_none(),
            408 | 500.. => true,
            _ => false,
        };
        let error = match answer.location {
            Some(location) => Error::Server {
                call,
                status,
                name: String::new(),
                retry_after: None,
                message: self.secrets.clean(format!(
                    "redirected to {location}; use that address instead"
                )),
            },
            None => self.dialect.error(Refusal {
                call,
                status,
                retry_after: answer.retry_after,
                body: self.secrets.clean_body(answer.body),
            }),
        };
        Failure {
            acted: acted && !self.dialect.did_nothing(&error),
            error,
            // 520 to 524: a content delivery network that cannot reach its origin.
            health: match status {
                502..=504 | 520..=524 => Health::Down,
                _ => Health::Up,
            },
            elsewhere: status == 500,
        }
    }

    /// Returns what an attempt without a complete answer means. `in_time` says that the call's deadline has not passed.
    fn broken(&self, error: ureq::Error, call: Box<Call>, in_time: bool) -> Failure {
        let sent = !is_from_connecting(&error);
        let health = match &error {
            ureq::Error::Timeout(_) if !in_time => Health::Unknown,
            ureq::Error::BodyExceedsLimit(_) => Health::Up,
            _ => Health::Down,
        };
        let timeout = |call, message: &str| Error::Timeout {
            call,
            message: message.to_owned(),
            source: Some(io::Error::from(io::ErrorKind::TimedOut).into()),
        };
        let decode = |call, message| Error::Decode { call, message };
        let error = match error {
            ureq::Error::Timeout(_) if !in_time => {
                timeout(call, "no complete answer before the deadline of the call")
            }
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => timeout(
                call,
                "no connection within the connection timeout; raise it with connection_timeout(...)",
            ),
            ureq::Error::Timeout(_) => timeout(
                call,
                "no complete answer within the request timeout; raise it with request_timeout(...)",
            ),
            ureq::Error::Protocol(error) => {
                decode(call, self.secrets.clean(format!("it is not HTTP: {error}")))
            }
            ureq::Error::BodyExceedsLimit(most) => decode(
                call,
                format!(
                    "it is larger than {most} bytes; ask for less, or raise the limit with max_response_size(...)"
                ),
            ),
            other => self.connection_error(other, call, sent),
        };
        Failure {
            error,
            acted: sent,
            health,
            elsewhere: false,
        }
    }

    fn connection_error(&self, error: ureq::Error, call: Box<Call>, sent: bool) -> Error {
        let (message, hint) = if is_distrusted(&error) {
            ("cannot connect", DISTRUSTED_HINT)
        } else if sent {
            ("the connection broke", BROKEN_HINT)
        } else {
            ("cannot connect", self.dialect.unreachable_hint())
        };
        Error::Connection {
            call,
            message: message.to_owned(),
            hint: hint.to_owned(),
            source: Some(self.secrets.clean_cause(cause(error))),
        }
    }
}

/// Whether the attempt failed before anything was sent.
fn is_from_connecting(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectProxyFailed(_) => true,
        ureq::Error::Other(inner) => inner.is::<tcp::ConnectFailed>(),
        other => is_distrusted(other),
    }
}

/// Whether the server's certificate was refused. rustls reports this as an I/O error: "invalid peer certificate:
/// UnknownIssuer".
fn is_distrusted(error: &ureq::Error) -> bool {
    error.to_string().contains("invalid peer certificate")
}

/// Returns the cause of a failed connection: the I/O error if there is one.
fn cause(error: ureq::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        ureq::Error::Io(error) => error.into(),
        ureq::Error::Other(inner) => tcp::into_io(inner),
        other => other.into(),
    }
}

/// Whether it failed as a connection does that the server has closed in the meantime. Under TLS nobody can see whether the
/// connection had served before; the server may say that it closes it, and that is no part of an answer.
fn is_stale(error: &ureq::Error, endpoint: &Endpoint) -> bool {
    let closed = match error {
        ureq::Error::Io(error) => {
            tcp::is_closed(error) || error.kind() == io::ErrorKind::UnexpectedEof
        }
        _ => false,
    };
    tcp::is_stale(error) || endpoint.is_secure() && closed
}

/// Sends a request; the time that is left counts where it is less than the agent's.
fn run(
    agent: &Agent,
    request: Request<impl AsSendBody>,
    left: Option<Duration>,
) -> Result<http::Response<Body>, ureq::Error> {
    let timeout = agent.config().timeouts().global;
    let request = match left.filter(|left| timeout.is_none_or(|timeout| *left < timeout)) {
        Some(left) => {
            let request = agent.configure_request(request);
            request.timeout_global(Some(left)).build()
        }
        None => request,
    };
    agent.run(request)
}

/// The wait that a `Retry-After` header asks for: seconds, or a date.
fn asked_wait(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // One that has passed asks for no wait.
    Some(date.duration_since(now).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_asked_for_in_seconds_or_by_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let wait = |text: &str| asked_wait(text, now).map(|wait| wait.as_secs());
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait(" 0 "), Some(0));
        // The examples of RFC 9110, 5.6.7, which are all the same second.
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(wait(date), Some(7), "{date}");
        }
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), Some(0), "passed");
        for bad in ["", "-1", "soon", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(wait(bad), None, "{bad:?}");
        }
    }
}
