//! The operations in the library's table, each with its call and a valid response.

use chroma_blocking::{Collection, Key, Record, Result, Search};
use serde_json::{Value, json};

use super::LIMITS;
use super::stand_in::Request;

pub const ID: &str = "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11";

/// A row of the table in the source of the library.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub constant: String,
    pub method: String,
    pub path: String,
    pub kind: String,
}

/// Reads the rows from the source, so that the test covers new rows.
pub fn table() -> Vec<Row> {
    let source = include_str!("../../src/client/operations.rs");
    let row = |line: &str| {
        let (constant, rest) = line.trim().strip_suffix(';')?.split_once(": \"")?;
        let [_, method, path, kind] = rest.split(", ").collect::<Vec<_>>()[..] else {
            return None;
        };
        let prefix = match path.split_once("!(") {
            Some(("in_database", _)) => "/api/v2/tenants/{tenant}/databases/{database}",
            Some(("in_collection", _)) => {
                "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection}"
            }
            _ => "",
        };
        Some(Row {
            constant: constant.to_owned(),
            method: method.to_owned(),
            path: prefix.to_owned() + path.split('"').nth(1)?,
            kind: kind.to_owned(),
        })
    };
    source.lines().filter_map(row).collect()
}

impl Row {
    pub fn is(&self, request: &Request) -> bool {
        let path = request.path.split('?').next().unwrap_or_default();
        let (path, form): (Vec<_>, Vec<_>) =
            (path.split('/').collect(), self.path.split('/').collect());
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let told_apart = match self.constant.as_str() {
            "CREATE_COLLECTION" => body["get_or_create"] == false,
            "GET_OR_CREATE_COLLECTION" => body["get_or_create"] == true,
            "DELETE" => body["limit"].is_null(),
            "DELETE_SOME" => !body["limit"].is_null(),
            _ => true,
        };
        let same_part = |(part, form): (&&str, &&str)| form.starts_with('{') || part == form;
        self.method == request.method
            && path.len() == form.len()
            && path.iter().zip(&form).all(same_part)
            && told_apart
    }

    pub fn reads(&self) -> bool {
        self.kind.starts_with("Reads")
    }
}

/// Executes the operation.
pub fn call(constant: &str, abc: &Collection) -> Result<()> {
    let client = abc.client();
    let record = || [Record::new("a").embedding([1.0, 2.0])];
    match constant {
        "HEARTBEAT" => client.heartbeat().map(drop),
        "HEALTHCHECK" => client.healthcheck(),
        "VERSION" => client.version().map(drop),
        "PRE_FLIGHT_CHECKS" => client.pre_flight_checks().map(drop),
        "IDENTITY" => client.identity().map(drop),
        "RESET" => client.reset(),
        "CREATE_TENANT" => client.create_tenant("made"),
        "GET_TENANT" => client.get_tenant("ten").map(drop),
        "UPDATE_TENANT" => client.update_tenant("ten", "res"),
        "LIST_DATABASES" => client.list_databases().run().map(drop),
        "CREATE_DATABASE" => client.create_database("made"),
        "GET_DATABASE" => client.get_database("dat").map(drop),
        "DELETE_DATABASE" => client.delete_database("made"),
        "LIST_COLLECTIONS" => client.list_collections().run().map(drop),
        "COUNT_COLLECTIONS" => client.count_collections().map(drop),
        "CREATE_COLLECTION" => client.collection("made").create().map(drop),
        "GET_OR_CREATE_COLLECTION" => client.collection("made").get_or_create().map(drop),
        "GET_COLLECTION" => client.collection("other").get().map(drop),
        "GET_COLLECTION_BY_ID" => client.collection_by_id(ID).get().map(drop),
        "GET_COLLECTION_BY_CRN" => client.collection_by_crn("t:d:c").get().map(drop),
        "MODIFY" => abc.modify().metadata([("k", 1)]).run().map(drop),
        "DELETE_COLLECTION" => client.delete_collection("made"),
        "ADD" => abc.add(record()),
        "UPSERT" => abc.upsert(record()),
        "UPDATE" => abc.update(record()),
        "DELETE" => abc.delete().ids(["a"]).run().map(drop),
        "DELETE_SOME" => {
            let some = abc.delete().filter(Key::field("k").eq(1)).limit(1);
            some.run().map(drop)
        }
        "GET" => abc.get().run().map(drop),
        "QUERY" => abc.query(vec![1.0, 2.0]).run().map(drop),
        "SEARCH" => abc.search(Search::new().limit(1)).run().map(drop),
        "COUNT" => abc.count().map(drop),
        "INDEXING_STATUS" => abc.indexing_status().map(drop),
        "FORK" => abc.fork("made").map(drop),
        "FORK_COUNT" => abc.fork_count().map(drop),
        "ATTACH_FUNCTION" => abc.attach_function("made", "f", "out").run().map(drop),
        "ADD_FUNCTION_INPUT" => abc.add_function_input("fun", abc).map(drop),
        "GET_ATTACHED_FUNCTION" => abc.get_attached_function("fun").map(drop),
        "DETACH_FUNCTION" => abc.detach_function("made").run().map(drop),
        "CONDITIONAL_GET" => abc.transaction().get_ids(["a"], []).map(drop),
        "CONDITIONAL_COMMIT" => {
            let mut transaction = abc.transaction();
            transaction.upsert(record())?;
            transaction.commit().map(drop)
        }
        other => panic!("no call for {other}: add it here"),
    }
}

/// Returns a valid response to the operation. `name` is that of the collection in it.
pub fn good(constant: &str, name: &str, has_resource: bool) -> Value {
    match constant {
        "HEARTBEAT" => json!({ "nanosecond heartbeat": 1 }),
        "VERSION" => json!("1.0.0"),
        "PRE_FLIGHT_CHECKS" => serde_json::from_str(LIMITS).unwrap(),
        "IDENTITY" => json!({ "user_id": "", "tenant": "t", "databases": [] }),
        "GET_TENANT" => json!({ "name": "made", "resource_name": has_resource.then_some("res") }),
        "GET_DATABASE" => json!({ "id": ID, "name": "made", "tenant": "t" }),
        "LIST_DATABASES" | "LIST_COLLECTIONS" => json!([]),
        "COUNT" | "COUNT_COLLECTIONS" => json!(0),
        "QUERY" => json!({ "ids": [[]], "distances": [[]] }),
        "SEARCH" => json!({ "ids": [[]], "documents": [null], "embeddings": [null],
            "metadatas": [null], "scores": [[]], "select": [[]] }),
        "GET" | "CONDITIONAL_GET" => json!({ "ids": [], "read_token": 1 }),
        "FORK_COUNT" => json!({ "count": 0 }),
        "INDEXING_STATUS" => json!({ "op_indexing_progress": 1.0, "num_unindexed_ops": 0,
            "num_indexed_ops": 0, "total_ops": 0 }),
        "ATTACH_FUNCTION" | "ADD_FUNCTION_INPUT" => json!({ "created": true,
            "attached_function": { "id": ID, "name": "made", "function_name": "f" } }),
        "GET_ATTACHED_FUNCTION" => json!({ "attached_function": { "id": ID, "name": "made",
            "function_name": "f", "input_collection_id": ID, "output_collection": "out" } }),
        "DETACH_FUNCTION" => json!({ "success": true }),
        "DELETE" | "DELETE_SOME" => json!({ "deleted": 1 }),
        "CONDITIONAL_COMMIT" => {
            json!({ "first_inserted_record_offset": 0, "commit_token": 2, "record_count": 1 })
        }
        _ => json!({ "id": ID, "name": name, "metadata": null, "configuration_json": {} }),
    }
}
