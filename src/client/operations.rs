//! The table of Chroma's operations: name, method, path, and whether a request may be repeated when nobody knows if
//! the server has acted on it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Method;

use crate::transport::{Operation, Repeat};

macro_rules! operations {
    ($($id:ident: $name:literal, $method:ident, $path:expr, $repeat:ident;)+) => {$(
        pub(crate) static $id: Operation = Operation {
            name: $name,
            method: Method::$method,
            path: $path,
            repeat: Repeat::$repeat,
        };
    )+};
}

macro_rules! in_database {
    ($path:literal) => {
        concat!("/api/v2/tenants/{tenant}/databases/{database}", $path)
    };
}

operations! {
    HEARTBEAT: "heartbeat", GET, "/api/v2/heartbeat", Freely;
    VERSION: "version", GET, "/api/v2/version", Freely;
    PRE_FLIGHT_CHECKS: "pre_flight_checks", GET, "/api/v2/pre-flight-checks", Freely;
    IDENTITY: "identity", GET, "/api/v2/auth/identity", Freely;

    LIST_COLLECTIONS: "list_collections", GET, in_database!("/collections"), Freely;
    COUNT_COLLECTIONS: "count_collections", GET, in_database!("/collections_count"), Freely;
    // A second one would find the first one's collection and call it somebody else's.
    CREATE_COLLECTION: "create_collection", POST, in_database!("/collections"), IfNotActed;
    GET_OR_CREATE_COLLECTION: "get_or_create_collection", POST, in_database!("/collections"), Freely;
    GET_COLLECTION: "get_collection", GET, in_database!("/collections/{collection}"), Freely;
    // The server finds it by its name; a second one would answer 404 for what the first one did.
    DELETE_COLLECTION: "delete_collection", DELETE, in_database!("/collections/{collection}"), IfNotActed;

    ADD: "add", POST, in_database!("/collections/{collection}/add"), Freely;
    UPSERT: "upsert", POST, in_database!("/collections/{collection}/upsert"), Freely;
    UPDATE: "update", POST, in_database!("/collections/{collection}/update"), Freely;
    DELETE: "delete", POST, in_database!("/collections/{collection}/delete"), Freely;
    GET: "get", POST, in_database!("/collections/{collection}/get"), Freely;
    QUERY: "query", POST, in_database!("/collections/{collection}/query"), Freely;
    SEARCH: "search", POST, in_database!("/collections/{collection}/search"), Freely;
    COUNT: "count", GET, in_database!("/collections/{collection}/count"), Freely;
}

/// What may stand in a path as it is (RFC 3986, "unreserved").
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The operation's path with its parameters, percent-encoded.
pub(crate) fn path(operation: &Operation, parameters: &[(&str, &str)]) -> String {
    let mut path = String::with_capacity(operation.path.len() + 64);
    let mut rest = operation.path;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = parameters.iter().find(|(key, _)| *key == name);
        debug_assert!(value.is_some(), "no {name} for {}", operation.path);
        path.extend(utf8_percent_encode(
            value.map_or("", |(_, value)| value),
            RESERVED,
        ));
        rest = after;
    }
    path + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_cannot_leave_their_place() {
        let parameters = [
            ("tenant", "a/b?c#d%\u{1F980}"),
            ("database", "{tenant}"),
            ("collection", "x y"),
        ];
        assert_eq!(
            path(&COUNT, &parameters),
            "/api/v2/tenants/a%2Fb%3Fc%23d%25%F0%9F%A6%80/databases/%7Btenant%7D/collections/x%20y/count"
        );
    }
}
