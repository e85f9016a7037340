//! How a Chroma server says no.

#[cfg(feature = "opentelemetry")]
use opentelemetry::KeyValue;
use serde::Deserialize;

use crate::error::Error;
use crate::transport::{Dialect, ErrorResponse, Operation};
#[cfg(feature = "opentelemetry")]
use crate::transport::{Endpoint, HttpRequest};
use crate::wire::read::shown;

/// Chroma's errors: `{"error":"NotFoundError","message":"Collection [nope] does not exist"}` with the status.
#[derive(Debug)]
pub(super) struct Chroma;

#[derive(Deserialize)]
struct Answer {
    error: String,
    #[serde(default)]
    message: String,
}

/// A server's name for the failure of a transaction.
const CONFLICT: &str = "ConditionalWriteConflictError";
/// Part of the message of a single-node server that read an id without a record.
const RECORD_GONE: &str = "Error finding id";

/// Whether a read failed because one of its records does not exist, or was deleted during the read.
pub(crate) fn is_record_gone(error: &Error) -> bool {
    matches!(error, Error::NotFound { message, .. } if message.contains(RECORD_GONE))
}

impl Dialect for Chroma {
    fn error(&self, refusal: ErrorResponse) -> Error {
        let ErrorResponse {
            call,
            status,
            retry_after,
            body,
        } = refusal;
        let answer = serde_json::from_slice::<Answer>(&body).ok();
        let from_chroma = answer.is_some();
        let (name, message) = match answer {
            Some(answer) => (answer.error, answer.message),
            None => (String::new(), shown(&body)),
        };
        match status {
            401 | 403 => Error::Unauthorized {
                call,
                status,
                message,
            },
            404 if from_chroma => Error::NotFound { call, message },
            // Somebody else's write (409), or the state that was read is there no more (412).
            409 if name == CONFLICT || message.contains("conditional write conflict") => {
                Error::Conflict { call, message }
            }
            412 => Error::Conflict { call, message },
            409 => Error::AlreadyExists { call, message },
            429 => Error::RateLimited {
                call,
                retry_after,
                message,
            },
            501 => Error::Unsupported { call, message },
            // An operation that only a distributed server has: "Method scout_logs is not implemented".
            500 if message.contains("is not implemented") => Error::Unsupported { call, message },
            // What a single-node server says to a name that is taken, where a distributed one says 409.
            500 if message.contains("UNIQUE constraint failed") => {
                Error::AlreadyExists { call, message }
            }
            // "Sparse vector indexing is not enabled in local".
            400 if message.contains("is not enabled in local") => {
                Error::Unsupported { call, message }
            }
            // What a single-node server says to a query when a record goes, or one of its ids is not there.
            500 if message.contains(RECORD_GONE) => Error::NotFound { call, message },
            // Lists and sparse vectors, on a server that knows only scalars.
            422 if message.contains("MetadataValue") => Error::Unsupported {
                call,
                message: format!("metadata of this kind needs a newer server: {message}"),
            },
            // A search in the form of today, on a server that knew another one.
            400 | 422 if message.contains("searches[") => Error::Unsupported { call, message },
            // Not Chroma's words: another server, or an operation that this one does not know.
            404 | 405 if !from_chroma => Error::NotChroma {
                call,
                message: format!("HTTP {status}, {message}"),
            },
            _ => Error::Server {
                call,
                status,
                name,
                retry_after,
                message,
            },
        }
    }

    /// A single-node server whose database is busy: SQLite has begun nothing then (SQLITE_BUSY, code 5).
    fn did_nothing(&self, error: &Error) -> bool {
        matches!(error, Error::Server { status: 500, message, .. } if message.contains("(code: 5) database is locked"))
    }

    #[cfg(feature = "opentelemetry")]
    fn span(&self, out: HttpRequest<'_>, at: &Endpoint) -> (String, Vec<KeyValue>) {
        let operation = out.operation.name;
        // Room for the server's address as well.
        let mut attributes = Vec::with_capacity(6);
        // No well-known value yet.
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
        let name = match collection.or(namespace.as_deref()) {
            Some(target) => [operation, " ", target].concat(),
            None => {
                let (host, port) = at.host_and_port();
                format!("{operation} {host}:{port}")
            }
        };
        let more = [
            ("db.namespace", namespace),
            ("db.collection.name", collection.map(str::to_owned)),
        ];
        let more = (more.into_iter()).filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
        attributes.extend(more);
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
        let other = ["tenant", "database"];
        let other = other.into_iter().find(|it| operation.name.ends_with(it));
        other.unwrap_or("collection")
    }

    fn unreachable_hint(&self) -> &'static str {
        "start a server there (docker compose up, or chroma run), set CHROMA_HOST to one that runs, or let \
         LocalServer start one"
    }
}

/// Joined from the most general part to the most specific one, as the convention has it.
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
    fn every_answer_has_its_kind() {
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
            Error::Server { status: 413, .. }
        ));
        assert!(error(502, "<html>").is_retryable());
        assert!(matches!(error(404, ""), Error::NotChroma { .. }));
        assert!(matches!(error(405, "<html>"), Error::NotChroma { .. }));
        let invalid = error(400, &chroma("InvalidArgumentError"));
        assert_eq!(
            invalid.to_string(),
            "get \"notes\": HTTP 400 InvalidArgumentError: words"
        );
        assert!(!invalid.is_retryable());
    }
}
