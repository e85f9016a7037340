//! [`Onnx::mini_lm`]: Chroma's default function.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde_json::json;

use super::folder;
use super::function::{Identity, Onnx, Settings};
use super::model::{Method, Model};
use super::pooling::Pooling;
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::model::space::Space;

/// The most tokens of a text in Chroma's Python client, with `[CLS]` and `[SEP]`.
pub(super) const PYTHONS_MAX_TOKENS: usize = 256;
/// The most tokens of a text in Chroma's JavaScript client, and the most that the model accepts.
pub(super) const MAX_TOKENS: usize = 512;
/// The floats of a vector of all-MiniLM-L6-v2.
pub(super) const DIMENSION: usize = 384;

impl Onnx {
    /// Loads the model of Chroma's default function, all-MiniLM-L6-v2.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if there is no such model, or if its files are damaged.
    pub fn mini_lm() -> Result<Onnx> {
        let found = folder::find(&Environment::of_process());
        found
            .and_then(|(setting, folder)| mini_lm_of(setting, &folder))
            .map_err(|reason| Call::new("onnx", None).invalid(reason))
    }

    /// Like [`mini_lm`](Onnx::mini_lm), with the folder of the model.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if a file of the folder is missing or damaged, or is that of another model.
    pub fn mini_lm_from(folder: impl AsRef<Path>) -> Result<Onnx> {
        mini_lm_of("folder", folder.as_ref())
            .map_err(|reason| Call::new("onnx", None).invalid(reason))
    }
}

/// Finds and loads the model for stored functions. It then stays in memory, since programs open collections again
/// and again.
///
/// # Errors
/// [`InvalidInput::Setting`] if there is no such model, or if its files are damaged.
pub(super) fn of_process(
    environment: &Environment<'_>,
) -> std::result::Result<Arc<Model>, InvalidInput> {
    static KEPT: OnceLock<Arc<Model>> = OnceLock::new();

    let (setting, folder) = folder::find(environment)?;
    let model = load(setting, &folder)?;
    KEPT.get_or_init(|| Arc::clone(&model));
    Ok(model)
}

/// Returns how Chroma's clients make vectors with the model. They differ in the length of texts.
pub(super) fn method(max_tokens: usize) -> Method {
    Method {
        pooling: Pooling::Mean,
        normalize: true,
        max_tokens,
    }
}

fn load(setting: &'static str, folder: &Path) -> std::result::Result<Arc<Model>, InvalidInput> {
    let refused = |why| InvalidInput::setting(setting, folder.to_string_lossy(), why);
    let model = Model::open(folder).map_err(refused)?;
    if model.dimension() != DIMENSION {
        return Err(refused("it is another model".to_owned()));
    }
    Ok(model)
}

fn mini_lm_of(setting: &'static str, folder: &Path) -> std::result::Result<Onnx, InvalidInput> {
    let model = load(setting, folder)?;
    let settings = Settings {
        identity: Identity {
            name: "default".to_owned(),
            config: json!({}),
            space: Space::L2,
        },
        model: None,
        method: method(PYTHONS_MAX_TOKENS),
        document_prefix: String::new(),
        query_prefix: String::new(),
    };
    Ok(Onnx::of(model, settings))
}
