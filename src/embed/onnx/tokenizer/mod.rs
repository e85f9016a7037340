//! [`Tokenizer`]: the numbers of a text's tokens, as BERT's tokenizer in the library `tokenizers` makes them.

mod added;
mod config;
mod file;
mod json;
mod normalizer;
mod parts;
mod vocab_txt;
mod words;

use std::collections::HashSet;
use std::path::Path;

use added::AddedTokens;
use config::{SentenceConfig, TokenizerConfig};
use file::read;
use normalizer::Normalizer;
use parts::Parts;
use words::{Ids, WordPiece};

/// Splits texts into the tokens of a model.
pub(super) struct Tokenizer {
    /// Whether a text is put into lower case before all else.
    lowercases: bool,
    /// Tokens that are sought in the text as it is.
    raw: AddedTokens,
    normalizer: Normalizer,
    /// Tokens that are sought in the normalized text.
    normalized: AddedTokens,
    words: WordPiece,
    ends: [i32; 2],
    max_tokens: Option<usize>,
    max_id: i32,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a folder, or else `vocab.txt` with `tokenizer_config.json`.
    ///
    /// # Errors
    /// Says which file cannot be read or has what is not supported, and why.
    pub(super) fn open(folder: &Path) -> Result<Tokenizer, String> {
        let config = TokenizerConfig::read(folder)?;
        let sentences = SentenceConfig::read(folder)?;
        let (name, parts) = if let Some(bytes) = read(folder, json::NAME)? {
            (json::NAME, json::parts(&bytes))
        } else if let Some(bytes) = read(folder, vocab_txt::NAME)? {
            (vocab_txt::NAME, vocab_txt::parts(&bytes, &config))
        } else {
            return Err("it has neither tokenizer.json nor vocab.txt".to_owned());
        };
        let tokenizer = parts.and_then(Tokenizer::of);
        let mut tokenizer = tokenizer.map_err(|why| format!("its file {name}: {why}"))?;
        tokenizer.lowercases = sentences.do_lower_case;
        // The order of sentence-transformers. `truncation` of tokenizer.json comes last, as there: that of
        // all-MiniLM-L6-v2 is 128, where sentence-transformers cuts at 256.
        let lengths = [sentences.max_seq_length, config.model_max_length];
        let mut sane = lengths.into_iter().filter_map(sane_length);
        tokenizer.max_tokens = sane.next().or(tokenizer.max_tokens);
        Ok(tokenizer)
    }

    fn of(parts: Parts) -> Result<Tokenizer, String> {
        let Parts {
            normalizer,
            vocabulary,
            ..
        } = parts;
        let added = added::with_ids(parts.added, &vocabulary)?;
        let ids = vocabulary.values().copied();
        let ids: HashSet<i32> = ids.chain(added.iter().map(|(_, id)| *id)).collect();
        if let Some(end) = parts.ends.iter().find(|end| !ids.contains(end)) {
            return Err(format!(
                "its post_processor adds the token {end}, which its vocabulary does not have"
            ));
        }
        let (normalized, raw): (Vec<_>, Vec<_>) =
            added.into_iter().partition(|(token, _)| token.normalized);
        let raw = raw.into_iter().map(|(token, id)| (token.content, id));
        let normalized = normalized.into_iter().map(|(token, id)| {
            let content = normalizer.normalized(token.content.chars()).collect();
            (content, id)
        });
        let normalized = AddedTokens::of(normalized)?;
        Ok(Tokenizer {
            lowercases: false,
            raw: AddedTokens::of(raw)?,
            normalizer,
            normalized,
            words: WordPiece::of(
                vocabulary,
                &parts.unknown,
                &parts.prefix,
                parts.longest_word,
            )?,
            ends: parts.ends,
            max_tokens: sane_length(parts.max_tokens),
            max_id: ids.into_iter().max().unwrap_or(0),
        })
    }

    /// Returns the ids of a text's tokens, with those of `[CLS]` and `[SEP]`: at most `max` of them, which must
    /// be 2 or more. Reads no more of the text than that takes.
    pub(super) fn encode(&self, text: &str, max: usize) -> Vec<i32> {
        let lower;
        let text = if self.lowercases {
            lower = text.to_lowercase();
            &lower
        } else {
            text
        };
        let [first, last] = self.ends;
        let mut ids = Ids::up_to(max.saturating_sub(1).max(1));
        ids.push(first);
        self.raw.split(text, &mut ids, |between, ids| {
            let normalized = self.normalizer.normalized(between);
            if self.normalized.is_empty() {
                self.words.push(normalized, ids);
            } else {
                let text: String = normalized.collect();
                self.normalized
                    .split(&text, ids, |between, ids| self.words.push(between, ids));
            }
        });
        let mut ids = ids.into_vec();
        ids.push(last);
        ids
    }

    /// Returns the most tokens of a text, if the files tell it: `max_seq_length` of `sentence_bert_config.json`,
    /// or else `model_max_length` of `tokenizer_config.json`, or else `truncation` of `tokenizer.json`.
    pub(super) fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    /// Returns the largest id that [`encode`](Tokenizer::encode) may return.
    pub(super) fn max_id(&self) -> i32 {
        self.max_id
    }
}

/// Returns a number of tokens, unless it is a placeholder: transformers writes 1e30 if it does not know it.
fn sane_length(tokens: Option<f64>) -> Option<usize> {
    let tokens = tokens.filter(|tokens| (3.0..=1e6).contains(tokens))?;
    Some(tokens as usize)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader};

    use serde_json::Value;

    use super::*;

    fn numbers(list: &Value) -> Vec<i32> {
        let list = list.as_array().unwrap().iter();
        list.map(|id| id.as_i64().unwrap() as i32).collect()
    }

    fn check(tokenizer: &Tokenizer, text: &str, ids: &[i32], max: usize) {
        let found = tokenizer.encode(text, max);
        let shown: String = text.chars().take(300).collect();
        assert_eq!(found, ids, "{shown:?}");
    }

    /// `GOLDEN_TOKENS` names a file that `tests/onnx/tokens.py` printed, which describes its lines.
    #[test]
    #[ignore = "needs GOLDEN_TOKENS, which tests/onnx/tokens.py makes from a model"]
    fn ids_equal_those_of_the_python_library() {
        let path = std::env::var_os("GOLDEN_TOKENS").unwrap();
        let mut lines = BufReader::new(File::open(path).unwrap()).lines();
        let mut next = || Some(serde_json::from_str::<Value>(&lines.next()?.unwrap()).unwrap());
        let open = |line: &Value| {
            let max = line["max_tokens"].as_u64().unwrap() as usize;
            let folder = Path::new(line["folder"].as_str().unwrap());
            (Tokenizer::open(folder).unwrap(), max)
        };
        let (mut tokenizer, mut max) = open(&next().unwrap());
        let (mut texts, mut code_points) = (0, 0);
        while let Some(line) = next() {
            if line["folder"].is_string() {
                (tokenizer, max) = open(&line);
                continue;
            }
            let ids = numbers(&line["ids"]);
            if let Some(text) = line["text"].as_str() {
                check(&tokenizer, text, &ids, max);
                texts += 1;
            } else if let Some(text) = line["repeat"].as_str() {
                let times = line["times"].as_u64().unwrap() as usize;
                check(&tokenizer, &text.repeat(times), &ids, max);
                texts += 1;
            } else {
                let [first, last] = ["first", "last"].map(|at| line[at].as_u64().unwrap() as u32);
                for c in (first..=last).filter_map(char::from_u32) {
                    check(&tokenizer, &format!("a{c}b {c}"), &ids, max);
                    code_points += 1;
                }
            }
        }
        println!("compared {texts} of {texts} texts, {code_points} code points");
    }
}
