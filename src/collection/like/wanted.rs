//! [`Wanted`]: the settings of a new collection like another one, before its server is asked.

use super::settings::Like;
use crate::collection::new::Chosen;
use crate::embed::configured;
use crate::error::InvalidInput;
use crate::model::configuration::{CollectionConfiguration, EmbeddingFunctionConfiguration};
use crate::model::index::{HnswConfig, SpannConfig};
use crate::model::index_metadata::{self, is_setting};
use crate::model::metadata::Metadata;
use crate::model::schema::Schema;
use crate::model::space::Space;

/// The settings of a new collection like another one: those of the source, and those that the caller chose.
pub(super) struct Wanted {
    pub(super) metadata: Metadata,
    pub(super) index: CollectionConfiguration,
    pub(super) function: Option<EmbeddingFunctionConfiguration>,
    /// The schema, with the same index and function.
    pub(super) schema: Option<Schema>,
    /// A sentence for each setting that is lost.
    pub(super) losses: Vec<String>,
}

impl Like {
    /// Joins the settings of the source with those that the caller chose.
    pub(super) fn wanted(&self, chosen: &Chosen) -> Result<Wanted, InvalidInput> {
        let index = self.index(chosen)?;
        let function = self.function(chosen);
        let schema = self.schema(chosen, &index, function.as_ref())?;
        let mut wanted = Wanted {
            metadata: Metadata::new(),
            index,
            function,
            schema,
            losses: Vec::new(),
        };
        self.add_metadata(chosen, &mut wanted)?;
        Ok(wanted)
    }

    /// Returns the settings of the index. Those that the caller did not set are the source's.
    fn index(&self, chosen: &Chosen) -> Result<CollectionConfiguration, InvalidInput> {
        let own = chosen.index()?;
        let source = self.settings.index();
        let space = chosen.space.or(own.space());
        let mut index = match (&chosen.schema, own.hnsw, own.spann) {
            (Some(schema), ..) => schema.index(),
            (None, Some(hnsw), _) => CollectionConfiguration {
                hnsw: Some(hnsw.or(source.hnsw.clone().unwrap_or_default())),
                ..CollectionConfiguration::default()
            },
            (None, None, Some(spann)) => CollectionConfiguration {
                spann: Some(spann.or(source.spann.clone().unwrap_or_default())),
                ..CollectionConfiguration::default()
            },
            (None, None, None) => source.clone(),
        };
        let space = space.or(index.space()).or(source.space());
        set_space(&mut index, space);
        Ok(index)
    }

    /// Returns the function to store. If the source's server did not report the stored one, it is the
    /// function in use.
    fn function(&self, chosen: &Chosen) -> Option<EmbeddingFunctionConfiguration> {
        if let Some(function) = &chosen.functions.dense {
            return configured::describe(function.as_ref());
        }
        if !self.settings.is_unreported() {
            return self.settings.function();
        }
        let in_use = self.functions.dense.as_deref();
        in_use.and_then(configured::describe)
    }

    fn schema(
        &self,
        chosen: &Chosen,
        index: &CollectionConfiguration,
        function: Option<&EmbeddingFunctionConfiguration>,
    ) -> Result<Option<Schema>, InvalidInput> {
        if let Some(schema) = &chosen.schema {
            let mut own = index_metadata::settings_of(&chosen.metadata);
            chosen.check_only_schema(own.any(|(key, _)| !self.is_inherited(chosen, key)))?;
            let schema = chosen.checked(schema)?;
            return Ok(Some(schema.complete(function, index.space())));
        }
        let Some(source) = &self.settings.schema else {
            chosen.functions.check_without_schema()?;
            return Ok(None);
        };
        let schema = source.clone().of_new_collection();
        let schema = schema.with_function(function).with_index(index);
        chosen.functions.replace(schema).map(Some)
    }

    /// Adds the metadata, without those of the source that a new collection cannot have.
    fn add_metadata(&self, chosen: &Chosen, wanted: &mut Wanted) -> Result<(), InvalidInput> {
        let is_index_replaced = chosen.space.is_some()
            || chosen.hnsw.is_some()
            || chosen.spann.is_some()
            || chosen.schema.is_some();
        for (key, value) in &chosen.metadata {
            let one = Metadata::from([(key, value.clone())]);
            let checked = one
                .check_collection()
                .and_then(|()| index_metadata::merge(&one, &mut wanted.index.clone()));
            match checked {
                Ok(()) => wanted.metadata.extend([(key, value.clone())]),
                Err(reason) if !self.is_inherited(chosen, key) => return Err(reason),
                // The caller set another value.
                Err(_) if is_setting(key) && is_index_replaced => {}
                Err(reason) => wanted
                    .losses
                    .push(format!("the metadata key {key:?} is lost: {reason}")),
            }
        }
        wanted.metadata.check_collection()
    }

    /// Whether the value of a metadata key is the source's.
    fn is_inherited(&self, chosen: &Chosen, key: &str) -> bool {
        self.settings.metadata.get(key) == chosen.metadata.get(key)
    }
}

/// Sets the space of the index. Without settings, it becomes a setting of HNSW, which any server reads.
fn set_space(index: &mut CollectionConfiguration, space: Option<Space>) {
    match (&mut index.spann, space) {
        (Some(spann), Some(_)) => spann.space = space,
        (None, Some(_)) => index.hnsw.get_or_insert_default().space = space,
        (_, None) => {}
    }
}

impl Wanted {
    /// Whether the settings of the index are defaults, except the space.
    pub(super) fn has_default_index(&self) -> bool {
        let CollectionConfiguration { hnsw, spann, .. } = &self.index;
        let is_known = |spann: &SpannConfig| spann.other.keys().all(|name| name == "space");
        hnsw.as_ref().is_none_or(|hnsw| hnsw.changed().is_empty())
            && spann
                .as_ref()
                .is_none_or(|spann| spann.changed().is_empty() && is_known(spann))
    }

    /// Removes all settings of the index except the space.
    pub(super) fn keep_only_space(&mut self) {
        let CollectionConfiguration { hnsw, spann, .. } = &mut self.index;
        let others = [
            hnsw.as_mut().map(|hnsw| &mut hnsw.other),
            spann.as_mut().map(|spann| &mut spann.other),
        ];
        // A space that this version does not know.
        let other = others
            .into_iter()
            .flatten()
            .find_map(|other| other.remove_entry("space"));
        let only_space = HnswConfig {
            space: self.index.space(),
            other: other.into_iter().collect(),
            ..HnswConfig::new()
        };
        self.index = CollectionConfiguration {
            hnsw: (only_space != HnswConfig::new()).then_some(only_space),
            ..CollectionConfiguration::default()
        };
        self.schema = self
            .schema
            .take()
            .map(|schema| schema.with_index(&self.index));
    }
}
