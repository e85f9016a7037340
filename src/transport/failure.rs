//! [`Failure`]: a failed attempt, and its meaning for the call and for the endpoint.

use std::io;

use ureq::Timeout;

use super::connect_options::ConnectOptions;
use super::dialect::{Dialect, ErrorResponse};
use super::endpoint::Endpoint;
use super::endpoints::Health;
use super::operation::Kind;
use super::response::HttpResponse;
use super::secrets::Secrets;
use super::tcp;
use crate::error::{Call, Error};

const DISTRUSTED_HINT: &str =
    "if you trust the server, pass the certificate of its authority to ca_certificates(...)";
const BROKEN_HINT: &str =
    "the server may have stopped or restarted, or a proxy may have cut the connection";

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
}

impl Failure {
    /// Whether the request may be sent again.
    pub(super) fn is_retryable(&self, kind: Kind) -> bool {
        self.error.is_retryable() && (!self.may_have_acted || kind != Kind::Once)
    }
}

/// Makes errors of failed attempts, without secrets.
#[derive(Debug)]
pub(super) struct FailureReader {
    secrets: Secrets,
    pub(super) dialect: &'static dyn Dialect,
}

impl FailureReader {
    pub(super) fn new(options: &ConnectOptions, dialect: &'static dyn Dialect) -> FailureReader {
        FailureReader {
            secrets: Secrets::new(&options.headers, &options.secrets),
            dialect,
        }
    }

    /// Reads a response whose status is not a success.
    pub(super) fn refused(&self, response: HttpResponse, call: Call) -> Failure {
        let status = response.status;
        // A refusal with a reason means that nothing was done. After an error of the server or a gateway it
        // is unknown.
        let may_have_acted = match status {
            503 => response.retry_after.is_none(),
            408 | 500.. => true,
            _ => false,
        };
        let call = Box::new(call);
        let error = match response.location {
            Some(location) => Error::Server {
                call,
                status,
                name: String::new(),
                retry_after: None,
                message: self.secrets.clean(format!(
                    "redirected to {location}; use that address instead"
                )),
            },
            None => self.dialect.error(ErrorResponse {
                call,
                status,
                retry_after: response.retry_after,
                body: self.secrets.clean_body(response.body),
            }),
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
        }
    }

    /// Reads an error of the connection. `in_time` says that the call's deadline has not passed.
    pub(super) fn broken(&self, error: ureq::Error, call: Call, in_time: bool) -> Failure {
        let was_sent = !is_from_connecting(&error);
        let health = match &error {
            ureq::Error::Timeout(_) if !in_time => Health::Unknown,
            ureq::Error::BodyExceedsLimit(_) => Health::Up,
            _ => Health::Down,
        };
        let error = match error {
            ureq::Error::Timeout(reason) => timeout(reason, call, in_time),
            ureq::Error::Protocol(error) => Error::Decode {
                call: Box::new(call),
                message: self.secrets.clean(format!("it is not HTTP: {error}")),
            },
            ureq::Error::BodyExceedsLimit(limit) => Error::Decode {
                call: Box::new(call),
                message: format!(
                    "it is larger than {limit} bytes; request fewer records, or raise the limit with \
                     max_response_size(...)"
                ),
            },
            other => self.connection(other, call, was_sent),
        };
        Failure {
            error,
            may_have_acted: was_sent,
            health,
            may_succeed_elsewhere: false,
        }
    }

    /// Returns the error of a successful response that cannot be parsed.
    pub(super) fn unreadable(&self, answer: &[u8], message: String, call: Call) -> Error {
        Error::Decode {
            call: Box::new(call),
            message: self.secrets.clean_message_about(answer, message),
        }
    }

    fn connection(&self, error: ureq::Error, call: Call, was_sent: bool) -> Error {
        let (message, hint) = if is_distrusted(&error) {
            ("cannot connect", DISTRUSTED_HINT)
        } else if was_sent {
            ("the connection broke", BROKEN_HINT)
        } else {
            ("cannot connect", self.dialect.unreachable_hint())
        };
        Error::Connection {
            call: Box::new(call),
            message: message.to_owned(),
            hint: hint.to_owned(),
            source: Some(self.secrets.clean_cause(cause(error))),
        }
    }
}

fn timeout(reason: Timeout, call: Call, in_time: bool) -> Error {
    let message = match reason {
        _ if !in_time => "no complete response before the deadline of the call",
        Timeout::Connect | Timeout::Resolve => {
            "no connection within the connection timeout; raise it with connection_timeout(...)"
        }
        _ => "no complete response within the request timeout; raise it with request_timeout(...)",
    };
    Error::Timeout {
        call: Box::new(call),
        message: message.to_owned(),
        source: Some(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Whether the attempt failed before anything was sent.
fn is_from_connecting(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectProxyFailed(_) => true,
        ureq::Error::Other(inner) if inner.is::<tcp::ConnectFailed>() => true,
        other => is_distrusted(other),
    }
}

/// Whether the server's certificate was refused. rustls reports that as an I/O error whose text starts with
/// "invalid peer certificate".
fn is_distrusted(error: &ureq::Error) -> bool {
    error.to_string().contains("invalid peer certificate")
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
        ureq::Error::Protocol(_) | ureq::Error::BodyExceedsLimit(_) => "decode",
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
    use super::*;

    #[test]
    fn an_attempt_without_an_answer_has_the_kind_of_its_error() {
        for (error, name) in [
            (ureq::Error::BodyExceedsLimit(1), "decode"),
            (ureq::Error::HostNotFound, "connection"),
            (ureq::Error::Timeout(Timeout::Global), "timeout"),
        ] {
            assert_eq!(kind(&error), name);
        }
    }
}
