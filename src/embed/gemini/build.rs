//! [`GeminiBuilder::build`]: checks the options and makes a [`Gemini`].

use std::ops::RangeInclusive;
use std::sync::Arc;

use ureq::http::{HeaderName, HeaderValue};

use super::builder::GeminiBuilder;
use super::embedder::{EMBED, Embedder};
use super::fault::Google;
use super::function::Gemini;
use super::model::{self, ModelStyle};
use super::task::TaskType;
use crate::embed::http::{Address, KeyVariables, MAX_DIMENSION, Plan, check_range};
use crate::embed::names::GEMINI;
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};

/// The API refuses more texts in one request: "at most 100 requests can be in one batch".
const MAX_BATCH: usize = 100;
/// The address of Google's API.
const BASE_URL: &str = "https://generativelanguage.googleapis.com";
/// The variable that replaces [`BASE_URL`].
const BASE_URL_VARIABLE: &str = "GOOGLE_GEMINI_BASE_URL";
/// The dimensions of the known models.
pub(super) const DIMENSIONS: RangeInclusive<usize> = 128..=3072;
/// The API refuses larger bodies: "Request payload size exceeds the limit: 4194304 bytes".
const MAX_BODY: usize = 4_000_000;
/// The variables that may hold the API key. Like Google's SDK, the client prefers the first one if both are
/// set.
pub(super) const KEY_VARIABLES: [&str; 2] = ["GOOGLE_API_KEY", "GEMINI_API_KEY"];
const KEY: KeyVariables = KeyVariables {
    own: &KEY_VARIABLES,
    stored: Some(KEY_VARIABLES[1]),
    of: "the Gemini API",
};

impl Gemini {
    /// Returns the function with default options. The API key is in the variable `GOOGLE_API_KEY` or
    /// `GEMINI_API_KEY`. The variable `GOOGLE_GEMINI_BASE_URL` replaces the address of the API, if it is set.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if neither variable holds a key, or the address is malformed.
    pub fn from_env() -> Result<Gemini> {
        Gemini::builder().build()
    }

    /// Returns a builder with the default options.
    pub fn builder() -> GeminiBuilder {
        GeminiBuilder::default()
    }
}

impl GeminiBuilder {
    /// Returns the embedding function. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if an option is out of range, or there is no API key.
    pub fn build(self) -> Result<Gemini> {
        self.build_in(&Environment::of_process())
            .map_err(|reason| Call::new("gemini", None).invalid(reason))
    }

    /// Like [`build`](GeminiBuilder::build), with the variables of `environment`.
    pub(super) fn build_in(self, environment: &Environment<'_>) -> Result<Gemini, InvalidInput> {
        let key = KEY.key(&self.options, environment)?;
        let key_variable = key.variable.clone();
        let style = self.checked_style()?;
        let plan = Plan {
            name: GEMINI,
            model: self.model.clone(),
            operation: &EMBED,
            address: Address::chosen(
                &self.options,
                Some(BASE_URL_VARIABLE),
                environment,
                BASE_URL,
            )?,
            path: self.path()?,
            key: Some(key),
            key_header: (HeaderName::from_static("x-goog-api-key"), ""),
            headers: vec![(
                HeaderName::from_static("x-goog-api-client"),
                HeaderValue::from_static(concat!("chroma-blocking/", env!("CARGO_PKG_VERSION"))),
            )],
            dialect: &Google,
            max_tokens: self.checked_dimension()?,
            dimension: Some(self.dimension),
            max_batch: MAX_BATCH,
            max_bytes: MAX_BODY,
            counts_texts: true,
        };
        let (document_task, query_task) = self.tasks(style);
        let engine = plan.build(self.options, environment)?;
        Ok(Gemini(Arc::new(Embedder {
            engine,
            style,
            dimension: self.dimension,
            document_task,
            query_task,
            key_variable,
        })))
    }

    /// Returns the tasks of documents and of queries.
    fn tasks(&self, style: ModelStyle) -> (Option<TaskType>, Option<TaskType>) {
        match style {
            _ if !self.as_python => (self.document_task, self.query_task),
            ModelStyle::TaskField => (self.document_task, self.document_task),
            // Python sends a field that these models do not read.
            ModelStyle::TaskInText => (None, None),
        }
    }

    /// Returns the style of the model: the one that was set, or that of a known model.
    fn checked_style(&self) -> Result<ModelStyle, InvalidInput> {
        let known = model::known(&self.model).map(|known| known.style);
        match (self.style, known) {
            (Some(style), Some(known)) if style != known => {
                let why = format!(
                    "the style of {} is ModelStyle::{known:?}; omit .model_style(...)",
                    self.model
                );
                let value = format!("{style:?}");
                Err(InvalidInput::setting("model_style", value, why))
            }
            (Some(style), _) | (None, Some(style)) => Ok(style),
            (None, None) => {
                let why = "this version of the crate knows gemini-embedding-001 and gemini-embedding-2; for \
                     another model, set the style with .model_style(...)";
                Err(InvalidInput::setting("model", &self.model, why))
            }
        }
    }

    /// Returns the path of the API's endpoint.
    fn path(&self) -> Result<String, InvalidInput> {
        let (model, version) = (&self.model, &self.api_version);
        let fits_path = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if model.is_empty() || !model.bytes().all(fits_path) {
            let why = "use a name such as gemini-embedding-001";
            return Err(InvalidInput::setting("model", model, why));
        }
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let why = "use a version such as v1beta or v1";
            return Err(InvalidInput::setting("api_version", version, why));
        }
        let path = EMBED.path.replace("{version}", version);
        Ok(path.replace("{model}", model))
    }

    /// Checks the dimension. Returns the model's maximum number of tokens in a text, if the model is known.
    fn checked_dimension(&self) -> Result<Option<usize>, InvalidInput> {
        let known = model::known(&self.model);
        let allowed = known.map_or(1..=MAX_DIMENSION, |_| DIMENSIONS);
        check_range("dimension", self.dimension, allowed)?;
        Ok(known.map(|known| known.max_tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::function::EmbeddingFunction;
    #[cfg(feature = "tls")]
    use crate::transport::RetryPolicy;

    fn refused(builder: GeminiBuilder) -> String {
        let environment = Environment::of(&|_| None);
        builder.build_in(&environment).unwrap_err().to_string()
    }

    #[test]
    fn the_key_comes_from_the_environment() {
        let both = |name: &str| match name {
            "GOOGLE_API_KEY" => Some("first".into()),
            "GEMINI_API_KEY" => Some("second".into()),
            "GOOGLE_GEMINI_BASE_URL" => Some("localhost:1".into()),
            _ => None,
        };
        let gemini = Gemini::builder().build_in(&Environment::of(&both)).unwrap();
        assert_eq!(
            gemini.config().unwrap(),
            serde_json::json!({
                "model_name": "gemini-embedding-001", "task_type": "RETRIEVAL_DOCUMENT",
                "dimension": 768, "api_key_env_var": "GOOGLE_API_KEY"
            })
        );
        assert!(refused(Gemini::builder()).contains("GEMINI_API_KEY"));
    }

    #[test]
    fn field_09_a_key_in_place_of_its_variable_is_refused_and_not_shown() {
        for name in ["AIzaS3cret", "a-s3cret", "A=s3cret", "A s3cret", ""] {
            for builder in [Gemini::builder(), Gemini::builder().api_key("k")] {
                let error = refused(builder.api_key_env_var(name));
                assert!(error.starts_with("api_key_env_var is "), "{error}");
                assert!(
                    error.contains(".api_key(...)") && !error.contains("3cret"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn field_09_a_bad_key_in_a_variable_of_the_users_choice_is_named() {
        let lookup = |name: &str| (name == "MY_KEY").then(|| "'s3cret'".into());
        let builder = Gemini::builder().api_key_env_var("MY_KEY");
        let error = builder
            .build_in(&Environment::of(&lookup))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("api_key_env_var is \"MY_KEY\": "),
            "{error}"
        );
        assert!(
            error.contains("in quotes") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    #[cfg(unix)]
    fn secure_02_a_variable_of_google_that_is_not_unicode_is_refused_for_that_reason() {
        let broken: std::ffi::OsString =
            std::os::unix::ffi::OsStringExt::from_vec(b"s3cret\xff".to_vec());
        let error = |variable: &str, builder: GeminiBuilder| {
            let lookup = |name: &str| (name == variable).then(|| broken.clone());
            let error = builder.build_in(&Environment::of(&lookup)).unwrap_err();
            error.to_string()
        };
        for variable in KEY_VARIABLES.into_iter().chain([BASE_URL_VARIABLE]) {
            let builder = Gemini::builder();
            let builder = if variable == BASE_URL_VARIABLE {
                builder.api_key("k")
            } else {
                builder
            };
            assert_eq!(
                error(variable, builder),
                format!("{variable} is \"<hidden>\": it is not valid Unicode")
            );
        }
        assert_eq!(
            error("MY_KEY", Gemini::builder().api_key_env_var("MY_KEY")),
            "api_key_env_var is \"MY_KEY\": the value of that variable is refused: it is not valid Unicode"
        );
    }

    #[test]
    #[cfg(feature = "tls")]
    fn field_07_gemini_is_reached_through_the_proxy_for_https() {
        // The port is reserved, and nothing listens there.
        let reserved = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = reserved.local_addr().unwrap().port();
        let proxy = |variables: &[(&str, String)]| {
            let lookup = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.into())
            };
            let builder = Gemini::builder().api_key("k").retry(RetryPolicy::none());
            let gemini = builder.build_in(&Environment::of(&lookup));
            gemini.map(|gemini| gemini.embed(["a"]).run().unwrap_err().to_string())
        };
        let url = format!("http://u:s3cret@127.0.0.1:{port}");
        let error = proxy(&[
            ("HTTPS_PROXY", url.clone()),
            ("HTTP_PROXY", "no".to_owned()),
        ])
        .unwrap();
        let name = format!("the proxy http://127.0.0.1:{port} (from HTTPS_PROXY)");
        assert!(
            error.contains(&name) && !error.contains("s3cret"),
            "{error}"
        );
        let error = proxy(&[("ALL_PROXY", "socks5://p".to_owned())]).unwrap_err();
        assert!(error.to_string().starts_with("ALL_PROXY is "), "{error}");
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let builder = || Gemini::builder().api_key("k");
        assert!(refused(builder().dimension(127)).contains("127"));
        assert!(refused(builder().dimension(3073)).contains("3073"));
        assert!(refused(builder().batch_size(0)).contains('0'));
        assert!(refused(builder().batch_size(101)).contains("101"));
        assert!(refused(builder().concurrency(0)).contains("1 to 64"));
        assert!(refused(builder().concurrency(65)).contains("65"));
        assert!(refused(builder().requests_per_minute(0)).contains("1 or more"));
        assert!(refused(builder().tokens_per_minute(0)).contains("tokens_per_minute"));
        assert!(refused(builder().model("text-embedding-004")).contains("text-embedding-004"));
        let unknown = builder().model_style(ModelStyle::TaskField);
        assert!(refused(unknown.clone().model("")).contains("model"));
        assert!(refused(unknown.clone().model("a/b")).contains("a/b"));
        assert!(refused(unknown.model("new").dimension(0)).contains("dimension"));
        assert!(refused(builder().api_version("v1/../x")).contains("v1/../x"));
        assert!(refused(builder().base_url("http://example.com")).contains("https"));
    }

    #[test]
    fn an_unknown_model_needs_a_style() {
        let builder = Gemini::builder().api_key("k").base_url("localhost:1");
        let builder = builder.model("gemini-embedding-003").dimension(4096);
        let error = refused(builder.clone());
        assert!(error.contains("model_style"), "{error}");
        let builder = builder.model_style(ModelStyle::TaskInText);
        let gemini = builder.build_in(&Environment::of(&|_| None)).unwrap();
        assert_eq!(gemini.dimension(), Some(4096));
    }

    #[test]
    fn a_known_model_accepts_only_its_own_style() {
        let builder = Gemini::builder().api_key("k");
        let error = refused(builder.clone().model_style(ModelStyle::TaskInText));
        assert!(
            error.contains("TaskInText") && error.contains("TaskField"),
            "{error}"
        );
        let same = builder.model_style(ModelStyle::TaskField);
        assert!(same.build_in(&Environment::of(&|_| None)).is_ok());
    }

    #[test]
    fn no_batch_costs_more_than_a_minute_allows() {
        let builder = Gemini::builder().api_key("k").base_url("localhost:1");
        let builder = builder.requests_per_minute(60).tokens_per_minute(1000);
        let gemini = builder.build_in(&Environment::of(&|_| None)).unwrap();
        assert_eq!(
            (gemini.0.engine.batch_size, gemini.0.engine.max_bytes),
            (60, 4000)
        );
    }

    #[test]
    fn the_key_is_never_shown() {
        let builder = Gemini::builder()
            .api_key("s3cret\n")
            .base_url("http://localhost:1");
        let error = refused(builder.clone());
        assert!(
            !error.contains("s3cret") && error.contains("<hidden>"),
            "{error}"
        );
        let gemini = Gemini::builder()
            .api_key("s3cret")
            .base_url("http://localhost:1");
        let gemini = gemini.build_in(&Environment::of(&|_| None)).unwrap();
        let shown = format!(
            "{builder:?} {gemini:?} {:?} {:?}",
            gemini.0.engine.transport,
            gemini.config()
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
