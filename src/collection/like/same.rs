//! Checks that an existing collection can take the vectors of another one.

use super::settings::CollectionSettings;
use crate::collection::handle::Collection;
use crate::embed::configured;
use crate::error::InvalidInput;

impl Collection {
    /// Checks that vectors of another collection can be stored in this one: same dimension, same distance
    /// function, and no conflict between the embedding functions. What one of the two does not tell is not
    /// compared.
    ///
    /// # Errors
    /// [`InvalidInput`] that names both values.
    pub(crate) fn check_same_vectors(
        &self,
        source: &CollectionSettings,
    ) -> Result<(), InvalidInput> {
        let own = CollectionSettings::of(self);
        let differs = |name, own: &str, source: &str| {
            let why = format!(
                "the source has {source}, so the vectors do not match; choose another name, or delete the \
                 collection {:?} first",
                self.name()
            );
            Err(InvalidInput::setting(name, own, why))
        };
        if let (Some(own), Some(source)) = (own.dimension, source.dimension) {
            if own != source {
                return differs("dimension", &own.to_string(), &source.to_string());
            }
        }
        if let (Some(own), Some(source)) = (own.index().space(), source.index().space()) {
            if own != source {
                return differs("space", own.name(), source.name());
            }
        }
        if let (Some(own), Some(source)) = (own.function(), source.function()) {
            if let Err(InvalidInput::EmbeddingFunctionConflict { stored, given }) =
                configured::check_stored(&own, &source)
            {
                return differs("embedding_function", &stored, &given);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::client::Client;
    use crate::collection::embedding_functions::EmbeddingFunctions;
    use crate::schema::EmbeddingFunctionConfiguration;

    fn collection(dimension: Option<usize>, metadata: &Value, hnsw: &Value) -> Collection {
        let stored = json!({
            "id": "29429579-64b8-4168-8e68-2a196b8324da", "name": "abc", "dimension": dimension,
            "metadata": metadata, "configuration_json": { "hnsw": hnsw },
        });
        let client = Client::builder().host("localhost:1").build().unwrap();
        let stored = serde_json::from_value(stored).unwrap();
        Collection::new(client, stored, EmbeddingFunctions::default())
    }

    fn with_function(name: &str, config: Value) -> CollectionSettings {
        let mut settings = CollectionSettings::default();
        let function = EmbeddingFunctionConfiguration::known(name, config);
        settings.configuration.embedding_function = Some(function);
        settings
    }

    #[test]
    fn settings_survive_a_file() {
        let metadata = json!({ "a": 1, "hnsw:space": "ip" });
        let hnsw = json!({ "space": "l2", "ef_search": 100, "new": [1] });
        let settings = CollectionSettings::of(&collection(Some(3), &metadata, &hnsw));
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(
            serde_json::from_str::<CollectionSettings>(&text).unwrap(),
            settings
        );
        assert!(text.contains(r#""new":[1]"#), "{text}");
        let empty: CollectionSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, CollectionSettings::default());
    }

    #[test]
    fn vectors_of_another_kind_are_refused() {
        let l2 = json!({ "space": "l2", "ef_search": 100 });
        let nothing = Value::Null;
        let target = collection(Some(3), &nothing, &l2);
        let check = |dimension, metadata: &Value, hnsw: &Value| {
            let source = CollectionSettings::of(&collection(dimension, metadata, hnsw));
            target
                .check_same_vectors(&source)
                .map_err(|reason| reason.to_string())
        };
        assert_eq!(check(Some(3), &nothing, &l2), Ok(()));
        assert_eq!(check(None, &json!({ "a": 1 }), &nothing), Ok(()));
        let error = check(Some(4), &nothing, &l2).unwrap_err();
        assert!(
            error.contains("dimension is \"3\": the source has 4"),
            "{error}"
        );
        for (metadata, hnsw) in [
            (&nothing, &json!({ "space": "cosine" })),
            // Of Chroma 0.5, and of Chroma 1.0.0.
            (&json!({ "hnsw:space": "cosine" }), &l2),
            (&json!({ "hnsw:space": "cosine" }), &nothing),
        ] {
            let error = check(Some(3), metadata, hnsw).unwrap_err();
            assert!(
                error.contains("space is \"l2\": the source has cosine"),
                "{error}"
            );
            assert!(error.contains("\"abc\" first"), "{error}");
        }
    }

    #[test]
    fn vectors_of_another_model_are_refused() {
        let model = |model: &str| json!({ "model_name": model });
        let stored = json!({
            "id": "29429579-64b8-4168-8e68-2a196b8324da", "name": "abc", "configuration_json": {
                "embedding_function": { "type": "known", "name": "openai", "config": model("m") },
            },
        });
        let client = Client::builder().host("localhost:1").build().unwrap();
        let stored = serde_json::from_value(stored).unwrap();
        let target = Collection::new(client, stored, EmbeddingFunctions::default());
        let check = |source| target.check_same_vectors(&source);
        assert_eq!(check(CollectionSettings::default()), Ok(()));
        assert_eq!(check(with_function("openai", model("m"))), Ok(()));
        assert_eq!(check(with_function("together-ai", model("m"))), Ok(()));
        let error = check(with_function("openai", model("n")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"openai, m\": the source has openai, n"),
            "{error}"
        );
        assert!(check(with_function("of-another-client", json!({}))).is_err());
    }
}
