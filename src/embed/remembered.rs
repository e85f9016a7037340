//! The embedding function that a collection remembers: made again from its configuration, and compared with one that
//! is passed in.

use std::sync::Arc;

use serde_json::Value;

#[cfg(feature = "gemini")]
use super::gemini;
use super::{EmbeddingFunction, Hashing};
use crate::error::InvalidInput;
use crate::model::configuration::EmbeddingFunctionConfiguration;

/// How a collection is to remember a function; nothing where the function does not describe itself.
pub(crate) fn describe(function: &dyn EmbeddingFunction) -> Option<EmbeddingFunctionConfiguration> {
    let config = function.config()?;
    Some(EmbeddingFunctionConfiguration::known(
        function.name(),
        config,
    ))
}

/// The function that a collection remembers, if it has a name. Reads no environment.
///
/// # Errors
/// Why there is no such function here.
pub(crate) fn make(
    stored: &EmbeddingFunctionConfiguration,
) -> Result<Option<Arc<dyn EmbeddingFunction>>, InvalidInput> {
    let Some(name) = stored.name.as_deref() else {
        return Ok(None);
    };
    let config = stored.config.as_ref().unwrap_or(&Value::Null);
    let made: Result<Arc<dyn EmbeddingFunction>, String> = match name {
        #[cfg(not(feature = "gemini"))]
        "google_gemini" => Err("this crate was built without its feature `gemini`".to_owned()),
        #[cfg(feature = "gemini")]
        "google_gemini" => match gemini::Remembered::new(config) {
            Ok(function) => Ok(Arc::new(function)),
            Err(why) => Err(why),
        },
        "chroma_blocking_hashing" => match Hashing::from_config(config) {
            Ok(function) => Ok(Arc::new(function)),
            Err(why) => Err(why),
        },
        "default" => Err(
            "it is a model that Chroma's Python and JavaScript clients bring along, and this crate does not"
                .to_owned(),
        ),
        _ => Err("this crate has no function of that name".to_owned()),
    };
    made.map(Some)
        .map_err(|why| InvalidInput::StoredEmbeddingFunction {
            name: name.to_owned(),
            why,
        })
}

/// Refuses a function whose vectors do not match those of the one that a collection remembers: another name, or, for
/// those that are known here, another model or dimension.
pub(crate) fn check(
    stored: &EmbeddingFunctionConfiguration,
    given: &dyn EmbeddingFunction,
) -> Result<(), InvalidInput> {
    let Some(name) = stored.name.as_deref() else {
        return Ok(());
    };
    let same = match (name, &stored.config, given.config()) {
        _ if name != given.name() => Err((name.to_owned(), given.name().to_owned())),
        #[cfg(feature = "gemini")]
        ("google_gemini", Some(stored), Some(given)) => gemini::same(stored, &given),
        ("chroma_blocking_hashing", Some(stored), Some(given)) => {
            let words = |config: &Value| format!("{name}, {} floats", config["dimension"]);
            match stored["dimension"] == given["dimension"] {
                true => Ok(()),
                false => Err((words(stored), words(&given))),
            }
        }
        _ => Ok(()),
    };
    same.map_err(|(stored, given)| InvalidInput::EmbeddingFunctionConflict { stored, given })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(name: &str, config: Value) -> EmbeddingFunctionConfiguration {
        EmbeddingFunctionConfiguration::known(name, config)
    }

    #[test]
    fn hashing_comes_back_with_its_dimension() {
        let hashing = Hashing::with_dimension(16).unwrap();
        let remembered = describe(&hashing).unwrap();
        let made = make(&remembered).unwrap().unwrap();
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
    fn what_has_no_name_is_no_function() {
        for kind in ["legacy", "unknown"] {
            let nameless = EmbeddingFunctionConfiguration::new().kind(kind);
            assert!(make(&nameless).unwrap().is_none());
            assert_eq!(check(&nameless, &Hashing::default()), Ok(()));
        }
    }

    #[test]
    fn what_is_not_known_here_is_named() {
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
            let error = make(&remembered).err().unwrap().to_string();
            assert!(
                error.contains(remembered.name.as_deref().unwrap()),
                "{error}"
            );
        }
    }
}
