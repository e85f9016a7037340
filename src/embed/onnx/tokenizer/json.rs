//! Reads `tokenizer.json`.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::added::AddedToken;
use super::normalizer::Normalizer;
use super::parts::Parts;
use crate::printable::short;

pub(super) const NAME: &str = "tokenizer.json";

/// The kinds of parts that work.
const KINDS: [(&str, &[&str]); 4] = [
    ("model", &["WordPiece"]),
    ("normalizer", &["BertNormalizer"]),
    ("pre_tokenizer", &["BertPreTokenizer"]),
    (
        "post_processor",
        &["TemplateProcessing", "BertProcessing", "RobertaProcessing"],
    ),
];

#[derive(Deserialize)]
struct Kinds {
    model: Option<Kind>,
    normalizer: Option<Kind>,
    pre_tokenizer: Option<Kind>,
    post_processor: Option<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct File {
    truncation: Option<Truncation>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Normalizer,
    post_processor: PostProcessor,
    model: Model,
}

#[derive(Deserialize)]
struct Truncation {
    max_length: f64,
    direction: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum PostProcessor {
    TemplateProcessing {
        single: Vec<Piece>,
        special_tokens: HashMap<String, SpecialToken>,
    },
    #[serde(alias = "RobertaProcessing")]
    BertProcessing {
        cls: (String, i32),
        sep: (String, i32),
    },
}

#[derive(Deserialize)]
enum Piece {
    SpecialToken { id: String, type_id: i64 },
    Sequence { id: String, type_id: i64 },
}

#[derive(Deserialize)]
struct SpecialToken {
    ids: Vec<i32>,
}

#[derive(Deserialize)]
struct Model {
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: HashMap<String, i32>,
}

/// Reads `tokenizer.json`.
///
/// # Errors
/// Says what is malformed or not supported.
pub(super) fn parts(json: &[u8]) -> Result<Parts, String> {
    let malformed = |error: serde_json::Error| short(&error.to_string()).into_owned();
    serde_json::from_slice(json)
        .map_err(malformed)
        .and_then(check_kinds)?;
    let file: File = serde_json::from_slice(json).map_err(malformed)?;
    let direction = file.truncation.as_ref().and_then(|t| t.direction.as_ref());
    if direction.is_some_and(|direction| direction != "Right") {
        return Err(
            "its truncation has another direction than Right, which is the only one supported"
                .to_owned(),
        );
    }
    let mut ids = HashSet::new();
    for (token, id) in &file.model.vocab {
        if *id < 0 || !ids.insert(*id) {
            return Err(format!(
                "its vocabulary has the id {id} of the token {:?} {}",
                short(token),
                if *id < 0 { "below 0" } else { "twice" }
            ));
        }
    }
    Ok(Parts {
        normalizer: file.normalizer,
        added: file.added_tokens,
        ends: file.post_processor.ends()?,
        vocabulary: file.model.vocab,
        unknown: file.model.unk_token,
        prefix: file.model.continuing_subword_prefix,
        longest_word: file.model.max_input_chars_per_word,
        max_tokens: file.truncation.map(|truncation| truncation.max_length),
    })
}

fn check_kinds(found: Kinds) -> Result<(), String> {
    // Files of old versions name no kind of model.
    let model = found.model.unwrap_or(Kind { r#type: None });
    let model = model.r#type.unwrap_or_else(|| "WordPiece".to_owned());
    let others = [found.normalizer, found.pre_tokenizer, found.post_processor];
    let others = others.map(|kind| kind.and_then(|kind| kind.r#type));
    let kinds = [Some(model)].into_iter().chain(others);
    for ((part, supported), kind) in KINDS.iter().zip(kinds) {
        let kind = kind.unwrap_or_else(|| "null".to_owned());
        if !supported.contains(&&*kind) {
            return Err(format!(
                "its {part} is {}, where only {} is supported, as in BERT",
                short(&kind),
                supported.join(" or "),
            ));
        }
    }
    Ok(())
}

impl PostProcessor {
    /// Returns the ids before and after the tokens of a text.
    fn ends(self) -> Result<[i32; 2], String> {
        let unsupported = "its post_processor does not put one token before a text and one after it, as [CLS] and \
                           [SEP] in BERT";
        let (single, special) = match self {
            PostProcessor::BertProcessing { cls, sep } => return Ok([cls.1, sep.1]),
            PostProcessor::TemplateProcessing {
                single,
                special_tokens,
            } => (single, special_tokens),
        };
        let [
            Piece::SpecialToken {
                id: first,
                type_id: 0,
            },
            Piece::Sequence { id, type_id: 0 },
            Piece::SpecialToken {
                id: last,
                type_id: 0,
            },
        ] = &single[..]
        else {
            return Err(unsupported.to_owned());
        };
        let id_of = |token| match special.get(token)?.ids[..] {
            [id] => Some(id),
            _ => None,
        };
        match (&**id, id_of(first), id_of(last)) {
            ("A", Some(first), Some(last)) => Ok([first, last]),
            _ => Err(unsupported.to_owned()),
        }
    }
}
