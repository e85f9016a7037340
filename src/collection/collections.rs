//! Where a client's collections come from: opened, made, listed.

use super::{Collection, CollectionBuilder, CollectionOpener, In, Stored};
use crate::client::{Client, list, operations as op};
use crate::error::Result;

impl Client {
    /// A collection, to be opened or made:
    ///
    /// ```no_run
    /// use chroma_blocking::{Client, Hashing, Space};
    ///
    /// let client = Client::from_env()?;
    /// let points = client.collection("points").get()?;            // must exist
    /// let notes = client
    ///     .collection("notes")
    ///     .embedding_function(Hashing::default())                  // texts become vectors
    ///     .space(Space::Cosine)
    ///     .get_or_create()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn collection(&self, name: impl Into<String>) -> CollectionBuilder {
        CollectionBuilder::new(self.clone(), name.into())
    }

    /// A collection of this database by its id, a UUID; to be opened.
    ///
    /// Servers before 1.5 answer [`Error::Unsupported`](crate::Error::Unsupported).
    pub fn collection_by_id(&self, id: impl Into<String>) -> CollectionOpener {
        CollectionOpener::new(self.clone(), In::Database, id.into())
    }

    /// A collection anywhere by its Chroma Resource Name, `TENANT:DATABASE:COLLECTION`, where the tenant goes by its
    /// [resource name](crate::client::Tenant::resource_name); to be opened.
    ///
    /// Servers before 1.5 answer [`Error::Unsupported`](crate::Error::Unsupported).
    pub fn collection_by_crn(&self, crn: impl Into<String>) -> CollectionOpener {
        CollectionOpener::new(self.clone(), In::Anywhere, crn.into())
    }

    /// The collections of the database: all of them, or a page. They are opened as by
    /// [`get`](CollectionBuilder::get), with the embedding functions that they remember.
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

list! {
    /// The collections of a database; see [`Client::list_collections`].
    ListCollections
}

impl ListCollections {
    /// Asks the server.
    ///
    /// # Errors
    /// As for any request: see [`Error`](crate::Error).
    pub fn run(self) -> Result<Vec<Collection>> {
        let stored: Vec<Stored> = self.0.fetch(&op::LIST_COLLECTIONS)?;
        let open = |stored| Collection::new(self.0.client.clone(), stored, None);
        Ok(stored.into_iter().map(open).collect())
    }
}
