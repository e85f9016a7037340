//! [`Onnx::mini_lm`]: Chroma's default function.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::json;

use super::folder;
use super::function::{Onnx, Settings};
use super::model::{Method, Model};
use super::pooling::Pooling;
use crate::environment::Environment;
use crate::error::{Call, InvalidInput, Result};
use crate::model::space::Space;

/// The most tokens of a text in Chroma's Python client (chromadb 1.5.9, `ONNXMiniLM_L6_V2`), with `[CLS]` and
/// `[SEP]`.
pub(super) const PYTHONS_MAX_TOKENS: usize = 256;
/// The most tokens of a text in Chroma's JavaScript client, and the most that the model accepts.
pub(super) const MAX_TOKENS: usize = 512;
/// The floats of a vector of all-MiniLM-L6-v2.
pub(super) const DIMENSION: usize = 384;
/// A text whose vector differs if a weight, the vocabulary or the splitting into words differ.
const KNOWN_TEXT: &str =
    "Weights, words or letters that differ change this vector: naïve café 2026!";
/// The sums of each 24 floats of its vector, as Chroma's Python client 1.5.9 makes it.
const KNOWN_SUMS: [f32; 16] = [
    -0.06964, 0.26033, -0.01704, 0.23746, -0.07062, -0.26429, -0.29753, 0.31637, -0.33606,
    -0.08013, 0.07614, -0.08386, 0.38672, 0.09552, 0.11602, -0.08905,
];
/// The largest difference of a sum. With other runtimes and processors, sums differ by a millionth, and with
/// 16-bit weights by a thousandth.
const TOLERANCE: f32 = 1e-4;

impl Onnx {
    /// Loads the model of Chroma's default function: all-MiniLM-L6-v2, for English.
    ///
    /// The function makes the vectors of Chroma's Python client 1.5.9, up to rounding: 384 floats, the mean of
    /// the vectors of at most 256 tokens, scaled to unit length. A collection that is created with it stores
    /// the name `default` and, unless you set another, the distance [`Space::L2`]. Python then opens it with
    /// the same model.
    ///
    /// The model is in the folder that the variable `CHROMA_ONNX_MODEL` names, or else in that of Chroma's
    /// Python client: `~/.cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx`. This function downloads nothing:
    /// call [`Onnx::download`] once.
    ///
    /// A collection that stores this function opens with it by itself. It loads the model at the first text.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if there is no such model, or if its files are damaged. The message says how to
    /// get it.
    ///
    /// ```no_run
    /// use chroma_blocking::EmbeddingFunction;
    /// use chroma_blocking::embed::Onnx;
    ///
    /// let texts = ["a spiral galaxy", "bread dough"];
    /// let vectors = Onnx::mini_lm()?.embed_documents(&texts)?;
    /// assert_eq!(vectors.row(0).unwrap().len(), 384);
    /// # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
    /// ```
    pub fn mini_lm() -> Result<Onnx> {
        let found = folder::find(&Environment::of_process());
        found
            .and_then(|(setting, folder)| mini_lm_of(setting, &folder))
            .map_err(|reason| Call::new("onnx", None).invalid(reason))
    }

    /// Like [`mini_lm`](Onnx::mini_lm), with the model in this folder: `model.onnx` and `tokenizer.json` or
    /// `vocab.txt`.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if a file of the folder is missing or damaged, or is that of another model.
    ///
    /// ```
    /// use chroma_blocking::embed::Onnx;
    ///
    /// let error = Onnx::mini_lm_from("no/such/folder").unwrap_err();
    /// assert!(error.to_string().contains("no/such/folder"));
    /// ```
    pub fn mini_lm_from(folder: impl Into<PathBuf>) -> Result<Onnx> {
        mini_lm_of("folder", &folder.into())
            .map_err(|reason| Call::new("onnx", None).invalid(reason))
    }
}

/// Finds and loads the model for stored functions. It then stays in memory, since programs open collections
/// again and again.
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
    let refused = |why: String| {
        let otherwise = if setting == folder::VARIABLE {
            "; without this variable, the folder of Chroma's Python client is used"
        } else {
            ""
        };
        InvalidInput::setting(setting, folder.to_string_lossy(), why + otherwise)
    };
    let model = Model::open(folder).map_err(refused)?;
    let is_mini_lm = model.is_mini_lm.get_or_init(|| check(&model));
    is_mini_lm.clone().map_err(refused)?;
    Ok(model)
}

fn mini_lm_of(setting: &'static str, folder: &Path) -> std::result::Result<Onnx, InvalidInput> {
    let model = load(setting, folder)?;
    let settings = Settings {
        name: "default".to_owned(),
        config: json!({}),
        space: Space::L2,
        model: None,
        method: method(PYTHONS_MAX_TOKENS),
        document_prefix: String::new(),
        query_prefix: String::new(),
    };
    Ok(Onnx { model, settings })
}

/// Checks that a model makes the known vector.
///
/// # Errors
/// Says that it is another model.
fn check(model: &Model) -> std::result::Result<(), String> {
    let text = [KNOWN_TEXT.into()];
    let vector = model.embed(&text, method(PYTHONS_MAX_TOKENS), &mut |_| true)?;
    let vector = vector.unwrap_or_default();
    let sums = vector.chunks(DIMENSION / KNOWN_SUMS.len());
    let sums = sums.map(|floats| floats.iter().sum::<f32>());
    let is_equal = |(sum, known): (f32, f32)| (sum - known).abs() < TOLERANCE;
    if vector.len() == DIMENSION && sums.zip(KNOWN_SUMS).all(is_equal) {
        return Ok(());
    }
    Err(
        "it is not the model all-MiniLM-L6-v2 of Chroma, or a file is damaged: a known text gets another vector; \
         for another model, use Onnx::builder"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs open collections for each request.
    #[test]
    fn a_model_is_checked_once() {
        let Some(data) = crate::fuzzing::data() else {
            return;
        };
        let folder = data.join("tiny-onnx");
        let model = Model::open(&folder).unwrap();
        model.is_mini_lm.set(Ok(())).unwrap();
        assert!(mini_lm_of("folder", &folder).is_ok());
        drop(model);
        // It is loaded again.
        let error = mini_lm_of("folder", &folder).unwrap_err().to_string();
        assert!(error.contains("it is not the model"), "{error}");
    }
}
