//! [`Modify`]: changes to a collection itself.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Collection, Stored};
use crate::client::{Client, operations as op};
use crate::embed::{EmbeddingFunction, remembered};
use crate::error::{Error, InvalidInput, Result};
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::model::index::{HnswConfig, SpannConfig};
use crate::model::metadata::Metadata;
use crate::model::name;
use crate::wire::read;

/// Changes to a collection; see [`Collection::modify`]. What is not named stays as it is.
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
    pub(super) fn new(collection: Collection) -> Modify {
        Modify {
            collection,
            name: None,
            metadata: None,
            hnsw: None,
            spann: None,
            embedding_function: None,
        }
    }

    /// Another name.
    pub fn name(mut self, name: impl Into<String>) -> Modify {
        self.name = Some(name.into());
        self
    }

    /// Metadata in place of all that it has. To keep some, start from a clone of
    /// [`Collection::metadata`]; to have none, there is no way: servers refuse it.
    pub fn metadata(mut self, metadata: impl Into<Metadata>) -> Modify {
        self.metadata = Some(metadata.into());
        self
    }

    /// Settings of its HNSW index: all but [`space`](HnswConfig::space) and
    /// [`ef_construction`](HnswConfig::ef_construction), which are fixed.
    pub fn hnsw(mut self, settings: HnswConfig) -> Modify {
        self.hnsw = Some(settings);
        self
    }

    /// Settings of its SPANN index: [`search_nprobe`](SpannConfig::search_nprobe) and
    /// [`ef_search`](SpannConfig::ef_search); the others are fixed.
    pub fn spann(mut self, settings: SpannConfig) -> Modify {
        self.spann = Some(settings);
        self
    }

    /// The embedding function that it is to remember: for a collection that remembers none, or to change what does not
    /// change vectors, such as the variable that holds the key.
    pub fn embedding_function(mut self, function: impl EmbeddingFunction + 'static) -> Modify {
        self.embedding_function = Some(Arc::new(function));
        self
    }

    /// Changes it, and returns it as it is now, opened with the same embedding function. Clones from before keep
    /// working; what they say of name, metadata and configuration is old.
    ///
    /// # Errors
    /// - [`Error::Invalid`] when there is nothing to change, a setting is fixed or out of range, or the settings are
    ///   for the other kind of index, which the server would ignore without a word.
    /// - [`InvalidInput::EmbeddingFunctionConflict`] when the collection remembers a function with other vectors.
    /// - [`Error::AlreadyExists`] when the name is taken.
    ///
    /// Two requests are sent. When the second one fails, the error's call is a `get_collection`, and the changes are
    /// in.
    pub fn run(self) -> Result<Collection> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            new_name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            new_metadata: Option<&'a Metadata>,
            #[serde(skip_serializing_if = "Option::is_none")]
            new_configuration: Option<Configuration<'a>>,
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
        let invalid = |reason| self.collection.unsent_call(operation).invalid(reason);
        self.check().map_err(invalid)?;
        let function = self.embedding_function.as_deref();
        let configuration = Configuration {
            hnsw: self.hnsw.as_ref(),
            spann: self.spann.as_ref(),
            embedding_function: function.and_then(remembered::describe),
        };
        let any = configuration.hnsw.is_some()
            || configuration.spann.is_some()
            || configuration.embedding_function.is_some();
        let body = serde_json::to_vec(&Body {
            new_name: self.name.as_deref(),
            new_metadata: self.metadata.as_ref(),
            new_configuration: any.then_some(configuration),
        })
        .map_err(|error| {
            invalid(InvalidInput::Setting {
                name: "configuration",
                value: self.collection.name().to_owned(),
                why: error.to_string(),
            })
        })?;
        let collection = self.collection.begin();
        collection.request(operation).body(&body).send(read::done)?;
        self.read_again(&collection.client().at_primary())
    }

    fn read_again(self, client: &Client) -> Result<Collection> {
        let name = self.name.as_deref().unwrap_or(self.collection.name());
        // Servers find a collection by name only.
        let operation = &op::GET_COLLECTION;
        let stored: Stored = client
            .request(operation)
            .collection(name, name)
            .send(read::json)?;
        if stored.id != self.collection.id() {
            return Err(Error::NotFound {
                call: Box::new(self.collection.unsent_call(operation)),
                message: format!(
                    "the collection was modified, and {name:?} is another one by now, of the id {}",
                    stored.id
                ),
            });
        }
        let before = self.collection.embedding_function().cloned();
        let function = self.embedding_function.or(before);
        let client = self.collection.client().clone();
        Ok(Collection::new(client, stored, function))
    }

    fn check(&self) -> Result<(), InvalidInput> {
        let setting = |name, value: String, why: &str| {
            Err(InvalidInput::Setting {
                name,
                value,
                why: why.to_owned(),
            })
        };
        if let Some(name) = &self.name {
            name::check("collection", name)?;
        }
        if let Some(metadata) = &self.metadata {
            if metadata.is_empty() {
                let why = "servers refuse empty metadata; name at least one key";
                return setting("metadata", "{}".to_owned(), why);
            }
            metadata.check_collection()?;
            if metadata.get("hnsw:space").is_some() {
                let why = "the space of a collection is fixed when it is made";
                return setting("metadata", "hnsw:space".to_owned(), why);
            }
        }
        let told = self.collection.configuration();
        let ignored = "its settings would be ignored by the server without a word, since the collection's index is";
        if let Some(hnsw) = &self.hnsw {
            hnsw.check_update()?;
            if self.spann.is_some() {
                let why = "hnsw is given too; a collection has one kind of index";
                return setting("spann", "given".to_owned(), why);
            }
            if told.spann.is_some() && told.hnsw.is_none() {
                return setting("hnsw", "given".to_owned(), &format!("{ignored} SPANN"));
            }
        }
        if let Some(spann) = &self.spann {
            spann.check_update()?;
            if told.hnsw.is_some() && told.spann.is_none() {
                return setting("spann", "given".to_owned(), &format!("{ignored} HNSW"));
            }
        }
        if let Some(function) = self.embedding_function.as_deref() {
            if let Some(stored) = self.collection.inner.stored.function() {
                remembered::check(&stored, function)?;
            }
            if function.config().is_none() {
                let why = "it does not describe itself (EmbeddingFunction::config), so no collection can remember it";
                return setting("embedding_function", function.name().to_owned(), why);
            }
        }
        let nothing = self.name.is_none()
            && self.metadata.is_none()
            && self
                .hnsw
                .as_ref()
                .is_none_or(|hnsw| *hnsw == HnswConfig::new())
            && self
                .spann
                .as_ref()
                .is_none_or(|spann| *spann == SpannConfig::new())
            && self.embedding_function.is_none();
        if nothing {
            return Err(InvalidInput::NothingSelected(
                "nothing to modify; give a name, metadata, settings of the index, or an embedding function",
            ));
        }
        Ok(())
    }
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
                &self.embedding_function.as_ref().map(|f| f.name()),
            )
            .finish()
    }
}
