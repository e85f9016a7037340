//! Requests about collections that need no handle to one.

use super::handle::Client;
use super::operations as op;
use super::reconcile;
use crate::error::{Call, Result};
use crate::model::name;
use crate::transport::Operation;
use crate::wire::read;

impl Client {
    /// Returns the number of collections in the database.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`](crate::Error).
    pub fn count_collections(&self) -> Result<usize> {
        self.request(&op::COUNT_COLLECTIONS).send(read::json)
    }

    /// Deletes a collection and all of its records. If the response is lost, the client checks whether the
    /// collection still exists.
    ///
    /// When a single-node server (seen with 1.5.9) deletes a collection, it keeps the lists in the metadata
    /// of its records, and records that are added later to any collection may get them. If your records
    /// have such lists, delete the records before the collection.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if no collection has this name.
    pub fn delete_collection(&self, name: &str) -> Result<()> {
        check_name(&op::DELETE_COLLECTION, name)?;
        let client = self.begin();
        let delete = || {
            let request = client.request(&op::DELETE_COLLECTION);
            request.collection(name, name).send(read::done)
        };
        let look_up = |client: &Client| {
            let request = client.request(&op::GET_COLLECTION);
            reconcile::deleted(request.collection(name, name).send(read::done))
        };
        client.reconcile(delete, look_up)
    }
}

/// Checks a collection's name, so that no request is sent for one that cannot exist.
pub(crate) fn check_name(operation: &'static Operation, name: &str) -> Result<()> {
    name::check("collection", name)
        .map_err(|reason| Call::new(operation.name, Some(name)).invalid(reason))
}
