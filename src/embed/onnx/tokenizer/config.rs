//! Reads the settings next to a vocabulary: `tokenizer_config.json` and `sentence_bert_config.json`.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::file::read;
use super::normalizer::Normalizer;
use crate::printable::short;

/// The settings in `tokenizer_config.json`, which transformers writes.
#[derive(Deserialize, Default)]
pub(super) struct TokenizerConfig {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
    pub(super) model_max_length: Option<f64>,
    cls_token: Option<Token>,
    sep_token: Option<Token>,
    unk_token: Option<Token>,
    pad_token: Option<Token>,
    mask_token: Option<Token>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Content(String),
    Added { content: String },
}

/// The settings in `sentence_bert_config.json`, which sentence-transformers writes.
#[derive(Deserialize, Default)]
pub(super) struct SentenceConfig {
    pub(super) max_seq_length: Option<f64>,
    #[serde(default)]
    pub(super) do_lower_case: bool,
}

impl TokenizerConfig {
    pub(super) fn read(folder: &Path) -> Result<TokenizerConfig, String> {
        config(folder, "tokenizer_config.json")
    }

    /// Returns the names of the tokens that begin and end a text, of unknown words, of padding and of masks.
    pub(super) fn special_tokens(&self) -> [&str; 5] {
        [
            (&self.cls_token, "[CLS]"),
            (&self.sep_token, "[SEP]"),
            (&self.unk_token, "[UNK]"),
            (&self.pad_token, "[PAD]"),
            (&self.mask_token, "[MASK]"),
        ]
        .map(|(token, of_bert)| match token {
            Some(Token::Content(content) | Token::Added { content }) => content,
            None => of_bert,
        })
    }

    pub(super) fn normalizer(&self) -> Normalizer {
        Normalizer {
            clean_text: true,
            handle_chinese_chars: self.tokenize_chinese_chars.unwrap_or(true),
            strip_accents: self.strip_accents,
            lowercase: self.do_lower_case.unwrap_or(true),
        }
    }
}

impl SentenceConfig {
    pub(super) fn read(folder: &Path) -> Result<SentenceConfig, String> {
        config(folder, "sentence_bert_config.json")
    }
}

/// Reads a file of a folder. Returns the default if there is none.
fn config<T: DeserializeOwned + Default>(folder: &Path, name: &str) -> Result<T, String> {
    let Some(bytes) = read(folder, name)? else {
        return Ok(T::default());
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("its file {name}: {}", short(&error.to_string())))
}
