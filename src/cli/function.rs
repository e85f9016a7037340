//! [`FunctionArgs`]: the embedding function that `import` and `reembed` get.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chroma_blocking::embed::{DiskCache, HttpFunction};
use chroma_blocking::{EmbeddingFunction, Gemini, Hashing};
use serde_json::{Value, json};

use super::exit::UsageError;

/// The functions by the names under which collections store them.
const NAMES: &str = "google_gemini, openai, ollama, cohere, voyageai, jina, mistral, together_ai, huggingface, \
                     huggingface_server, cloudflare_workers_ai, perplexity, chroma-cloud-qwen, baseten, morph, \
                     default (all-MiniLM-L6-v2 on this machine), hashing (offline, compares words)";
/// The name under which collections store [`Hashing`].
const HASHING: &str = "chroma_blocking_hashing";

#[derive(Debug, clap::Args)]
pub(crate) struct FunctionArgs {
    /// The embedding function, by Chroma's name: google_gemini, openai, ollama, cohere, voyageai, jina, default,
    /// hashing and so on; with a model as NAME:MODEL, or with Chroma's settings as NAME:{JSON}
    #[arg(long, alias = "embedding-function", value_name = "NAME[:MODEL]")]
    pub(crate) function: Option<String>,
    /// The number of floats per vector, for models that can shorten their vectors
    #[arg(long, value_name = "N", requires = "function")]
    dimension: Option<usize>,
    /// Keep vectors in this file, so that no text is paid for twice
    #[arg(long, value_name = "FILE", requires = "function")]
    cache: Option<PathBuf>,
    /// Concurrent embedding requests
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) concurrency: usize,
}

impl FunctionArgs {
    /// Returns the function of the options, if they name one. Its key is read from the variable of the provider.
    pub(crate) fn make(
        &self,
        cancel: Arc<AtomicBool>,
    ) -> Result<Option<Box<dyn EmbeddingFunction>>, Box<dyn Error>> {
        let Some(function) = &self.function else {
            return Ok(None);
        };
        let (name, model) = match function.split_once(':') {
            Some((name, model)) => (name, Some(model)),
            None => (function.as_str(), None),
        };
        match name {
            "hashing" | HASHING => return self.hashing(model).map(Some),
            "default" => return self.mini_lm(model).map(Some),
            _ => {}
        }
        // Both builders have the same options, and no trait in common.
        macro_rules! built {
            ($builder:expr) => {{
                let mut builder = $builder.cancel(cancel).concurrency(self.concurrency);
                if let Some(file) = &self.cache {
                    builder = builder.cache(DiskCache::open(file)?);
                }
                Ok(Some(Box::new(builder.build()?)))
            }};
        }
        if is_gemini(name) {
            return built!(self.gemini(name, model)?);
        }
        let config = self.config(name, model)?;
        let builder = HttpFunction::from_config(name, &config).map_err(|error| match error {
            chroma_blocking::Error::Invalid {
                reason: chroma_blocking::InvalidInput::Setting { .. },
                ..
            } => usage(format!(
                "--function {name}: unknown function; it must be one of: {NAMES}"
            )),
            error => usage(format!("--function {name}: {error}")),
        })?;
        built!(builder)
    }

    fn gemini(
        &self,
        name: &str,
        model: Option<&str>,
    ) -> Result<chroma_blocking::embed::GeminiBuilder, Box<dyn Error>> {
        let mut builder = match model {
            Some(model) if model.starts_with('{') => {
                Gemini::from_config(name, &parse(name, model)?)?
            }
            Some(model) => Gemini::builder().model(model),
            None => Gemini::builder(),
        };
        if let Some(dimension) = self.dimension {
            builder = builder.dimension(dimension);
        }
        Ok(builder)
    }

    fn hashing(&self, model: Option<&str>) -> Result<Box<dyn EmbeddingFunction>, Box<dyn Error>> {
        self.refuse("hashing", model)?;
        Ok(match self.dimension {
            Some(dimension) => Box::new(Hashing::with_dimension(dimension)?),
            None => Box::new(Hashing::default()),
        })
    }

    #[cfg(feature = "onnx")]
    fn mini_lm(&self, model: Option<&str>) -> Result<Box<dyn EmbeddingFunction>, Box<dyn Error>> {
        self.refuse("default", model)?;
        if self.dimension.is_some() {
            return Err(no_dimension("default"));
        }
        Ok(Box::new(chroma_blocking::embed::Onnx::mini_lm()?))
    }

    #[cfg(not(feature = "onnx"))]
    #[allow(clippy::unused_self)]
    fn mini_lm(&self, _model: Option<&str>) -> Result<Box<dyn EmbeddingFunction>, Box<dyn Error>> {
        let why = "--function default: this program was built without the feature onnx; Ollama serves the same model: \
                   --function ollama:chroma/all-minilm-l6-v2-f32";
        Err(usage(why.to_owned()))
    }

    /// Refuses a model and a cache, for a function that has neither.
    fn refuse(&self, name: &str, model: Option<&str>) -> Result<(), Box<dyn Error>> {
        if model.is_some() {
            return Err(usage(format!(
                "--function {name} has no models; leave out what follows the colon"
            )));
        }
        if self.cache.is_some() {
            return Err(usage(format!(
                "--cache: {name} runs on this machine and costs nothing; leave it out"
            )));
        }
        Ok(())
    }

    /// Returns the settings in Chroma's form.
    fn config(&self, name: &str, model: Option<&str>) -> Result<Value, Box<dyn Error>> {
        let mut config = match model {
            None => json!({}),
            Some(settings) if settings.starts_with('{') => parse(name, settings)?,
            Some(model) => {
                let is_bare = ["mistral", "chroma-cloud-qwen"].contains(&name);
                let key = if is_bare { "model" } else { "model_name" };
                json!({ key: model })
            }
        };
        if let Some(dimension) = self.dimension {
            if !["openai", "jina", "perplexity"].contains(&name) {
                return Err(no_dimension(name));
            }
            config["dimensions"] = dimension.into();
        }
        Ok(config)
    }
}

fn parse(name: &str, settings: &str) -> Result<Value, Box<dyn Error>> {
    let parsed = serde_json::from_str(settings);
    parsed.map_err(|error| {
        usage(format!(
            "--function {name}: its settings are not JSON: {error}"
        ))
    })
}

fn is_gemini(name: &str) -> bool {
    ["gemini", "google_gemini", "google-gemini", "google_genai"].contains(&name)
}

fn no_dimension(name: &str) -> Box<dyn Error> {
    usage(format!(
        "--dimension: the function {name} has no such setting; leave it out"
    ))
}

fn usage(why: String) -> Box<dyn Error> {
    UsageError(why).into()
}
