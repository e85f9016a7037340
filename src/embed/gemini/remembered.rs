//! [`Remembered`]: Gemini as a collection remembers it, made when the first text comes.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::builder::{DIMENSIONS, KEY_VARIABLES};
use super::{Gemini, GeminiBuilder, ModelStyle, TaskType, cache_key, model};
use crate::embed::{EmbeddingContext, EmbeddingError, EmbeddingFunction, Purpose};
use crate::environment::Environment;
use crate::error::InvalidInput;
use crate::model::embeddings::Embeddings;
use crate::model::space::Space;

/// What both models give when no dimension is asked for.
const FULL_DIMENSION: usize = 3072;

/// What Chroma's clients store for `google_gemini`.
#[derive(Debug, Deserialize)]
struct Config {
    model_name: String,
    #[serde(default)]
    task_type: Option<String>,
    #[serde(default)]
    dimension: Option<usize>,
    /// Without one, the default of Chroma's clients.
    #[serde(default = "default_variable")]
    api_key_env_var: Option<String>,
    #[serde(default)]
    vertexai: Option<bool>,
}

fn default_variable() -> Option<String> {
    Some(KEY_VARIABLES[1].to_owned())
}

/// Whether two configurations give vectors that match. Only the model and the dimension count: the task shifts
/// vectors within one space (a query's differs from a document's anyway), and the key's place changes nothing. Where
/// they do not match: both, in words. What cannot be read is let pass.
pub(in crate::embed) fn same(stored: &Value, given: &Value) -> Result<(), (String, String)> {
    let (Ok(stored), Ok(given)) = (Config::deserialize(stored), Config::deserialize(given)) else {
        return Ok(());
    };
    let essence = |config: &Config| {
        (
            config.model().to_owned(),
            config.dimension.unwrap_or(FULL_DIMENSION),
        )
    };
    let (stored, given) = (essence(&stored), essence(&given));
    if stored == given {
        return Ok(());
    }
    let words = |(model, dimension)| format!("google_gemini, {model}, {dimension} floats");
    Err((words(stored), words(given)))
}

impl Config {
    /// Google's SDK takes a model with or without the kind of resource before it.
    fn model(&self) -> &str {
        let name = &self.model_name;
        name.strip_prefix("models/").unwrap_or(name)
    }

    fn builder(&self) -> Result<GeminiBuilder, String> {
        if self.vertexai == Some(true) {
            return Err(
                "it was made for Vertex AI, and this crate speaks with the Gemini API only"
                    .to_owned(),
            );
        }
        let task = match &self.task_type {
            None => None,
            Some(name) => Some(
                TaskType::named(name)
                    .ok_or_else(|| format!("this version does not know the task {name:?}"))?,
            ),
        };
        let mut builder = Gemini::builder()
            .model(self.model())
            .dimension(self.dimension.unwrap_or(FULL_DIMENSION));
        builder.document_task = task;
        // Chroma's clients embed queries as documents; what was stored for retrieval is found better by a query.
        builder.query_task = match task {
            Some(TaskType::RetrievalDocument) => Some(TaskType::RetrievalQuery),
            task => task,
        };
        builder.key_variables = self.key_variables();
        Ok(builder)
    }

    fn key_variables(&self) -> Vec<String> {
        let Some(variable) = &self.api_key_env_var else {
            return Vec::new();
        };
        let mut variables = vec![variable.clone()];
        // Both of Google's names hold the same kind of key: one machine may have this one, another that one.
        if KEY_VARIABLES.contains(&variable.as_str()) {
            let other = KEY_VARIABLES.into_iter().filter(|name| name != variable);
            variables.extend(other.map(str::to_owned));
        }
        variables
    }
}

/// Gemini as a collection remembers it. It looks for the key when the first text is to be embedded, and not before:
/// who opens a collection for its vectors needs none, and no secret is read for nothing.
pub(in crate::embed) struct Remembered {
    builder: GeminiBuilder,
    style: ModelStyle,
    config: Value,
    made: OnceLock<Gemini>,
}

impl Remembered {
    /// # Errors
    /// Why there cannot be such a function here, in words.
    pub(in crate::embed) fn new(config: &Value) -> Result<Remembered, String> {
        let read = Config::deserialize(config)
            .map_err(|error| format!("its configuration cannot be read: {error}"))?;
        let builder = read.builder()?;
        let Some(model::Known { style, .. }) = model::known(&builder.model) else {
            return Err(format!("the model {:?} is not known here", builder.model));
        };
        if !DIMENSIONS.contains(&builder.dimension) {
            return Err(format!(
                "{} floats are not what its models give",
                builder.dimension
            ));
        }
        Ok(Remembered {
            builder,
            style,
            config: config.clone(),
            made: OnceLock::new(),
        })
    }

    fn made(&self, environment: &Environment<'_>) -> Result<&Gemini, EmbeddingError> {
        if let Some(gemini) = self.made.get() {
            return Ok(gemini);
        }
        let made = self
            .builder
            .clone()
            .build_in(environment)
            .map_err(|reason| InvalidInput::StoredEmbeddingFunction {
                name: self.name().to_owned(),
                why: reason.to_string(),
            })?;
        Ok(self.made.get_or_init(|| made))
    }
}

impl EmbeddingFunction for Remembered {
    fn name(&self) -> &str {
        "google_gemini"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.made(&Environment::of_process())?
            .embed_documents(documents)
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Embeddings, EmbeddingError> {
        self.made(&Environment::of_process())?
            .embed_queries(queries)
    }

    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Embeddings, EmbeddingError> {
        self.made(&Environment::of_process())?
            .embed_with(texts, context)
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.builder.dimension)
    }

    fn default_space(&self) -> Space {
        Space::Cosine
    }

    fn config(&self) -> Option<Value> {
        Some(self.config.clone())
    }

    fn cache_key(&self, purpose: Purpose) -> String {
        let GeminiBuilder {
            model, dimension, ..
        } = &self.builder;
        let task = match purpose {
            Purpose::Documents => self.builder.document_task,
            Purpose::Queries => self.builder.query_task,
        };
        cache_key(model, self.style, *dimension, task)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use serde_json::json;

    use super::*;

    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            // Google's own address needs the feature `tls`.
            let address = ("GOOGLE_GEMINI_BASE_URL", "localhost:1");
            let found = variables
                .iter()
                .chain([&address])
                .find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).into())
        }
    }

    #[test]
    fn what_python_stores_is_understood() {
        let stored = json!({
            "model_name": "models/gemini-embedding-001", "api_key_env_var": "MY_KEY", "vertexai": null, "project": null,
            "location": null,
        });
        let remembered = Remembered::new(&stored).unwrap();
        assert_eq!(remembered.dimension(), Some(3072));
        assert_eq!(remembered.config(), Some(stored));
        let variables = with(&[("MY_KEY", "k"), ("GOOGLE_API_KEY", "no")]);
        let gemini = remembered.made(&Environment::of(&variables)).unwrap();
        assert_eq!(
            gemini.config().unwrap(),
            json!({ "model_name": "gemini-embedding-001", "dimension": 3072, "api_key_env_var": "MY_KEY" }),
            "no task, as there"
        );
    }

    /// Else it would refuse the caller's own vectors, for not being as long as those of a model that it knows.
    #[test]
    fn a_model_that_is_not_known_is_no_function() {
        for config in [
            json!({ "model_name": "text-embedding-004" }),
            json!({ "model_name": "gemini-embedding-001", "dimension": 5 }),
        ] {
            assert!(Remembered::new(&config).is_err(), "{config}");
        }
    }

    #[test]
    fn a_query_asks_for_what_was_stored_for_retrieval() {
        let tasks = |task: &str| {
            let config = json!({ "model_name": "gemini-embedding-001", "task_type": task });
            let remembered = Remembered::new(&config).unwrap();
            let builder = remembered.builder;
            (builder.document_task.unwrap(), builder.query_task.unwrap())
        };
        assert_eq!(
            tasks("RETRIEVAL_DOCUMENT"),
            (TaskType::RetrievalDocument, TaskType::RetrievalQuery)
        );
        assert_eq!(
            tasks("CLUSTERING"),
            (TaskType::Clustering, TaskType::Clustering)
        );
    }

    #[test]
    fn a_missing_key_is_named_and_looked_for_again() {
        let remembered = |variable: &str| {
            let config =
                json!({ "model_name": "gemini-embedding-001", "api_key_env_var": variable });
            Remembered::new(&config).unwrap()
        };
        let nothing = with(&[("GOOGLE_API_KEY", "k")]);
        let custom = remembered("MY_KEY");
        let error = custom.made(&Environment::of(&nothing)).err().unwrap();
        assert!(error.to_string().contains("MY_KEY"), "{error}");
        let set = with(&[("MY_KEY", "k")]);
        assert!(custom.made(&Environment::of(&set)).is_ok());

        let standard = remembered("GEMINI_API_KEY");
        let gemini = standard.made(&Environment::of(&nothing)).unwrap();
        assert_eq!(
            gemini.config().unwrap()["api_key_env_var"],
            "GOOGLE_API_KEY"
        );
    }

    #[test]
    fn what_cannot_be_made_says_why() {
        for (config, words) in [
            (json!({ "model_name": "m", "vertexai": true }), "Vertex AI"),
            (
                json!({ "model_name": "m", "task_type": "SINGING" }),
                "SINGING",
            ),
            (json!({ "dimension": 768 }), "model_name"),
            (json!(null), "cannot be read"),
        ] {
            let why = Remembered::new(&config).err().unwrap();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn only_model_and_dimension_make_a_difference() {
        let stored = json!({ "model_name": "gemini-embedding-001", "dimension": 768 });
        let given = json!({
            "model_name": "models/gemini-embedding-001", "dimension": 768, "task_type": "CLUSTERING",
            "api_key_env_var": "X",
        });
        assert_eq!(same(&stored, &given), Ok(()));
        let full = json!({ "model_name": "gemini-embedding-001" });
        let (left, right) = same(&stored, &full).unwrap_err();
        assert_eq!(left, "google_gemini, gemini-embedding-001, 768 floats");
        assert_eq!(right, "google_gemini, gemini-embedding-001, 3072 floats");
        assert_eq!(same(&full, &json!(7)), Ok(()));
    }
}
