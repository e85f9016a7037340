//! [`CollectionSettings`]: the settings of a collection without its name, for another collection.

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::collection::embedding_functions::EmbeddingFunctions;
use crate::collection::handle::Collection;
use crate::collection::stored::Stored;
use crate::embed::{Allowed, configured};
use crate::error::Result;
use crate::model::configuration::{CollectionConfiguration, EmbeddingFunctionConfiguration};
use crate::model::index::HnswConfig;
use crate::model::index_metadata;
use crate::model::metadata::Metadata;
use crate::model::schema::Schema;

/// The settings of a collection without its name, as backups store them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CollectionSettings {
    #[serde(default)]
    pub(crate) metadata: Metadata,
    /// The settings of the index that are in force, and the embedding function.
    #[serde(default)]
    pub(crate) configuration: CollectionConfiguration,
    #[serde(default)]
    pub(crate) schema: Option<Schema>,
    /// The number of floats per vector, if it is known. Not a setting of a new collection.
    #[serde(default)]
    pub(crate) dimension: Option<usize>,
}

impl CollectionSettings {
    /// Returns the settings that the server reported when the collection was opened.
    pub(crate) fn of(collection: &Collection) -> CollectionSettings {
        let mut configuration = collection.configuration().clone();
        if !has_index(&configuration) {
            // Chroma 1.0.0 returns the same fields for all collections.
            configuration.other = Map::new();
        }
        CollectionSettings {
            metadata: collection.metadata().clone(),
            configuration,
            schema: collection.schema().cloned(),
            dimension: collection.dimension(),
        }
    }

    /// Adds the distance function if the server does not report it, as Chroma 1.0.0 does not: the one in the
    /// metadata, or the one that the distances of a query reveal. Sends no request if the server reports it.
    ///
    /// # Errors
    /// Any error of a request.
    pub(crate) fn with_measured_space(mut self, source: &Collection) -> Result<CollectionSettings> {
        if !self.lacks_index() {
            return Ok(self);
        }
        if let Some(space) = source.measured_space()? {
            self.configuration.hnsw = Some(HnswConfig::new().space(space));
        }
        Ok(self)
    }

    /// Whether neither the server nor the metadata reveal the distance function.
    pub(super) fn lacks_index(&self) -> bool {
        !has_index(&self.configuration) && index_metadata::read(&self.metadata).is_none()
    }

    /// Returns the settings of the index in the configuration and the schema, or else those in the metadata.
    /// Leaves out the number of threads, which depends on the machine.
    pub(crate) fn index(&self) -> CollectionConfiguration {
        let CollectionConfiguration { hnsw, spann, .. } = self.configuration.clone();
        let in_schema = self.schema.as_ref().map(Schema::index).unwrap_or_default();
        let mut index = match (hnsw, spann) {
            (None, None) => in_schema,
            (None, Some(spann)) => CollectionConfiguration {
                spann: Some(spann.or(in_schema.spann.unwrap_or_default())),
                ..CollectionConfiguration::default()
            },
            (Some(hnsw), _) => CollectionConfiguration {
                hnsw: Some(hnsw.or(in_schema.hnsw.unwrap_or_default())),
                ..CollectionConfiguration::default()
            },
        };
        if index.hnsw.is_none() && index.spann.is_none() {
            index.hnsw = index_metadata::read(&self.metadata);
        }
        if let Some(hnsw) = &mut index.hnsw {
            hnsw.num_threads = None;
        }
        index
    }

    /// Returns the stored embedding function.
    pub(crate) fn function(&self) -> Option<EmbeddingFunctionConfiguration> {
        let in_configuration = self.configuration.embedding_function.clone();
        in_configuration.or_else(|| self.schema.as_ref()?.embedding_function())
    }

    /// Whether the server reported no configuration. The space may have been measured.
    pub(super) fn is_unreported(&self) -> bool {
        let CollectionConfiguration { hnsw, spann, .. } = &self.configuration;
        let is_measured = |hnsw: &HnswConfig| {
            let space = hnsw.space;
            let only_space = HnswConfig {
                space,
                ..HnswConfig::new()
            };
            *hnsw == only_space
        };
        hnsw.as_ref().is_none_or(is_measured)
            && spann.is_none()
            && self.function().is_none()
            && self.schema.is_none()
    }
}

/// Whether a server reported the settings of the index.
fn has_index(configuration: &CollectionConfiguration) -> bool {
    configuration.hnsw.is_some() || configuration.spann.is_some()
}

/// The collection whose settings a builder takes.
#[derive(Clone)]
pub(in crate::collection) struct Like {
    pub(super) settings: CollectionSettings,
    /// The functions in use.
    pub(super) functions: EmbeddingFunctions,
    /// `None` if the settings are from a file.
    pub(super) source: Option<Collection>,
}

impl Like {
    /// Returns the functions for the new collection: those that the caller set, or else those in use.
    pub(in crate::collection) fn functions(
        &self,
        chosen: &EmbeddingFunctions,
        stored: &Stored,
        allowed: &Allowed,
    ) -> EmbeddingFunctions {
        let mut functions = self.functions.clone();
        functions.sparse.extend(chosen.sparse.clone());
        // The server may have no indexes of sparse vectors.
        functions.sparse.retain(|key, _| {
            let schema = stored.schema.as_ref();
            schema.is_some_and(|schema| schema.sparse_vector_index(key).is_some())
        });
        functions.dense = chosen.dense.clone().or(functions.dense);
        if functions.dense.is_none() && stored.function().is_none() {
            // The server may not return the function.
            let stored = self.settings.function();
            functions.dense = stored.and_then(|stored| configured::make(&stored, allowed).ok()?);
        }
        functions
    }
}
