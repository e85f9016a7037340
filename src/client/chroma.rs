//! [`Chroma`]: the error responses of Chroma servers, and the attributes of spans.

#[cfg(feature = "opentelemetry")]
use opentelemetry::KeyValue;
use serde::Deserialize;

use super::storage::{self, Fault};
use crate::error::{Error, REPAIR_OF_INDEX};
#[cfg(feature = "opentelemetry")]
use crate::transport::HttpRequest;
use crate::transport::{CHECK_THE_NETWORK, Dialect, Endpoint, ErrorResponse, Operation};
use crate::wire::read::shown;

/// The error responses of Chroma: `{"error":"NotFoundError","message":"Collection [nope] does not exist"}`
/// and a status.
#[derive(Debug)]
pub(super) struct Chroma;

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    message: String,
}

/// The kind of error that a response stands for.
enum Class {
    Unauthorized,
    NotFound,
    AlreadyExists,
    Conflict,
    RateLimited,
    Unsupported,
    TooLarge,
    Storage(Fault),
    Other,
}

/// The [`setting`](Endpoint::setting) of the address of a local server, which no user sets.
pub(crate) const LOCAL_SERVER: &str = "LocalServer";
/// The name of the error of a failed transaction.
const CONFLICT: &str = "ConditionalWriteConflictError";
/// Part of the message of a single-node server that read an id without a record.
const RECORD_GONE: &str = "Error finding id";

/// Whether a read failed because one of its records does not exist, or was deleted during the read.
pub(crate) fn is_record_gone(error: &Error) -> bool {
    matches!(error, Error::NotFound { message, .. } if message.contains(RECORD_GONE))
}

/// Returns the advice for a message of `SQLite` about one of its limits, which a single-node server passes on.
fn sqlite_limit(message: &str) -> Option<&'static str> {
    let limits = [
        (
            "too many SQL variables",
            "ask for fewer records or values at a time; scan() reads any number of records",
        ),
        (
            "LIKE or GLOB pattern too complex",
            "search for a shorter text",
        ),
        (
            "Expression tree is too large",
            "split the filter into several calls",
        ),
        ("string or blob too big", "store shorter values"),
        // A regular expression that is too large when compiled, such as \w{1000}.
        (
            "(code: 1043) constraint failed",
            "use a smaller regular expression",
        ),
    ];
    let of_message = |(limit, _): &(&str, _)| message.contains(limit);
    limits
        .into_iter()
        .find(of_message)
        .map(|(_, advice)| advice)
}

/// Adds advice to the error of a read if each attempt reported that a record is gone.
pub(crate) fn explain_gone_record(mut error: Error) -> Error {
    match &mut error {
        Error::NotFound { message, .. } if message.contains(RECORD_GONE) => {
            message.push_str(
                "; if no other program deletes records, the index of the collection is broken: ",
            );
            message.push_str(REPAIR_OF_INDEX);
        }
        _ => {}
    }
    error
}

/// Classifies an error response. `name` is Chroma's name of the error; `None` if the body is not from Chroma.
fn classify(status: u16, name: Option<&str>, message: &str) -> Class {
    match status {
        401 | 403 => Class::Unauthorized,
        404 if name.is_some() => Class::NotFound,
        // Another client's write, or a read whose state is no longer stored (412).
        409 if name == Some(CONFLICT) || message.contains("conditional write conflict") => {
            Class::Conflict
        }
        412 => Class::Conflict,
        409 => Class::AlreadyExists,
        413 => Class::TooLarge,
        500 if sqlite_limit(message).is_some() => Class::TooLarge,
        429 => Class::RateLimited,
        501 => Class::Unsupported,
        // Operations of distributed servers only: "Method scout_logs is not implemented".
        500 if message.contains("is not implemented") => Class::Unsupported,
        // A single-node server whose name is taken; a distributed one responds with 409.
        500 if message.contains("UNIQUE constraint failed") => Class::AlreadyExists,
        // "Sparse vector indexing is not enabled in local".
        400 if message.contains("is not enabled in local") => Class::Unsupported,
        // A query on a single-node server, one of whose records does not exist or was deleted meanwhile.
        500 if message.contains(RECORD_GONE) => Class::NotFound,
        // Lists and sparse vectors on a server that supports scalars only.
        422 if message.contains("MetadataValue") => Class::Unsupported,
        // A search on a server with an older format for searches.
        400 | 422 if message.contains("searches[") => Class::Unsupported,
        500 => storage::fault(message).map_or(Class::Other, Class::Storage),
        _ => Class::Other,
    }
}

impl Dialect for Chroma {
    fn error(&self, response: ErrorResponse) -> Error {
        let ErrorResponse {
            call,
            status,
            retry_after,
            body,
        } = response;
        let (name, message) = match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) => (Some(body.error), body.message),
            Err(_) => (None, shown(&body)),
        };
        match classify(status, name.as_deref(), &message) {
            Class::Unauthorized => Error::Unauthorized {
                call,
                status,
                message,
            },
            Class::NotFound => Error::NotFound { call, message },
            Class::AlreadyExists => Error::AlreadyExists { call, message },
            Class::Conflict => Error::Conflict { call, message },
            Class::RateLimited => Error::RateLimited {
                call,
                retry_after,
                message,
            },
            Class::Unsupported if status == 422 && message.contains("MetadataValue") => {
                let message = format!("metadata of this kind needs a newer server: {message}");
                Error::Unsupported { call, message }
            }
            Class::Unsupported => Error::Unsupported { call, message },
            Class::TooLarge => Error::TooLarge {
                call,
                status,
                message: match sqlite_limit(&message) {
                    Some(advice) => format!("{message}; {advice}"),
                    None => message,
                },
            },
            Class::Storage(Fault::BrokenIndex) => Error::BrokenIndex { call, message },
            Class::Storage(Fault::Lasting(advice)) => Error::Storage {
                call,
                message: format!("{message}; {advice}"),
            },
            Class::Other => Error::Server {
                call,
                status,
                name: name.unwrap_or_default(),
                retry_after,
                message,
            },
        }
    }

    /// A single-node server whose database is busy has not started the request (`SQLITE_BUSY`, code 5), and a
    /// statement that exceeds a limit is not executed.
    fn did_nothing(&self, error: &Error) -> bool {
        match error {
            Error::TooLarge { .. } => true,
            Error::Server {
                status: 500,
                message,
                ..
            } => message.contains("(code: 5) database is locked"),
            _ => false,
        }
    }

    #[cfg(feature = "opentelemetry")]
    fn span(&self, out: HttpRequest<'_>, at: &Endpoint) -> (String, Vec<KeyValue>) {
        let operation = out.operation.name;
        // With room for the address of the server.
        let mut attributes = Vec::with_capacity(6);
        // The semantic conventions have no value for Chroma yet.
        attributes.push(KeyValue::new("db.system.name", "chroma"));
        attributes.push(KeyValue::new("db.operation.name", operation));
        let subject_is = self.subject_is(out.operation);
        let collection = out.subject.filter(|_| subject_is == "collection");
        let namespace = out.namespace.and_then(|(tenant, database)| {
            let path = out.operation.path;
            match (subject_is, out.subject) {
                ("tenant", Some(tenant)) => Some(tenant.to_owned()),
                ("database", Some(database)) => Some(namespace(tenant, database)),
                (_, Some(_)) => Some(namespace(tenant, database)),
                _ if path.contains("{database}") => Some(namespace(tenant, database)),
                _ if path.contains("{tenant}") => Some(tenant.to_owned()),
                _ => None,
            }
        });
        let name = if let Some(target) = collection.or(namespace.as_deref()) {
            [operation, " ", target].concat()
        } else {
            let (host, port) = at.host_and_port();
            format!("{operation} {host}:{port}")
        };
        attributes.extend(namespace.map(|name| KeyValue::new("db.namespace", name)));
        attributes
            .extend(collection.map(|name| KeyValue::new("db.collection.name", name.to_owned())));
        (name, attributes)
    }

    #[cfg(feature = "opentelemetry")]
    fn is_told_of_traces(&self) -> bool {
        true
    }

    #[cfg(feature = "opentelemetry")]
    fn status_is(&self) -> Option<&'static str> {
        Some("db.response.status_code")
    }

    fn subject_is(&self, operation: &Operation) -> &'static str {
        let others = ["tenant", "database"];
        let other = others
            .into_iter()
            .find(|other| operation.name.ends_with(other));
        other.unwrap_or("collection")
    }

    fn unreachable_hint(&self, at: &Endpoint) -> String {
        let setting = match at.setting() {
            "CHROMA_PORT" => "CHROMA_HOST",
            setting => setting,
        };
        if at.is_cloud() {
            CHECK_THE_NETWORK.to_owned()
        } else if setting == LOCAL_SERVER {
            "its LocalServer was stopped or dropped, or the server ended by itself; LocalServer::log_file() \
             shows why"
                .to_owned()
        } else if at.is_loopback() {
            format!(
                "start a server there (docker compose up, or chroma run), set {setting} to the address of a running \
                 server, or start one with LocalServer"
            )
        } else {
            format!(
                "check that a server runs there and that firewalls let this machine connect, or set {setting} to the \
                 address of another one"
            )
        }
    }
}

/// Joins tenant and database from the most general to the most specific, as the semantic conventions require.
#[cfg(feature = "opentelemetry")]
fn namespace(tenant: &str, database: &str) -> String {
    [tenant, "|", database].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Call;

    fn error(status: u16, body: &str) -> Error {
        Chroma.error(ErrorResponse {
            call: Box::new(Call::new("get", Some("notes"))),
            status,
            retry_after: None,
            body: body.into(),
        })
    }

    #[test]
    fn each_error_response_has_its_kind() {
        let chroma = |name: &str| format!(r#"{{"error":"{name}","message":"words"}}"#);
        let some = chroma("ChromaError");
        assert!(matches!(
            error(404, &chroma("NotFoundError")),
            Error::NotFound { .. }
        ));
        assert!(matches!(error(409, &some), Error::AlreadyExists { .. }));
        assert!(matches!(
            error(403, &some),
            Error::Unauthorized { status: 403, .. }
        ));
        assert!(matches!(error(501, &some), Error::Unsupported { .. }));
        assert!(matches!(error(429, &some), Error::RateLimited { .. }));
        let log = r#"{"error":"InternalError","message":"Method scout_logs is not implemented"}"#;
        assert!(matches!(error(500, log), Error::Unsupported { .. }));
        let sparse = r#"{"error":"InvalidArgumentError","message":"Failed to reconcile schema: Invalid schema input: Sparse vector indexing is not enabled in local"}"#;
        assert!(matches!(error(400, sparse), Error::Unsupported { .. }));
        let taken = r#"{"error":"InternalError","message":"Database error: error returned from database: (code: 2067) UNIQUE constraint failed: collections.name, collections.database_id"}"#;
        assert!(matches!(error(500, taken), Error::AlreadyExists { .. }));
        assert!(matches!(
            error(413, "Payload too large"),
            Error::TooLarge { status: 413, .. }
        ));
        assert!(error(502, "<html>").is_retryable());
        assert!(matches!(error(404, ""), Error::Server { status: 404, .. }));
        assert!(matches!(
            error(405, "<html>"),
            Error::Server { status: 405, .. }
        ));
        let invalid = error(400, &chroma("InvalidArgumentError"));
        assert_eq!(
            invalid.to_string(),
            "get \"notes\": HTTP 400 InvalidArgumentError: words"
        );
        assert!(!invalid.is_retryable());
    }
}
