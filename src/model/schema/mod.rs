//! Schemas, index settings and configurations of collections.
//!
//! Start from [`Schema::new`], turn indexes on or off, and pass the schema to
//! [`CollectionBuilder::schema`](crate::collection::CollectionBuilder::schema). To change only the vector
//! index, see [`HnswConfig`] and [`SpannConfig`].
//! [`Collection::configuration`](crate::Collection::configuration) and
//! [`Collection::schema`](crate::Collection::schema) return what the server stores.
//!
//! ```no_run
//! use chroma_blocking::Client;
//! use chroma_blocking::schema::{InvertedIndex, Schema};
//!
//! // The titles are stored, but never filtered by.
//! let schema = Schema::new().delete_index("title", InvertedIndex::String);
//! let client = Client::from_env()?;
//! let notes = client.collection("notes").schema(schema).create()?;
//! # Ok::<(), chroma_blocking::Error>(())
//! ```

mod carry;
mod index;

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use super::configuration::CollectionConfiguration;
pub use super::configuration::EmbeddingFunctionConfiguration;
pub use super::index::{HnswConfig, SpannConfig};
use super::space::Space;
use crate::invalid::InvalidInput;
pub use index::{InvertedIndex, SparseVectorIndexConfig, VectorIndexConfig};

pub(crate) const DOCUMENT: &str = "#document";
const EMBEDDING: &str = "#embedding";
const VECTORS: [&str; 2] = ["float_list", "vector_index"];
const SPARSE: [&str; 2] = ["sparse_vector", "sparse_vector_index"];
const FULL_TEXT: [&str; 2] = ["string", "fts_index"];

/// The indexes of a collection, chosen when it is created. Chroma supports schemas since version 1.3.
///
/// A new schema is Chroma's default: text, integers, floats and booleans in metadata are indexed for every
/// key, documents are indexed for full-text search, and vectors are indexed. A key without an index takes
/// less space, but the server refuses filters on it.
///
/// Fields that a newer server adds to a schema are kept and written back.
///
/// ```no_run
/// use chroma_blocking::{Client, Space};
/// use chroma_blocking::schema::{InvertedIndex, Schema, VectorIndexConfig};
///
/// let schema = Schema::new()
///     .create_vector_index(VectorIndexConfig::new().space(Space::Cosine))
///     .delete_index("title", InvertedIndex::String); // stored, not filtered by
/// let client = Client::from_env()?;
/// let notes = client.collection("notes").schema(schema).create()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schema(Map<String, Value>);

impl Default for Schema {
    fn default() -> Schema {
        Schema::new()
    }
}

impl Schema {
    /// Creates Chroma's default schema.
    pub fn new() -> Schema {
        let mut schema = Schema(Map::new());
        for (index, is_enabled) in [
            (FULL_TEXT, false),
            (InvertedIndex::String.names(), true),
            (VECTORS, false),
            (SPARSE, false),
            (InvertedIndex::Int.names(), true),
            (InvertedIndex::Float.names(), true),
            (InvertedIndex::Bool.names(), true),
        ] {
            let state = if is_enabled { enabled } else { disabled };
            schema.put(None, index, state(json!({})));
        }
        schema.put(
            None,
            SPARSE,
            disabled(sparse(SparseVectorIndexConfig::new())),
        );
        schema.put(Some(DOCUMENT), FULL_TEXT, enabled(json!({})));
        let no_filter = InvertedIndex::String.names();
        schema.put(Some(DOCUMENT), no_filter, disabled(json!({})));
        let from_documents = json!({ "source_key": DOCUMENT });
        schema.put(Some(EMBEDDING), VECTORS, enabled(from_documents));
        schema
    }

    /// Sets the index of vectors. Replaces Chroma's default.
    #[must_use = "returns the changed schema"]
    pub fn create_vector_index(mut self, mut config: VectorIndexConfig) -> Schema {
        // In a schema, the space is next to the index settings. A server refuses it inside of them.
        for inner in [
            config.hnsw.as_mut().and_then(|hnsw| hnsw.space.take()),
            config.spann.as_mut().and_then(|spann| spann.space.take()),
        ] {
            config.space = config.space.or(inner);
        }
        self.put(None, VECTORS, disabled(json!(config)));
        let config = VectorIndexConfig {
            source_key: config.source_key.or(Some(DOCUMENT.to_owned())),
            ..config
        };
        self.put(Some(EMBEDDING), VECTORS, enabled(json!(config)));
        self
    }

    /// Adds an index of the sparse vectors of a metadata key.
    #[must_use = "returns the changed schema"]
    pub fn create_sparse_vector_index(
        mut self,
        key: impl AsRef<str>,
        config: SparseVectorIndexConfig,
    ) -> Schema {
        self.put(Some(key.as_ref()), SPARSE, enabled(sparse(config)));
        self
    }

    /// Turns an index on for one metadata key.
    #[must_use = "returns the changed schema"]
    pub fn create_index(mut self, key: impl AsRef<str>, index: InvertedIndex) -> Schema {
        self.put(Some(key.as_ref()), index.names(), enabled(json!({})));
        self
    }

    /// Turns an index off for one metadata key. The server then refuses filters on values of this type.
    #[must_use = "returns the changed schema"]
    pub fn delete_index(mut self, key: impl AsRef<str>, index: InvertedIndex) -> Schema {
        self.put(Some(key.as_ref()), index.names(), disabled(json!({})));
        self
    }

    /// Turns an index on for every metadata key without a setting for that key.
    #[must_use = "returns the changed schema"]
    pub fn create_default_index(mut self, index: InvertedIndex) -> Schema {
        self.put(None, index.names(), enabled(json!({})));
        self
    }

    /// Turns an index off for every metadata key without a setting for that key.
    #[must_use = "returns the changed schema"]
    pub fn delete_default_index(mut self, index: InvertedIndex) -> Schema {
        self.put(None, index.names(), disabled(json!({})));
        self
    }

    /// Turns the full-text index of documents on, which is the default.
    #[must_use = "returns the changed schema"]
    pub fn create_full_text_index(mut self) -> Schema {
        self.put(Some(DOCUMENT), FULL_TEXT, enabled(json!({})));
        self
    }

    /// Turns the full-text index of documents off. The server then refuses filters on documents.
    #[must_use = "returns the changed schema"]
    pub fn delete_full_text_index(mut self) -> Schema {
        self.put(Some(DOCUMENT), FULL_TEXT, disabled(json!({})));
        self
    }

    /// Returns the index of vectors.
    pub fn vector_index(&self) -> VectorIndexConfig {
        self.config(Some(EMBEDDING), VECTORS)
            .or_else(|| self.config(None, VECTORS))
            .unwrap_or_default()
    }

    /// Returns the index of the sparse vectors of a metadata key, if there is one.
    pub fn sparse_vector_index(&self, key: &str) -> Option<SparseVectorIndexConfig> {
        match self.enabled(Some(key), SPARSE) {
            Some(true) => self.config(Some(key), SPARSE),
            _ => None,
        }
    }

    /// Returns whether a metadata key has this index: by the key's setting if there is one, or else by the
    /// default for all keys.
    pub fn has_index(&self, key: &str, index: InvertedIndex) -> bool {
        let names = index.names();
        self.enabled(Some(key), names)
            .or_else(|| self.enabled(None, names))
            .unwrap_or(false)
    }

    /// Returns whether documents are indexed for full-text search.
    pub fn has_full_text_index(&self) -> bool {
        self.enabled(Some(DOCUMENT), FULL_TEXT)
            .or_else(|| self.enabled(None, FULL_TEXT))
            .unwrap_or(false)
    }

    /// Iterates over the keys that have settings: metadata keys, and Chroma's `#document` and `#embedding`.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.0.get("keys").and_then(Value::as_object);
        keys.into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// Adds the embedding function and its space to the index of vectors, if the schema does not set them.
    pub(crate) fn complete(
        self,
        function: Option<&EmbeddingFunctionConfiguration>,
        space: Option<Space>,
    ) -> Schema {
        self.change_vector_index(|config| {
            config.embedding_function = config.embedding_function.take().or(function.cloned());
            config.space = config.space.or(space);
        })
    }

    /// Replaces the settings of the HNSW index by those that are set in `settings`. Copies nothing else, since
    /// the schema of a server may be large.
    pub(crate) fn with_hnsw(mut self, settings: &HnswConfig) -> Schema {
        // In a schema, the space is next to the index settings.
        let hnsw = json!(HnswConfig {
            space: None,
            other: Map::new(),
            ..settings.clone()
        });
        for key in [None, Some(EMBEDDING)] {
            let is_enabled = self.enabled(key, VECTORS).unwrap_or(key.is_some());
            self.change(key, VECTORS, |index| {
                index.insert("enabled".to_owned(), is_enabled.into());
                change(index, &["config"], |config| {
                    if let Some(space) = settings.space {
                        config.insert("space".to_owned(), json!(space));
                    }
                });
                change(index, &["config", "hnsw"], |inner| {
                    inner.remove("space");
                    inner.extend(hnsw.as_object().cloned().unwrap_or_default());
                });
            });
        }
        self
    }

    /// Returns the embedding function of the index of vectors. Leaves out a configuration that is longer than
    /// that of any function.
    pub(crate) fn embedding_function(&self) -> Option<EmbeddingFunctionConfiguration> {
        const MAX_LEN: usize = 64 << 10;
        const MAX_FIELDS: usize = 32;

        let config = self.raw_config(Some(EMBEDDING), VECTORS);
        let config = config.or_else(|| self.raw_config(None, VECTORS))?;
        let function = config.get("embedding_function")?.as_object()?;
        let is_short = |value: &Value| {
            let mut room = vec![0; MAX_LEN];
            serde_json::to_writer(&mut room[..], value).is_ok()
        };
        let fields = function.iter().filter(|(_, value)| is_short(value));
        let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
        let fields = Value::Object(fields.take(MAX_FIELDS).collect());
        EmbeddingFunctionConfiguration::deserialize(fields).ok()
    }

    /// Changes the index of vectors, and its default.
    fn change_vector_index(mut self, change: impl Fn(&mut VectorIndexConfig)) -> Schema {
        for key in [None, Some(EMBEDDING)] {
            let mut config = self.config(key, VECTORS).unwrap_or_default();
            change(&mut config);
            let is_enabled = self.enabled(key, VECTORS).unwrap_or(key.is_some());
            let state = if is_enabled { enabled } else { disabled };
            self.put(key, VECTORS, state(json!(config)));
        }
        self
    }

    /// Refuses what a server would refuse. The rules are from Chroma's source
    /// (`rust/types/src/validators.rs`).
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        let bad = |value: &dyn Display, why: &str| {
            Err(InvalidInput::Setting {
                name: "schema",
                value: value.to_string(),
                why: why.to_owned(),
            })
        };
        for key in self.keys() {
            let own = |index: [&'static str; 2]| self.enabled(Some(key), index);
            if key == DOCUMENT {
                let only = "#document supports only the full-text index";
                if own(InvertedIndex::String.names()) == Some(true) || own(SPARSE).is_some() {
                    return bad(&key, only);
                }
                let others = [
                    InvertedIndex::Int,
                    InvertedIndex::Float,
                    InvertedIndex::Bool,
                ];
                if others.into_iter().any(|index| own(index.names()).is_some()) {
                    return bad(&key, only);
                }
            } else if key == EMBEDDING {
                if self.kinds(key).any(|kind| kind != VECTORS[0]) {
                    return bad(&key, "#embedding supports only the vector index");
                }
            } else if key.starts_with('#') {
                return bad(&key, "keys that start with '#' are reserved for Chroma");
            }
            if let Some(sparse) = self.sparse_vector_index(key) {
                let source = sparse.source_key.as_deref().unwrap_or(DOCUMENT);
                if source.starts_with('#') && source != DOCUMENT {
                    return bad(&source, "a source key must be a metadata key or #document");
                }
                let function = sparse.embedding_function.and_then(|function| function.name);
                if sparse.source_key.is_some() && function.is_none() {
                    let why = "a source key needs an embedding function; set one, or remove the source key";
                    return bad(&source, why);
                }
            }
        }
        let vectors = self.vector_index();
        if let (Some(_), Some(_)) = (&vectors.hnsw, &vectors.spann) {
            return bad(&"hnsw and spann", "a collection has one kind of index");
        }
        if let Some(source) = vectors.source_key.filter(|source| source != DOCUMENT) {
            return bad(&source, "the source of vectors can only be #document");
        }
        vectors.hnsw.map_or(Ok(()), |hnsw| hnsw.check())?;
        vectors.spann.map_or(Ok(()), |spann| spann.check())
    }

    /// Iterates over the types of values for which a key has settings.
    fn kinds(&self, key: &str) -> impl Iterator<Item = &str> {
        let kinds = self.types(Some(key)).and_then(Value::as_object);
        kinds.into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// Returns the settings of one key, or the defaults of all keys.
    fn types(&self, key: Option<&str>) -> Option<&Value> {
        match key {
            Some(key) => self.0.get("keys")?.get(key),
            None => self.0.get("defaults"),
        }
    }

    fn enabled(&self, key: Option<&str>, [kind, index]: [&str; 2]) -> Option<bool> {
        self.types(key)?
            .get(kind)?
            .get(index)?
            .get("enabled")?
            .as_bool()
    }

    fn config<T: for<'de> Deserialize<'de>>(
        &self,
        key: Option<&str>,
        [kind, index]: [&str; 2],
    ) -> Option<T> {
        T::deserialize(self.raw_config(key, [kind, index])?).ok()
    }

    fn raw_config(&self, key: Option<&str>, [kind, index]: [&str; 2]) -> Option<&Value> {
        self.types(key)?.get(kind)?.get(index)?.get("config")
    }

    /// Sets the state of an index of one field, or of all fields by default.
    fn put(&mut self, key: Option<&str>, index: [&str; 2], state: IndexState) {
        let state = state.map(|(key, value)| (key.to_owned(), value));
        self.change(key, index, |index| index.extend(state));
    }

    /// Changes the object of an index of one field, or of all fields by default.
    fn change(
        &mut self,
        key: Option<&str>,
        [kind, index]: [&str; 2],
        with: impl FnOnce(&mut Map<String, Value>),
    ) {
        match key {
            Some(key) => change(&mut self.0, &["keys", key, kind, index], with),
            None => change(&mut self.0, &["defaults", kind, index], with),
        }
    }
}

/// The state of an index in a schema, as keys and values of its JSON.
type IndexState = [(&'static str, Value); 2];

fn enabled(config: Value) -> IndexState {
    [("enabled", true.into()), ("config", config)]
}

fn disabled(config: Value) -> IndexState {
    [("enabled", false.into()), ("config", config)]
}

/// Changes the object at the end of a path. Creates missing objects on the way.
fn change(map: &mut Map<String, Value>, path: &[&str], with: impl FnOnce(&mut Map<String, Value>)) {
    let Some((first, rest)) = path.split_first() else {
        return with(map);
    };
    let mut inner = match map.remove(*first) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    change(&mut inner, rest, with);
    map.insert((*first).to_owned(), Value::Object(inner));
}

/// Returns the settings of a sparse index as Chroma's clients write them: without a function, it is
/// `unknown`.
fn sparse(mut config: SparseVectorIndexConfig) -> Value {
    config
        .embedding_function
        .get_or_insert_with(|| EmbeddingFunctionConfiguration::new().kind("unknown"));
    json!(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::index::{HnswConfig, SpannConfig};

    fn refused(schema: &Schema) -> String {
        schema.check().unwrap_err().to_string()
    }

    #[test]
    fn settings_are_read_back() {
        let schema = Schema::new()
            .delete_index("title", InvertedIndex::String)
            .delete_default_index(InvertedIndex::Int)
            .create_index("year", InvertedIndex::Int)
            .create_sparse_vector_index("words", SparseVectorIndexConfig::new().bm25(true));
        assert!(!schema.has_index("title", InvertedIndex::String));
        assert!(schema.has_index("other", InvertedIndex::String));
        assert!(schema.has_index("year", InvertedIndex::Int));
        assert!(!schema.has_index("other", InvertedIndex::Int));
        assert!(schema.has_full_text_index());
        assert!(
            !schema
                .clone()
                .delete_full_text_index()
                .has_full_text_index()
        );
        let words = schema.sparse_vector_index("words").unwrap();
        assert_eq!(words.bm25, Some(true));
        assert_eq!(schema.sparse_vector_index("title"), None);
        let keys: Vec<&str> = schema.keys().collect();
        assert_eq!(keys, ["#document", "#embedding", "title", "words", "year"]);
        assert_eq!(schema.check(), Ok(()));
    }

    #[test]
    fn the_space_is_moved_out_of_the_index_settings() {
        let hnsw = HnswConfig::new().space(Space::Ip).ef_search(9);
        let schema = Schema::new().create_vector_index(VectorIndexConfig::new().hnsw(hnsw));
        let index = schema.vector_index();
        assert_eq!(index.space, Some(Space::Ip));
        assert_eq!(index.hnsw, Some(HnswConfig::new().ef_search(9)));
        assert_eq!(index.source_key.as_deref(), Some("#document"));
    }

    #[test]
    fn only_absent_settings_are_completed() {
        let function = EmbeddingFunctionConfiguration::known("f", json!({}));
        let given = VectorIndexConfig::new().space(Space::Ip);
        let schema = Schema::new().create_vector_index(given);
        let index = schema
            .complete(Some(&function), Some(Space::Cosine))
            .vector_index();
        assert_eq!(index.space, Some(Space::Ip));
        assert_eq!(index.embedding_function, Some(function));
    }

    #[test]
    fn a_schema_that_a_server_would_refuse_is_an_error() {
        let sparse = SparseVectorIndexConfig::new;
        let both = VectorIndexConfig::new()
            .hnsw(HnswConfig::new())
            .spann(SpannConfig::new());
        let schema = Schema::new;
        for (schema, words) in [
            (schema().delete_index("#id", InvertedIndex::String), "'#'"),
            (
                schema().delete_index("#document", InvertedIndex::Int),
                "supports only",
            ),
            (
                schema().create_index("#document", InvertedIndex::String),
                "supports only",
            ),
            (
                schema().create_index("#embedding", InvertedIndex::Bool),
                "supports only",
            ),
            (
                schema().create_sparse_vector_index("#document", sparse()),
                "supports only",
            ),
            (
                schema().create_sparse_vector_index("a", sparse().source_key("b")),
                "function",
            ),
            (
                schema().create_sparse_vector_index("a", sparse().source_key("#b")),
                "#document",
            ),
            (schema().create_vector_index(both), "one kind"),
            (
                schema().create_vector_index(VectorIndexConfig::new().source_key("title")),
                "can only be #document",
            ),
            (
                schema().create_vector_index(
                    VectorIndexConfig::new().hnsw(HnswConfig::new().sync_threshold(1)),
                ),
                "2 or more",
            ),
        ] {
            let error = refused(&schema);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn fields_of_a_newer_server_are_written_back() {
        let wire = json!({
            "defaults": { "int": { "int_inverted_index": { "enabled": true, "config": { "fast": 1 } } }, "date": {} },
            "keys": {
                "#document": { "string": { "fts_index": { "enabled": true, "config": { "algorithm": "token_bitmap" } } } },
                "#embedding": { "float_list": { "vector_index": {
                    "enabled": true, "config": { "space": "hamming", "graph": {} }
                } } },
                "words": { "sparse_vector": { "sparse_vector_index": {
                    "enabled": true, "config": { "bm25": true, "algorithm": "max_score" }
                } } },
            },
            "cmek": null,
            "source_attached_function_id": "x",
        });
        let schema: Schema = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(serde_json::to_value(&schema).unwrap(), wire);
        assert_eq!(schema.vector_index().space, None);
        let words = schema.sparse_vector_index("words").unwrap();
        assert_eq!(words.other["algorithm"], "max_score");
        // Both are kept when something else is changed.
        let changed = schema.clone().create_sparse_vector_index("more", words);
        let more = changed.sparse_vector_index("more").unwrap();
        assert_eq!(more.other["algorithm"], "max_score");
        assert_eq!(changed.check(), Ok(()), "several sparse indexes");
        let written = serde_json::to_value(schema.complete(None, None)).unwrap();
        assert_eq!(written["keys"], wire["keys"]);
    }

    #[test]
    fn any_json_object_can_be_edited() {
        for odd in [
            json!({}),
            json!({ "keys": 1 }),
            json!({ "keys": { "a": { "int": [] } } }),
        ] {
            let schema: Schema = serde_json::from_value(odd).unwrap();
            let schema = schema.create_index("a", InvertedIndex::Int);
            assert!(schema.has_index("a", InvertedIndex::Int));
        }
    }
}
