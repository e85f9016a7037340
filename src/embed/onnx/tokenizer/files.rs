//! Reads the files of a tokenizer.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::normalizer::Normalizer;
use crate::printable::short;

/// The longest file that is read, in bytes. Vocabularies of half a million tokens need less than 20 MiB.
const LONGEST_FILE: u64 = 64 << 20;

/// The kinds of models, normalizers and pre-tokenizers that work.
const SUPPORTED: [&str; 3] = ["WordPiece", "BertNormalizer", "BertPreTokenizer"];

/// The contents of `tokenizer.json`.
#[derive(Deserialize)]
pub(super) struct Contents {
    pub(super) truncation: Option<Truncation>,
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    pub(super) normalizer: Normalizer,
    pub(super) post_processor: Value,
    pub(super) model: WordPiece,
}

#[derive(Deserialize)]
pub(super) struct Truncation {
    pub(super) max_length: f64,
    #[serde(rename = "direction")]
    _direction: Option<Direction>,
}

/// The end at which a text is cut. `Left` is not supported.
#[derive(Deserialize)]
enum Direction {
    Right,
}

/// A token that is sought in a text before it is split into words.
#[derive(Deserialize)]
pub(super) struct AddedToken {
    pub(super) content: String,
    pub(super) single_word: bool,
    /// Whether it is sought in the normalized text.
    pub(super) normalized: bool,
    // `lstrip` and `rstrip` change no ids: they only make spaces part of the token. `tokenizers` ignores `id`.
}

#[derive(Deserialize)]
pub(super) struct WordPiece {
    pub(super) vocab: HashMap<String, i32>,
    pub(super) unk_token: String,
    /// The mark of a token that continues a word, such as `##`.
    pub(super) continuing_subword_prefix: String,
    /// A longer word is unknown.
    pub(super) max_input_chars_per_word: usize,
}

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

/// Reads `tokenizer.json`.
///
/// # Errors
/// Says what is malformed or not supported.
pub(super) fn from_json(file: &[u8]) -> Result<Contents, String> {
    #[derive(Deserialize)]
    struct Kinds {
        model: Option<Kind>,
        normalizer: Option<Kind>,
        pre_tokenizer: Option<Kind>,
    }
    #[derive(Deserialize)]
    struct Kind {
        r#type: Option<String>,
    }

    let kinds: Kinds = parse(file)?;
    let name = |kind: Option<Kind>, unnamed: &str| {
        let kind = kind.and_then(|kind| kind.r#type);
        kind.unwrap_or_else(|| unnamed.to_owned())
    };
    let found = [
        // Files of old versions name no kind of model.
        name(kinds.model, "WordPiece"),
        name(kinds.normalizer, "null"),
        name(kinds.pre_tokenizer, "null"),
    ];
    if found != SUPPORTED {
        return Err(format!(
            "its model, normalizer and pre_tokenizer are {}, where only {} are supported, as in BERT",
            short(&found.join(", ")),
            SUPPORTED.join(", ")
        ));
    }
    parse(file)
}

/// Reads `vocab.txt`: a token on each line.
///
/// # Errors
/// Says that it is not UTF-8, or which token is missing.
pub(super) fn from_vocabulary(file: &[u8], config: &TokenizerConfig) -> Result<Contents, String> {
    let text = std::str::from_utf8(file).map_err(|error| error.to_string())?;
    let tokens = text.lines().map(|token| token.trim_end().to_owned());
    let vocab: HashMap<String, i32> = tokens.zip(0..).collect();
    let [cls, sep, unknown, pad, mask] = [
        (&config.cls_token, "[CLS]"),
        (&config.sep_token, "[SEP]"),
        (&config.unk_token, "[UNK]"),
        (&config.pad_token, "[PAD]"),
        (&config.mask_token, "[MASK]"),
    ]
    .map(|(token, of_bert)| match token {
        Some(Token::Content(content) | Token::Added { content }) => content,
        None => of_bert,
    });
    let mut added_tokens = vec![cls, sep, unknown, pad, mask];
    added_tokens.retain(|token| vocab.contains_key(*token));
    let added_tokens = added_tokens.into_iter().map(|token| AddedToken {
        content: token.to_owned(),
        single_word: false,
        normalized: false,
    });
    Ok(Contents {
        truncation: None,
        added_tokens: added_tokens.collect(),
        normalizer: Normalizer {
            clean_text: true,
            handle_chinese_chars: config.tokenize_chinese_chars.unwrap_or(true),
            strip_accents: config.strip_accents,
            lowercase: config.do_lower_case.unwrap_or(true),
        },
        post_processor: json!({
            "type": "BertProcessing",
            "cls": [cls, id_of(cls, &vocab)?],
            "sep": [sep, id_of(sep, &vocab)?],
        }),
        model: WordPiece {
            unk_token: unknown.to_owned(),
            vocab,
            continuing_subword_prefix: "##".to_owned(),
            max_input_chars_per_word: 100,
        },
    })
}

/// Returns the ids before and after the tokens of a text, which a post-processor adds.
pub(super) fn ends(processor: &Value) -> Result<[i32; 2], String> {
    let single = &processor["single"];
    let [first, last] = [0, 2].map(|at| &single[at]["SpecialToken"]["id"]);
    let of_bert = json!([
        {"SpecialToken": {"id": first, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": last, "type_id": 0}},
    ]);
    let special = |token: &Value| &processor["special_tokens"][token.as_str().unwrap_or("")]["ids"];
    let ids = match processor["type"].as_str() {
        Some("BertProcessing" | "RobertaProcessing") => {
            ["cls", "sep"].map(|end| json!([processor[end][1]]))
        }
        Some("TemplateProcessing") if *single == of_bert => {
            [first, last].map(|token| special(token).clone())
        }
        _ => [Value::Null, Value::Null],
    };
    let [Ok([first]), Ok([last])] = ids.map(serde_json::from_value::<[i32; 1]>) else {
        return Err(format!(
            "its post_processor, {}, does not put one token before a text and one after it, as [CLS] and [SEP] in BERT",
            short(&processor["type"].to_string())
        ));
    };
    Ok([first, last])
}

/// Returns the id of a token that must be in the vocabulary.
pub(super) fn id_of(token: &str, vocabulary: &HashMap<String, i32>) -> Result<i32, String> {
    let id = vocabulary.get(token).copied();
    id.ok_or_else(|| format!("its vocabulary lacks the token {:?}", short(token)))
}

/// Returns a number of tokens, unless it is a placeholder: transformers writes 1e30 if it does not know it.
pub(super) fn sane_length(tokens: Option<f64>) -> Option<usize> {
    let tokens = tokens.filter(|tokens| (3.0..=1e6).contains(tokens))?;
    Some(tokens as usize)
}

/// Reads settings. Returns the default if there is no such file.
pub(super) fn read_config<T: DeserializeOwned + Default>(
    folder: &Path,
    name: &str,
) -> Result<T, String> {
    let Some(file) = read(folder, name)? else {
        return Ok(T::default());
    };
    parse(&file).map_err(|why| format!("its file {name}: {why}"))
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| short(&error.to_string()).into_owned())
}

/// Reads a file of a folder. `None` if there is none.
pub(super) fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    let file = File::open(folder.join(name));
    match file.and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)) {
        Ok(length) if length as u64 > LONGEST_FILE => Err(format!(
            "its file {name} is longer than {} MiB; it cannot be that of a tokenizer",
            LONGEST_FILE >> 20
        )),
        Ok(_) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("its file {name} cannot be read: {error}")),
    }
}
