//! Opens, creates and lists the collections of a client.

use super::embedding_functions::EmbeddingFunctions;
use super::open::Locator;
use super::stored::Stored;
use super::{Collection, CollectionBuilder, CollectionOpener};
use crate::client::{Client, Entry, list, operations as op};
use crate::error::Result;

impl Client {
    /// Opens or creates the collection of this name. The name has 3 to 512 characters of a-z, A-Z, 0-9, '.',
    /// '_' and '-', starts and ends with a letter or a digit, has no two periods in a row, and is not an IPv4
    /// address.
    ///
    /// ```no_run
    /// use chroma_blocking::{Client, Hashing, Space};
    ///
    /// let client = Client::from_env()?;
    /// // Fails if the collection does not exist:
    /// let points = client.collection("points").get()?;
    /// let notes = client
    ///     .collection("notes")
    ///     .embedding_function(Hashing::default())
    ///     .space(Space::Cosine)
    ///     .get_or_create()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn collection(&self, name: impl Into<String>) -> CollectionBuilder {
        CollectionBuilder::new(self.clone(), name.into())
    }

    /// Opens a collection of this database by its id, a UUID. Needs a server of version 1.5 or newer.
    pub fn collection_by_id(&self, id: impl Into<String>) -> CollectionOpener {
        CollectionOpener::new(self.clone(), Locator::Id(id.into()))
    }

    /// Opens a collection of any tenant and database by its Chroma Resource Name,
    /// `TENANT:DATABASE:COLLECTION`. The tenant in it is the tenant's [resource
    /// name](crate::client::Tenant::resource_name). Needs Chroma Cloud or a distributed server, of version
    /// 1.5 or newer.
    pub fn collection_by_crn(&self, crn: impl Into<String>) -> CollectionOpener {
        CollectionOpener::new(self.clone(), Locator::Crn(crn.into()))
    }

    /// Lists the collections of the database: all of them, or a page. They are opened as by
    /// [`get`](CollectionBuilder::get), with the embedding functions in their configurations.
    ///
    /// ```no_run
    /// # let client = chroma_blocking::Client::from_env()?;
    /// for collection in client.list_collections().run()? {
    ///     println!("{}", collection.name());
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn list_collections(&self) -> ListCollections {
        ListCollections::new(self.clone())
    }
}

impl Entry for Stored {
    /// Returns the id: a name can change, and another collection can take it.
    fn key(&self) -> &str {
        &self.id
    }

    fn count(client: &Client) -> Option<usize> {
        client.count_collections().ok()
    }
}

list! {
    /// A list of collections; see [`Client::list_collections`].
    ListCollections
}

impl ListCollections {
    /// Sends a request for every 100 collections. Returns each collection once, even if other programs create
    /// or delete collections meanwhile.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`](crate::Error). [`Error::Decode`](crate::Error::Decode) if the
    /// list does not end: its pages have no new entries, it has more entries than the server counts, or all
    /// pages together exceed [`max_response_size`](crate::ClientBuilder::max_response_size), or the memory of
    /// one such response.
    pub fn run(self) -> Result<Vec<Collection>> {
        let stored: Vec<Stored> = self.0.fetch(&op::LIST_COLLECTIONS)?;
        let open =
            |stored| Collection::new(self.0.client.clone(), stored, EmbeddingFunctions::default());
        Ok(stored.into_iter().map(open).collect())
    }
}
