//! Changes a schema for another collection, which may be on another server.

use serde_json::{Map, Value, json};

use super::{EMBEDDING, SPARSE, Schema, VECTORS};
use crate::model::configuration::{CollectionConfiguration, EmbeddingFunctionConfiguration};
use crate::model::index::{HnswConfig, SpannConfig};

/// The field with the encryption key of the customer.
const KEY: &str = "cmek";
/// The field in the schema of a function's output. Servers refuse it in a request.
const SOURCE_FUNCTION: &str = "source_attached_function_id";

impl Schema {
    /// Returns the schema as a client may send it.
    pub(crate) fn of_new_collection(mut self) -> Schema {
        self.0.remove(SOURCE_FUNCTION);
        self
    }

    /// Returns the settings of the vector index, as a configuration has them.
    pub(crate) fn index(&self) -> CollectionConfiguration {
        let index = self.vector_index();
        let space = index.space;
        let mut hnsw = index.hnsw.map(|hnsw| HnswConfig { space, ..hnsw });
        let spann = index.spann.map(|spann| SpannConfig { space, ..spann });
        if let (None, None, Some(space)) = (&hnsw, &spann, space) {
            hnsw = Some(HnswConfig::new().space(space));
        }
        CollectionConfiguration {
            hnsw,
            spann,
            ..CollectionConfiguration::default()
        }
    }

    /// Replaces the settings of the vector index. Unknown settings stay, unless the kind of the index changes.
    /// Without settings, only the space stays.
    pub(crate) fn with_index(self, index: &CollectionConfiguration) -> Schema {
        let hnsw = index.hnsw.clone().map(|hnsw| {
            json!(HnswConfig {
                space: None,
                other: Map::new(),
                ..hnsw
            })
        });
        let spann = index.spann.clone().map(|spann| {
            json!(SpannConfig {
                space: None,
                other: Map::new(),
                ..spann
            })
        });
        self.change_vector_config(|config| {
            for (name, settings) in [("hnsw", &hnsw), ("spann", &spann)] {
                let settings = settings.as_ref().and_then(Value::as_object);
                let Some(settings) = settings.filter(|settings| !settings.is_empty()) else {
                    config.remove(name);
                    continue;
                };
                super::change(config, &[name], |inner| {
                    inner.remove("num_threads");
                    inner.extend(settings.clone());
                });
            }
            if let Some(space) = index.space() {
                config.insert("space".to_owned(), json!(space));
            }
        })
    }

    /// Replaces the function of the vector index.
    pub(crate) fn with_function(self, function: Option<&EmbeddingFunctionConfiguration>) -> Schema {
        self.change_vector_config(|config| match function {
            Some(function) => {
                config.insert("embedding_function".to_owned(), json!(function));
            }
            None => {
                config.remove("embedding_function");
            }
        })
    }

    /// Whether a key has an index of sparse vectors.
    pub(crate) fn has_sparse_index(&self) -> bool {
        self.sparse_keys().next().is_some()
    }

    /// Removes the indexes of sparse vectors. Returns their keys.
    pub(crate) fn remove_sparse_indexes(&mut self) -> Vec<String> {
        let keys: Vec<String> = self.sparse_keys().map(str::to_owned).collect();
        for key in &keys {
            super::change(&mut self.0, &["keys", key, SPARSE[0]], |kind| {
                kind.remove(SPARSE[1]);
            });
        }
        keys
    }

    fn sparse_keys(&self) -> impl Iterator<Item = &str> {
        self.keys()
            .filter(|key| self.enabled(Some(key), SPARSE) == Some(true))
    }

    /// Whether the collection is encrypted with a key of the customer.
    pub(crate) fn has_key(&self) -> bool {
        self.0.get(KEY).is_some_and(|key| !key.is_null())
    }

    /// Removes the key of the customer. Returns whether there was one.
    pub(crate) fn remove_key(&mut self) -> bool {
        self.0.remove(KEY).is_some_and(|key| !key.is_null())
    }

    /// Iterates over the fields other than indexes.
    pub(crate) fn other_fields(&self) -> impl Iterator<Item = &str> {
        let fields = self.0.iter().filter(|(name, value)| {
            !["defaults", "keys"].contains(&name.as_str()) && !value.is_null()
        });
        fields.map(|(name, _)| name.as_str())
    }

    /// Returns the keys whose indexes differ from Chroma's default schema. `None` stands for the default of all
    /// keys. The vector index does not count.
    pub(crate) fn changed_keys(&self) -> Vec<Option<&str>> {
        let default = Schema::new();
        let differs = |key: Option<&str>| {
            let kinds = self.types(key).and_then(Value::as_object);
            let mut indexes = kinds.into_iter().flatten().flat_map(|(kind, indexes)| {
                let names = indexes.as_object().into_iter().flat_map(Map::keys);
                names.map(move |name| [kind.as_str(), name.as_str()])
            });
            indexes.any(|index| {
                let usual = default.enabled(key, index);
                let usual = usual.or_else(|| default.enabled(None, index));
                let is_enabled = self.enabled(key, index);
                let is_unusual = is_enabled.is_some_and(|is| Some(is) != usual);
                let config = self.raw_config(key, index).and_then(Value::as_object);
                let has_settings = config.is_some_and(|config| !config.is_empty());
                index != VECTORS && (is_unusual || (has_settings && index != SPARSE))
            })
        };
        let keys = [None].into_iter().chain(self.keys().map(Some));
        keys.filter(|key| differs(*key)).collect()
    }

    /// Changes the settings of the vector index, and of its default.
    fn change_vector_config(mut self, change: impl Fn(&mut Map<String, Value>)) -> Schema {
        for key in [None, Some(EMBEDDING)] {
            let is_enabled = self.enabled(key, VECTORS).unwrap_or(key.is_some());
            self.change(key, VECTORS, |index| {
                index.insert("enabled".to_owned(), is_enabled.into());
                super::change(index, &["config"], &change);
            });
        }
        self
    }
}
