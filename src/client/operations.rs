//! The table of Chroma's operations: name, method, path and kind. The kind states whether an operation reads
//! or writes, and whether it may be repeated if its response is lost.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Method;

use crate::transport::{Kind, Operation};

macro_rules! operations {
    ($($id:ident: $name:literal, $method:ident, $path:expr, $kind:ident;)+) => {
        $(pub(crate) static $id: Operation = Operation {
            name: $name,
            method: Method::$method,
            path: $path,
            kind: Kind::$kind,
        };)+

        /// The whole table, for the test that compares it with the API that a server publishes.
        #[cfg(test)]
        pub(crate) static ALL: &[&Operation] = &[$(&$id),+];
    };
}

macro_rules! in_database {
    ($path:literal) => {
        concat!("/api/v2/tenants/{tenant}/databases/{database}", $path)
    };
}

macro_rules! in_collection {
    ($path:literal) => {
        concat!(
            "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection}",
            $path
        )
    };
}

operations! {
    HEARTBEAT: "heartbeat", GET, "/api/v2/heartbeat", Reads;
    HEALTHCHECK: "healthcheck", GET, "/api/v2/healthcheck", Reads;
    VERSION: "version", GET, "/api/v2/version", Reads;
    PRE_FLIGHT_CHECKS: "pre_flight_checks", GET, "/api/v2/pre-flight-checks", Reads;
    IDENTITY: "identity", GET, "/api/v2/auth/identity", Reads;
    // A repeated reset would delete what other clients have created since.
    RESET: "reset", POST, "/api/v2/reset", Once;

    // A repeated creation or deletion fails with "already exists" or "not found" if the first one took
    // effect. These are repeated only if the server has certainly not acted.
    CREATE_TENANT: "create_tenant", POST, "/api/v2/tenants", Once;
    GET_TENANT: "get_tenant", GET, "/api/v2/tenants/{tenant}", Reads;
    UPDATE_TENANT: "update_tenant", PATCH, "/api/v2/tenants/{tenant}", Once;

    LIST_DATABASES: "list_databases", GET, "/api/v2/tenants/{tenant}/databases", ReadsRows;
    CREATE_DATABASE: "create_database", POST, "/api/v2/tenants/{tenant}/databases", Once;
    GET_DATABASE: "get_database", GET, in_database!(""), Reads;
    DELETE_DATABASE: "delete_database", DELETE, in_database!(""), Once;

    LIST_COLLECTIONS: "list_collections", GET, in_database!("/collections"), ReadsRows;
    COUNT_COLLECTIONS: "count_collections", GET, in_database!("/collections_count"), Reads;
    CREATE_COLLECTION: "create_collection", POST, in_database!("/collections"), Once;
    GET_OR_CREATE_COLLECTION: "get_or_create_collection", POST, in_database!("/collections"), Idempotent;
    GET_COLLECTION: "get_collection", GET, in_collection!(""), Reads;
    GET_COLLECTION_BY_ID: "get_collection_by_id", GET, in_database!("/collections/by-id/{collection}"), Reads;
    GET_COLLECTION_BY_CRN: "get_collection_by_crn", GET, "/api/v2/collections/{collection}", Reads;
    // A repeated change writes the same name, metadata and settings again. The collection is addressed by id.
    MODIFY: "modify", PUT, in_collection!(""), Idempotent;
    DELETE_COLLECTION: "delete_collection", DELETE, in_collection!(""), Once;

    ADD: "add", POST, in_collection!("/add"), Idempotent;
    UPSERT: "upsert", POST, in_collection!("/upsert"), Idempotent;
    UPDATE: "update", POST, in_collection!("/update"), Idempotent;
    DELETE: "delete", POST, in_collection!("/delete"), Idempotent;
    // A repeated deletion with a limit would delete more records.
    DELETE_SOME: "delete", POST, in_collection!("/delete"), Once;
    GET: "get", POST, in_collection!("/get"), ReadsRows;
    QUERY: "query", POST, in_collection!("/query"), ReadsRows;
    SEARCH: "search", POST, in_collection!("/search"), ReadsRows;
    COUNT: "count", GET, in_collection!("/count"), Reads;
    INDEXING_STATUS: "indexing_status", GET, in_collection!("/indexing_status"), Reads;

    FORK: "fork", POST, in_collection!("/fork"), Once;
    FORK_COUNT: "fork_count", GET, in_collection!("/fork_count"), Reads;

    ATTACH_FUNCTION: "attach_function", POST, in_collection!("/functions/attach"), Once;
    GET_ATTACHED_FUNCTION: "get_attached_function", GET, in_collection!("/functions/{function}"), Reads;
    DETACH_FUNCTION: "detach_function", POST, in_collection!("/attached_functions/{function}/detach"), Once;

    // Newer than Chroma 1.5.9, which responds with 404.
    ADD_FUNCTION_INPUT: "add_function_input", POST, in_collection!("/attached_functions/{function}/add_input"), Idempotent;
    CONDITIONAL_GET: "conditional_get", POST, in_collection!("/conditional/get"), ReadsRows;
    CONDITIONAL_COMMIT: "conditional_commit", POST, in_collection!("/conditional/commit"), Once;
}

/// The OpenAPI description of the server, which does not list itself.
pub(crate) static DESCRIPTION: Operation = Operation {
    name: "openapi",
    method: Method::GET,
    path: "/openapi.json",
    kind: Kind::Reads,
};

/// All characters but the unreserved ones of RFC 3986, which need no encoding in a path.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The values of the placeholders in an operation's path.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PathParameters<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) database: &'a str,
    /// The collection's id, a UUID, or its name if the operation takes a name.
    pub(crate) collection: Option<&'a str>,
    pub(crate) function: Option<&'a str>,
}

impl<'a> PathParameters<'a> {
    /// Returns the value of the placeholder `{name}`, if it is set.
    fn get(&self, name: &str) -> Option<&'a str> {
        match name {
            "tenant" => Some(self.tenant),
            "database" => Some(self.database),
            "collection" => self.collection,
            "function" => self.function,
            _ => None,
        }
    }
}

/// Returns the operation's path with its parameters, percent-encoded, and the query, unless that is empty.
pub(crate) fn path(operation: &Operation, parameters: &PathParameters<'_>, query: &str) -> String {
    let mut path = String::with_capacity(operation.path.len() + 64);
    let mut rest = operation.path;
    while let Some((before, after)) = rest.split_once('{') {
        path.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = parameters.get(name);
        debug_assert!(value.is_some(), "no {name} for {}", operation.path);
        path.extend(utf8_percent_encode(value.unwrap_or_default(), RESERVED));
        rest = after;
    }
    path.push_str(rest);
    if !query.is_empty() {
        path.push('?');
        path.push_str(query);
    }
    path
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "local-server")]
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn parameters_cannot_change_the_structure_of_a_path() {
        let parameters = PathParameters {
            tenant: "a/b?c#d%\u{1F980}",
            database: "{tenant}",
            collection: Some("x y"),
            function: None,
        };
        let encoded = "/api/v2/tenants/a%2Fb%3Fc%23d%25%F0%9F%A6%80/databases/%7Btenant%7D/collections/x%20y/count";
        assert_eq!(path(&COUNT, &parameters, ""), encoded);
        assert_eq!(path(&COUNT, &parameters, "a=b"), format!("{encoded}?a=b"));
    }

    /// Returns the method and the path without the names of its parameters.
    #[cfg(feature = "local-server")]
    fn form(method: &str, path: &str) -> String {
        let mut form = format!("{} ", method.to_uppercase());
        for part in path.split('/').skip(1) {
            form.push('/');
            form.push_str(if part.starts_with('{') { "{}" } else { part });
        }
        form
    }

    /// Operations that only servers newer than 1.5.9 publish.
    #[cfg(feature = "local-server")]
    const NEWER: &[&str] = &[
        "add_function_input",
        "conditional_get",
        "conditional_commit",
    ];

    /// The table has every operation that a real server publishes, each with its path.
    #[test]
    #[cfg(feature = "local-server")]
    fn the_table_is_what_the_server_publishes() {
        #[derive(serde::Deserialize)]
        struct OpenApi {
            paths: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
        }
        if std::env::var_os("CHROMA_HOST").is_some_and(|host| !host.is_empty()) {
            return; // another server may be of any version
        }
        let server = crate::LocalServer::builder().version("1.5.9").install(true);
        let server = server.start().unwrap();
        let client = server.client().unwrap();
        let open_api: OpenApi = client
            .request(&DESCRIPTION)
            .send(crate::wire::read::json)
            .unwrap();

        let published: BTreeSet<String> = open_api
            .paths
            .iter()
            .flat_map(|(path, methods)| methods.keys().map(move |method| form(method, path)))
            .collect();
        let ours: BTreeSet<String> = ALL
            .iter()
            .filter(|operation| !NEWER.contains(&operation.name))
            .map(|operation| form(operation.method.as_str(), operation.path))
            .collect();
        assert_eq!(published, ours);
        assert_eq!(published.len(), 35, "operations of 1.5.9");
    }
}
