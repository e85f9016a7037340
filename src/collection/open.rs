//! [`CollectionOpener`]: opens collections by id or by Chroma Resource Name.

use std::fmt;
use std::sync::Arc;

use super::Collection;
use super::embedding_functions::EmbeddingFunctions;
use super::stored::Stored;
use crate::client::{Client, operations as op};
use crate::embed::{EmbeddingFunction, SparseEmbeddingFunction};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::name;
use crate::wire::read;

/// The id or the resource name of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Locator {
    /// The id, in the client's database.
    Id(String),
    /// The Chroma Resource Name, in any tenant and database.
    Crn(String),
}

/// Opens a collection; see [`Client::collection_by_id`] and [`Client::collection_by_crn`].
#[derive(Clone)]
#[must_use = "does nothing until get() is called"]
pub struct CollectionOpener {
    client: Client,
    locator: Locator,
    functions: EmbeddingFunctions,
}

impl CollectionOpener {
    pub(super) fn new(client: Client, locator: Locator) -> CollectionOpener {
        CollectionOpener {
            client,
            locator,
            functions: EmbeddingFunctions::default(),
        }
    }

    /// Sets the embedding function, which turns the collection's texts into vectors. It must match the one in
    /// the collection's configuration, if there is one. Default: the one in the configuration, as for
    /// [`CollectionBuilder::get`](super::CollectionBuilder::get).
    pub fn embedding_function(
        mut self,
        function: impl EmbeddingFunction + 'static,
    ) -> CollectionOpener {
        self.functions.dense = Some(Arc::new(function));
        self
    }

    /// Sets the function that makes the sparse vectors of a metadata key; see
    /// [`CollectionBuilder::sparse_embedding_function`](super::CollectionBuilder::sparse_embedding_function).
    pub fn sparse_embedding_function(
        mut self,
        key: impl Into<String>,
        function: impl SparseEmbeddingFunction + 'static,
    ) -> CollectionOpener {
        self.functions.sparse.insert(key.into(), Arc::new(function));
        self
    }

    /// Opens the collection.
    ///
    /// # Errors
    /// - [`Error::NotFound`](crate::Error::NotFound) if there is no such collection.
    /// - [`Error::Unsupported`](crate::Error::Unsupported) from servers before 1.5, and for a CRN from
    ///   single-node servers.
    /// - [`InvalidInput::Setting`] for a malformed id or CRN, and [`InvalidInput::EmbeddingFunctionConflict`]
    ///   if the collection was created with another embedding function.
    pub fn get(self) -> Result<Collection> {
        let (operation, setting, key, checked) = match &self.locator {
            Locator::Id(id) => (&op::GET_COLLECTION_BY_ID, "id", id, check_id(id)),
            Locator::Crn(crn) => (&op::GET_COLLECTION_BY_CRN, "crn", crn, check_crn(crn)),
        };
        let call = Call::new(operation.name, Some(key));
        if let Err(why) = checked {
            return Err(call.invalid(InvalidInput::setting(setting, key, why)));
        }
        let (client, stored) = match &self.locator {
            Locator::Id(id) => {
                let request = self.client.request(operation).collection(id, id);
                (self.client.clone(), request.send(read::json)?)
            }
            Locator::Crn(crn) => {
                let stored: Stored = get_by_crn(&self.client, crn)?;
                (stored.client_for(&self.client), stored)
            }
        };
        open(client, stored, self.functions).map_err(|reason| call.invalid(reason))
    }
}

/// Opens a collection that the server has described, with the given embedding functions, or else those that
/// the collection stores.
///
/// # Errors
/// As for [`EmbeddingFunctions::check`].
pub(super) fn open(
    client: Client,
    stored: Stored,
    functions: EmbeddingFunctions,
) -> Result<Collection, InvalidInput> {
    functions.check(&stored)?;
    Ok(Collection::new(client, stored, functions))
}

/// Asks for a collection by its Chroma Resource Name.
///
/// A single-node server closes the connection at such a request. So the first attempt is made without
/// retries. If it fails that way twice while the server responds to a heartbeat, the server does not support
/// the request.
fn get_by_crn(client: &Client, crn: &str) -> Result<Stored> {
    let client = client.begin();
    let operation = &op::GET_COLLECTION_BY_CRN;
    let without_retries = client.without_retries();
    let attempt = || without_retries.request(operation).crn(crn).send(read::json);
    match attempt() {
        Err(Error::Connection {
            call,
            mut message,
            source,
            ..
        }) => {
            client.heartbeat()?;
            match attempt() {
                Err(Error::Connection { .. }) => {
                    if let Some(cause) = source {
                        message = format!("{message}: {cause}");
                    }
                    Err(Error::Unsupported { call, message })
                }
                second => second,
            }
        }
        Err(error) if error.is_retryable() => client.request(operation).crn(crn).send(read::json),
        first => first,
    }
}

/// Checks that an id is a UUID.
fn check_id(id: &str) -> Result<(), &'static str> {
    if name::is_uuid(id) {
        return Ok(());
    }
    Err("it must be a UUID; to open a collection by its name, use client.collection(name)")
}

/// Checks that a text is three names, separated by colons. A server does not respond to a malformed one at
/// all.
fn check_crn(crn: &str) -> Result<(), &'static str> {
    match crn.split(':').collect::<Vec<_>>()[..] {
        [tenant, database, collection]
            if ![tenant, database, collection].contains(&"") && !crn.contains(char::is_control) =>
        {
            Ok(())
        }
        _ => Err("it must be a Chroma Resource Name, TENANT:DATABASE:COLLECTION"),
    }
}

impl fmt::Debug for CollectionOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionOpener")
            .field("locator", &self.locator)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_13_malformed_ids_and_crns_are_refused() {
        for id in [
            "29429579-64b8-4168-8e68-2a196b8324da",
            "29429579-64B8-4168-8E68-2A196B8324DA",
            "2942957964b841688e682a196b8324da",
        ] {
            assert_eq!(check_id(id), Ok(()));
        }
        for id in [
            "",
            "abc",
            "../../29429579-64b8-4168-8e68-2a196b8324da",
            // These have 32 digits, but a server refuses them.
            "294-29579-64b8-4168-8e68-2a196b8324da",
            "294-2957964b8-4168-8e68-2a196b8324da",
            "2942957964b8-4168-8e68-2a196b8324da",
            "2942957964b841688e682a196b8324da----",
        ] {
            assert!(check_id(id).is_err(), "{id}");
        }
        assert_eq!(check_crn("tenant:database:name"), Ok(()));
        for crn in ["", "a", "a:b", "a:b:", ":b:c", "a:b:c:d", "a::c", "a:b:\n"] {
            assert!(check_crn(crn).is_err(), "{crn}");
        }
    }
}
