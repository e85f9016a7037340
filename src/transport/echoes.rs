//! [`Echo`]: finds a secret in a text that repeats it, in whatever encoding.

use std::ops::Range;

use base64_simd::STANDARD as BASE64;

/// The minimum length, in characters, of a secret that is hidden anywhere. A shorter secret is hidden only as a
/// whole word.
pub(super) const MIN_SECRET: usize = 6;

/// The maximum number of nested encodings. It keeps the search linear, since a hostile server may send an
/// endless escape.
pub(super) const MAX_ENCODED: usize = 8;
/// The maximum length of a number or a name in an escape.
const MAX_NAME: usize = 10;
/// The maximum length of a character's escape that is searched for backwards, in bytes.
const MAX_ESCAPE: usize = 24;

/// Returns the end of a character in a text, if it begins at an index and is the expected one.
type Reader = fn(&[u8], usize, char) -> Option<usize>;

/// The characters to search for: a secret, or its base64 or hexadecimal form.
///
/// Each character may be written as it is, in the other case, percent-encoded, as an escape of a string in
/// JSON and other languages, or as an entity of HTML, and a text may mix these.
#[derive(PartialEq)]
pub(super) struct Echo {
    characters: Vec<char>,
    /// Whether line breaks may be between the characters, as in base64 in an email.
    may_have_breaks: bool,
}

/// A place in an echo at which the search can find it.
#[derive(Clone, Copy)]
pub(super) enum Place {
    First,
    /// The character that more than half of the echo always contains.
    Middle,
}

impl Echo {
    /// Returns all echoes of a secret.
    pub(super) fn of(secret: &str) -> Vec<Echo> {
        let hexadecimal = secret.bytes().map(|byte| format!("{byte:02x}"));
        let encoded = (0..3).flat_map(|before| base64(secret, before));
        let encoded = encoded.chain([hexadecimal.collect()]);
        // A short encoding may occur in any text.
        let encoded = encoded.filter(|text| text.len() >= MIN_SECRET || secret.len() < MIN_SECRET);
        let encoded = encoded.map(|text| (text, true));
        let mut echoes: Vec<Echo> = Vec::new();
        for (text, may_have_breaks) in [(secret.to_owned(), false)].into_iter().chain(encoded) {
            let echo = Echo {
                characters: text.chars().collect(),
                may_have_breaks,
            };
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

    /// Whether one of the characters is a backslash.
    pub(super) fn has_backslash(&self) -> bool {
        self.characters.contains(&'\\')
    }

    /// Returns the places at which a byte of a text may find this echo.
    pub(super) fn places(&self, byte: u8) -> impl Iterator<Item = Place> + use<> {
        let may_be = |index: usize| {
            let c = self.characters[index];
            matches!(byte, b'%' | b'\\' | b'&')
                || !c.is_ascii() && !byte.is_ascii()
                || c.is_ascii() && byte.eq_ignore_ascii_case(&(c as u8))
        };
        let middle = self.middle();
        let first = may_be(0).then_some(Place::First);
        let middle = (middle > 0 && may_be(middle)).then_some(Place::Middle);
        first.into_iter().chain(middle)
    }

    /// Returns the range of this echo, if its character of this place is at `at`. More than half of it is
    /// enough, since the server may have cut its message or removed a prefix of the secret. At the end of the
    /// text, the first `at_end` characters are enough.
    pub(super) fn find(
        &self,
        (text, at): (&[u8], usize),
        place: Place,
        at_end: usize,
    ) -> Option<Range<usize>> {
        match place {
            Place::First => self.end(text, at, at_end).map(|end| at..end),
            Place::Middle => self.part_around(text, at),
        }
    }

    /// Returns the minimum number of characters in a row that are hidden.
    fn min_part(&self) -> usize {
        MIN_SECRET.max(self.len() / 2 + 1).min(self.len())
    }

    /// Returns the index of a character that is in each part of [`min_part`](Echo::min_part) characters. 0 if
    /// that is the first one.
    fn middle(&self) -> usize {
        self.len() - self.min_part()
    }

    /// Returns the range of a part of this echo, if its middle is at `at`.
    fn part_around(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let middle = self.middle();
        let (after, end) = self.longest(text, at, middle);
        // A part that begins after the first character contains two characters from the middle on.
        if after < 2 {
            return None;
        }
        let (mut before, mut start) = self.repeated_before(text, at, [escaped, literal]);
        if before > 0 && before < middle {
            // An escape may end with the character that is expected next.
            let other = self.repeated_before(text, at, [literal, escaped]);
            (before, start) = if other.0 > before {
                other
            } else {
                (before, start)
            };
        }
        (before + after >= self.min_part()).then_some(start..end)
    }

    /// Matches the characters before the middle with a text before `at`. Returns the number of matching
    /// characters, and the start of the match.
    fn repeated_before(&self, text: &[u8], at: usize, readers: [Reader; 2]) -> (usize, usize) {
        let mut start = at;
        let characters = self.characters[..self.middle()].iter().rev();
        for (count, c) in characters.enumerate() {
            let skipped = |byte: &u8| match byte {
                // Each level of encoding puts a backslash before an escape.
                b'\\' => true,
                b'\r' | b'\n' => self.may_have_breaks,
                _ => false,
            };
            let found = start_of(text, start, *c, readers).or_else(|| {
                let last = text[..start].iter().rev().take(MAX_ENCODED);
                match last.take_while(|byte| skipped(byte)).count() {
                    0 => None,
                    skipped => start_of(text, start - skipped, *c, readers),
                }
            });
            match found {
                Some(found) => start = found,
                None => return (count, start),
            }
        }
        (self.middle(), start)
    }

    /// Returns the end of this echo, if it begins at `at`.
    fn end(&self, text: &[u8], at: usize, at_end: usize) -> Option<usize> {
        let is_short = self.len() < MIN_SECRET;
        if is_short && is_in_word(&text[..at]) {
            return None;
        }
        let (count, end) = self.longest(text, at, 0);
        let is_whole = count == self.len();
        let is_found = if is_short {
            is_whole && !text.get(end).is_some_and(u8::is_ascii_alphanumeric)
        } else {
            is_whole || count >= self.min_part() || end == text.len() && count >= at_end
        };
        is_found.then_some(end)
    }

    /// Whether a text contains eight characters in a row of this echo, or all of it.
    pub(super) fn is_partly_in(&self, text: &str) -> bool {
        const PART: usize = 8;
        let mut parts = self.characters.windows(PART.min(self.len()));
        self.len() >= MIN_SECRET && parts.any(|part| text.contains(&String::from_iter(part)))
    }

    /// Matches the characters from the index `first` on with a text from `at` on. Returns the number of
    /// matching characters, and the end of the match.
    fn longest(&self, text: &[u8], at: usize, first: usize) -> (usize, usize) {
        let characters = &self.characters[first..];
        let repeated = |readers| self.repeated((text, at), characters, readers);
        let (count, end) = repeated([literal, escaped]);
        if count > 0 && count < characters.len() {
            // A secret may itself contain what looks like an escape.
            (count, end).max(repeated([escaped, literal]))
        } else {
            (count, end)
        }
    }

    fn repeated(
        &self,
        (text, at): (&[u8], usize),
        characters: &[char],
        readers: [Reader; 2],
    ) -> (usize, usize) {
        let mut end = at;
        for (count, c) in characters.iter().enumerate() {
            let from = if count > 0 && self.may_have_breaks {
                after_breaks(text, end)
            } else {
                end
            };
            match readers.into_iter().find_map(|read| read(text, from, *c)) {
                Some(next) => end = next,
                None => return (count, end),
            }
        }
        (characters.len(), end)
    }
}

/// Returns the base64 of a secret that follows `before` bytes, in both alphabets. Leaves out the first and the
/// last character if they also encode other bytes.
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

/// Returns the start of a character that ends at `end`, if it is the expected one.
fn start_of(text: &[u8], end: usize, expected: char, readers: [Reader; 2]) -> Option<usize> {
    let first = end.saturating_sub(MAX_ESCAPE);
    let may_be_start = |at: &usize| {
        let byte = text[*at];
        let may_be_escape = matches!(byte, b'%' | b'\\' | b'&' | b'+');
        may_be_escape || *at + 1 == end || !byte.is_ascii() && !expected.is_ascii()
    };
    readers.into_iter().find_map(|read| {
        let mut starts = (first..end).rev().filter(may_be_start);
        starts.find(|start| read(text, *start, expected) == Some(end))
    })
}

/// Returns the end of the line breaks that begin at `at`.
fn after_breaks(text: &[u8], at: usize) -> usize {
    let breaks = text[at..].iter().take(MAX_ENCODED);
    at + breaks
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count()
}

/// Whether a text ends inside a word. An escape at its end is not part of a word.
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

/// Reads `%41` for each byte of the character, or `%2541` if it was encoded twice.
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
