//! The parsers of the responses to a collection's operations, by the operation's name, for the fuzz tests;
//! and checks of their results.

use std::sync::OnceLock;

use super::embedding_functions::EmbeddingFunctions;
use super::stored::Stored;
use super::{Collection, Committed, IndexingStatus, delete, fork, functions};
use crate::client::Client;
use crate::fuzzing::{self, Check, Parser, anything, survives};
use crate::model::embeddings::Embeddings;
use crate::model::results::GetResult;
use crate::wire::requested::Requested;
use crate::wire::{hits, read};

pub(crate) const PARSERS: &[Parser] = &[
    ("list_collections", |answer| {
        let stored: Vec<Stored> = read::json(answer)?;
        let opened: Vec<_> = stored.into_iter().map(opened).collect();
        Ok(Box::new(move || opened.iter().for_each(sound)))
    }),
    ("create_collection", stored),
    ("get_or_create_collection", stored),
    ("get_collection", stored),
    ("get_collection_by_id", stored),
    ("get_collection_by_crn", stored),
    ("fork", stored),
    ("modify", |answer| read::done(answer).map(anything)),
    ("add", |answer| read::done(answer).map(anything)),
    ("upsert", |answer| read::done(answer).map(anything)),
    ("update", |answer| read::done(answer).map(anything)),
    ("delete", |answer| delete::deleted(answer).map(anything)),
    ("get", |answer| {
        let found = read::get(answer, &Requested::default())?;
        Ok(Box::new(move || even(found)))
    }),
    ("conditional_get", |answer| {
        let (found, _) = read::conditional_get(answer, &Requested::default())?;
        Ok(Box::new(move || even(found)))
    }),
    ("conditional_commit", |answer| {
        read::json::<Committed>(answer).map(anything)
    }),
    ("query", |answer| {
        let results = hits::query(answer, QUERIES, &Requested::default())?;
        Ok(Box::new(move || {
            assert_eq!(results.len(), QUERIES);
            for hit in results.into_iter().flatten() {
                assert!(hit.distance.is_finite() || hit.distance == f32::INFINITY);
                assert!(hit.embedding.iter().flatten().all(|x| x.is_finite()));
                fuzzing::sound(&hit.metadata);
            }
        }))
    }),
    ("search", |answer| {
        let results = hits::search(answer, &[(); QUERIES].map(|()| Requested::default()))?;
        Ok(Box::new(move || {
            assert_eq!(results.len(), QUERIES);
            for hit in results.into_iter().flatten() {
                assert!(hit.score.is_none_or(f32::is_finite));
                assert!(hit.embedding.iter().flatten().all(|x| x.is_finite()));
                fuzzing::sound(&hit.metadata);
            }
        }))
    }),
    ("count", |answer| read::json::<usize>(answer).map(anything)),
    ("indexing_status", |answer| {
        let status: IndexingStatus = read::json(answer)?;
        Ok(Box::new(move || {
            assert!(status.op_indexing_progress.is_finite());
        }))
    }),
    ("fork_count", |answer| fork::count(answer).map(anything)),
    ("attach_function", |answer| {
        functions::attached(answer).map(anything)
    }),
    ("add_function_input", |answer| {
        functions::attached(answer).map(anything)
    }),
    ("get_attached_function", |answer| {
        functions::described(answer).map(anything)
    }),
    ("detach_function", |answer| {
        functions::detached(answer).map(anything)
    }),
];

/// Of each query and each search that was recorded.
const QUERIES: usize = 2;

fn stored(answer: &[u8]) -> Result<Check, String> {
    let collection = opened(read::json(answer)?);
    Ok(Box::new(move || sound(&collection)))
}

/// Opens a collection with the embedding function in its configuration.
#[allow(clippy::unwrap_used)] // does not depend on the response
fn opened(stored: Stored) -> Collection {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let client = CLIENT.get_or_init(|| Client::builder().build().unwrap());
    Collection::new(
        stored.client_for(client),
        stored,
        EmbeddingFunctions::default(),
    )
}

fn sound(collection: &Collection) {
    survives(collection.configuration());
    if let Some(schema) = collection.schema() {
        survives(schema);
        let _ = schema.vector_index();
    }
    fuzzing::sound(collection.metadata());
}

/// Checks that each record has a place in every column.
fn even(found: GetResult) {
    let count = found.len();
    let columns = [
        found.documents.as_ref().map(Vec::len),
        found.embeddings.as_ref().map(Embeddings::len),
        found.metadatas.as_ref().map(Vec::len),
        found.uris.as_ref().map(Vec::len),
    ];
    assert!(
        columns.into_iter().flatten().all(|len| len == count),
        "{found:?}"
    );
    if let Some(all) = &found.embeddings {
        assert_eq!(all.as_flat().len(), count * all.dimension());
        assert!(all.as_flat().iter().all(|x| x.is_finite()));
    }
    for metadata in found.metadatas.iter().flatten() {
        fuzzing::sound(metadata);
    }
    assert_eq!(found.into_iter().count(), count);
}
