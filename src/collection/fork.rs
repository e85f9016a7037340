//! Forks of a collection, and how far its index is: what distributed servers and Chroma Cloud have.

use serde::Deserialize;
use serde_json::json;

use super::{Collection, Stored};
use crate::client::operations as op;
use crate::client::reconcile::{self, Outcome};
use crate::error::Result;
use crate::wire::read;

/// How far the server's index of a collection is behind its writes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct IndexingStatus {
    /// The part of all writes that is in the index, from 0 to 1.
    pub op_indexing_progress: f32,
    /// Writes that are not in the index yet. Reads see them all the same, more slowly.
    pub num_unindexed_ops: u64,
    /// Writes that are in the index.
    pub num_indexed_ops: u64,
    /// All writes.
    pub total_ops: u64,
}

impl Collection {
    /// Makes a copy of the collection under another name. The copy shares what is stored until one of the two changes.
    ///
    /// When the answer is lost, it asks whether a collection of that name is there: with the same metadata, settings and
    /// number of records it counts as made by this call.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers;
    /// [`Error::AlreadyExists`](crate::Error::AlreadyExists) when the name is taken.
    pub fn fork(&self, new_name: &str) -> Result<Collection> {
        let client = self.client();
        client.check_name(&op::FORK, new_name)?;
        let body = json!({ "new_name": new_name }).to_string();
        let this = self.begin();
        let stored: Stored = this.client.reconcile(
            || {
                this.request(&op::FORK)
                    .body(body.as_bytes())
                    .send(read::json)
            },
            |client| reconcile::created(self.on(client).ask_for_fork(new_name)),
        )?;
        let function = self.embedding_function().cloned();
        Ok(Collection::new(client.clone(), stored, function))
    }

    fn ask_for_fork(&self, name: &str) -> Result<Outcome<Stored>> {
        let client = &self.client;
        let by_name = client.request(&op::GET_COLLECTION).collection(name, name);
        let fork: Stored = by_name.send(read::json)?;
        let count = client.request(&op::COUNT).collection(name, &fork.id);
        let records: usize = count.send(read::json)?;
        let stored = &self.inner.stored;
        let same = fork.metadata == stored.metadata
            && fork.configuration_json == stored.configuration_json
            && records == self.count()?;
        Ok(match same {
            true => Outcome::Done(fork),
            // Perhaps the collection has been written to since.
            false => Outcome::Unknown,
        })
    }

    /// The number of forks of the collection.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers.
    pub fn fork_count(&self) -> Result<usize> {
        self.request(&op::FORK_COUNT).send(count)
    }

    /// How far the server's index is behind the collection's writes.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers, whose index is never behind.
    pub fn indexing_status(&self) -> Result<IndexingStatus> {
        self.request(&op::INDEXING_STATUS).send(read::json)
    }
}

/// Reads the answer to `fork_count`.
pub(super) fn count(answer: &[u8]) -> Result<usize, String> {
    #[derive(Deserialize)]
    struct Answer {
        count: usize,
    }
    read::json(answer).map(|Answer { count }| count)
}
