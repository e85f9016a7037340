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
/// Part of the message of a single-node server whose database is busy (`SQLITE_BUSY`).
const BUSY: &str = "(code: 5) database is locked";

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

/// Returns the cleaned message of an error response. The client looks for some texts in it later. If a secret
/// is a word of such a text, returns only that text.
fn decisive(sent: &str, cleaned: String) -> String {
    let mut texts = [RECORD_GONE, BUSY].into_iter();
    match texts.find(|text| sent.contains(text) && !cleaned.contains(text)) {
        Some(text) => text.to_owned(),
        None => cleaned,
    }
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
    fn error(&self, response: ErrorResponse<'_>) -> Error {
        let body = serde_json::from_slice::<ErrorBody>(&response.body).ok();
        let (name, sent, message) = match body {
            Some(ErrorBody { error, message }) => {
                let cleaned = response.clean(&message);
                (Some(error), message, cleaned)
            }
            None => (None, shown(&response.body), response.shown()),
        };
        let class = classify(response.status, name.as_deref(), &sent);
        let message = decisive(&sent, message);
        let name = name.map(|name| response.clean(&name));
        let ErrorResponse {
            call,
            status,
            retry_after,
            ..
        } = response;
        match class {
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
            Class::Unsupported if status == 422 && sent.contains("MetadataValue") => {
                let message = format!("metadata of this kind needs a newer server: {message}");
                Error::Unsupported { call, message }
            }
            Class::Unsupported => Error::Unsupported { call, message },
            Class::TooLarge => Error::TooLarge {
                call,
                status,
                message: match sqlite_limit(&sent) {
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
            } => message.contains(BUSY),
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

    fn too_large_hint(&self) -> &'static str {
        "request fewer records, or raise the limit with max_response_size(...)"
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
    use crate::transport::error_of;

    fn error(status: u16, body: &str) -> Error {
        error_without(&[], status, body)
    }

    fn error_without(secrets: &[String], status: u16, body: &str) -> Error {
        let call = Call::new("get", Some("notes"));
        error_of(&Chroma, call, (status, body.as_bytes()), secrets)
    }

    /// Secrets that are words of error responses.
    fn words() -> Vec<String> {
        let words = "messaging message error database NotFoundError finding InternalError locked 404 500 1 true \
            ConditionalWriteConflictError implemented constraint variables pickle readonly MetadataValue searches";
        words.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn secure_07_a_secret_that_is_a_word_of_the_response_changes_no_kind() {
        let conflict = r#"{"error":"ConditionalWriteConflictError","message":"changed"}"#;
        for (status, body) in [
            (
                404,
                r#"{"error":"NotFoundError","message":"no database, error 404","code":404,"retry":true}"#,
            ),
            (404, r#"{"error":"NotFoundError","messaging":"x"}"#),
            (409, conflict),
            (
                500,
                r#"{"error":"InternalError","message":"Method x is not implemented"}"#,
            ),
            (
                500,
                r#"{"error":"InternalError","message":"UNIQUE constraint failed"}"#,
            ),
            (
                500,
                r#"{"error":"InternalError","message":"too many SQL variables"}"#,
            ),
            (
                500,
                r#"{"error":"InternalError","message":"Error deserializing pickle file"}"#,
            ),
            (
                500,
                r#"{"error":"InternalError","message":"attempt to write a readonly database"}"#,
            ),
            (
                500,
                r#"{"error":"InternalError","message":"Error finding id"}"#,
            ),
            (
                500,
                r#"{"error":"InternalError","message":"(code: 5) database is locked"}"#,
            ),
            (
                422,
                r#"{"error":"E","message":"no variant of untagged enum MetadataValue"}"#,
            ),
            (
                400,
                r#"{"error":"E","message":"searches[0]: unknown field"}"#,
            ),
            (404, "<h1>404 error of database</h1>"),
        ] {
            let usual = error(status, body);
            let found = error_without(&words(), status, body);
            let facts = |error: &Error| {
                let has_name = matches!(error, Error::Server { name, .. } if !name.is_empty());
                let gone = is_record_gone(error);
                (error.kind(), has_name, gone, Chroma.did_nothing(error))
            };
            assert_eq!(facts(&found), facts(&usual), "{body}: {found}");
        }
        let body = r#"{"error":"NotFoundError","message":"the messaging team has no tenant"}"#;
        let shown = error_without(&words(), 404, body).to_string();
        assert!(
            shown.ends_with("not found: the <hidden> team has no tenant"),
            "{shown}"
        );
    }

    #[test]
    fn secure_07_an_error_shows_no_secret_of_any_part_of_the_response() {
        let secret = "k3y-of-the-client";
        let message = format!(r#"{{"error":"E{secret}","message":"no {secret}"}}"#);
        let field = format!(r#"{{"{secret}":"{secret}","code":[{{"{secret}":1}}]}}"#);
        let lacks_error = format!(r#"{{"message":"no {secret}"}}"#);
        for body in [message, field, lacks_error, format!("<p>{secret}</p>")] {
            for status in [400, 401, 404, 409, 412, 413, 422, 429, 500, 501, 503] {
                let shown = error_without(&[secret.to_owned()], status, &body).to_string();
                assert!(
                    shown.contains("<hidden>") && !shown.contains("k3y"),
                    "{shown}"
                );
            }
        }
        let number = error_without(&["12345678".to_owned()], 500, r#"{"key":12345678}"#);
        assert!(!number.to_string().contains("12345678"), "{number}");
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
