//! [`CollectionOpener`]: collections that are known by id or by Chroma Resource Name.

use std::fmt;
use std::sync::Arc;

use super::{Collection, Stored, builder};
use crate::client::{Client, operations as op};
use crate::embed::EmbeddingFunction;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::wire::read;

/// Where a collection is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum In {
    /// In the client's database, by id.
    Database,
    /// Anywhere, by Chroma Resource Name.
    Anywhere,
}

/// A collection to be opened; see [`Client::collection_by_id`] and [`Client::collection_by_crn`].
#[derive(Clone)]
#[must_use = "does nothing until get() is called"]
pub struct CollectionOpener {
    client: Client,
    place: In,
    key: String,
    embedding_function: Option<Arc<dyn EmbeddingFunction>>,
}

impl CollectionOpener {
    pub(crate) fn new(client: Client, place: In, key: String) -> CollectionOpener {
        CollectionOpener {
            client,
            place,
            key,
            embedding_function: None,
        }
    }

    /// What turns the collection's texts into vectors; the one that it remembers, if it remembers one.
    pub fn embedding_function(
        mut self,
        function: impl EmbeddingFunction + 'static,
    ) -> CollectionOpener {
        self.embedding_function = Some(Arc::new(function));
        self
    }

    /// Opens the collection.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) when there is none;
    /// [`Error::Unsupported`](crate::Error::Unsupported) on servers before 1.5, and by CRN on single-node servers.
    pub fn get(self) -> Result<Collection> {
        let (operation, check) = match self.place {
            In::Database => (&op::GET_COLLECTION_BY_ID, check_id as Check),
            In::Anywhere => (&op::GET_COLLECTION_BY_CRN, check_crn as Check),
        };
        let key = self.key.as_str();
        let call = || Call::new(operation.name, Some(key));
        check(key).map_err(|why| {
            call().invalid(InvalidInput::Name {
                what: "collection",
                name: key.to_owned(),
                why: why.to_owned(),
            })
        })?;
        let stored: Stored = match self.place {
            In::Database => {
                let request = self.client.request(operation).collection(key, key);
                request.send(read::json)?
            }
            In::Anywhere => get_by_crn(&self.client, key)?,
        };
        let client = match self.place {
            In::Database => self.client.clone(),
            In::Anywhere => stored.home_of(&self.client),
        };
        builder::open(client, call(), stored, self.embedding_function)
    }
}

/// Asks for a collection by its Chroma Resource Name.
///
/// A single-node server closes the connection at such a request. So the first attempt is made without retries; if it fails
/// that way twice while the server answers a heartbeat, the server does not support the request.
fn get_by_crn(client: &Client, crn: &str) -> Result<Stored> {
    let client = client.begin();
    let operation = &op::GET_COLLECTION_BY_CRN;
    let without_retries = client.without_retries();
    let attempt = || without_retries.request(operation).crn(crn).send(read::json);
    match attempt() {
        Err(Error::Connection { call, message, .. }) => {
            client.heartbeat()?;
            match attempt() {
                Err(Error::Connection { .. }) => Err(Error::Unsupported { call, message }),
                second => second,
            }
        }
        Err(error) if error.is_retryable() => client.request(operation).crn(crn).send(read::json),
        first => first,
    }
}

/// Why a key cannot be one of a collection.
type Check = fn(&str) -> Result<(), &'static str>;

/// A UUID: 32 hexadecimal digits, with hyphens.
fn check_id(id: &str) -> Result<(), &'static str> {
    let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
    let hyphens = id.bytes().filter(|byte| *byte == b'-').count();
    match digits == 32 && digits + hyphens == id.len() {
        true => Ok(()),
        false => Err("it is no id, which is a UUID"),
    }
}

/// Three names with colons between. To a malformed one a server answers nothing at all.
fn check_crn(crn: &str) -> Result<(), &'static str> {
    match crn.split(':').collect::<Vec<_>>()[..] {
        [tenant, database, collection]
            if ![tenant, database, collection].contains(&"") && !crn.contains(char::is_control) =>
        {
            Ok(())
        }
        _ => Err("a Chroma Resource Name is TENANT:DATABASE:COLLECTION"),
    }
}

impl fmt::Debug for CollectionOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionOpener")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_keys_are_refused() {
        assert_eq!(check_id("29429579-64b8-4168-8e68-2a196b8324da"), Ok(()));
        for id in ["", "abc", "../../29429579-64b8-4168-8e68-2a196b8324da"] {
            assert!(check_id(id).is_err(), "{id}");
        }
        assert_eq!(check_crn("tenant:database:name"), Ok(()));
        for crn in ["", "a", "a:b", "a:b:", ":b:c", "a:b:c:d", "a::c", "a:b:\n"] {
            assert!(check_crn(crn).is_err(), "{crn}");
        }
    }
}
