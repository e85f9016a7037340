//! [`NewCollection`]: the request that creates a collection, made of the settings that the caller chose.

use serde::Serialize;

use super::embedding_functions::EmbeddingFunctions;
use crate::embed::configured;
use crate::error::InvalidInput;
use crate::model::configuration::CollectionConfiguration;
use crate::model::index::{HnswConfig, SpannConfig};
use crate::model::index_metadata;
use crate::model::metadata::Metadata;
use crate::model::schema::Schema;
use crate::model::space::Space;

/// The settings of a new collection that the caller chose.
#[derive(Clone, Default)]
pub(super) struct Chosen {
    pub(super) metadata: Metadata,
    pub(super) space: Option<Space>,
    pub(super) hnsw: Option<HnswConfig>,
    pub(super) spann: Option<SpannConfig>,
    pub(super) schema: Option<Schema>,
    pub(super) functions: EmbeddingFunctions,
}

/// The settings of a collection in a request that creates it.
#[derive(Serialize)]
pub(super) struct NewCollection {
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub(super) metadata: Metadata,
    #[serde(skip_serializing_if = "is_empty")]
    pub(super) configuration: CollectionConfiguration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<Schema>,
}

fn is_empty(configuration: &CollectionConfiguration) -> bool {
    *configuration == CollectionConfiguration::new()
}

impl Chosen {
    /// Checks the settings and makes the request of them. A schema replaces the configuration.
    pub(super) fn new_collection(&self) -> Result<NewCollection, InvalidInput> {
        self.metadata.check_collection()?;
        let configuration = self.configuration()?;
        let schema = self.complete_schema()?;
        Ok(NewCollection {
            metadata: self.metadata.clone(),
            configuration: match &schema {
                Some(_) => CollectionConfiguration::new(),
                None => configuration,
            },
            schema,
        })
    }

    /// Returns the settings of the index that are set.
    pub(super) fn index(&self) -> Result<CollectionConfiguration, InvalidInput> {
        if self.hnsw.is_some() && self.spann.is_some() {
            let why = "hnsw is set as well; a collection has one kind of index";
            return Err(InvalidInput::setting("spann", "set", why));
        }
        let mut configuration = CollectionConfiguration::new();
        configuration.hnsw.clone_from(&self.hnsw);
        configuration.spann.clone_from(&self.spann);
        if let Some(hnsw) = &self.hnsw {
            hnsw.check()?;
        }
        if let Some(spann) = &self.spann {
            spann.check()?;
        }
        if let (Some(outside), Some(inside)) = (self.space, configuration.space()) {
            if outside != inside {
                let why = format!("the settings of the index have {:?}", inside.name());
                return Err(InvalidInput::setting("space", outside.name(), why));
            }
        }
        Ok(configuration)
    }

    /// Returns the settings of the index, and the embedding function.
    fn configuration(&self) -> Result<CollectionConfiguration, InvalidInput> {
        let mut configuration = self.index()?;
        let space = self
            .space
            .or(configuration.space())
            .or(self.default_space());
        match (&mut configuration.spann, space) {
            (Some(spann), _) => spann.space = space,
            (None, Some(_)) => configuration.hnsw.get_or_insert_default().space = space,
            (None, None) => {}
        }
        index_metadata::merge(&self.metadata, &mut configuration)?;
        let function = self.functions.dense.as_deref();
        configuration.embedding_function = function.and_then(configured::describe);
        Ok(configuration)
    }

    /// Returns the default space of the embedding function, unless the metadata have the space, as in Chroma
    /// before 1.0.
    fn default_space(&self) -> Option<Space> {
        if self.metadata.get("hnsw:space").is_some() {
            return None;
        }
        let function = self.functions.dense.as_deref()?;
        Some(function.default_space())
    }

    /// Returns the schema with the embedding function.
    fn complete_schema(&self) -> Result<Option<Schema>, InvalidInput> {
        let Some(schema) = &self.schema else {
            self.functions.check_without_schema()?;
            return Ok(None);
        };
        let has_metadata = index_metadata::settings_of(&self.metadata).next().is_some();
        self.check_only_schema(has_metadata)?;
        let schema = self.checked(schema)?;
        let function = self.functions.dense.as_deref();
        let described = function.and_then(configured::describe);
        Ok(Some(
            schema.complete(described.as_ref(), self.default_space()),
        ))
    }

    /// Checks a schema and adds the functions of sparse vectors.
    pub(super) fn checked(&self, schema: &Schema) -> Result<Schema, InvalidInput> {
        let schema = self.functions.complete(schema.clone())?;
        schema.check()?;
        let function = self.functions.dense.as_deref();
        let in_schema = schema.vector_index().embedding_function;
        if let (Some(function), Some(in_schema)) = (function, in_schema) {
            configured::check(&in_schema, function)?;
        }
        Ok(schema)
    }

    /// Refuses settings of the index outside of a schema.
    pub(super) fn check_only_schema(&self, has_metadata: bool) -> Result<(), InvalidInput> {
        for (name, is_set) in [
            ("space", self.space.is_some()),
            ("hnsw", self.hnsw.is_some()),
            ("spann", self.spann.is_some()),
            ("metadata", has_metadata),
        ] {
            if is_set {
                let why = "a schema is set as well; set it there, with create_vector_index";
                return Err(InvalidInput::setting(name, "set", why));
            }
        }
        Ok(())
    }
}
