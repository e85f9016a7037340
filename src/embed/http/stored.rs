//! The functions of providers that collections store: by which name, and how their settings are read.

use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::format::Format as _;
use super::function::{EMBED, HttpFunction, HttpFunctionBuilder, HttpProvider, check};
use super::provider::{Ask, Provider};
use super::providers::{
    Baseten, CHROMA_API_KEY, ChromaCloudQwen, Cloudflare, Cohere, HuggingFace, Jina, Mistral,
    Morph, Ollama, OpenAi, Perplexity, TextEmbeddingsInference, Together, Voyage,
};
use super::requests::Requests;
use crate::embed::allowed::Allowed;
use crate::embed::context::Purpose;
use crate::embed::deferred::Deferred;
use crate::embed::settings;
use crate::error::{self, InvalidInput, Result};
use crate::printable::short;

/// Returns Python's name of a function of one of the providers, for any name by which a client of Chroma
/// stores it. JavaScript has other names for some.
pub(in crate::embed) fn canonical(name: &str) -> &str {
    match name {
        "together-ai" => "together_ai",
        "huggingface-server" => "huggingface_server",
        "cloudflare-worker-ai" | "cloudflare-workers-ai" => "cloudflare_workers_ai",
        other => other,
    }
}

/// Reads the settings that a collection stores. Returns `None` for a name that is not one of the providers'.
///
/// # Errors
/// Why the settings cannot be read.
pub(in crate::embed) fn read(
    name: &str,
    config: &Value,
) -> Option<std::result::Result<HttpProvider, String>> {
    fn settings<P: Provider + DeserializeOwned + 'static>(
        config: &Value,
    ) -> std::result::Result<HttpProvider, String> {
        settings::read::<P>(config).map(|provider| HttpProvider(Arc::new(provider)))
    }
    Some(match canonical(name) {
        "openai" => OpenAi::read(config).map(|provider| HttpProvider(Arc::new(provider))),
        "ollama" => settings::<Ollama>(config),
        "huggingface_server" => settings::<TextEmbeddingsInference>(config),
        "huggingface" => settings::<HuggingFace>(config),
        "cohere" => settings::<Cohere>(config),
        "voyageai" => settings::<Voyage>(config),
        "jina" => settings::<Jina>(config),
        "mistral" => settings::<Mistral>(config),
        "together_ai" => settings::<Together>(config),
        "cloudflare_workers_ai" => settings::<Cloudflare>(config),
        "perplexity" => settings::<Perplexity>(config),
        "chroma-cloud-qwen" => settings::<ChromaCloudQwen>(config),
        "baseten" => settings::<Baseten>(config),
        "morph" => settings::<Morph>(config),
        _ => return None,
    })
}

impl HttpFunction {
    /// Returns a builder for the function that a collection stores: its name, and its settings as JSON. Use it
    /// to set options of a stored function, for example [`as_python`](HttpFunctionBuilder::as_python).
    ///
    /// The settings decide where the texts and the key are sent, and which variable holds the key. So check
    /// them, or set both in the builder, unless you trust everyone who may change the collection. To open a
    /// collection with its function and default options, name no function instead.
    ///
    /// ```no_run
    /// use chroma_blocking::Client;
    /// use chroma_blocking::embed::HttpFunction;
    ///
    /// let client = Client::from_env()?;
    /// let notes = client.collection("notes").get()?;
    /// let stored = notes.configuration().embedding_function.clone();
    /// let stored = stored.unwrap_or_default();
    /// let name = stored.name.unwrap_or_default();
    /// let config = stored.config.unwrap_or_default();
    ///
    /// let function = HttpFunction::from_config(&name, &config)?
    ///     .as_python(true)
    ///     .build()?;
    /// let notes = client
    ///     .collection("notes")
    ///     .embedding_function(function)
    ///     .get()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidInput::StoredEmbeddingFunction`] if no provider has that name, or the settings cannot be read.
    pub fn from_config(name: &str, config: &Value) -> Result<HttpFunctionBuilder> {
        let refused = |why: String| {
            let name = short(name).into_owned();
            let reason = InvalidInput::StoredEmbeddingFunction { name, why };
            error::Call::new(EMBED.name, None).invalid(reason)
        };
        let provider = read(name, config)
            .unwrap_or_else(|| Err("no provider has that name".to_owned()))
            .map_err(refused)?;
        let variable = config["api_key_env_var"].as_str().map(str::to_owned);
        Ok(HttpFunction::builder(provider).stored_variable(variable))
    }
}

/// Returns the function that a collection's configuration describes, under the name by which it is stored.
/// `None` for a name that is not one of the providers'.
///
/// # Errors
/// Why this crate cannot make the function.
pub(in crate::embed) fn deferred(
    name: &str,
    config: &Value,
    allowed: &Allowed,
) -> Option<std::result::Result<Deferred, String>> {
    let provider = match read(name, config)? {
        Ok(provider) => provider,
        Err(why) => return Some(Err(why)),
    };
    if let Err(reason) = check(&*provider.0) {
        return Some(Err(short(&reason.to_string()).into_owned()));
    }
    let variable = config["api_key_env_var"].as_str().map(str::to_owned);
    let refusal = refusal(&*provider.0, variable.as_deref(), allowed);
    let is_chromas = provider.0.service().key_variables.contains(&CHROMA_API_KEY);
    let cloud_key = allowed
        .cloud_key()
        .filter(|_| is_chromas)
        .map(str::to_owned);
    let key = |purpose| {
        let ask = Ask {
            purpose,
            as_python: false,
        };
        Requests::new(&*provider.0, None, ask).cache_key()
    };
    Some(Ok(Deferred {
        name: name.to_owned(),
        config: settings::kept(config, &provider.0.to_json()),
        dimension: provider.0.dimension(),
        default_space: provider.0.default_space(),
        cache_keys: [Purpose::Documents, Purpose::Queries].map(key),
        make: Box::new(move |environment| {
            if let Some(why) = &refusal {
                return Err(why.clone());
            }
            let builder = HttpFunction::builder(provider.clone())
                .stored_variable(variable.clone())
                .fallback_key(cloud_key.clone());
            match builder.build_in(environment) {
                Ok(function) => Ok(Arc::new(function)),
                Err(reason) => Err(short(&reason.to_string()).into_owned()),
            }
        }),
        made: OnceLock::new(),
    }))
}

/// Returns why neither a key nor a text may be sent, if the program has not allowed what the configuration
/// chooses: the variable of the key, or the host.
fn refusal(provider: &dyn Provider, variable: Option<&str>, allowed: &Allowed) -> Option<String> {
    if provider.headers().iter().any(|header| header.is_secret) {
        let why = "it has default_headers, which may send texts elsewhere; if you trust them, open it with a function from \
                   HttpFunction::from_config(...)";
        return Some(why.to_owned());
    }
    let service = provider.service();
    let by_variable = variable.and_then(|variable| {
        allowed
            .check_key_variable(variable, service.key_variables)
            .err()
    });
    by_variable.or_else(|| {
        allowed
            .check_host(provider.stored_url()?, service.hosts)
            .err()
    })
}
