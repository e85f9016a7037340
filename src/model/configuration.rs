//! [`CollectionConfiguration`] and [`EmbeddingFunctionConfiguration`]: what a server tells of a collection.

use serde_json::Value;

use super::index::{HnswConfig, SpannConfig};
use super::open::open_object;
use super::space::Space;

open_object! {
    /// How a collection is set up, as the server tells it: one kind of index, and the embedding function that it
    /// remembers.
    ///
    /// Chroma 1.0.0 takes a configuration and keeps to it, and does not tell it: there, all of it is `None`, and
    /// [`other`](CollectionConfiguration::other) holds the same defaults for every collection.
    pub struct CollectionConfiguration {
        /// The HNSW index, on single-node servers.
        hnsw ("hnsw"): HnswConfig as HnswConfig,
        /// The SPANN index, on distributed servers and Chroma Cloud.
        spann ("spann"): SpannConfig as SpannConfig,
        /// The embedding function that it was made with.
        embedding_function ("embedding_function"): EmbeddingFunctionConfiguration as EmbeddingFunctionConfiguration,
    }
}

open_object! {
    /// An embedding function as a collection remembers it: by a name that Chroma's clients share, and what they need to
    /// make it again. Never its key, only the name of the variable that holds it.
    pub struct EmbeddingFunctionConfiguration {
        /// `known`: it has a name. `legacy` and `unknown`: whoever made the collection did not say.
        kind ("type"): String as impl Into<String>,
        /// The name: `google_gemini`, `default` (the one of Chroma's Python and JavaScript clients) …
        name ("name"): String as impl Into<String>,
        /// Its settings, as the function itself names them.
        config ("config"): Value as Value,
    }
}

impl CollectionConfiguration {
    /// How distances are measured, where the server says so.
    pub fn space(&self) -> Option<Space> {
        let hnsw = self.hnsw.as_ref().and_then(|index| index.space);
        hnsw.or_else(|| self.spann.as_ref().and_then(|index| index.space))
    }
}

impl EmbeddingFunctionConfiguration {
    /// A function with a name.
    ///
    /// ```
    /// use chroma_blocking::schema::EmbeddingFunctionConfiguration;
    ///
    /// let default = EmbeddingFunctionConfiguration::known("default", serde_json::json!({}));
    /// assert_eq!(default.name.as_deref(), Some("default"));
    /// ```
    pub fn known(name: impl Into<String>, config: Value) -> EmbeddingFunctionConfiguration {
        let new = EmbeddingFunctionConfiguration::new().kind("known");
        new.name(name).config(config)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_servers_tell_is_read_and_written_back() {
        let told = json!({
            "hnsw": {
                "space": "cosine", "ef_construction": 100, "ef_search": 50, "max_neighbors": 16, "resize_factor": 1.2,
                "sync_threshold": 1000,
            },
            "embedding_function": { "type": "known", "name": "default", "config": {}, "since": "2.0" },
            "quantization": { "bits": 4 },
        });
        let read: CollectionConfiguration = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(read.space(), Some(Space::Cosine));
        let hnsw = read.hnsw.as_ref().unwrap();
        assert_eq!((hnsw.ef_search, hnsw.resize_factor), (Some(50), Some(1.2)));
        assert_eq!(serde_json::to_value(&read).unwrap(), told);
    }

    #[test]
    fn kinds_without_a_name() {
        for wire in [json!({ "type": "legacy" }), json!({ "type": "unknown" })] {
            let read: EmbeddingFunctionConfiguration =
                serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(read.name, None);
            assert_eq!(serde_json::to_value(&read).unwrap(), wire);
        }
    }

    #[test]
    fn the_oldest_server_tells_nothing() {
        let told = r#"{"_type":"CollectionConfigurationInternal","hnsw_configuration":{"M":16,"space":"l2"}}"#;
        let read: CollectionConfiguration = serde_json::from_str(told).unwrap();
        assert_eq!(read.space(), None);
        assert_eq!(read.other.len(), 2);
    }
}
