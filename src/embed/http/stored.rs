//! The functions of providers that collections store: by which name, and how their settings are read.

use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::format::Format as _;
use super::function::{EMBED, HttpFunction, HttpFunctionBuilder, HttpProvider, check};
use super::provider::{EmbedMode, Provider};
use super::providers::{
    Baseten, CHROMA_API_KEY, ChromaCloudQwen, Cloudflare, Cohere, HuggingFace, Jina, Mistral,
    Morph, Ollama, OpenAi, Perplexity, TextEmbeddingsInference, Together, Voyage,
};
use super::requests::Requests;
use crate::embed::allowed::{Allowed, StoredHost};
use crate::embed::context::Purpose;
use crate::embed::deferred::Deferred;
use crate::embed::names::canonical;
use crate::embed::settings;
use crate::error::{self, InvalidInput, Result};
use crate::printable::short;

/// Reads the settings that a collection stores. Returns `None` for a name that is not one of the providers'.
///
/// # Errors
/// Why the settings cannot be read.
fn read(name: &str, config: &Value) -> std::result::Result<Option<HttpProvider>, String> {
    fn settings<P: Provider + DeserializeOwned + 'static>(
        config: &Value,
    ) -> std::result::Result<HttpProvider, String> {
        settings::read::<P>(config).map(|provider| HttpProvider(Arc::new(provider)))
    }
    let provider = match canonical(name) {
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
        _ => return Ok(None),
    }?;
    settings::check_model(provider.0.model())?;
    Ok(Some(provider))
}

impl HttpFunction {
    /// Returns a builder for the function that a collection stores: its name, and its settings as JSON. Use
    /// it to set options of a stored function, for example [`as_python`](HttpFunctionBuilder::as_python).
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
    /// [`InvalidInput::Setting`] if no provider has that name, and [`InvalidInput::StoredEmbeddingFunction`]
    /// if the settings cannot be read.
    pub fn from_config(name: &str, config: &Value) -> Result<HttpFunctionBuilder> {
        let refused = |why: String| {
            let name = short(name).into_owned();
            let reason = InvalidInput::StoredEmbeddingFunction { name, why };
            error::Call::new(EMBED.name, None).invalid(reason)
        };
        let Some(provider) = read(name, config).map_err(refused)? else {
            let why = "it must be the stored name of a function over HTTP, such as openai; for Gemini, use Gemini::from_config";
            let reason = InvalidInput::setting("name", short(name), why);
            return Err(error::Call::new(EMBED.name, None).invalid(reason));
        };
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
) -> std::result::Result<Option<Deferred>, String> {
    let Some(provider) = read(name, config)? else {
        return Ok(None);
    };
    check(&*provider.0).map_err(|reason| short(&reason.to_string()).into_owned())?;
    let variable = config["api_key_env_var"].as_str().map(str::to_owned);
    let without_key = host_without_key(&*provider.0, variable.as_deref(), allowed);
    let service = provider.0.service();
    let is_chromas = service.key_variables.contains(&CHROMA_API_KEY);
    let cloud_key = if is_chromas {
        allowed.cloud_key().map(str::to_owned)
    } else {
        None
    };
    let key = |purpose| {
        let mode = EmbedMode {
            purpose,
            as_python: false,
        };
        Requests::new(&*provider.0, None, mode).cache_key()
    };
    Ok(Some(Deferred {
        name: name.to_owned(),
        config: settings::kept(config, &provider.0.to_json()),
        dimension: provider.0.dimension(),
        default_space: provider.0.default_space(),
        cache_keys: [Purpose::Documents, Purpose::Queries].map(key),
        make: Box::new(move |environment| {
            let without_key = without_key.clone()?;
            let mut builder = HttpFunction::builder(provider.clone())
                .stored_variable(variable.clone())
                .fallback_key(cloud_key.clone());
            if let Some(host) = without_key {
                builder = builder.without_key(host);
            }
            match builder.build_in(environment) {
                Ok(function) => Ok(Arc::new(function)),
                Err(reason) => Err(short(&reason.to_string()).into_owned()),
            }
        }),
        made: OnceLock::new(),
    }))
}

/// Checks that the program allows what the configuration chooses: headers, the variable of the key, and the
/// address. Returns the host if it may get texts but no key.
///
/// # Errors
/// Why nothing may be sent.
fn host_without_key(
    provider: &dyn Provider,
    variable: Option<&str>,
    allowed: &Allowed,
) -> std::result::Result<Option<String>, String> {
    if provider.headers().iter().any(|header| header.is_secret) {
        let why = "it has default_headers, which may send texts elsewhere; if you trust them, open it with a function from \
                   HttpFunction::from_config(...)";
        return Err(why.to_owned());
    }
    let service = provider.service();
    if let Some(variable) = variable {
        allowed.check_key_variable(variable, service.key_variables)?;
    }
    let Some(url) = provider.url_to_allow() else {
        return Ok(None);
    };
    match allowed.stored_host(url, service.hosts) {
        StoredHost::TextsAndKey => Ok(None),
        StoredHost::Nothing(why) => Err(why),
        // A request to another service of this machine could do harm. Other functions append their own path.
        StoredHost::Texts(host) if service.path.is_empty() && !is_path_for_texts(url) => {
            let url = short(url);
            Err(format!(
                "its address {url:?} is on this machine, and its path does not end in /embed; if you trust that address, build \
                 the client with .allow_embedding_host({host:?})"
            ))
        }
        StoredHost::Texts(host) => Ok(Some(host)),
    }
}

/// Whether the path of an address is one at which servers embed texts.
fn is_path_for_texts(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (_, path) = rest.split_once('/').unwrap_or((rest, ""));
    let last = path.trim_end_matches('/').rsplit('/').next();
    last.is_none_or(|last| last.is_empty() || last == "embed")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use serde_json::json;

    use super::super::splade::ChromaCloudSplade;
    use super::*;
    use crate::embed::error::EmbeddingError;
    use crate::embed::function::EmbeddingFunction as _;
    use crate::embed::sparse::SparseEmbeddingFunction;
    use crate::environment::Environment;

    /// The key of a client of Chroma Cloud.
    const KEY: &str = "ck-s3cret";

    fn cloud() -> Allowed {
        Allowed::default().with_cloud_key(Some(KEY.to_owned()))
    }

    /// Answers one request as a model of Chroma Cloud. Calls `embed` with its address, and returns the key
    /// that the request had.
    fn key_sent(embed: impl FnOnce(&str) -> Result<(), EmbeddingError>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let (mut key, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim().split_once(": ") {
                    Some(("x-chroma-token", value)) => value.clone_into(&mut key),
                    Some(("content-length", value)) => length = value.parse().unwrap(),
                    None if line.trim().is_empty() => break,
                    _ => {}
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let body = r#"{"embeddings":[{"indices":[1],"values":[0.5]}]}"#;
            let body = if length > 60 {
                body
            } else {
                r#"{"embeddings":[[0.5]]}"#
            };
            let length = body.len();
            write!(
                &stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
            key
        });
        embed(&url).unwrap();
        server.join().unwrap()
    }

    fn key_of_qwen(config: &Value, more: &[(&str, &str)]) -> String {
        key_sent(|url| {
            let lookup = |name: &str| -> Option<OsString> {
                let address = ("CHROMA_EMBED_URL", url);
                let mut all = more.iter().chain([&address]);
                all.find(|(set, _)| *set == name)
                    .map(|(_, value)| value.into())
            };
            let stored = deferred("chroma-cloud-qwen", config, &cloud())?.unwrap();
            let function = stored.get(&Environment::of(&lookup))?;
            function.embed_queries(&["text"]).map(drop)
        })
    }

    #[test]
    fn a_model_of_chroma_cloud_gets_the_key_of_the_client_unless_a_variable_has_one() {
        for config in [
            json!({}),
            json!({ "api_key_env_var": "CHROMA_API_KEY", "task": null }),
        ] {
            assert_eq!(key_of_qwen(&config, &[]), KEY);
            assert_eq!(key_of_qwen(&config, &[("CHROMA_API_KEY", "")]), KEY);
            assert_eq!(key_of_qwen(&config, &[("CHROMA_API_KEY", "ck-2")]), "ck-2");
        }
        let is_set = std::env::var_os("CHROMA_API_KEY").is_some();
        let splade = ChromaCloudSplade::stored(&json!({}), &cloud()).unwrap();
        let key = key_sent(|url| splade.base_url(url).embed_documents(&["text"]).map(drop));
        assert!(is_set || key == KEY, "{key}");
    }

    #[test]
    fn secure_05_the_key_of_the_client_is_for_chroma_cloud_alone() {
        let nothing = |_: &str| None;
        let nothing = Environment::of(&nothing);
        let without = deferred("chroma-cloud-qwen", &json!({}), &Allowed::default());
        let without = without.unwrap().unwrap();
        let error = without.get(&nothing).err().unwrap().to_string();
        assert!(error.contains("CHROMA_API_KEY"), "{error}");

        let local = "http://localhost:1";
        for (name, config) in [
            ("cohere", json!({ "model_name": "m" })),
            (
                "voyageai",
                json!({ "model_name": "m", "api_key_env_var": "VOYAGE_API_KEY" }),
            ),
        ] {
            let stored = deferred(name, &config, &cloud()).unwrap().unwrap();
            let error = stored.get(&nothing).err().unwrap().to_string();
            assert!(error.contains("_API_KEY"), "{name}: {error}");
        }
        // Neither does a stored variable of another provider choose it.
        let config =
            json!({ "model_name": "m", "api_base": local, "api_key_env_var": "CHROMA_API_KEY" });
        let stored = deferred("openai", &config, &cloud()).unwrap().unwrap();
        let error = stored.get(&nothing).err().unwrap().to_string();
        assert!(error.contains("allow_key_variable"), "{error}");
        // Nor an address that is not encrypted.
        let lookup = |name: &str| (name == "CHROMA_EMBED_URL").then(|| "http://example.com".into());
        let qwen = deferred("chroma-cloud-qwen", &json!({}), &cloud())
            .unwrap()
            .unwrap();
        let error = qwen
            .get(&Environment::of(&lookup))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("without encryption") && !error.contains(KEY),
            "{error}"
        );
    }

    /// Otherwise the collection would refuse vectors of the caller that have another dimension.
    #[test]
    fn a_dimension_that_no_model_has_makes_no_function() {
        for floats in [0, 65_537, u64::MAX] {
            for (name, config) in [
                ("openai", json!({ "model_name": "m", "dimensions": floats })),
                ("jina", json!({ "dimensions": floats })),
                ("perplexity", json!({ "dimensions": floats })),
            ] {
                let why = deferred(name, &config, &Allowed::default());
                let why = why.err().unwrap();
                assert!(why.contains("dimensions is "), "{why}");
            }
        }
    }

    #[test]
    fn a_service_that_may_do_without_a_key_opens_with_and_without_one_in_the_environment() {
        let mut allowed = Allowed::default();
        allowed.allow_host("vllm".to_owned());
        let openai = json!({ "model_name": "m", "api_base": "http://vllm:8000/v1", "api_key_env_var": "OPENAI_API_KEY" });
        let tei =
            json!({ "url": "http://vllm:8080/embed", "api_key_env_var": "HUGGINGFACE_API_KEY" });
        let other = json!({ "model_name": "m", "api_base": "http://vllm:8000/v1" });
        for (name, config) in [
            ("openai", openai),
            ("huggingface_server", tei),
            ("openai", other),
        ] {
            for is_set in [true, false] {
                let lookup = |name: &str| (is_set && name.ends_with("_KEY")).then(|| "key".into());
                let stored = deferred(name, &config, &allowed).unwrap().unwrap();
                let made = stored.get(&Environment::of(&lookup)).map(drop);
                assert!(made.is_ok(), "{name}, {is_set}: {made:?}");
            }
        }
    }

    #[test]
    fn secure_01_a_stored_address_on_this_machine_has_the_path_of_such_servers_unless_allowed() {
        let nothing = |_: &str| None;
        let made = |path: &str, allowed: &Allowed| {
            let config = json!({ "url": format!("http://localhost:8000{path}") });
            let stored = deferred("huggingface_server", &config, allowed);
            let stored = stored.unwrap().unwrap();
            let made = stored.get(&Environment::of(&nothing)).map(drop);
            made.map_err(|error| error.to_string())
        };
        let unknown = Allowed::default();
        for path in ["", "/", "/embed", "/embed/", "/tei/embed"] {
            assert_eq!(made(path, &unknown), Ok(()), "{path}");
        }
        let mut allowed = Allowed::default();
        allowed.allow_host("localhost".to_owned());
        for path in [
            "/api/v2/reset",
            "/embed/x",
            "/_all/_close",
            "/embed%2f..",
            "/xembed",
        ] {
            let why = made(path, &unknown).unwrap_err();
            assert!(
                why.contains(".allow_embedding_host(\"localhost\")"),
                "{why}"
            );
            assert!(why.contains(path), "{why}");
            assert_eq!(made(path, &allowed), Ok(()), "{path}");
        }
    }

    /// Each error and each log line of a call shows it.
    #[test]
    fn secure_01_a_model_with_a_long_name_makes_no_function() {
        let made = |characters: usize| {
            let config = json!({ "model_name": "ü".repeat(characters) });
            deferred("ollama", &config, &Allowed::default()).map(drop)
        };
        assert_eq!(made(512), Ok(()));
        let why = made(1 << 20).unwrap_err();
        assert!(why.contains("1048576 characters, more than 512"), "{why}");
        let config = json!({ "url": format!("http://localhost:1/{}", "x".repeat(1 << 20)) });
        let stored = deferred("ollama", &config, &Allowed::default());
        let error = stored.unwrap().unwrap().embed_queries(&["text"]);
        let error = error.unwrap_err().to_string();
        assert!(error.len() < 2_500, "{} bytes", error.len());
    }

    #[test]
    fn secure_01_hostile_settings_are_shown_shortened() {
        let hostile = format!("\u{1b}[2J\r\n{}", "x".repeat(1 << 20));
        for (name, config) in [
            ("openai", json!({ "model_name": [hostile] })),
            (
                "openai",
                json!({ "api_type": "azure", "api_base": "http://localhost", "deployment_id": hostile }),
            ),
            ("openai", json!({ "api_base": hostile })),
            ("openai", json!({ "organization_id": hostile })),
            (
                "ollama",
                json!({ "url": format!("http://localhost:1/{hostile}") }),
            ),
            (
                "cloudflare_workers_ai",
                json!({ "model_name": "m", "account_id": hostile }),
            ),
            ("huggingface", json!({ "model_name": hostile })),
            ("chroma-cloud-qwen", json!({ "model": hostile })),
            ("huggingface_server", json!({ "url": hostile })),
            ("together_ai", json!(hostile)),
        ] {
            let keys = |name: &str| name.ends_with("_KEY").then(|| "key".into());
            let why = match deferred(name, &config, &Allowed::default()) {
                Err(why) => why,
                Ok(stored) => stored
                    .unwrap()
                    .get(&Environment::of(&keys))
                    .err()
                    .unwrap()
                    .to_string(),
            };
            assert!(why.len() < 2_500, "{name}: {} bytes", why.len());
        }
    }
}
