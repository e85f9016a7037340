//! [`CollectionConfiguration`] and [`EmbeddingFunctionConfiguration`]: the settings that a server stores.

use serde_json::Value;

use super::index::{HnswConfig, SpannConfig};
use super::open::open_object;
use super::space::Space;

open_object! {
    /// The configuration of a collection, as the server returns it: the settings of its index, and the
    /// embedding function that it was created with.
    ///
    /// Chroma 1.0.0 applies a configuration but does not return it. There, every field is `None`, and
    /// [`other`](CollectionConfiguration::other) holds the same defaults for every collection.
    pub struct CollectionConfiguration {
        /// The HNSW index, on single-node servers.
        hnsw ("hnsw"): HnswConfig as HnswConfig,
        /// The SPANN index, on distributed servers and Chroma Cloud.
        spann ("spann"): SpannConfig as SpannConfig,
        /// The embedding function that the collection was created with.
        embedding_function ("embedding_function"): EmbeddingFunctionConfiguration as EmbeddingFunctionConfiguration,
    }
}

open_object! {
    /// An embedding function as a collection stores it: a name that Chroma's clients share, and the settings
    /// to create it again. It never holds an API key, only the name of the environment variable with the key.
    pub struct EmbeddingFunctionConfiguration {
        /// `known` if the function has a name. `legacy` or `unknown` if the collection was created without
        /// one.
        kind ("type"): String as impl Into<String>,
        /// The name, such as `google_gemini`, or `default` for that of Chroma's Python and JavaScript
        /// clients.
        name ("name"): String as impl Into<String>,
        /// The settings of the function.
        config ("config"): Value as Value,
    }
}

impl CollectionConfiguration {
    /// Returns the distance function, if the server returned it.
    pub fn space(&self) -> Option<Space> {
        let hnsw = self.hnsw.as_ref().and_then(|index| index.space);
        hnsw.or_else(|| self.spann.as_ref().and_then(|index| index.space))
    }
}

impl EmbeddingFunctionConfiguration {
    /// Creates the configuration of a function with a name.
    ///
    /// ```
    /// use chroma_blocking::schema::EmbeddingFunctionConfiguration;
    ///
    /// let settings = serde_json::json!({});
    /// let default = EmbeddingFunctionConfiguration::known("default", settings);
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
    fn a_configuration_is_read_and_written_back() {
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
    fn functions_without_a_name_are_read() {
        for wire in [json!({ "type": "legacy" }), json!({ "type": "unknown" })] {
            let read: EmbeddingFunctionConfiguration =
                serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(read.name, None);
            assert_eq!(serde_json::to_value(&read).unwrap(), wire);
        }
    }

    #[test]
    fn the_oldest_server_returns_no_known_field() {
        let told = r#"{"_type":"CollectionConfigurationInternal","hnsw_configuration":{"M":16,"space":"l2"}}"#;
        let read: CollectionConfiguration = serde_json::from_str(told).unwrap();
        assert_eq!(read.space(), None);
        assert_eq!(read.other.len(), 2);
    }
}
