//! Servers whose storage fails: a full disk, a removed data folder, a broken index.

use crate::support::stand_in::{Answer, StandIn};
use crate::support::{LIMITS, builder, chroma, fast, records};
use chroma_blocking::{Collection, Error};

const FULL: &str =
    "Database error: error returned from database: (code: 13) database or disk is full";
const PICKLE: &str = "Error executing plan: Error sending backfill request to compactor: Error constructing hnsw segment reader: Error creating hnsw segment reader: Error deserializing pickle file: eval error at offset 0: EOF while parsing";

fn failure(message: &str) -> Answer {
    let body = serde_json::json!({ "error": "InternalError", "message": message });
    Answer::new(500, body.to_string())
}

/// Starts a server that gives these answers to requests for records, and then the number 7.
fn failing(failures: Vec<Answer>) -> StandIn {
    let mut failures = failures.into_iter();
    chroma(LIMITS, move |_| failures.next().unwrap_or(Answer::ok("7")))
}

/// Opens the collection with a policy that retries for a long time.
fn open(server: &StandIn) -> Collection {
    let client = builder(&server.url()).retry(fast().max_retries(5));
    client.build().unwrap().collection("abc").get().unwrap()
}

#[test]
fn field_27_a_failure_of_the_servers_storage_is_repeated_once() {
    for (message, advice) in [
        (FULL, "free space on the server's disk"),
        (
            "Query error: Database error: error returned from database: (code: 1032) attempt to write a readonly database",
            "the server's data folder was removed or replaced; restart the server, or restore a backup",
        ),
        (
            "Database error: error returned from database: (code: 8) attempt to write a readonly database",
            "make the server's data folder writable for the server",
        ),
        (
            "error returned from database: (code: 11) database disk image is malformed",
            "restore the server's data folder from a backup",
        ),
        (
            "error returned from database: (code: 1) no such table: embeddings_queue",
            "the server's data folder was removed or replaced; restart the server, or restore a backup",
        ),
        (
            "error returned from database: (code: 522) disk I/O error",
            "check the server's disk",
        ),
        (
            "Error in compaction: Failed to apply logs to the metadata segment",
            "the server's disk may be full, or the server cannot store one of the records; see its log",
        ),
    ] {
        let server = failing(vec![failure(message); 9]);
        let notes = open(&server);
        for error in [
            notes.upsert(records(1)).unwrap_err(),
            notes.count().unwrap_err(),
        ] {
            assert!(matches!(error, Error::Storage { .. }), "{error}");
            assert!(
                error.to_string().ends_with(&format!("{message}; {advice}")),
                "{error}"
            );
            assert_eq!((error.kind(), error.status()), ("storage", Some(500)));
            assert_eq!(error.call().unwrap().attempts, 2, "{error}");
            assert!(!error.is_retryable());
        }
    }
}

#[test]
fn field_27_a_broken_index_is_repeated_once() {
    for message in [
        PICKLE,
        "Error in compaction: Failed to apply logs to the hnsw segment writer",
        "Error executing plan: Error creating hnsw segment reader: Error loading hnsw index",
        "Persisted HNSW dimensionality 3 does not match collection dimensionality 4",
    ] {
        let server = failing(vec![failure(message); 2]);
        let notes = open(&server);
        let error = notes.count().unwrap_err();
        assert!(matches!(error, Error::BrokenIndex { .. }), "{error}");
        assert_eq!((error.kind(), error.status()), ("broken_index", Some(500)));
        assert!(!error.is_retryable() && error.to_string().contains(message));
        // It may have been one that the server was about to repair.
        assert_eq!(notes.count().unwrap(), 7);
        let server = failing(vec![failure(message)]);
        assert_eq!(open(&server).count().unwrap(), 7);
    }
}

#[test]
fn field_27_a_record_that_stays_gone_is_explained() {
    let message = "Error executing plan: Internal error: Error finding id";
    let server = failing(vec![failure(message); 99]);
    let error = open(&server).query(vec![1.0]).run().unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("the index of the collection is broken: restart the server"),
        "{error}"
    );
}

#[test]
fn field_27_a_regular_expression_that_is_too_large_is_not_retried() {
    let message = "Error executing plan: Internal error: error returned from database: (code: 1043) constraint failed";
    let server = failing(vec![failure(message)]);
    let error = open(&server).count().unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(server.requests_to("/count").len(), 1);
}

#[test]
fn field_27_a_busy_database_is_retried_as_before() {
    for message in [
        "error returned from database: (code: 5) database is locked",
        "error returned from database: (code: 262) database table is locked",
        "Error executing plan: Error creating hnsw segment reader: Nothing found on disk",
    ] {
        let server = failing(vec![failure(message); 5]);
        assert_eq!(open(&server).count().unwrap(), 7, "{message}");
    }
}

#[test]
fn field_27_reads_go_to_a_replica_whose_storage_is_fine() {
    for message in [FULL, PICKLE] {
        let [first, second] = [(); 2].map(|()| failing(vec![failure(message); 99]));
        let third = failing(vec![]);
        let client = builder(&first.url()).replicas([second.url(), third.url()]);
        let notes = client.build().unwrap().collection("abc").get().unwrap();
        assert_eq!(notes.count().unwrap(), 7);
    }
}
