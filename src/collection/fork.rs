//! Forks of a collection and the status of its index, on distributed servers and Chroma Cloud.

use serde::Deserialize;
use serde_json::json;

use super::Collection;
use super::stored::Stored;
use crate::client::reconcile::{self, Outcome};
use crate::client::{self, operations as op};
use crate::error::Result;
use crate::wire::read;

/// The progress of a collection's index; see [`Collection::indexing_status`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct IndexingStatus {
    /// The fraction of all writes that are in the index, from 0 to 1.
    pub op_indexing_progress: f32,
    /// The number of writes that are not in the index yet. Reads see them too, but are slower.
    pub num_unindexed_ops: u64,
    /// The number of writes that are in the index.
    pub num_indexed_ops: u64,
    /// The number of all writes.
    pub total_ops: u64,
}

impl Collection {
    /// Creates a copy of the collection under another name. The two share their storage until one of them
    /// changes.
    ///
    /// If the response is lost, the call looks for a collection of that name. If there is one, with the same
    /// metadata, configuration and number of records, it counts as created by this call.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers;
    /// [`Error::AlreadyExists`](crate::Error::AlreadyExists) if the name is taken.
    pub fn fork(&self, new_name: &str) -> Result<Collection> {
        let client = self.client();
        client::check_name(&op::FORK, new_name)?;
        let body = json!({ "new_name": new_name }).to_string();
        let this = self.begin();
        let send = || {
            let request = this.request(&op::FORK).body(body.as_bytes());
            request.send(read::json)
        };
        let stored: Stored = this.client.reconcile(send, |client| {
            reconcile::created(self.with_client(client).find_fork(new_name))
        })?;
        let fork = Collection::new(client.clone(), stored, self.embedding_functions());
        Ok(fork.with_stamps(self.stamps))
    }

    /// Looks for a fork of this name.
    fn find_fork(&self, name: &str) -> Result<Outcome<Stored>> {
        let client = &self.client;
        let by_name = client.request(&op::GET_COLLECTION).collection(name, name);
        let fork: Stored = by_name.send(read::json)?;
        let fork = fork.with_settings_in_force();
        let count = client.request(&op::COUNT).collection(name, &fork.id);
        let records: usize = count.send(read::json)?;
        let stored = &self.inner.stored;
        let is_same = fork.metadata == stored.metadata
            && fork.configuration_json == stored.configuration_json
            && records == self.count()?;
        Ok(if is_same {
            Outcome::Done(fork)
        } else {
            // The collection or the fork may have been written to in the meantime.
            Outcome::Unknown
        })
    }

    /// Returns the number of forks of the collection.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers.
    pub fn fork_count(&self) -> Result<usize> {
        self.request(&op::FORK_COUNT).send(count)
    }

    /// Returns how many of the collection's writes are in the server's index.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) on single-node servers, which index each write at
    /// once.
    pub fn indexing_status(&self) -> Result<IndexingStatus> {
        self.request(&op::INDEXING_STATUS).send(read::json)
    }
}

/// Reads the response to `fork_count`.
pub(super) fn count(answer: &[u8]) -> Result<usize, String> {
    #[derive(Deserialize)]
    struct Answer {
        count: usize,
    }
    read::json(answer).map(|Answer { count }| count)
}
