//! The embedding function in a collection's configuration: described, made, and compared with the caller's
//! function.

use std::sync::Arc;

use serde_json::Value;

use super::allowed::Allowed;
use super::function::EmbeddingFunction;
#[cfg(feature = "gemini")]
use super::gemini;
use super::hashing::{self, Hashing};
use crate::error::InvalidInput;
use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::printable::short;

#[cfg(feature = "gemini")]
const GEMINI: &str = gemini::NAME;
#[cfg(not(feature = "gemini"))]
const GEMINI: &str = "google_gemini";

/// Returns what a collection's configuration stores about a function. `None` if the function has no
/// [`config`](EmbeddingFunction::config).
pub(crate) fn describe(function: &dyn EmbeddingFunction) -> Option<EmbeddingFunctionConfiguration> {
    let config = function.config()?;
    Some(EmbeddingFunctionConfiguration::known(
        function.name(),
        config,
    ))
}

/// Makes the function that a configuration describes. Returns `None` if the configuration names no function.
/// Reads no environment variables.
///
/// The configuration comes from a server, and anyone who may change the collection may have written it. So it
/// chooses nothing but the model and its options, and what `allowed` contains.
///
/// # Errors
/// [`InvalidInput::StoredEmbeddingFunction`] if this crate cannot make the function.
pub(crate) fn make(
    stored: &EmbeddingFunctionConfiguration,
    allowed: &Allowed,
) -> Result<Option<Arc<dyn EmbeddingFunction>>, InvalidInput> {
    let Some(name) = stored.name.as_deref() else {
        return Ok(None);
    };
    let config = stored.config.as_ref().unwrap_or(&Value::Null);
    make_named(name, config, allowed).map(Some).map_err(|why| {
        InvalidInput::StoredEmbeddingFunction {
            name: short(name).into_owned(),
            why,
        }
    })
}

#[cfg_attr(
    not(feature = "gemini"),
    allow(unused_variables, reason = "only providers with a key need it")
)]
fn make_named(
    name: &str,
    config: &Value,
    allowed: &Allowed,
) -> Result<Arc<dyn EmbeddingFunction>, String> {
    match name {
        #[cfg(feature = "gemini")]
        GEMINI => Ok(Arc::new(gemini::StoredGemini::new(config, allowed)?)),
        #[cfg(not(feature = "gemini"))]
        GEMINI => Err("this crate was built without its feature `gemini`".to_owned()),
        hashing::NAME => Ok(Arc::new(Hashing::from_config(config)?)),
        "default" => Err(
            "it is the default model of Chroma's Python and JavaScript clients, which this crate does not include"
                .to_owned(),
        ),
        _ => Err("this crate has no function of that name".to_owned()),
    }
}

/// Checks that a function makes the same vectors as the one in a configuration: that the names are equal, and
/// for functions of this crate also the models and dimensions.
///
/// # Errors
/// [`InvalidInput::EmbeddingFunctionConflict`] if it does not.
pub(crate) fn check(
    stored: &EmbeddingFunctionConfiguration,
    given: &dyn EmbeddingFunction,
) -> Result<(), InvalidInput> {
    let Some(name) = stored.name.as_deref() else {
        return Ok(());
    };
    if name != given.name() {
        return Err(InvalidInput::EmbeddingFunctionConflict {
            stored: short(name).into_owned(),
            given: given.name().to_owned(),
        });
    }
    let (Some(stored), Some(given)) = (&stored.config, given.config()) else {
        return Ok(());
    };
    match name {
        #[cfg(feature = "gemini")]
        GEMINI => gemini::check_same_vectors(stored, &given),
        hashing::NAME => hashing::check_same_vectors(stored, &given),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn an_unknown_function_is_an_error_with_its_name() {
        for remembered in [
            stored("openai", json!({ "model_name": "text-embedding-3-small" })),
            stored("default", json!({})),
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
}
