//! The synsets of `WordNet` 3.0, as texts.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

/// A set of synonyms with its definition.
pub struct Synset {
    pub id: String,
    /// The words and the definition.
    pub text: String,
    /// Sentences that show how the words are used.
    pub examples: Vec<String>,
}

pub struct WordNet {
    /// In an order that is always the same, and in which the parts of speech are mixed.
    pub synsets: Vec<Synset>,
}

const HOW: &str = "this benchmark reads WordNet: install Debian's package wordnet-base, or unpack it with `apt \
                   download wordnet-base && dpkg -x wordnet-base_*.deb FOLDER` and set \
                   WORDNET=FOLDER/usr/share/wordnet";

impl WordNet {
    /// Reads the folder `WORDNET`, or that of Debian's package `wordnet-base`.
    pub fn read() -> Result<WordNet, Box<dyn Error>> {
        let folder = std::env::var_os("WORDNET").unwrap_or("/usr/share/wordnet".into());
        let folder = PathBuf::from(folder);
        let mut synsets = Vec::new();
        for part in ["adj", "adv", "noun", "verb"] {
            let path = folder.join(format!("data.{part}"));
            let lines =
                fs::read(&path).map_err(|error| format!("{}: {error}; {HOW}", path.display()))?;
            let lines = String::from_utf8_lossy(&lines).into_owned();
            // The licence is in lines that begin with spaces.
            let lines = lines.lines().filter(|line| !line.starts_with(' '));
            synsets.extend(lines.filter_map(|line| Synset::read(part, line)));
        }
        if synsets.len() < 117_000 {
            return Err(format!("WordNet has only {} synsets; {HOW}", synsets.len()).into());
        }
        synsets.sort_by_cached_key(|synset| hash(&synset.id));
        Ok(WordNet { synsets })
    }

    /// Returns example sentences.
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        let all = self.synsets.iter().flat_map(|synset| &synset.examples);
        all.map(String::as_str)
    }
}

impl Synset {
    /// Reads a line, as `wndb(5WN)` describes it.
    fn read(part: &str, line: &str) -> Option<Synset> {
        let (data, gloss) = line.split_once(" | ")?;
        let mut fields = data.split(' ');
        let offset = fields.next()?;
        let count = usize::from_str_radix(fields.nth(2)?, 16).ok()?;
        let words: Vec<String> = (0..count)
            .filter_map(|_| {
                let word = fields.next()?.replace('_', " ");
                fields.next();
                Some(word)
            })
            .collect();
        let quoted = gloss.split('"').skip(1).step_by(2);
        let examples = quoted.filter(|text| text.split(' ').count() >= 3);
        let definition = gloss.split("; \"").next().unwrap_or(gloss).trim();
        Some(Synset {
            id: format!("{part}{offset}"),
            text: format!("{}: {definition}", words.join(", ")),
            examples: examples.map(str::to_owned).collect(),
        })
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
