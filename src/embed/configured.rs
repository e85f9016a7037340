//! The embedding function in a collection's configuration: described, made, and compared with the caller's
//! function.

use std::sync::Arc;

use serde_json::Value;

use super::allowed::Allowed;
#[cfg(feature = "bm25")]
use super::bm25::{self, Bm25};
use super::function::EmbeddingFunction;
#[cfg(feature = "gemini")]
use super::gemini;
use super::hashing::{self, Hashing};
#[cfg(feature = "functions")]
use super::http;
use super::model_identity::ModelIdentity;
#[cfg(feature = "gemini")]
use super::names::GEMINI;
use super::names::{canonical, why_not, why_not_sparse};
#[cfg(feature = "onnx")]
use super::onnx;
use super::sparse::SparseEmbeddingFunction;
use crate::error::InvalidInput;
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::printable::short;

/// Returns what a new collection stores about a function, under Python's name. `None` if the function has no
/// [`config`](EmbeddingFunction::config).
pub(crate) fn describe(function: &dyn EmbeddingFunction) -> Option<EmbeddingFunctionConfiguration> {
    let (name, config) = (canonical(function.name()), function.config()?);
    Some(EmbeddingFunctionConfiguration::known(name, config))
}

/// Describes a function for people: `openai, text-embedding-3-small, 512 floats`.
#[cfg(feature = "transfer")]
pub(crate) fn summary(function: &dyn EmbeddingFunction) -> String {
    ModelIdentity::of(canonical(function.name()), function.config().as_ref()).to_string()
}

/// Like [`describe`], for a collection that stores a function already. It keeps the name, since the client that
/// created it may know no other.
pub(crate) fn describe_again(
    function: &dyn EmbeddingFunction,
    stored: Option<&EmbeddingFunctionConfiguration>,
) -> Option<EmbeddingFunctionConfiguration> {
    let mut described = describe(function)?;
    let stored = stored.and_then(|stored| stored.name.as_deref());
    if let Some(name) = stored.filter(|name| canonical(name) == canonical(function.name())) {
        described.name = Some(name.to_owned());
    }
    Some(described)
}

/// Makes the function of sparse vectors that a schema describes.
///
/// # Errors
/// [`InvalidInput::StoredSparseFunction`] if this crate cannot make the function.
#[cfg_attr(
    not(feature = "functions"),
    allow(unused_variables, reason = "only providers with a key need it")
)]
pub(crate) fn make_sparse(
    stored: &EmbeddingFunctionConfiguration,
    allowed: &Allowed,
) -> Result<Arc<dyn SparseEmbeddingFunction>, InvalidInput> {
    let name = stored.name.as_deref().unwrap_or_default();
    let config = stored.config.as_ref().unwrap_or(&Value::Null);
    let made: Result<Arc<dyn SparseEmbeddingFunction>, String> = match name {
        #[cfg(feature = "bm25")]
        bm25::NAME => Bm25::from_config(config).map(|function| Arc::new(function) as _),
        #[cfg(feature = "functions")]
        http::SPLADE => {
            http::ChromaCloudSplade::stored(config, allowed).map(|function| Arc::new(function) as _)
        }
        name => Err(why_not_sparse(name).to_owned()),
    };
    made.map_err(|why| InvalidInput::StoredSparseFunction {
        name: short(name).into_owned(),
        why,
    })
}

/// Makes the function that a configuration describes. Returns `None` if the configuration names no function.
/// Reads no environment variables.
///
/// The configuration comes from a server, and anyone who may change the collection may have written it. So it
/// chooses nothing but the model and its options, and what `allowed` contains.
///
/// # Errors
/// [`InvalidInput::StoredEmbeddingFunction`] if this crate cannot make the function, and
/// [`InvalidInput::RetiredModel`] if the provider has shut the model down.
pub(crate) fn make(
    stored: &EmbeddingFunctionConfiguration,
    allowed: &Allowed,
) -> Result<Option<Arc<dyn EmbeddingFunction>>, InvalidInput> {
    let Some(name) = stored.name.as_deref() else {
        return Ok(None);
    };
    let config = stored.config.as_ref().unwrap_or(&Value::Null);
    #[cfg(feature = "gemini")]
    if let Some(retired) = gemini::retired(name, config) {
        return Err(retired);
    }
    make_named(name, config, allowed).map(Some).map_err(|why| {
        InvalidInput::StoredEmbeddingFunction {
            name: short(name).into_owned(),
            why,
        }
    })
}

#[cfg_attr(
    not(any(feature = "gemini", feature = "onnx")),
    allow(unused_variables, reason = "only some functions need it")
)]
fn make_named(
    name: &str,
    config: &Value,
    allowed: &Allowed,
) -> Result<Arc<dyn EmbeddingFunction>, String> {
    #[cfg(feature = "functions")]
    if let Some(function) = http::deferred(name, config, allowed)? {
        return Ok(Arc::new(function));
    }
    #[cfg(feature = "onnx")]
    if let Some(function) = onnx::deferred(name, config, allowed)? {
        return Ok(Arc::new(function));
    }
    match canonical(name) {
        #[cfg(feature = "gemini")]
        GEMINI => Ok(Arc::new(gemini::deferred(name, config, allowed)?)),
        hashing::NAME => Ok(Arc::new(Hashing::from_config(config)?)),
        name => Err(why_not(name).to_owned()),
    }
}

/// Checks that a function makes the same vectors as the one in a configuration: same model and same
/// dimension. If one of the two has no model, the names must be equal.
///
/// # Errors
/// [`InvalidInput::EmbeddingFunctionConflict`] if it does not.
pub(crate) fn check(
    stored: &EmbeddingFunctionConfiguration,
    given: &dyn EmbeddingFunction,
) -> Result<(), InvalidInput> {
    compare(stored, given.name(), given.config().as_ref())
}

/// Does the same as [`check`] for two stored functions.
///
/// # Errors
/// As for [`check`].
#[cfg(feature = "transfer")]
pub(crate) fn check_stored(
    stored: &EmbeddingFunctionConfiguration,
    other: &EmbeddingFunctionConfiguration,
) -> Result<(), InvalidInput> {
    match other.name.as_deref() {
        Some(name) => compare(stored, name, other.config.as_ref()),
        None => Ok(()),
    }
}

/// Does the same as [`check`] for a function of sparse vectors.
///
/// # Errors
/// As for [`check`].
pub(crate) fn check_sparse(
    stored: &EmbeddingFunctionConfiguration,
    given: &dyn SparseEmbeddingFunction,
) -> Result<(), InvalidInput> {
    compare(stored, given.name(), Some(&given.config()))
}

fn compare(
    stored: &EmbeddingFunctionConfiguration,
    given: &str,
    given_config: Option<&Value>,
) -> Result<(), InvalidInput> {
    let Some(name) = stored.name.as_deref() else {
        return Ok(());
    };
    let stored = ModelIdentity::of(canonical(name), stored.config.as_ref());
    let given = ModelIdentity::of(canonical(given), given_config);
    if stored.matches(&given) {
        return Ok(());
    }
    Err(InvalidInput::EmbeddingFunctionConflict {
        stored: stored.to_string(),
        given: given.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::embed::error::EmbeddingError;
    use crate::embed::names::GEMINI;
    use crate::model::embeddings::Embeddings;

    fn stored(name: &str, config: Value) -> EmbeddingFunctionConfiguration {
        EmbeddingFunctionConfiguration::known(name, config)
    }

    #[test]
    fn hashing_is_made_with_its_dimension() {
        let hashing = Hashing::with_dimension(16).unwrap();
        let remembered = describe(&hashing).unwrap();
        let made = make(&remembered, &Allowed::default()).unwrap().unwrap();
        assert_eq!(made.dimension(), Some(16));
        assert_eq!(check(&remembered, &hashing), Ok(()));
        assert_eq!(
            check(&remembered, &Hashing::default()).unwrap_err(),
            InvalidInput::EmbeddingFunctionConflict {
                stored: "chroma_blocking_hashing, 16 floats".to_owned(),
                given: "chroma_blocking_hashing, 768 floats".to_owned(),
            }
        );
    }

    #[test]
    fn a_configuration_without_a_name_describes_no_function() {
        for kind in ["legacy", "unknown"] {
            let nameless = EmbeddingFunctionConfiguration::new().kind(kind);
            assert!(make(&nameless, &Allowed::default()).unwrap().is_none());
            assert_eq!(check(&nameless, &Hashing::default()), Ok(()));
        }
    }

    #[test]
    fn secure_01_a_hostile_name_or_dimension_is_shown_escaped_and_shortened() {
        let hostile = format!("\u{1b}[2J\u{9b}31m\r\n{}", "x".repeat(1 << 20));
        let hashing = Hashing::default();
        for remembered in [
            stored(&hostile, json!({})),
            stored("chroma_blocking_hashing", json!({ "dimension": hostile })),
            stored("chroma_blocking_hashing", json!({ "dimension": [hostile] })),
        ] {
            let unusable = make(&remembered, &Allowed::default()).err().unwrap();
            let conflict = check(&remembered, &hashing).unwrap_err();
            for error in [unusable.to_string(), conflict.to_string()] {
                assert!(error.len() < 4000, "{} bytes", error.len());
                assert!(!error.contains(char::is_control), "{error:?}");
            }
        }
    }

    #[test]
    fn secure_01_a_hostile_sparse_function_is_shown_escaped_and_shortened() {
        let hostile = format!("\u{1b}[2J\u{9b}31m\r\n{}", "x".repeat(1 << 20));
        for remembered in [
            stored(&hostile, json!({})),
            stored("chroma_bm25", json!({ "k": hostile })),
            stored("chroma_bm25", json!({ "stopwords": hostile })),
            stored("chroma-cloud-splade", json!({ "model": [hostile] })),
            stored("chroma-cloud-splade", json!({ "model": hostile })),
        ] {
            let unusable = make_sparse(&remembered, &Allowed::default());
            let error = unusable.err().unwrap().to_string();
            assert!(error.len() < 4000, "{} bytes", error.len());
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        for python in ["bm25", "fastembed_sparse", "huggingface_sparse"] {
            let unusable = make_sparse(&stored(python, json!({})), &Allowed::default());
            let error = unusable.err().unwrap().to_string();
            assert!(error.contains("Python library"), "{error}");
        }
    }

    #[test]
    fn an_unknown_function_is_an_error_with_its_name() {
        for remembered in [
            stored("openai", json!({ "model_name": 7 })),
            stored("text2vec", json!({ "model_name": "m" })),
            stored("google_palm", json!({})),
            stored(
                "google_gemini",
                json!({ "model_name": "m", "vertexai": true }),
            ),
            stored("chroma_blocking_hashing", json!({ "dimension": 0 })),
            stored("chroma_blocking_hashing", json!({ "dimension": "many" })),
        ] {
            let error = make(&remembered, &Allowed::default())
                .err()
                .unwrap()
                .to_string();
            assert!(
                error.contains(remembered.name.as_deref().unwrap()),
                "{error}"
            );
        }
    }

    fn check_configs(
        (name, config): (&str, Value),
        (given_name, given): (&str, Value),
    ) -> Result<(), String> {
        match compare(&stored(name, config), given_name, Some(&given)) {
            Err(InvalidInput::EmbeddingFunctionConflict { stored, given }) => {
                Err(format!("{stored} / {given}"))
            }
            other => {
                assert_eq!(other, Ok(()));
                Ok(())
            }
        }
    }

    #[test]
    fn only_model_and_dimension_must_be_equal() {
        let stored = || json!({ "model_name": "gemini-embedding-001", "dimension": 768 });
        let given = json!({
            "model_name": "models/gemini-embedding-001", "dimension": 768, "task_type": "CLUSTERING",
            "api_key_env_var": "X",
        });
        for name in [
            "google_gemini",
            "google-gemini",
            "google_genai",
            "google-generative-ai",
            "google_generative_ai",
        ] {
            assert_eq!(
                check_configs((name, stored()), (GEMINI, given.clone())),
                Ok(())
            );
        }
        let full = || json!({ "model_name": "gemini-embedding-001" });
        assert_eq!(
            check_configs((GEMINI, stored()), (GEMINI, full())).unwrap_err(),
            "google_gemini, gemini-embedding-001, 768 floats / google_gemini, gemini-embedding-001, 3072 floats"
        );
        assert_eq!(check_configs((GEMINI, full()), (GEMINI, json!(7))), Ok(()));
    }

    #[test]
    fn secure_01_a_hostile_configuration_is_shown_shortened_in_a_conflict() {
        let hostile = format!("\u{1b}[2J\u{9b}31m\r\n{}", "x".repeat(1 << 20));
        let remembered = stored(GEMINI, json!({ "model_name": hostile }));
        let conflict = check(&remembered, &Hashing::default())
            .unwrap_err()
            .to_string();
        assert!(conflict.len() < 3000, "{} bytes", conflict.len());
        assert!(!conflict.contains(char::is_control), "{conflict:?}");
    }

    #[test]
    fn the_same_model_under_another_name_is_no_conflict() {
        let model = |name: &str| json!({ "model_name": name });
        let own = |name: &str| ("openai", model(name));
        assert_eq!(check_configs(own("m"), ("together-ai", model("m"))), Ok(()));
        assert_eq!(
            check_configs(own("m"), own("n")).unwrap_err(),
            "openai, m / openai, n"
        );
        assert_eq!(
            check_configs(own("m"), ("default", json!({}))).unwrap_err(),
            "openai, m / default, all-MiniLM-L6-v2"
        );
    }

    #[test]
    fn the_default_function_is_the_same_model_as_that_of_ollama() {
        let ollama = || {
            (
                "ollama",
                json!({ "model_name": "chroma/all-minilm-l6-v2-f32" }),
            )
        };
        let l6 = || json!({ "model_name": "sentence-transformers/all-MiniLM-L6-v2" });
        for stored in [
            ("default", json!({})),
            ("onnx_mini_lm_l6_v2", json!({ "preferred_providers": null })),
            ("sentence_transformer", l6()),
            ("huggingface", l6()),
            ("huggingface-server", l6()),
        ] {
            assert_eq!(check_configs(stored, ollama()), Ok(()));
        }
        let other = json!({ "model_name": "all-MiniLM-L12-v2" });
        let other = check_configs(("sentence_transformer", other), ollama());
        assert_eq!(
            other.unwrap_err(),
            "sentence_transformer, all-MiniLM-L12-v2 / ollama, all-MiniLM-L6-v2"
        );
    }

    #[test]
    fn a_dimension_that_python_stores_and_ignores_is_no_conflict() {
        let given = || ("openai", json!({ "model_name": "m", "dimensions": 768 }));
        let pythons = json!({ "model_name": "m", "dimensions": 256, "default_headers": null });
        assert_eq!(check_configs(("openai", pythons), given()), Ok(()));
        let others = json!({ "model_name": "m", "dimensions": 256 });
        assert!(check_configs(("openai", others), given()).is_err());
    }

    /// The function of a collection that JavaScript created.
    struct OfJavaScript;

    impl EmbeddingFunction for OfJavaScript {
        fn name(&self) -> &str {
            "google-gemini"
        }

        fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
            Err("no texts".into())
        }

        fn config(&self) -> Option<Value> {
            Some(json!({}))
        }
    }

    #[test]
    fn a_collection_keeps_the_name_and_a_new_one_gets_pythons() {
        let name = |stored: &str| {
            let stored = stored_or_none(stored);
            let described = describe_again(&OfJavaScript, stored.as_ref()).unwrap();
            described.name.unwrap()
        };
        assert_eq!(name("google_genai"), "google_genai");
        assert_eq!(name("google-generative-ai"), "google-generative-ai");
        assert_eq!(name("ollama"), GEMINI, "the same model under another name");
        assert_eq!(name(""), GEMINI);
        assert_eq!(describe(&OfJavaScript).unwrap().name.unwrap(), GEMINI);
    }

    fn stored_or_none(name: &str) -> Option<EmbeddingFunctionConfiguration> {
        (!name.is_empty()).then(|| stored(name, json!({})))
    }

    #[test]
    fn what_cannot_run_here_says_why() {
        for name in [
            "amazon_bedrock",
            "google_palm",
            "google_vertex",
            "open_clip",
            "instructor",
            "langchain",
            "nomic",
            "roboflow",
        ] {
            let error = make(&stored(name, json!({})), &Allowed::default()).err();
            let error = error.unwrap().to_string();
            assert!(!error.contains("no function of that name"), "{error}");
        }
    }
}
