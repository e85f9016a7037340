//! The functions on this machine that collections store: by which name, and how their settings are read.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::function::{Onnx, Settings, check_prefixes};
use super::mini_lm;
use super::model::Method;
use super::pooling::Pooling;
use crate::embed::allowed::Allowed;
use crate::embed::context::Purpose;
use crate::embed::deferred::Deferred;
use crate::embed::model_identity::{DEFAULT_MODEL, model_of};
use crate::embed::names::canonical;
use crate::embed::settings;
use crate::model::space::Space;
use crate::printable::short;

/// The settings that Chroma's clients store. Others are kept, and have no effect here: JavaScript's
/// `revision`, `dtype` and `quantized` choose another file of the same model, and Python's `device` and
/// `preferred_providers` choose hardware.
#[derive(Debug, Deserialize)]
struct Config {
    // Reading these two refuses values other than strings.
    #[serde(rename = "model_name")]
    _model_name: Option<String>,
    #[serde(rename = "model")]
    _model: Option<String>,
    normalize_embeddings: Option<bool>,
    #[serde(default)]
    kwargs: Value,
    /// Stored by this crate alone, with the following settings.
    pooling: Option<String>,
    max_tokens: Option<usize>,
    #[serde(default)]
    document_prefix: String,
    #[serde(default)]
    query_prefix: String,
}

/// Returns the function that a collection's configuration describes, under the name by which it is stored.
/// `None` for a name that is not one of these functions.
///
/// # Errors
/// Why this crate cannot make the function.
pub(in crate::embed) fn deferred(
    name: &str,
    config: &Value,
    allowed: &Allowed,
) -> Result<Option<Deferred>, String> {
    let Some((settings, registered)) = settings_of(name, config, allowed)? else {
        return Ok(None);
    };
    let registered = registered.map(|onnx| Arc::clone(&onnx.model));
    let dimension = registered
        .as_ref()
        .map_or(mini_lm::DIMENSION, |model| model.dimension());
    Ok(Some(Deferred {
        name: settings.name.clone(),
        config: settings.config.clone(),
        dimension: Some(dimension),
        default_space: settings.space,
        cache_keys: [Purpose::Documents, Purpose::Queries]
            .map(|purpose| settings.cache_key(purpose)),
        make: Box::new(move |environment| {
            let model = match &registered {
                Some(model) => Arc::clone(model),
                None => mini_lm::of_process(environment).map_err(|reason| reason.to_string())?,
            };
            let settings = settings.clone();
            Ok(Arc::new(Onnx { model, settings }))
        }),
        made: OnceLock::new(),
    }))
}

/// Returns the settings of a stored function, and the function that the program registered for its model.
fn settings_of<'a>(
    name: &str,
    config: &Value,
    allowed: &'a Allowed,
) -> Result<Option<(Settings, Option<&'a Onnx>)>, String> {
    let function = canonical(name);
    if !["default", "onnx_mini_lm_l6_v2", "sentence_transformer"].contains(&function) {
        return Ok(None);
    }
    let read: Config = settings::read(config)?;
    let model = model_of(function, Some(config)).ok_or("its configuration has no model_name")?;
    settings::check_model(model)?;
    check_kwargs(&read.kwargs)?;
    let registered = allowed.onnx_model(model);
    if registered.is_none() && model != DEFAULT_MODEL {
        return Err(not_registered(model));
    }
    let stored = Stored {
        function,
        model,
        is_javascripts: is_javascripts(name, config),
        registered,
    };
    let (method, [document_prefix, query_prefix]) = stored.method(read)?;
    check_prefixes([&document_prefix, &query_prefix]).map_err(|reason| reason.to_string())?;
    // These functions of Python and of old JavaScript name no distance measure, so the server's default
    // applies.
    let is_l2 = function == "default" && config.get("model_name").is_none();
    let settings = Settings {
        name: name.to_owned(),
        config: settings::kept(config, &lists_and_objects(config)),
        space: if is_l2 { Space::L2 } else { Space::Cosine },
        model: registered.and_then(|onnx| onnx.settings.model.clone()),
        method,
        document_prefix,
        query_prefix,
    };
    Ok(Some((settings, registered)))
}

fn not_registered(model: &str) -> String {
    let model = short(model);
    format!(
        "its model {model:?} can run here from a folder that the program registers: build the client with \
         .allow_onnx_model(Onnx::builder({model:?}, folder).build()?); or use a server of Hugging Face's Text Embeddings \
         Inference: TextEmbeddingsInference::new(url).model({model:?})"
    )
}

/// Refuses arguments of Python's library that change vectors. Others, such as `trust_remote_code`, do not.
fn check_kwargs(kwargs: &Value) -> Result<(), String> {
    let changing = ["truncate_dim", "default_prompt_name"];
    let is_set = |name: &&&str| kwargs.get(**name).is_some_and(|value| !value.is_null());
    match changing.iter().find(is_set) {
        None => Ok(()),
        Some(name) => Err(format!(
            "its kwargs contain {name}, which changes vectors in a way that this crate does not support"
        )),
    }
}

/// A stored function, and the one that the program registered for its model.
struct Stored<'a> {
    /// Python's name.
    function: &'a str,
    model: &'a str,
    is_javascripts: bool,
    registered: Option<&'a Onnx>,
}

impl Stored<'_> {
    /// Returns how vectors are made, and the prefixes of documents and of queries.
    fn method(&self, config: Config) -> Result<(Method, [String; 2]), String> {
        // A collection of this crate stores all of it. That also counts if the program has registered the
        // model with other options.
        if let Some(pooling) = &config.pooling {
            return Ok((
                Method {
                    pooling: pooling_of(pooling)?,
                    normalize: config.normalize_embeddings.unwrap_or(true),
                    max_tokens: self.checked(config.max_tokens)?,
                },
                [config.document_prefix, config.query_prefix],
            ));
        }
        let is_default_model = self.model == DEFAULT_MODEL;
        let registered = self.registered.map(|onnx| &onnx.settings);
        match registered {
            // Python leaves pooling to the files of a model, so the program knows it. `false` means that
            // the model itself decides about the length.
            Some(settings) if !is_default_model && self.function == "sentence_transformer" => {
                let mut method = settings.method;
                method.normalize |= config.normalize_embeddings == Some(true);
                let prefixes = [&settings.document_prefix, &settings.query_prefix];
                Ok((method, prefixes.map(String::clone)))
            }
            _ => {
                let max_tokens = if self.is_javascripts {
                    self.most_tokens()
                } else {
                    mini_lm::PYTHONS_MAX_TOKENS
                };
                Ok((mini_lm::method(max_tokens), Default::default()))
            }
        }
    }

    /// Returns the most tokens that a stored setting may choose.
    fn most_tokens(&self) -> usize {
        match self.registered {
            Some(onnx) if self.model != DEFAULT_MODEL => onnx.settings.method.max_tokens,
            _ => mini_lm::MAX_TOKENS,
        }
    }

    fn checked(&self, stored: Option<usize>) -> Result<usize, String> {
        let most = self.most_tokens();
        match stored.unwrap_or(most) {
            tokens if tokens > most => Err(format!(
                "its max_tokens is {tokens}, more than the {most} of the model; if the model accepts as many, register it \
                 with .max_tokens({tokens})"
            )),
            tokens if tokens < 3 => Err(format!(
                "its max_tokens is {tokens}, and it must be 3 or more"
            )),
            tokens => Ok(tokens),
        }
    }
}

fn pooling_of(name: &str) -> Result<Pooling, String> {
    Pooling::from_name(name).ok_or_else(|| {
        let name = short(name);
        format!("this version of the crate does not know the pooling {name:?}")
    })
}

/// Whether these are settings of JavaScript's default function. If a program sets none, version 3 stores
/// `{}`, as Python does.
fn is_javascripts(name: &str, config: &Value) -> bool {
    let settings = ["model_name", "model", "revision", "dtype", "quantized"];
    let is_set = |setting: &&str| config.get(*setting).is_some_and(|value| !value.is_null());
    name == "transformers" || name == "default" && settings.iter().any(is_set)
}

/// Returns the lists and objects that the functions know. Longer ones than any client stores are left out.
fn lists_and_objects(config: &Value) -> Value {
    const MAX_BYTES: usize = 4096;

    let known = ["kwargs", "preferred_providers", "dtype"].iter();
    let known = known.filter_map(|name| {
        let value = config.get(name)?;
        (value.to_string().len() <= MAX_BYTES).then(|| ((*name).to_owned(), value.clone()))
    });
    Value::Object(known.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::embed::function::EmbeddingFunction as _;
    use crate::environment::Environment;

    fn made(name: &str, config: &Value) -> Result<Deferred, String> {
        deferred(name, config, &Allowed::default()).map(Option::unwrap)
    }

    fn settings(name: &str, config: &Value) -> Settings {
        let allowed = Allowed::default();
        let (settings, _) = settings_of(name, config, &allowed).unwrap().unwrap();
        settings
    }

    const XENOVA: &str = "Xenova/all-MiniLM-L6-v2";

    #[test]
    fn the_default_function_opens_under_each_name_with_pythons_distance_and_number_of_tokens() {
        let sentence = |model: &str| {
            json!({ "model_name": model, "device": "cuda", "normalize_embeddings": false,
                "kwargs": { "trust_remote_code": true } })
        };
        let new = json!({ "model_name": XENOVA, "revision": "main", "dtype": "fp32", "quantized": false });
        let old = json!({ "model": XENOVA, "revision": "main", "quantized": true });
        let providers = json!({ "preferred_providers": ["CPUExecutionProvider"] });
        for (name, config, space, tokens) in [
            ("default", json!({}), Space::L2, 256),
            ("default", Value::Null, Space::L2, 256),
            ("default", new, Space::Cosine, 512),
            ("default", old.clone(), Space::L2, 512),
            (
                "default",
                json!({ "dtype": { "model": "q8" } }),
                Space::L2,
                512,
            ),
            ("transformers", old, Space::L2, 512),
            ("transformers", json!({}), Space::L2, 512),
            ("onnx_mini_lm_l6_v2", json!({}), Space::Cosine, 256),
            ("onnx_mini_lm_l6_v2", providers, Space::Cosine, 256),
            (
                "sentence_transformer",
                sentence("all-MiniLM-L6-v2"),
                Space::Cosine,
                256,
            ),
            ("sentence_transformer", sentence(XENOVA), Space::Cosine, 256),
            (
                "sentence_transformer",
                sentence("sentence-transformers/all-MiniLM-L6-v2"),
                Space::Cosine,
                256,
            ),
        ] {
            let function = made(name, &config).unwrap();
            assert_eq!(function.name(), name);
            let kept = if config.is_null() {
                json!({})
            } else {
                config.clone()
            };
            assert_eq!(function.config(), Some(kept), "{name}");
            assert_eq!(function.default_space(), space, "{name} {config}");
            assert_eq!(function.dimension(), Some(384));
            let settings = settings(name, &config);
            assert_eq!(settings.method, mini_lm::method(tokens), "{name} {config}");
            assert_eq!([settings.document_prefix, settings.query_prefix], ["", ""]);
        }
    }

    /// The same under each name, so that they share a cache.
    #[test]
    fn keys_of_caches_tell_what_vectors_depend_on() {
        let key = |name: &str, config: Value| {
            let function = made(name, &config).unwrap();
            [Purpose::Documents, Purpose::Queries].map(|purpose| function.cache_key(purpose))
        };
        let default = key("default", json!({}));
        assert_eq!(default[0], r#"["onnx",null,["mean",true,256],""]"#);
        assert_eq!(default[0], default[1]);
        assert_eq!(key("onnx_mini_lm_l6_v2", json!({})), default);
        let l6 = |more: Value| {
            let mut config = json!({ "model_name": "all-MiniLM-L6-v2" });
            let more = more.as_object().unwrap().clone();
            config.as_object_mut().unwrap().extend(more);
            key("sentence_transformer", config)
        };
        assert_eq!(l6(json!({})), default);
        assert_ne!(key("transformers", json!({})), default);
        let own = |more: Value| {
            let mut settings = json!({ "pooling": "mean", "max_tokens": 256 });
            let more = more.as_object().unwrap().clone();
            settings.as_object_mut().unwrap().extend(more);
            l6(settings)
        };
        assert_eq!(own(json!({})), default);
        for other in [
            json!({ "pooling": "cls" }),
            json!({ "max_tokens": 100 }),
            json!({ "normalize_embeddings": false }),
        ] {
            assert_ne!(own(other)[0], default[0]);
        }
        let prefixed = own(json!({ "query_prefix": "query: " }));
        assert_eq!(prefixed[0], default[0]);
        assert_ne!(prefixed[1], default[1]);
    }

    #[test]
    fn a_collection_of_this_crate_keeps_its_options() {
        let config = json!({ "model_name": "all-MiniLM-L6-v2", "normalize_embeddings": false, "pooling": "cls",
            "max_tokens": 128, "document_prefix": "passage: ", "query_prefix": "query: " });
        let settings = settings("sentence_transformer", &config);
        let expected = Method {
            pooling: Pooling::Cls,
            normalize: false,
            max_tokens: 128,
        };
        assert_eq!(settings.method, expected);
        let prefixes = [settings.document_prefix, settings.query_prefix];
        assert_eq!(prefixes, ["passage: ", "query: "]);
        let why = |name: &str, value: Value| {
            let mut config = config.clone();
            config[name] = value;
            made("sentence_transformer", &config).err().unwrap()
        };
        let max_tokens = why("max_tokens", json!(513));
        assert!(
            max_tokens.contains("its max_tokens is 513, more than the 512"),
            "{max_tokens}"
        );
        let max_tokens = why("max_tokens", json!(2));
        assert!(
            max_tokens.contains("its max_tokens is 2, and it must be 3 or more"),
            "{max_tokens}"
        );
        let pooling = why("pooling", json!("last"));
        assert!(
            pooling.contains("does not know the pooling \"last\""),
            "{pooling}"
        );
    }

    #[test]
    fn arguments_of_pythons_library_that_change_vectors_are_refused() {
        let made = |kwargs: Value| {
            let config = json!({ "model_name": "all-MiniLM-L6-v2", "kwargs": kwargs });
            made("sentence_transformer", &config).map(drop)
        };
        for name in ["truncate_dim", "default_prompt_name"] {
            let why = made(json!({ name: 128 })).unwrap_err();
            assert!(
                why.contains(&format!("its kwargs contain {name},")),
                "{why}"
            );
            assert_eq!(made(json!({ name: null })), Ok(()));
        }
        for harmless in [
            json!({}),
            Value::Null,
            json!("text"),
            json!({ "backend": "torch" }),
        ] {
            assert_eq!(made(harmless), Ok(()));
        }
    }

    #[test]
    fn secure_01_a_stored_path_is_never_opened() {
        let folder = std::env::temp_dir();
        let folder = folder.to_string_lossy();
        let missing = format!("{folder}/no-such-folder");
        let paths = [
            &*folder,
            &*missing,
            "/etc/passwd",
            "./model",
            "../model",
            "~/model",
            r"C:\models\mini",
            r"\\server\share",
            "file:///etc/passwd",
            "Xenova/../../etc",
            "sentence-transformers/./all-MiniLM-L6-v2",
        ];
        for path in paths {
            for (name, key) in [
                ("sentence_transformer", "model_name"),
                ("default", "model_name"),
                ("transformers", "model"),
            ] {
                // The same for each path, whether there is such a file or not.
                let why = made(name, &json!({ key: path })).err().unwrap();
                assert!(why.contains(".allow_onnx_model(Onnx::builder("), "{why}");
                assert!(why.contains("TextEmbeddingsInference"), "{why}");
            }
        }
    }

    #[test]
    fn secure_01_hostile_settings_are_shown_shortened() {
        let hostile = format!("\u{1b}[2J\r\n{}", "x".repeat(1 << 20));
        let of_default_model = |name: &str, value: Value| {
            let mut config = json!({ "model_name": "all-MiniLM-L6-v2", "pooling": "mean" });
            config[name] = value;
            config
        };
        for config in [
            json!(hostile),
            json!([hostile]),
            json!({ "model_name": hostile }),
            json!({ "model_name": [hostile] }),
            json!({ "model_name": 7 }),
            json!({ "model": { "a": hostile } }),
            of_default_model("pooling", json!(hostile)),
            of_default_model("pooling", json!([hostile])),
            of_default_model("max_tokens", json!(hostile)),
            of_default_model("max_tokens", json!(-1)),
            of_default_model("max_tokens", json!(u64::MAX)),
            of_default_model("max_tokens", json!(0)),
            of_default_model("normalize_embeddings", json!(hostile)),
            of_default_model("query_prefix", json!({ "a": hostile })),
            of_default_model("query_prefix", json!(hostile)),
            of_default_model("document_prefix", json!("x".repeat(4097))),
        ] {
            for name in ["sentence_transformer", "default", "transformers"] {
                let why = made(name, &config).err().unwrap();
                assert!(why.len() < 2_500, "{} bytes", why.len());
            }
        }
        let nothing = made("sentence_transformer", &json!({})).err().unwrap();
        assert_eq!(nothing, "its configuration has no model_name");
    }

    #[test]
    fn secure_04_lists_and_objects_are_kept_up_to_a_length() {
        let long = "x".repeat(4096);
        let config = json!({ "preferred_providers": [long], "dtype": { "model": long }, "list": [1], "more": 1,
            "kwargs": { "a": [1] } });
        let function = made("onnx_mini_lm_l6_v2", &config).unwrap();
        let expected = json!({ "more": 1, "kwargs": { "a": [1] } });
        assert_eq!(function.config(), Some(expected));
    }

    #[test]
    fn the_model_is_looked_for_when_the_first_text_is_embedded() {
        let function = made("default", &json!({})).unwrap();
        let nowhere = std::env::temp_dir().join("no-such-model");
        let lookup = |name: &str| (name == "CHROMA_ONNX_MODEL").then(|| nowhere.clone().into());
        let error = function.get(&Environment::of(&lookup)).err().unwrap();
        let error = error.to_string();
        assert!(
            error.contains("CHROMA_ONNX_MODEL") && error.contains("\"default\""),
            "{error}"
        );
        assert!(error.contains("no-such-model"), "{error}");
    }
}
