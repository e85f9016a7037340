//! [`ModelIdentity`]: the model and the dimension in stored settings, by which functions are compared.
//!
//! Functions are compared also without the feature `functions`, so these facts of providers are not in the
//! files of the providers.

use std::fmt;

use serde_json::Value;

use super::names::GEMINI;
use crate::printable::short;

/// The model and the dimension in the configuration of a function.
pub(super) struct ModelIdentity {
    name: String,
    model: Option<String>,
    dimension: Option<String>,
}

impl ModelIdentity {
    /// `name` is Python's.
    pub(super) fn of(name: &str, config: Option<&Value>) -> ModelIdentity {
        let config = config.filter(|config| config.is_object());
        let member = |name: &str| config?.get(name).filter(|value| !value.is_null());
        let dimension = if name == "openai" && config.is_some_and(ignores_dimension) {
            None
        } else {
            member("dimension").or_else(|| member("dimensions"))
        };
        let model = model_of(name, config);
        // Without a dimension, these models return the largest.
        let is_gemini = model.is_none_or(|model| model.starts_with("gemini-embedding-"));
        let largest = (name == GEMINI && is_gemini).then(|| "3072".to_owned());
        ModelIdentity {
            name: short(name).into_owned(),
            model: model.map(|model| short(model).into_owned()),
            dimension: dimension
                .map(|floats| short(&floats.to_string()).into_owned())
                .or(largest),
        }
    }

    /// Whether the vectors of both match. The task does not count, because it shifts vectors within one
    /// space. What a configuration does not tell matches anything.
    pub(super) fn matches(&self, other: &ModelIdentity) -> bool {
        let is_same_name = self.name == other.name;
        let is_same_model = match (&self.model, &other.model) {
            (Some(one), Some(other)) => one == other,
            _ => is_same_name,
        };
        let is_same_dimension = match (&self.dimension, &other.dimension) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        is_same_model && is_same_dimension
    }
}

/// Prints `openai, text-embedding-3-small, 512 floats`.
impl fmt::Display for ModelIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(model) = &self.model {
            write!(f, ", {model}")?;
        }
        match &self.dimension {
            Some(dimension) => write!(f, ", {dimension} floats"),
            None => Ok(()),
        }
    }
}

/// The model of Chroma's default function.
pub(super) const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// Returns the name of a function's model. If several functions have the model, it is the same name for all of
/// them. `None` if the settings name no model.
pub(super) fn model_of<'a>(function: &str, config: Option<&'a Value>) -> Option<&'a str> {
    let member = |name: &str| config?.get(name)?.as_str();
    let named = member("model_name").or_else(|| member("model"));
    let model = match function {
        "onnx_mini_lm_l6_v2" => DEFAULT_MODEL,
        // JavaScript's default function may have another model.
        "default" => named.unwrap_or(DEFAULT_MODEL),
        _ => named?,
    };
    if function == "ollama" {
        return Some(of_ollama(model));
    }
    // Google's SDK accepts the first prefix, and Python's library the second. The third is a copy for JavaScript.
    let prefixes = ["models/", "sentence-transformers/", "Xenova/"];
    let mut short = prefixes
        .iter()
        .filter_map(|prefix| model.strip_prefix(prefix));
    Some(short.next().unwrap_or(model))
}

fn of_ollama(model: &str) -> &str {
    let model = model.strip_suffix(":latest").unwrap_or(model);
    match model {
        "chroma/all-minilm-l6-v2-f32"
        | "all-minilm"
        | "all-minilm:22m"
        | "all-minilm:l6-v2"
        | "all-minilm:22m-l6-v2-fp16" => DEFAULT_MODEL,
        other => other,
    }
}

/// Whether stored settings of `openai` have a dimension that is not sent: Python stores one for all models, and
/// sends it only to those with this name. JavaScript and this crate send what they store.
pub(super) fn ignores_dimension(config: &Value) -> bool {
    // Python stores all settings, and the others do not know this one.
    let is_pythons = config.get("default_headers").is_some();
    let model = config["model_name"].as_str().unwrap_or_default();
    is_pythons && !model.contains("text-embedding-3")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_default_model_has_one_name() {
        for (function, config) in [
            ("default", json!({})),
            ("onnx_mini_lm_l6_v2", json!({ "preferred_providers": [] })),
            (
                "sentence_transformer",
                json!({ "model_name": "all-MiniLM-L6-v2" }),
            ),
            (
                "sentence_transformer",
                json!({ "model_name": "sentence-transformers/all-MiniLM-L6-v2" }),
            ),
            (
                "default",
                json!({ "model": "Xenova/all-MiniLM-L6-v2", "quantized": true }),
            ),
            (
                "default",
                json!({ "model_name": "Xenova/all-MiniLM-L6-v2", "dtype": "fp32" }),
            ),
            (
                "huggingface",
                json!({ "model_name": "sentence-transformers/all-MiniLM-L6-v2" }),
            ),
            (
                "huggingface_server",
                json!({ "model_name": "sentence-transformers/all-MiniLM-L6-v2" }),
            ),
            (
                "ollama",
                json!({ "model_name": "chroma/all-minilm-l6-v2-f32" }),
            ),
            ("ollama", json!({ "model_name": "all-minilm:latest" })),
            ("ollama", json!({ "model_name": "all-minilm:22m" })),
        ] {
            assert_eq!(
                model_of(function, Some(&config)),
                Some(DEFAULT_MODEL),
                "{function} {config}"
            );
        }
        for (function, config) in [
            // Twelve layers
            ("ollama", json!({ "model_name": "all-minilm:33m" })),
            (
                "sentence_transformer",
                json!({ "model_name": "all-MiniLM-L12-v2" }),
            ),
            (
                "default",
                json!({ "model_name": "Xenova/all-MiniLM-L12-v2" }),
            ),
            ("openai", json!({ "model_name": "default" })),
        ] {
            assert_ne!(
                model_of(function, Some(&config)),
                Some(DEFAULT_MODEL),
                "{config}"
            );
        }
        assert_eq!(
            model_of("huggingface_server", Some(&json!({ "url": "u" }))),
            None
        );
        let tagged = json!({ "model_name": "bge-m3:latest" });
        assert_eq!(model_of("ollama", Some(&tagged)), Some("bge-m3"));
    }
}
