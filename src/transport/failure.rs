//! [`Failure`]: a failed attempt, and its meaning for the call and for the endpoint.

use std::io;

use ureq::Timeout;

use super::connect_options::{ConnectOptions, Timeouts};
use super::dialect::{CHECK_THE_NETWORK, Dialect, ErrorResponse};
use super::endpoint::Endpoint;
use super::endpoints::Health;
use super::operation::Kind;
use super::proxied::TunnelRefused;
use super::proxy::Proxy;
use super::proxy_error;
use super::response::HttpResponse;
use super::secrets::Secrets;
use super::tcp;
use super::tls_fault::TlsFault;
use crate::error::{Call, Error};

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the server may have acted on the request.
    pub(super) may_have_acted: bool,
    /// The state of the endpoint, as the attempt shows it.
    pub(super) health: Health,
    /// Whether a read may succeed at another endpoint, although this one is up.
    pub(super) may_succeed_elsewhere: bool,
    /// Whether no connection could be made, so that the attempt put no load on a server.
    pub(super) sent_nothing: bool,
}

impl Failure {
    /// Whether the request may be sent again.
    pub(super) fn is_retryable(&self, kind: Kind) -> bool {
        self.error.is_retryable() && self.is_harmless(kind)
    }

    /// Whether the server works, and refuses this request.
    pub(super) fn is_refusal(&self) -> bool {
        let fails = matches!(
            self.error,
            Error::BrokenIndex { .. } | Error::Storage { .. }
        );
        self.health == Health::Up && !self.error.is_retryable() && !fails
    }

    /// Whether it does no harm to send the request again.
    pub(super) fn is_harmless(&self, kind: Kind) -> bool {
        !self.may_have_acted || kind != Kind::Once
    }
}

/// Where an attempt went, and its call.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) call: Call,
}

/// Makes errors of failed attempts, without secrets.
#[derive(Debug)]
pub(super) struct FailureReader {
    secrets: Secrets,
    /// The variables and settings that the credentials come from.
    credential_sources: Vec<String>,
    timeouts: Timeouts,
    pub(super) dialect: &'static dyn Dialect,
}

impl FailureReader {
    pub(super) fn new(options: &ConnectOptions, dialect: &'static dyn Dialect) -> FailureReader {
        FailureReader {
            secrets: Secrets::new(&options.headers, &options.secrets),
            credential_sources: options.credential_sources.clone(),
            timeouts: options.timeouts,
            dialect,
        }
    }

    /// Reads a response whose status is not a success.
    pub(super) fn refused(&self, response: HttpResponse, origin: Origin<'_>) -> Failure {
        let status = response.status;
        let Origin { endpoint, call } = origin;
        // A refusal with a reason means that nothing was done. After an error of the server or a gateway it
        // is unknown.
        let may_have_acted = match status {
            503 => response.retry_after.is_none(),
            408 | 500.. => true,
            _ => false,
        };
        let error = match &response.location {
            Some(location) => Error::Server {
                call: Box::new(call),
                status,
                name: String::new(),
                retry_after: None,
                message: redirected(&self.secrets.clean(location.clone()), endpoint),
            },
            None => self.refusal(response, Origin { endpoint, call }),
        };
        Failure {
            may_have_acted: may_have_acted && !self.dialect.did_nothing(&error),
            error,
            // 520 to 524: a content delivery network cannot reach its origin.
            health: match status {
                502..=504 | 520..=524 => Health::Down,
                _ => Health::Up,
            },
            may_succeed_elsewhere: status == 500,
            sent_nothing: false,
        }
    }

    /// Reads the error in a response that is not a redirect.
    fn refusal(&self, response: HttpResponse, origin: Origin<'_>) -> Error {
        let HttpResponse {
            status,
            retry_after,
            body,
            is_cut,
            ..
        } = response;
        let maker = forwarder(origin.endpoint).filter(|_| !is_json_object(&body));
        let error = self.dialect.error(ErrorResponse {
            call: Box::new(origin.call),
            status,
            retry_after,
            body,
            is_cut,
            secrets: &self.secrets,
        });
        match maker {
            Some(proxy) => proxy_error::refused(error, status, proxy),
            None => self.with_source_of_key(error),
        }
    }

    /// Reads an error of the connection. `in_time` says that the call's deadline has not passed.
    pub(super) fn broken(&self, error: ureq::Error, origin: Origin<'_>, in_time: bool) -> Failure {
        let Origin { endpoint, call } = origin;
        let was_sent = !is_from_connecting(&error);
        let health = match &error {
            ureq::Error::Timeout(_) if !in_time => Health::Unknown,
            ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => Health::Up,
            _ => Health::Down,
        };
        let error = match error {
            ureq::Error::Timeout(reason) if in_time => self.timeout(reason, call, endpoint.proxy()),
            ureq::Error::Timeout(_) => too_late(call),
            ureq::Error::Protocol(error) => Error::Decode {
                call: Box::new(call),
                message: format!("it is not HTTP: {}", self.secrets.clean(error.to_string())),
            },
            ureq::Error::LargeResponseHeader(_, limit) => Error::Decode {
                call: Box::new(call),
                message: format!(
                    "its headers are larger than {limit} bytes, so it is not from this API; check the address, and any \
                     proxy"
                ),
            },
            ureq::Error::BodyExceedsLimit(limit) => Error::Decode {
                call: Box::new(call),
                message: format!(
                    "it is larger than {limit} bytes; {}",
                    self.dialect.too_large_hint()
                ),
            },
            other => match tunnel_refusal(&other).zip(endpoint.proxy()) {
                Some((refusal, proxy)) => {
                    proxy_error::no_tunnel(refusal.status, proxy, endpoint, call)
                }
                None => self.connection(other, Origin { endpoint, call }, was_sent),
            },
        };
        Failure {
            error,
            may_have_acted: was_sent,
            health,
            may_succeed_elsewhere: false,
            sent_nothing: !was_sent,
        }
    }

    /// Returns the error of a successful response that cannot be parsed.
    pub(super) fn unreadable(&self, answer: &[u8], message: String, origin: Origin<'_>) -> Error {
        let mut message = self.secrets.clean_message_about(answer, message);
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(answer).is_ok();
        if let Some(proxy) = forwarder(origin.endpoint).filter(|_| !is_json()) {
            message = proxy_error::from_proxy(&message, proxy);
        }
        Error::Decode {
            call: Box::new(origin.call),
            message,
        }
    }

    /// Adds the variable or setting that the refused key came from.
    fn with_source_of_key(&self, mut error: Error) -> Error {
        if let Error::Unauthorized {
            status, message, ..
        } = &mut error
        {
            match &self.credential_sources[..] {
                [] if *status == 401 => message.push_str("; no key is set"),
                [] => {}
                sources => {
                    message.push_str("; the key came from ");
                    message.push_str(&sources.join(" and "));
                }
            }
        }
        error
    }

    fn connection(&self, error: ureq::Error, origin: Origin<'_>, was_sent: bool) -> Error {
        let proxy = origin.endpoint.proxy();
        let fault = TlsFault::of(&error);
        let unreachable_hint = self.dialect.unreachable_hint(origin.endpoint);
        // A refused certificate may be the proxy's.
        let is_on_the_internet = proxy.is_none() && unreachable_hint == CHECK_THE_NETWORK;
        let tls_hint = fault.and_then(|fault| fault.hint(origin.endpoint, is_on_the_internet));
        let (message, hint) = match (tls_hint, proxy) {
            (Some(hint), Some(proxy)) => {
                (format!("cannot connect through the proxy {proxy}"), hint)
            }
            (Some(hint), None) => ("cannot connect".to_owned(), hint),
            (None, _) if was_sent => ("the connection broke".to_owned(), broken_hint(proxy)),
            (None, Some(proxy)) => (
                format!("cannot connect to the proxy {proxy}"),
                proxy.unreachable_hint(),
            ),
            (None, None) => ("cannot connect".to_owned(), unreachable_hint),
        };
        Error::Connection {
            call: Box::new(origin.call),
            message,
            hint,
            retryable: fault.is_none(),
            source: Some(self.secrets.clean_cause(cause(error))),
        }
    }

    /// Returns the error of an attempt that took longer than a timeout.
    fn timeout(&self, reason: Timeout, call: Call, proxy: Option<&Proxy>) -> Error {
        let Timeouts {
            connect_setting,
            request_setting,
            silence,
            ..
        } = self.timeouts;
        let is_connecting = matches!(reason, Timeout::Connect | Timeout::Resolve);
        let silence = silence.unwrap_or_default().as_secs_f32();
        let message = match (proxy, connect_setting) {
            (Some(proxy), _) if reason == Timeout::PerRead => format!(
                "no byte of the response arrived through the proxy {proxy} for {silence} s; check the proxy"
            ),
            (None, _) if reason == Timeout::PerRead => {
                format!("no byte of the response arrived for {silence} s; {CHECK_THE_NETWORK}")
            }
            _ if !is_connecting => format!(
                "no complete response within the request timeout; raise it with {request_setting}"
            ),
            (Some(proxy), None) => format!(
                "no connection through the proxy {proxy} within the connection timeout; check the proxy"
            ),
            (Some(proxy), Some(setting)) => format!(
                "no connection through the proxy {proxy} within the connection timeout; check the proxy, or \
                 raise the timeout with {setting}"
            ),
            (None, None) => {
                format!("no connection within the connection timeout; {CHECK_THE_NETWORK}")
            }
            (None, Some(setting)) => {
                format!("no connection within the connection timeout; raise it with {setting}")
            }
        };
        timed_out(call, message)
    }
}

fn redirected(location: &str, endpoint: &Endpoint) -> String {
    let unless = match forwarder(endpoint) {
        // A network that wants a login redirects all requests.
        Some(proxy) => format!(", unless it comes from the proxy {proxy}"),
        None => String::new(),
    };
    format!("redirected to {location}; use that address instead{unless}")
}

fn broken_hint(proxy: Option<&Proxy>) -> String {
    let proxy = proxy.map_or("a proxy".to_owned(), |proxy| format!("the proxy {proxy}"));
    format!("the server may have stopped or restarted, or {proxy} may have cut the connection")
}

/// Returns the proxy that forwards requests to an endpoint and could respond in its place. A tunnel does not.
fn forwarder(endpoint: &Endpoint) -> Option<&Proxy> {
    endpoint.proxy().filter(|_| !endpoint.is_secure())
}

/// Whether a response is an object in JSON, as all errors of Chroma are.
fn is_json_object(body: &[u8]) -> bool {
    serde_json::from_slice(body).is_ok_and(|json: serde_json::Value| json.is_object())
}

/// Returns the error of an attempt that the deadline of its call ended.
fn too_late(call: Call) -> Error {
    let message = "no complete response before the deadline of the call";
    timed_out(call, message.to_owned())
}

fn timed_out(call: Call, message: String) -> Error {
    Error::Timeout {
        call: Box::new(call),
        message,
        source: Some(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Returns the refusal of a tunnel, if an attempt failed for that.
fn tunnel_refusal(error: &ureq::Error) -> Option<&TunnelRefused> {
    match error {
        ureq::Error::Other(inner) => inner.downcast_ref(),
        _ => None,
    }
}

/// Whether the attempt failed before anything was sent.
fn is_from_connecting(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) | ureq::Error::HostNotFound => {
            true
        }
        ureq::Error::Other(inner) if inner.is::<tcp::ConnectFailed>() => true,
        other => match TlsFault::of(other) {
            Some(TlsFault::Distrusted(_) | TlsFault::NotTls) => true,
            // With TLS 1.3, it may arrive after the request was sent.
            Some(TlsFault::Alert) => false,
            None => tunnel_refusal(other).is_some(),
        },
    }
}

/// Whether the connection failed because the server had closed it while it was idle.
///
/// With TLS it is unknown whether the connection had served a request before. TLS lets the server announce
/// that it closes the connection, and that is not a part of a response.
pub(super) fn is_stale(error: &ureq::Error, endpoint: &Endpoint) -> bool {
    let is_closed = match error {
        ureq::Error::Io(error) => {
            tcp::is_closed(error) || error.kind() == io::ErrorKind::UnexpectedEof
        }
        _ => false,
    };
    tcp::is_stale(error) || endpoint.is_secure() && is_closed
}

/// Returns the [`Error::kind`] of an attempt without a complete response.
pub(super) fn kind(error: &ureq::Error) -> &'static str {
    match error {
        ureq::Error::Timeout(_) => "timeout",
        ureq::Error::Protocol(_)
        | ureq::Error::BodyExceedsLimit(_)
        | ureq::Error::LargeResponseHeader(..) => "decode",
        _ => "connection",
    }
}

/// Returns the cause of a failed connection: the I/O error if there is one.
fn cause(error: ureq::Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        ureq::Error::Io(error) => error.into(),
        ureq::Error::Other(inner) => tcp::into_io(inner),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::dialect::tests::Plain;

    /// A download has no setting for the connection timeout.
    #[test]
    fn a_timeout_says_what_to_check_or_to_set() {
        let proxy = Proxy::in_code("http://proxy:3128").unwrap();
        for (setting, proxy, words) in [
            (Some("x(...)"), None, "timeout; raise it with x(...)"),
            (None, None, "timeout; check the network connection; "),
            (
                Some("x(...)"),
                Some(&proxy),
                "timeout; check the proxy, or raise the timeout with x(...)",
            ),
            (None, Some(&proxy), "timeout; check the proxy"),
        ] {
            let options = ConnectOptions {
                timeouts: Timeouts {
                    connect_setting: setting,
                    silence: Some(Duration::from_secs(2)),
                    ..Timeouts::default()
                },
                ..ConnectOptions::default()
            };
            let reader = FailureReader::new(&options, &Plain);
            let shown = |reason| {
                let error = reader.timeout(reason, Call::new("download", None), proxy);
                error.to_string()
            };
            let through = if proxy.is_some() {
                " through the proxy http://proxy:3128 (from ClientBuilder::proxy)"
            } else {
                ""
            };
            let connecting = shown(Timeout::Connect);
            assert!(connecting.contains(words), "{connecting}");
            assert!(connecting.contains(through), "{connecting}");
            let silent = shown(Timeout::PerRead);
            let arrived = format!("no byte of the response arrived{through}");
            assert!(silent.contains(&arrived), "{silent}");
        }
    }

    #[test]
    fn an_attempt_without_an_answer_has_the_kind_of_its_error() {
        for (error, name) in [
            (ureq::Error::BodyExceedsLimit(1), "decode"),
            (ureq::Error::LargeResponseHeader(2, 1), "decode"),
            (ureq::Error::HostNotFound, "connection"),
            (ureq::Error::Timeout(Timeout::Global), "timeout"),
        ] {
            assert_eq!(kind(&error), name);
        }
    }
}
