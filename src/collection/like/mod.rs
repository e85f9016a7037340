//! [`CollectionBuilder::like`]: creates a collection with the settings of another one, on any server.

mod fit;
#[cfg(feature = "transfer")]
mod same;
mod settings;
mod space;
mod wanted;

use super::builder::{CollectionBuilder, Mode};
use super::handle::Collection;
use super::new::Chosen;
#[cfg(feature = "transfer")]
use crate::client::Client;
use crate::error::Result;
pub(crate) use settings::CollectionSettings;
pub(super) use settings::Like;

impl CollectionBuilder {
    /// Takes the settings of another collection, which may be on another server: its metadata, its index, its
    /// schema, the stored embedding function, also one that this crate does not have, and the embedding
    /// functions in use. Takes no records. Replaces all settings of this builder except the name.
    ///
    /// Settings that are set afterwards replace those of the source:
    /// - [`embedding_function`](CollectionBuilder::embedding_function) replaces the stored function. The
    ///   distance function stays that of the source, unless [`space`](CollectionBuilder::space) is set.
    /// - [`space`](CollectionBuilder::space), [`hnsw`](CollectionBuilder::hnsw) and
    ///   [`spann`](CollectionBuilder::spann) replace the settings of the index that they set, also those in the
    ///   metadata. The other settings stay.
    /// - [`schema`](CollectionBuilder::schema) replaces the schema and the index.
    /// - [`sparse_embedding_function`](CollectionBuilder::sparse_embedding_function) replaces the function of
    ///   its key.
    /// - [`metadata`](CollectionBuilder::metadata) adds a key, or replaces its value.
    ///
    /// A server may not store all settings. A single-node server has no SPANN index and no sparse vector
    /// indexes, Chroma Cloud has no HNSW index, and Chroma before 1.3 has no schemas. Then
    /// [`create`](CollectionBuilder::create) fails before it writes anything, and its error lists the losses.
    /// [`losses`](CollectionBuilder::losses) returns the list.
    /// [`allow_losses`](CollectionBuilder::allow_losses) creates the collection without these settings.
    /// Default settings of another kind of index do not count as losses. The number of threads of an HNSW index
    /// is not taken, since it depends on the machine.
    ///
    /// If the source's server does not report its settings, as Chroma 1.0.0 does not, the distance function is
    /// the one in the metadata (`hnsw:space`), or the one that the distances of a query reveal. The other
    /// settings of the index are then the server's defaults.
    ///
    /// ```no_run
    /// use chroma_blocking::Client;
    ///
    /// let old = Client::builder().host("old:8000").build()?;
    /// let notes = old.collection("notes").get()?;
    /// let copy = Client::from_env()?.collection("notes").like(&notes);
    /// for loss in copy.losses()? {
    ///     eprintln!("not copied: {loss}");
    /// }
    /// let copy = copy.allow_losses(true).create()?;
    /// assert_eq!(copy.space(), notes.space());
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn like(self, source: &Collection) -> CollectionBuilder {
        self.take(Like {
            settings: CollectionSettings::of(source),
            functions: source.embedding_functions(),
            source: Some(source.clone()),
        })
    }

    /// Does the same as [`like`](CollectionBuilder::like) with settings from a file. The embedding functions in
    /// use are those that the settings name.
    #[cfg(feature = "transfer")]
    pub(crate) fn like_settings(self, settings: CollectionSettings) -> CollectionBuilder {
        self.take(Like {
            settings,
            functions: super::embedding_functions::EmbeddingFunctions::default(),
            source: None,
        })
    }

    fn take(mut self, like: Like) -> CollectionBuilder {
        self.chosen = Chosen {
            metadata: like.settings.metadata.clone(),
            ..Chosen::default()
        };
        self.like = Some(Box::new(like));
        self
    }

    /// Sets whether a collection [like](CollectionBuilder::like) another one is created although the server
    /// cannot store all of its settings. Default: `false`.
    pub fn allow_losses(mut self, allow: bool) -> CollectionBuilder {
        self.allow_losses = allow;
        self
    }

    /// Returns a sentence for each setting of a collection [like](CollectionBuilder::like) another one that the
    /// server cannot store. Empty if it can store all of them. Asks the server and writes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) as for [`create`](CollectionBuilder::create); any error of a
    /// request.
    pub fn losses(&self) -> Result<Vec<String>> {
        Ok(self.prepare(&self.client.begin(), Mode::Create)?.1)
    }

    /// Returns the name of the collection.
    #[cfg(feature = "transfer")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the client of the collection's database.
    #[cfg(feature = "transfer")]
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the losses. Fails as [`create`](CollectionBuilder::create) if they are not allowed.
    #[cfg(feature = "transfer")]
    pub(crate) fn allowed_losses(&self) -> Result<Vec<String>> {
        let losses = self.losses()?;
        self.check_losses(&losses, Mode::Create)?;
        Ok(losses)
    }
}
