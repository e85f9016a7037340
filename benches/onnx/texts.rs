//! The texts that are embedded.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::random::Random;

/// Words of the model's vocabulary, so that each is one token.
pub struct Words {
    words: Vec<String>,
    random: Random,
}

impl Words {
    pub fn of(model: &Path) -> Result<Words, Box<dyn Error>> {
        let vocabulary = fs::read_to_string(model.join("vocab.txt"))?;
        let words = vocabulary.lines().skip(2_000).take(10_000);
        let is_word = |word: &&str| word.chars().all(|letter| letter.is_ascii_lowercase());
        Ok(Words {
            words: words.filter(is_word).map(str::to_owned).collect(),
            random: Random(1),
        })
    }

    /// Returns texts that all have `length` words.
    pub fn texts(&mut self, count: usize, length: usize) -> Vec<String> {
        (0..count).map(|_| self.text(length)).collect()
    }

    /// Returns texts of 4 to 400 words. There are as many of 4 to 40 words as of 40 to 400.
    pub fn mixed(&mut self, count: usize) -> Vec<String> {
        let length = |at: usize| (4.0 * 100_f64.powf(at as f64 / (count - 1) as f64)) as usize;
        let mut texts: Vec<String> = (0..count).map(|at| self.text(length(at))).collect();
        for at in (1..count).rev() {
            texts.swap(at, self.random.below(at + 1));
        }
        texts
    }

    fn text(&mut self, length: usize) -> String {
        let words: Vec<String> = (0..length)
            .map(|_| self.random.choose(&self.words))
            .collect();
        words.join(" ")
    }
}

/// Pieces of texts that tokenizers treat in different ways.
const PIECES: [&str; 46] = [
    " ",
    "  ",
    "\n",
    "\t",
    "\r\n",
    "\u{0}",
    "\u{7}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}",
    "\u{200d}",
    "\u{2028}",
    "\u{3000}",
    "\u{feff}",
    "\u{fffd}",
    "[SEP]",
    "[CLS]",
    "[UNK]",
    "[PAD]",
    "[MASK]",
    "[sep]",
    "e\u{301}",
    "é",
    "A\u{30a}",
    "ﬁ",
    "İstanbul",
    "ß",
    "Straße",
    "Привет",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "สวัสดี",
    "안녕하세요",
    "你好世界",
    "こんにちは",
    "👩‍👩‍👧",
    "🇩🇪",
    "👍🏽",
    "1,234.5",
    "e-mail@x.org",
    "don't",
    "¿qué?",
    "𝕊𝕡𝕖𝕔",
];

/// Returns varied texts: scripts, emoji, control characters, marks, names of special tokens, long words, long
/// texts, and arbitrary characters.
pub fn varied(words: &mut Words, count: usize) -> Vec<String> {
    let mut random = Random(2);
    let one = |at: usize| match at % 8 {
        0 => words.text(random.below(20)),
        1 => words.text(200 + random.below(200)),
        2 => "x".repeat(90 + random.below(30)),
        3 => {
            let characters = random.list(40, |random| {
                char::from_u32(random.below(0x11_0000) as u32).unwrap_or('?')
            });
            characters.into_iter().collect()
        }
        4 => {
            let characters = random.list(60, |random| {
                char::from_u32(random.below(0x3000) as u32).unwrap_or('?')
            });
            characters.into_iter().collect()
        }
        _ => {
            let pieces = random.list(30, |random| {
                let word = words.random.choose(&words.words);
                let piece = random.choose(&PIECES).to_owned();
                random.choose(&[word, piece])
            });
            pieces.concat()
        }
    };
    (0..count).map(one).collect()
}
