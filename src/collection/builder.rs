//! [`CollectionBuilder`]: opening and making collections.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::{Collection, Stored};
use crate::client::{Client, operations as op};
use crate::embed::EmbeddingFunction;
use crate::error::{Call, InvalidInput, Result};
use crate::model::metadata::{Metadata, MetadataValue};
use crate::model::space::Space;
use crate::transport::Operation;
use crate::wire::read;

/// A collection to be opened or made; see [`Client::collection`].
#[derive(Clone)]
#[must_use = "does nothing until get(), create() or get_or_create() is called"]
pub struct CollectionBuilder {
    client: Client,
    name: String,
    metadata: Metadata,
    space: Option<Space>,
    embedding_function: Option<Arc<dyn EmbeddingFunction>>,
}

impl CollectionBuilder {
    pub(crate) fn new(client: Client, name: String) -> CollectionBuilder {
        CollectionBuilder {
            client,
            name,
            metadata: Metadata::new(),
            space: None,
            embedding_function: None,
        }
    }

    /// What turns the collection's texts into vectors. A new collection remembers it by name, so that Chroma's other
    /// clients find it too; a collection that remembers another one is not opened with this.
    pub fn embedding_function(
        mut self,
        function: impl EmbeddingFunction + 'static,
    ) -> CollectionBuilder {
        self.embedding_function = Some(Arc::new(function));
        self
    }

    /// One more metadata value of the collection itself, if it is new.
    pub fn metadata(
        mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> CollectionBuilder {
        self.metadata.insert(key, value);
        self
    }

    /// How distances are measured, if it is new. Default: what the embedding function asks for, or else
    /// [`Space::L2`].
    pub fn space(mut self, space: Space) -> CollectionBuilder {
        self.space = Some(space);
        self
    }

    /// Opens a collection that exists.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) when there is none of this name.
    pub fn get(self) -> Result<Collection> {
        let operation = &op::GET_COLLECTION;
        self.client.check_name(operation, &self.name)?;
        let name = self.name.as_str();
        let stored = self
            .client
            .call(operation, Some((name, name)), None, read::json)?;
        self.open(operation, stored)
    }

    /// Makes a collection.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`](crate::Error::AlreadyExists) when there is one of this name.
    pub fn create(self) -> Result<Collection> {
        self.make(&op::CREATE_COLLECTION, false)
    }

    /// Opens a collection, or makes it. One that exists keeps its own metadata and space.
    ///
    /// # Errors
    /// [`InvalidInput::EmbeddingFunctionConflict`] when it exists with another embedding function.
    pub fn get_or_create(self) -> Result<Collection> {
        self.make(&op::GET_OR_CREATE_COLLECTION, true)
    }

    fn make(self, operation: &'static Operation, get_or_create: bool) -> Result<Collection> {
        #[derive(Serialize)]
        struct Body<'a> {
            name: &'a str,
            get_or_create: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a Metadata>,
            #[serde(skip_serializing_if = "Option::is_none")]
            configuration: Option<Value>,
        }

        self.client.check_name(operation, &self.name)?;
        let invalid = |reason| Call::new(operation.name, Some(&self.name)).invalid(reason);
        self.metadata
            .check(|| "the collection".to_owned())
            .map_err(invalid)?;
        let body = serde_json::to_vec(&Body {
            name: &self.name,
            get_or_create,
            metadata: Some(&self.metadata).filter(|metadata| !metadata.is_empty()),
            configuration: self.configuration(),
        })
        .map_err(|error| {
            invalid(InvalidInput::Setting {
                name: "configuration",
                value: self.name.clone(),
                why: error.to_string(),
            })
        })?;
        let subject = Some((self.name.as_str(), ""));
        let stored = self
            .client
            .call(operation, subject, Some(&body), read::json)?;
        self.open(operation, stored)
    }

    /// What the server is told of space and embedding function; nothing where there is nothing to tell.
    fn configuration(&self) -> Option<Value> {
        let mut configuration = serde_json::Map::new();
        let function = self.embedding_function.as_deref();
        if let Some(space) = self.space.or(function.map(|f| f.default_space())) {
            configuration.insert("hnsw".to_owned(), serde_json::json!({ "space": space }));
        }
        if let Some((function, config)) = function.and_then(|f| Some((f, f.config()?))) {
            let known =
                serde_json::json!({ "type": "known", "name": function.name(), "config": config });
            configuration.insert("embedding_function".to_owned(), known);
        }
        (!configuration.is_empty()).then_some(Value::Object(configuration))
    }

    fn open(self, operation: &Operation, stored: Stored) -> Result<Collection> {
        let remembered = &stored.configuration_json.embedding_function;
        let remembered = remembered.as_ref().and_then(|f| f.name.as_deref());
        if let (Some(stored), Some(given)) = (remembered, &self.embedding_function) {
            if stored != given.name() {
                let reason = InvalidInput::EmbeddingFunctionConflict {
                    stored: stored.to_owned(),
                    given: given.name().to_owned(),
                };
                return Err(Call::new(operation.name, Some(&self.name)).invalid(reason));
            }
        }
        Ok(Collection::new(
            self.client,
            stored,
            self.embedding_function,
        ))
    }
}

impl fmt::Debug for CollectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionBuilder")
            .field("name", &self.name)
            .field("metadata", &self.metadata)
            .field("space", &self.space)
            .field(
                "embedding_function",
                &self.embedding_function.as_ref().map(|f| f.name()),
            )
            .finish_non_exhaustive()
    }
}
