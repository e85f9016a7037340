//! [`Echo`]: finds a secret in a text that repeats it, in whatever encoding.

use base64_simd::STANDARD as BASE64;

/// The minimum length of a secret that is searched for anywhere, in characters. A shorter one may be part of
/// any word, so it is searched for as a word.
pub(super) const MIN_SECRET: usize = 6;

/// How often a text may have been encoded. The limit also keeps the search linear, since an escape of a
/// hostile server may have no end.
const MAX_ENCODED: usize = 8;
/// The maximum length of a number or a name in an escape.
const MAX_NAME: usize = 10;

/// A secret, or a part of it in base64 or in hexadecimal, as the characters that a text may repeat.
///
/// Each character may be written as it is, in the other case, percent-encoded, as an escape of a string in
/// JSON and other languages, or as an entity of HTML, and a text may mix these.
#[derive(PartialEq)]
pub(super) struct Echo {
    characters: Vec<char>,
}

impl Echo {
    /// Returns all echoes of a secret.
    pub(super) fn of(secret: &str) -> Vec<Echo> {
        let hexadecimal = secret.bytes().map(|byte| format!("{byte:02x}"));
        let encoded = (0..3).flat_map(|before| base64(secret, before));
        let encoded = encoded.chain([hexadecimal.collect()]);
        // A short one could be part of any text.
        let encoded = encoded.filter(|text| text.len() >= MIN_SECRET || secret.len() < MIN_SECRET);
        let mut echoes: Vec<Echo> = Vec::new();
        for text in [secret.to_owned()].into_iter().chain(encoded) {
            let characters: Vec<char> = text.chars().collect();
            let echo = Echo { characters };
            if !echo.characters.is_empty() && !echoes.contains(&echo) {
                echoes.push(echo);
            }
        }
        echoes
    }

    /// Returns the number of characters.
    pub(super) fn len(&self) -> usize {
        self.characters.len()
    }

    /// Whether a character of the text at which an echo begins may be this byte.
    pub(super) fn may_begin_with(&self, byte: u8) -> bool {
        let first = self.characters[0];
        matches!(byte, b'%' | b'\\' | b'&')
            || !first.is_ascii() && !byte.is_ascii()
            || first.is_ascii() && byte.eq_ignore_ascii_case(&(first as u8))
    }

    /// Returns the end of this echo, if it begins at `at`. The second half of a long one may be missing,
    /// since the server may have cut its message. At the end of the text, at least `at_end` characters count.
    pub(super) fn end(&self, text: &[u8], at: usize, at_end: usize) -> Option<usize> {
        let is_short = self.len() < MIN_SECRET;
        if is_short && is_in_word(&text[..at]) {
            return None;
        }
        let (mut count, mut end) = self.repeated(text, at, true);
        if count > 0 && count < self.len() {
            // A secret may itself contain what looks like an escape.
            (count, end) = (count, end).max(self.repeated(text, at, false));
        }
        let is_whole = count == self.len();
        let is_found = if is_short {
            is_whole && !text.get(end).is_some_and(u8::is_ascii_alphanumeric)
        } else {
            is_whole
                || count >= MIN_SECRET.max(self.len().div_ceil(2))
                || end == text.len() && count >= at_end
        };
        is_found.then_some(end)
    }

    /// Whether a text contains eight characters in a row of this echo, or all of it.
    pub(super) fn is_partly_in(&self, text: &str) -> bool {
        const PART: usize = 8;
        let mut parts = self.characters.windows(PART.min(self.len()));
        self.len() >= MIN_SECRET && parts.any(|part| text.contains(&String::from_iter(part)))
    }

    /// Returns how many of the characters a text repeats from `at` on, and where that ends.
    fn repeated(&self, text: &[u8], at: usize, literal_first: bool) -> (usize, usize) {
        let mut end = at;
        for (count, c) in self.characters.iter().enumerate() {
            let readers = if literal_first {
                [literal, escaped]
            } else {
                [escaped, literal]
            };
            match readers.into_iter().find_map(|read| read(text, end, *c)) {
                Some(next) => end = next,
                None => return (count, end),
            }
        }
        (self.len(), end)
    }
}

/// Returns the base64 of a secret that is encoded after a number of other bytes, in both alphabets, without
/// the characters that depend on the bytes around it.
fn base64(secret: &str, before: usize) -> impl Iterator<Item = String> + use<> {
    let mut bytes = vec![0; before];
    bytes.extend_from_slice(secret.as_bytes());
    let encoded = BASE64.encode_to_string(&bytes);
    let start = (before * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    let standard = encoded.get(start..end).unwrap_or_default().to_owned();
    let in_urls = standard.replace('+', "-").replace('/', "_");
    [standard, in_urls].into_iter()
}

/// Whether a text ends with a part of a word. An escape at its end does not count.
fn is_in_word(text: &[u8]) -> bool {
    let is_escape = match text {
        [.., b'%', a, b] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit(),
        [.., b'\\', b'u', a, b, c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()),
        _ => false,
    };
    let is_line_break = matches!(text, [.., b'\\', b'n' | b'r' | b't']);
    let before_word = text.last().is_some_and(u8::is_ascii_alphanumeric);
    before_word && !is_escape && !is_line_break
}

/// Returns the end of a character that is written as it is, if it is the expected one: in UTF-8, or in
/// ISO 8859-1, or in UTF-8 that was read as ISO 8859-1.
fn literal(text: &[u8], at: usize, expected: char) -> Option<usize> {
    let rest = &text[at..];
    if expected.is_ascii() {
        return rest
            .first()?
            .eq_ignore_ascii_case(&(expected as u8))
            .then_some(at + 1);
    }
    let utf8 = expected.to_string();
    let twice: String = utf8.bytes().map(char::from).collect();
    let once = u8::try_from(u32::from(expected)).ok();
    [
        Some(utf8.as_bytes()),
        Some(twice.as_bytes()),
        once.as_ref().map(std::slice::from_ref),
    ]
    .into_iter()
    .flatten()
    .find(|form| rest.starts_with(form))
    .map(|form| at + form.len())
}

/// Returns the end of an escape, if it stands for the expected character.
fn escaped(text: &[u8], at: usize, expected: char) -> Option<usize> {
    let rest = &text[at..];
    let length = match rest.first()? {
        b'%' => percent(rest, expected),
        b'\\' => backslash(rest, expected),
        b'&' => entity(rest, expected),
        // In the query of a URL.
        b'+' => (expected == ' ').then_some(1),
        _ => None,
    };
    length.map(|length| at + length)
}

/// Reads `%41`, or `%2541` if it was encoded again: one for each byte of the character.
fn percent(text: &[u8], expected: char) -> Option<usize> {
    let mut buffer = [0; 4];
    let mut at = 0;
    for byte in expected.encode_utf8(&mut buffer).bytes() {
        let mut rest = text[at..].strip_prefix(b"%")?;
        let mut encoded = 1;
        while hex(rest.get(..2)?) != Some(u32::from(byte)) {
            rest = rest.strip_prefix(b"25").filter(|_| encoded < MAX_ENCODED)?;
            encoded += 1;
        }
        at = text.len() - rest.len() + 2;
    }
    Some(at)
}

/// Reads `\u0041` (or two of them), `\u{41}`, `\x41`, or the character after any number of backslashes.
fn backslash(text: &[u8], expected: char) -> Option<usize> {
    if expected == '\\' && text.starts_with(br"\\") {
        return Some(2);
    }
    let slashes = text
        .iter()
        .take(MAX_ENCODED)
        .take_while(|byte| **byte == b'\\');
    let slashes = slashes.count();
    let rest = &text[slashes..];
    let code = u32::from(expected);
    let length = match rest {
        [b'u', b'{', rest @ ..] => {
            let mut digits = rest.iter().take(MAX_NAME);
            let digits = digits.position(|byte| *byte == b'}')?;
            (hex(&rest[..digits]) == Some(code)).then_some(digits + 3)
        }
        [b'u', ..] => {
            let mut units = [0; 2];
            let mut at = 0;
            for unit in expected.encode_utf16(&mut units) {
                let skipped = if at == 0 { 0 } else { slashes };
                let digits = rest.get(at + skipped + 1..at + skipped + 5)?;
                let is_unit = rest[at + skipped] == b'u' && hex(digits) == Some(u32::from(*unit));
                if !is_unit {
                    return None;
                }
                at += skipped + 5;
            }
            Some(at)
        }
        [b'x', a, b, ..] if expected.is_ascii() => (hex(&[*a, *b]) == Some(code)).then_some(3),
        [byte, ..] => (char::from(*byte) == expected && byte.is_ascii_punctuation()).then_some(1),
        [] => None,
    };
    length.map(|length| slashes + length)
}

/// Reads `&lt;`, `&#60;` or `&#x3c;`, also if `&` was escaped again.
fn entity(text: &[u8], expected: char) -> Option<usize> {
    let mut rest = text.strip_prefix(b"&")?;
    for _ in 1..MAX_ENCODED {
        let after = rest.strip_prefix(b"amp;").filter(|_| expected != '&');
        rest = after.unwrap_or(rest);
    }
    let start = text.len() - rest.len();
    let end = rest.iter().take(MAX_NAME).position(|byte| *byte == b';')?;
    let name = &rest[..end];
    let code = match name {
        [b'#', b'x' | b'X', digits @ ..] => hex(digits)?,
        [b'#', digits @ ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        b"amp" => u32::from(b'&'),
        b"lt" => u32::from(b'<'),
        b"gt" => u32::from(b'>'),
        b"quot" => u32::from(b'"'),
        b"apos" => u32::from(b'\''),
        _ => return None,
    };
    (code == u32::from(expected)).then_some(start + end + 1)
}

fn hex(digits: &[u8]) -> Option<u32> {
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u32::from_str_radix(text, 16).ok()
}
