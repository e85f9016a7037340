//! [`deferred`]: the function that a collection's configuration describes.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::Value;

use super::build::{DIMENSIONS, KEY_VARIABLES};
use super::builder::GeminiBuilder;
use super::function::Gemini;
use super::model;
use super::request::Parameters;
use super::task::TaskType;
use crate::embed::allowed::Allowed;
use crate::embed::deferred::Deferred;
use crate::embed::http::{Format as _, starting_with};
use crate::embed::names::{GEMINI, canonical};
use crate::embed::settings;
use crate::error::{Call, InvalidInput, Result};
use crate::model::space::Space;
use crate::printable::short;

/// The variables of Google's keys in the configurations that Chroma's clients store.
const OWN_VARIABLES: [&str; 3] = [
    KEY_VARIABLES[0],
    KEY_VARIABLES[1],
    "CHROMA_GOOGLE_GENAI_API_KEY",
];

/// The dimension of both models if a request names none.
const FULL_DIMENSION: usize = 3072;

/// The configuration that Chroma's clients store for `google_gemini`.
#[derive(Debug, Deserialize)]
struct Config {
    model_name: String,
    task_type: Option<String>,
    dimension: Option<usize>,
    api_key_env_var: Option<String>,
    vertexai: Option<bool>,
}

/// Returns the variable of the key if the settings name none. Python's `google_genai` up to Chroma 1.5.2 read
/// the one of Google's SDK.
fn default_variable(name: &str) -> &'static str {
    match name {
        "google_genai" => KEY_VARIABLES[0],
        _ => KEY_VARIABLES[1],
    }
}

impl Config {
    fn dimension(&self) -> usize {
        self.dimension.unwrap_or(FULL_DIMENSION)
    }

    fn builder(&self, name: &str) -> std::result::Result<GeminiBuilder, String> {
        if self.vertexai == Some(true) {
            return Err(
                "it was created for Vertex AI, but this crate supports only the Gemini API"
                    .to_owned(),
            );
        }
        let task = match &self.task_type {
            None => None,
            Some(name) => Some(TaskType::from_name(name).ok_or_else(|| {
                let name = short(name);
                format!("this version of the crate does not know the task {name:?}")
            })?),
        };
        let mut builder = Gemini::builder()
            .model(model::short_name(&self.model_name))
            .dimension(self.dimension());
        builder.document_task = task;
        // Chroma's clients embed queries like documents. For documents of a retrieval, the task of queries
        // finds more.
        builder.query_task = match task {
            Some(TaskType::RetrievalDocument) => Some(TaskType::RetrievalQuery),
            task => task,
        };
        builder.options.key_variables = self.key_variables(name);
        Ok(builder)
    }

    /// Returns the reason not to read the variable of the key, if there is one.
    fn refusal(&self, allowed: &Allowed) -> Option<String> {
        let variable = self.api_key_env_var.as_deref()?;
        allowed.check_key_variable(variable, &OWN_VARIABLES).err()
    }

    /// Returns the variables that may hold the key: the stored one, or else the default of the function's
    /// name.
    fn key_variables(&self, name: &str) -> Vec<String> {
        let stored = self.api_key_env_var.as_deref();
        let variable = stored.unwrap_or_else(|| default_variable(name));
        // All of them hold Google keys.
        let is_own = OWN_VARIABLES.contains(&variable);
        starting_with(variable, if is_own { &KEY_VARIABLES } else { &[] })
    }
}

impl Gemini {
    /// Returns a builder for the function that a collection stores: its name, and its settings as JSON. Use
    /// it to set options of a stored function, for example [`as_python`](GeminiBuilder::as_python). It does
    /// the same as [`HttpFunction::from_config`](crate::embed::HttpFunction::from_config) for other
    /// providers.
    ///
    /// The settings decide which variable holds the key. So check them, or set the key in the builder, unless
    /// you trust everyone who may change the collection. To open a collection with its function and default
    /// options, name no function instead.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if it is not a name of Gemini, [`InvalidInput::RetiredModel`] if
    /// Google has shut the model down, and [`InvalidInput::StoredEmbeddingFunction`] if the settings cannot
    /// be read.
    pub fn from_config(name: &str, config: &Value) -> Result<GeminiBuilder> {
        let read = || {
            if canonical(name) != GEMINI {
                let why = "it must be a stored name of Gemini, such as google_gemini; for other functions, use \
                           HttpFunction::from_config";
                return Err(InvalidInput::setting("name", short(name), why));
            }
            if let Some(retired) = retired(name, config) {
                return Err(retired);
            }
            let read = settings::read(config).and_then(|read: Config| read.builder(name));
            read.map_err(|why| InvalidInput::StoredEmbeddingFunction {
                name: short(name).into_owned(),
                why,
            })
        };
        read().map_err(|reason| Call::new("gemini", None).invalid(reason))
    }
}

/// Returns the error for a model that Google has shut down.
pub(in crate::embed) fn retired(name: &str, config: &Value) -> Option<InvalidInput> {
    if ![GEMINI, "google_palm"].contains(&canonical(name)) {
        return None;
    }
    let model = model::short_name(config["model_name"].as_str()?);
    Some(InvalidInput::RetiredModel {
        name: name.to_owned(),
        model: model.to_owned(),
        since: model::shut_down(model)?.to_owned(),
    })
}

/// Returns the function that a collection's configuration describes, under the name by which it is stored.
///
/// # Errors
/// Why this crate cannot make the function.
pub(in crate::embed) fn deferred(
    name: &str,
    config: &Value,
    allowed: &Allowed,
) -> std::result::Result<Deferred, String> {
    let read: Config = settings::read(config)?;
    let builder = read.builder(name)?;
    let (model, dimension) = (&builder.model, builder.dimension);
    let Some(known) = model::known(model) else {
        let model = short(model);
        return Err(format!(
            "this version of the crate does not know the model {model:?}"
        ));
    };
    if !DIMENSIONS.contains(&dimension) {
        return Err(format!(
            "its models do not return vectors of {dimension} floats"
        ));
    }
    let key = |task| {
        let parameters = Parameters {
            model,
            style: known.style,
            task,
            dimension,
        };
        parameters.cache_key()
    };
    let refusal = read.refusal(allowed);
    Ok(Deferred {
        name: name.to_owned(),
        config: settings::kept(config, &Value::Null),
        dimension: Some(dimension),
        default_space: Space::Cosine,
        cache_keys: [key(builder.document_task), key(builder.query_task)],
        make: Box::new(move |environment| match &refusal {
            Some(why) => Err(why.clone()),
            None => match builder.clone().build_in(environment) {
                Ok(gemini) => Ok(Arc::new(gemini)),
                Err(reason) => Err(short(&reason.to_string()).into_owned()),
            },
        }),
        made: OnceLock::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use serde_json::json;

    use super::*;
    use crate::embed::function::EmbeddingFunction;
    use crate::environment::Environment;

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

    fn new(config: &Value) -> std::result::Result<Deferred, String> {
        let mut allowed = Allowed::default();
        allowed.allow_key_variable("MY_KEY".to_owned());
        deferred(GEMINI, config, &allowed)
    }

    #[test]
    fn the_configuration_of_the_python_client_is_read() {
        let config = json!({
            "model_name": "models/gemini-embedding-001", "api_key_env_var": "MY_KEY", "vertexai": null, "project": null,
            "location": null,
        });
        let stored = new(&config).unwrap();
        assert_eq!(stored.dimension(), Some(3072));
        assert_eq!(stored.config(), Some(config));
        let variables = with(&[("MY_KEY", "k"), ("GOOGLE_API_KEY", "no")]);
        let gemini = stored.get(&Environment::of(&variables)).unwrap();
        assert_eq!(
            gemini.config().unwrap(),
            json!({ "model_name": "gemini-embedding-001", "dimension": 3072, "api_key_env_var": "MY_KEY" }),
            "no task, as there"
        );
    }

    #[test]
    fn secure_04_a_configuration_is_not_kept_twice() {
        let config = json!({
            "model_name": "gemini-embedding-001", "new": true, "x": vec![json!({ "": 0 }); 1_000], "y": { "z": 1 },
        });
        let kept = new(&config).unwrap().config().unwrap();
        assert_eq!(
            kept,
            json!({ "model_name": "gemini-embedding-001", "new": true })
        );
    }

    /// Otherwise the collection would refuse vectors of the caller that have another dimension.
    #[test]
    fn an_unknown_model_or_dimension_is_an_error() {
        for config in [
            json!({ "model_name": "text-embedding-004" }),
            json!({ "model_name": "gemini-embedding-001", "dimension": 5 }),
        ] {
            assert!(new(&config).is_err(), "{config}");
        }
    }

    #[test]
    fn queries_have_the_task_that_matches_documents() {
        let tasks = |task: &str| {
            let config = json!({ "model_name": "gemini-embedding-001", "task_type": task });
            let builder = Config::deserialize(&config)
                .unwrap()
                .builder(GEMINI)
                .unwrap();
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
    fn python_embeds_queries_with_the_task_of_documents() {
        let tasks = |model: &str| {
            let config = json!({ "model_name": model, "task_type": "RETRIEVAL_DOCUMENT" });
            let builder = Gemini::from_config("google_genai", &config).unwrap();
            let local = builder.as_python(true).base_url("http://localhost:1");
            let gemini = local.api_key("key").build().unwrap();
            (gemini.0.document_task, gemini.0.query_task)
        };
        let task = Some(TaskType::RetrievalDocument);
        assert_eq!(tasks("models/gemini-embedding-001"), (task, task));
        assert_eq!(tasks("gemini-embedding-2"), (None, None));
    }

    #[test]
    fn no_builder_is_made_of_what_is_not_of_gemini_or_was_shut_down() {
        for (name, config, words) in [
            ("openai", json!({}), "HttpFunction::from_config"),
            (GEMINI, json!({}), "model_name"),
            (
                GEMINI,
                json!({ "model_name": "m", "vertexai": true }),
                "Vertex AI",
            ),
            (
                GEMINI,
                json!({ "model_name": "embedding-001" }),
                "2025-10-30",
            ),
        ] {
            let error = Gemini::from_config(name, &config).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_model_that_was_shut_down_has_its_last_day() {
        let day = |model: &str| match retired(GEMINI, &json!({ "model_name": model })) {
            Some(InvalidInput::RetiredModel { since, .. }) => since,
            other => format!("{other:?}"),
        };
        assert_eq!(day("text-embedding-004"), "2026-01-14");
        assert_eq!(day("models/embedding-001"), "2025-10-30");
        assert_eq!(day("gemini-embedding-001"), "None");
    }

    #[test]
    fn a_missing_key_is_named_and_read_again_later() {
        let stored = |variable: &str| {
            let config =
                json!({ "model_name": "gemini-embedding-001", "api_key_env_var": variable });
            new(&config).unwrap()
        };
        let nothing = with(&[("GOOGLE_API_KEY", "k")]);
        let custom = stored("MY_KEY");
        let error = custom.get(&Environment::of(&nothing)).err().unwrap();
        assert!(error.to_string().contains("MY_KEY"), "{error}");
        let set = with(&[("MY_KEY", "k")]);
        assert!(custom.get(&Environment::of(&set)).is_ok());

        let standard = stored("GEMINI_API_KEY");
        let gemini = standard.get(&Environment::of(&nothing)).unwrap();
        assert_eq!(
            gemini.config().unwrap()["api_key_env_var"],
            "GOOGLE_API_KEY"
        );
    }

    /// Those of Chroma's clients, each of its time.
    #[test]
    fn the_default_variable_is_that_of_the_name() {
        let both = with(&[("GOOGLE_API_KEY", "a"), ("GEMINI_API_KEY", "b")]);
        for (name, config, expected) in [
            ("google_gemini", json!({}), "GEMINI_API_KEY"),
            (
                "google_gemini",
                json!({ "api_key_env_var": null }),
                "GEMINI_API_KEY",
            ),
            ("google-gemini", json!({}), "GEMINI_API_KEY"),
            ("google-generative-ai", json!({}), "GEMINI_API_KEY"),
            ("google_generative_ai", json!({}), "GEMINI_API_KEY"),
            (
                "google_genai",
                json!({ "vertexai": null, "project": null }),
                "GOOGLE_API_KEY",
            ),
            (
                "google_genai",
                json!({ "api_key_env_var": "GEMINI_API_KEY" }),
                "GEMINI_API_KEY",
            ),
            (
                "google_generative_ai",
                json!({ "api_key_env_var": "GOOGLE_API_KEY" }),
                "GOOGLE_API_KEY",
            ),
        ] {
            let mut config = config;
            config["model_name"] = "models/gemini-embedding-001".into();
            let stored = deferred(name, &config, &Allowed::default()).unwrap();
            assert_eq!((stored.name(), stored.config()), (name, Some(config)));
            let gemini = stored.get(&Environment::of(&both)).unwrap();
            assert_eq!(
                gemini.config().unwrap()["api_key_env_var"],
                expected,
                "{name}"
            );
            for only in ["GOOGLE_API_KEY", "GEMINI_API_KEY"] {
                let variables = [(only, "k")];
                let variables = with(&variables);
                let gemini = stored_again(&stored, name)
                    .get(&Environment::of(&variables))
                    .map(|_| ());
                assert!(gemini.is_ok(), "{name} {only}");
            }
        }
    }

    fn stored_again(stored: &Deferred, name: &str) -> Deferred {
        deferred(name, &stored.config, &Allowed::default()).unwrap()
    }

    #[test]
    fn secure_01_a_variable_that_was_not_allowed_is_not_even_looked_up() {
        for variable in [
            "AWS_SECRET_ACCESS_KEY",
            "CHROMA_API_KEY",
            "PATH",
            "my_key",
            "A B",
            "",
        ] {
            let config =
                json!({ "model_name": "gemini-embedding-001", "api_key_env_var": variable });
            let stored = new(&config).unwrap();
            assert_eq!(stored.dimension(), Some(3072), "opened");
            let lookup = |name: &str| -> Option<OsString> { panic!("{name} was read") };
            let error = stored.get(&Environment::of(&lookup)).err().unwrap();
            assert!(error.to_string().contains("\"google_gemini\""), "{error}");
        }
    }

    #[test]
    fn secure_01_the_variables_of_chromas_clients_for_google_are_read() {
        for variable in [
            json!(null),
            json!("GOOGLE_API_KEY"),
            json!("GEMINI_API_KEY"),
            json!("CHROMA_GOOGLE_GENAI_API_KEY"),
        ] {
            let config =
                json!({ "model_name": "gemini-embedding-001", "api_key_env_var": variable });
            let stored = deferred(GEMINI, &config, &Allowed::default()).unwrap();
            let own = variable.as_str().unwrap_or("GEMINI_API_KEY");
            for set in [own, "GOOGLE_API_KEY"] {
                let variables = [(set, "k")];
                let variables = with(&variables);
                assert!(stored.get(&Environment::of(&variables)).is_ok(), "{set}");
            }
        }
    }

    #[test]
    fn secure_01_a_hostile_configuration_is_shown_escaped_and_shortened() {
        let hostile = format!("\u{1b}[2J\u{9b}31m\r\n{}", "x".repeat(1 << 20));
        for config in [
            json!({ "model_name": hostile }),
            json!({ "model_name": "m", "task_type": hostile }),
            json!({ "model_name": "m", "dimension": hostile }),
            json!(hostile),
        ] {
            let why = new(&config).err().unwrap();
            assert!(why.len() < 1500, "{} bytes", why.len());
            assert!(!why.contains(char::is_control), "{why:?}");
        }
    }

    #[test]
    fn an_error_says_why_the_function_cannot_be_made() {
        for (config, words) in [
            (json!({ "model_name": "m", "vertexai": true }), "Vertex AI"),
            (
                json!({ "model_name": "m", "task_type": "SINGING" }),
                "SINGING",
            ),
            (json!({ "dimension": 768 }), "model_name"),
            (json!(null), "cannot be read"),
        ] {
            let why = new(&config).err().unwrap();
            assert!(why.contains(words), "{why}");
        }
    }
}
