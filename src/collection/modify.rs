//! [`Modify`]: changes a collection's name, metadata and configuration.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::Collection;
use super::stored::Stored;
use crate::client::{Client, operations as op};
use crate::embed::{EmbeddingFunction, configured};
use crate::error::{Error, InvalidInput, Result};
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::model::index::{HnswConfig, SpannConfig};
use crate::model::index_metadata;
use crate::model::metadata::{Metadata, STAMP};
use crate::model::name;
use crate::wire::read;

impl Collection {
    /// Changes the collection itself: its name, its metadata, and the settings of its index that can change.
    ///
    /// ```no_run
    /// # use chroma_blocking::Client;
    /// # use chroma_blocking::schema::HnswConfig;
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let notes = notes
    ///     .modify()
    ///     .name("old-notes")
    ///     .metadata([("archived", true)])
    ///     .hnsw(HnswConfig::new().ef_search(200))
    ///     .run()?;
    /// assert_eq!(notes.name(), "old-notes");
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn modify(&self) -> Modify {
        Modify {
            collection: self.clone(),
            name: None,
            metadata: None,
            hnsw: None,
            spann: None,
            embedding_function: None,
        }
    }
}

#[cfg(feature = "transfer")]
impl Collection {
    /// Changes the name with a single request, and does not open the collection again.
    ///
    /// # Errors
    /// As for [`Modify::run`].
    pub(crate) fn rename(&self, name: &str) -> Result<()> {
        let operation = &op::MODIFY;
        let invalid = |reason| self.unsent_call(operation).invalid(reason);
        name::check("collection", name).map_err(invalid)?;
        let body = serde_json::json!({ "new_name": name }).to_string();
        let collection = self.begin();
        let request = collection.request(operation);
        request.body(body.as_bytes()).send(read::done)
    }
}

/// Changes to a collection; see [`Collection::modify`]. Everything that is not set stays as it is.
#[derive(Clone)]
#[must_use = "changes nothing until run() is called"]
pub struct Modify {
    collection: Collection,
    name: Option<String>,
    metadata: Option<Metadata>,
    hnsw: Option<HnswConfig>,
    spann: Option<SpannConfig>,
    embedding_function: Option<Arc<dyn EmbeddingFunction>>,
}

impl Modify {
    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Modify {
        self.name = Some(name.into());
        self
    }

    /// Replaces the metadata. To keep some of the keys, start from a clone of [`Collection::metadata`]. It
    /// cannot be empty: servers refuse that.
    ///
    /// Keys that start with `hnsw:` are settings of the index, as clients of Chroma before 1.0 wrote them.
    /// They cannot be changed here. If the settings are only in the metadata, as in a collection that
    /// Chroma before 1.0 created, these keys stay even if the new metadata lack them.
    ///
    /// The key [`STAMP`] also stays. To end the [stamps](super::CollectionBuilder::stamp_writes) of a
    /// collection, set it to `false`.
    pub fn metadata(mut self, metadata: impl Into<Metadata>) -> Modify {
        self.metadata = Some(metadata.into());
        self
    }

    /// Sets settings of the HNSW index: all except [`space`](HnswConfig::space) and
    /// [`ef_construction`](HnswConfig::ef_construction), which cannot change.
    ///
    /// No setting can change if the index has settings in the metadata that the server does not report in
    /// its configuration. Chroma before 1.0 created such collections. If one setting of the
    /// configuration were changed, the server would reset all others after its next restart, including the
    /// space.
    pub fn hnsw(mut self, settings: HnswConfig) -> Modify {
        self.hnsw = Some(settings);
        self
    }

    /// Sets settings of the SPANN index: [`search_nprobe`](SpannConfig::search_nprobe) and
    /// [`ef_search`](SpannConfig::ef_search). The others cannot change.
    pub fn spann(mut self, settings: SpannConfig) -> Modify {
        self.spann = Some(settings);
        self
    }

    /// Sets the embedding function in the collection's configuration. Use it if the configuration has none,
    /// or to change a setting that does not affect vectors, such as the name of the variable that holds the
    /// API key.
    pub fn embedding_function(mut self, function: impl EmbeddingFunction + 'static) -> Modify {
        self.embedding_function = Some(Arc::new(function));
        self
    }

    /// Sends the changes, and returns the changed collection, opened with the same embedding function.
    /// Existing handles keep working, but return the old name, metadata and configuration.
    ///
    /// Sends two requests. If the second one fails, the call in the error is `get_collection`, and the
    /// changes have been made.
    ///
    /// # Errors
    /// - [`Error::Invalid`] if there is nothing to change, a setting cannot change or is out of range, or the
    ///   settings are for the other kind of index, which the server would ignore without an error.
    /// - [`InvalidInput::EmbeddingFunctionConflict`] if the collection was created with a function whose
    ///   vectors differ.
    /// - [`Error::AlreadyExists`] if the name is taken.
    pub fn run(mut self) -> Result<Collection> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(rename = "new_name", skip_serializing_if = "Option::is_none")]
            name: Option<&'a str>,
            #[serde(rename = "new_metadata", skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a Metadata>,
            #[serde(rename = "new_configuration", skip_serializing_if = "Option::is_none")]
            configuration: Option<Configuration<'a>>,
        }
        #[derive(Serialize)]
        struct Configuration<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            hnsw: Option<&'a HnswConfig>,
            #[serde(skip_serializing_if = "Option::is_none")]
            spann: Option<&'a SpannConfig>,
            #[serde(skip_serializing_if = "Option::is_none")]
            embedding_function: Option<EmbeddingFunctionConfiguration>,
        }

        let operation = &op::MODIFY;
        let unsent = self.collection.unsent_call(operation);
        let invalid = |reason| unsent.invalid(reason);
        if let Err(reason) = self.check() {
            return Err(invalid(reason));
        }
        let function = self.embedding_function.as_deref();
        let stored = self.collection.inner.stored.function();
        let configuration = Configuration {
            hnsw: self.hnsw.as_ref(),
            spann: self.spann.as_ref(),
            embedding_function: function
                .and_then(|function| configured::describe_again(function, stored.as_deref())),
        };
        let has_configuration = configuration.hnsw.is_some()
            || configuration.spann.is_some()
            || configuration.embedding_function.is_some();
        let body = serde_json::to_vec(&Body {
            name: self.name.as_deref(),
            metadata: self.metadata.as_ref(),
            configuration: has_configuration.then_some(configuration),
        })
        .map_err(|error| {
            let name = self.collection.name();
            invalid(InvalidInput::setting(
                "configuration",
                name,
                error.to_string(),
            ))
        })?;
        let collection = self.collection.begin();
        collection.request(operation).body(&body).send(read::done)?;
        self.reopen(&collection.client().at_primary())
    }

    /// Opens the collection again after the changes.
    fn reopen(self, client: &Client) -> Result<Collection> {
        let name = self.name.as_deref().unwrap_or(self.collection.name());
        // Servers before 1.5 cannot look up a collection by id.
        let operation = &op::GET_COLLECTION;
        let stored: Stored = client
            .request(operation)
            .collection(name, name)
            .send(read::json)?;
        if stored.id != self.collection.id() {
            return Err(Error::NotFound {
                call: Box::new(self.collection.unsent_call(operation)),
                message: format!(
                    "the collection was modified, but {name:?} is now another collection, with the id {}",
                    stored.id
                ),
            });
        }
        let mut functions = self.collection.embedding_functions();
        functions.dense = self.embedding_function.or(functions.dense);
        let client = self.collection.client().clone();
        let modified = Collection::new(client, stored, functions);
        let mut stamps = self.collection.stamps;
        let names_stamp = |metadata: &Metadata| metadata.get(STAMP).is_some();
        stamps.writes &= !self.metadata.as_ref().is_some_and(names_stamp);
        Ok(modified.with_stamps(stamps))
    }

    /// Checks the changes, and adds the metadata that have to stay.
    fn check(&mut self) -> Result<(), InvalidInput> {
        if let Some(name) = &self.name {
            name::check("collection", name)?;
        }
        if let Some(metadata) = &mut self.metadata {
            check_metadata(metadata)?;
            let reported = self.collection.inner.stored.reported();
            index_metadata::replace(metadata, self.collection.metadata(), &reported)?;
            // Without it, other programs would stop to stamp, and readers would miss their writes.
            let stamp = self.collection.metadata().get(STAMP);
            if let (Some(stamp), None) = (stamp, metadata.get(STAMP)) {
                metadata.insert(STAMP, stamp.clone());
            }
        }
        self.check_index()?;
        if let Some(function) = self.embedding_function.as_deref() {
            if let Some(stored) = self.collection.inner.stored.function() {
                configured::check(&stored, function)?;
            }
            if function.config().is_none() {
                return Err(InvalidInput::setting(
                    "embedding_function",
                    function.name(),
                    "it has no EmbeddingFunction::config, so it cannot be stored with a collection",
                ));
            }
        }
        if self.is_empty() {
            return Err(InvalidInput::NothingSelected(
                "nothing to modify; set a name, metadata, settings of the index, or an embedding function",
            ));
        }
        Ok(())
    }

    /// Refuses settings that cannot change, and settings of an index that the collection does not have.
    fn check_index(&self) -> Result<(), InvalidInput> {
        let current = self.collection.configuration();
        let ignored = |name, kind: &str| {
            let why = format!(
                "the server would ignore it without an error, since the collection's index is {kind}"
            );
            Err(InvalidInput::setting(name, "set", why))
        };
        if let Some(hnsw) = &self.hnsw {
            hnsw.check_update()?;
            if self.spann.is_some() {
                let why = "hnsw is set as well; a collection has one kind of index";
                return Err(InvalidInput::setting("spann", "set", why));
            }
            if current.spann.is_some() && current.hnsw.is_none() {
                return ignored("hnsw", "SPANN");
            }
            if self.collection.inner.stored.has_index_in_metadata() {
                let why = "the settings of this index are in the metadata (hnsw:space, ...), as Chroma before \
                           1.0 stored them, and the server would reset all of them after its next restart; \
                           copy the records to a new collection with the settings";
                return Err(InvalidInput::setting("hnsw", "set", why));
            }
        }
        if let Some(spann) = &self.spann {
            spann.check_update()?;
            if current.hnsw.is_some() && current.spann.is_none() {
                return ignored("spann", "HNSW");
            }
        }
        Ok(())
    }

    /// Whether there is nothing to change.
    fn is_empty(&self) -> bool {
        let hnsw = self.hnsw.as_ref();
        let spann = self.spann.as_ref();
        self.name.is_none()
            && self.metadata.is_none()
            && hnsw.is_none_or(|hnsw| *hnsw == HnswConfig::new())
            && spann.is_none_or(|spann| *spann == SpannConfig::new())
            && self.embedding_function.is_none()
    }
}

fn check_metadata(metadata: &Metadata) -> Result<(), InvalidInput> {
    if metadata.is_empty() {
        let why = "servers refuse empty metadata; set at least one key";
        return Err(InvalidInput::setting("metadata", "{}", why));
    }
    metadata.check_collection()
}

impl fmt::Debug for Modify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modify")
            .field("collection", &self.collection)
            .field("name", &self.name)
            .field("metadata", &self.metadata)
            .field("hnsw", &self.hnsw)
            .field("spann", &self.spann)
            .field(
                "embedding_function",
                &self
                    .embedding_function
                    .as_ref()
                    .map(EmbeddingFunction::name),
            )
            .finish()
    }
}
