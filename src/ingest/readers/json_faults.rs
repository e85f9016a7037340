//! Finds what makes a line invalid JSON, for faults that `serde_json` describes in the terms of a parser.

use super::encoding::CUT;

/// Words that programs write but JSON does not have, with the cause and the cure.
const WORDS: [(&str, &str); 8] = [
    ("NaN", NOT_FINITE),
    ("-Infinity", NOT_FINITE),
    ("Infinity", NOT_FINITE),
    (
        "nan",
        "print the value with json.dumps, and use None for a missing number",
    ),
    ("True", PRINTED),
    ("False", PRINTED),
    ("None", PRINTED),
    ("undefined", "leave the field out, or use null"),
];
const NOT_FINITE: &str =
    "Python's json.dumps writes it: use allow_nan=False, and None for a missing number";
const LIBRARY: &str = "write the line with a JSON library";
const PRINTED: &str = "Python's print and str write it: use json.dumps";

/// Returns the first fault in a line of JSON with its cure, or `None` if the fault is unknown.
///
/// The scan knows strings and words only; it runs after a parser has refused the line.
pub(super) fn find(line: &[u8]) -> Option<String> {
    let mut scan = Scan {
        line,
        at: 0,
        string: 0..0,
        key: None,
    };
    let (at, what) = scan.fault()?;
    let field = scan.field();
    Some(format!("{field}{what} (byte {at})"))
}

struct Scan<'a> {
    line: &'a [u8],
    at: usize,
    /// The last string, without its quotes.
    string: std::ops::Range<usize>,
    /// The last string before a colon.
    key: Option<std::ops::Range<usize>>,
}

impl Scan<'_> {
    /// Returns the position of the first fault, and what it is.
    fn fault(&mut self) -> Option<(usize, String)> {
        while let Some(byte) = self.line.get(self.at) {
            let start = self.at;
            match byte {
                b'"' => {
                    if let Some(fault) = self.string_fault() {
                        return Some(fault);
                    }
                    continue;
                }
                b':' => self.key = Some(self.string.clone()),
                b'\'' => {
                    let what = format!("' is not JSON; {PRINTED}, which writes double quotes");
                    return Some((start, what));
                }
                b'/' => return Some((start, "/ is not JSON; remove comments".to_owned())),
                b'}' | b']' if self.comes_after_comma() => {
                    let end = char::from(*byte);
                    return Some((
                        start,
                        format!("a comma before {end} is not JSON; remove it"),
                    ));
                }
                b'-' | b'A'..=b'Z' | b'a'..=b'z' => {
                    let word = self.word();
                    let known = WORDS.iter().find(|(name, _)| name.as_bytes() == word);
                    if let Some((name, cure)) = known {
                        return Some((start, format!("{name} is not JSON; {cure}")));
                    }
                    if self.is_bare(word) {
                        let word = String::from_utf8_lossy(word);
                        let what =
                            format!("{word} is not JSON; put names and texts in double quotes");
                        return Some((start, what));
                    }
                    self.at += word.len();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        None
    }

    fn comes_after_comma(&self) -> bool {
        self.line[..self.at].trim_ascii_end().ends_with(b",")
    }

    /// Whether a word is neither a word of JSON nor an exponent.
    fn is_bare(&self, word: &[u8]) -> bool {
        let before = self.line[..self.at].last();
        let is_in_number = before.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
        !is_in_number && !matches!(word, b"true" | b"false" | b"null" | b"-")
    }

    /// Returns the letters from here, with the sign before them. At least one byte.
    fn word(&self) -> &[u8] {
        let rest = &self.line[self.at..];
        let letters = rest[1..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic());
        &rest[..=letters.count()]
    }

    /// Skips a string. Returns the first fault in it.
    fn string_fault(&mut self) -> Option<(usize, String)> {
        let start = self.at + 1;
        let mut at = start;
        let mut fault = None;
        while let Some(byte) = self.line.get(at) {
            let (len, what) = match byte {
                b'"' => break,
                b'\\' => self.escape(at),
                0..0x20 => {
                    let char = char::from(*byte);
                    let what = format!("{char:?} in a string must be an escape; {LIBRARY}");
                    (1, Some(what))
                }
                _ => (1, None),
            };
            fault = fault.or(what.map(|what| (at, what)));
            at += len;
        }
        let end = at.min(self.line.len());
        self.string = start..end;
        self.at = end + 1;
        fault
    }

    /// Returns the length of an escape, and what is wrong with it.
    fn escape(&self, at: usize) -> (usize, Option<String>) {
        match (self.unit(at), self.unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, None),
            (Some(0xD800..=0xDFFF), _) => {
                let escape = String::from_utf8_lossy(&self.line[at..at + 6]);
                (6, Some(format!("half of an emoji ({escape}); {CUT}")))
            }
            (Some(_), _) => (6, None),
            (None, _) => match self.line.get(at + 1) {
                None | Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u') => {
                    (2, None)
                }
                Some(byte) => {
                    let char = char::from(*byte);
                    let char = if char == '\'' {
                        "'".to_owned()
                    } else {
                        char.escape_default().to_string()
                    };
                    (2, Some(format!("JSON has no escape \\{char}; {LIBRARY}")))
                }
            },
        }
    }

    /// Returns the code unit of an escape such as `\ud83d`.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.line.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Names the field that holds the fault.
    fn field(&self) -> String {
        let name = self.key.clone().and_then(|key| self.line.get(key));
        name.map_or(String::new(), |name| {
            format!("field {:?}: ", String::from_utf8_lossy(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_10_known_faults_are_found_with_their_field_and_their_byte() {
        let found = |line: &str| find(line.as_bytes()).unwrap();
        assert_eq!(
            found(r#"{"id":"1","k":"NaN","price":NaN}"#),
            "field \"price\": NaN is not JSON; Python's json.dumps writes it: use allow_nan=False, \
             and None for a missing number (byte 28)"
        );
        for (line, start) in [
            (r#"{"a":1,}"#, "field \"a\": a comma before } is not JSON; "),
            (
                r#"{"a":[1, ]}"#,
                "field \"a\": a comma before ] is not JSON; ",
            ),
            (r#"{"a":1 // one"#, "field \"a\": / is not JSON; "),
            (
                "{\"a\":\"x\ty\"}",
                "field \"a\": '\\t' in a string must be an escape; ",
            ),
            (r#"{"a":"it\'s"}"#, "field \"a\": JSON has no escape \\'; "),
            (
                r#"{id:"1"}"#,
                "id is not JSON; put names and texts in double quotes",
            ),
            (r#"{"a":-x}"#, "field \"a\": -x is not JSON; "),
            (
                r#"{"a":[1, -Infinity]}"#,
                "field \"a\": -Infinity is not JSON; ",
            ),
            (
                r#"{"a":{"b":Infinity}}"#,
                "field \"b\": Infinity is not JSON; ",
            ),
            (r#"{"a":True,"b":NaN}"#, "field \"a\": True is not JSON; "),
            ("{'a': 1}", "' is not JSON; "),
            (
                r#"{"a":"\\\"x\ud83d"}"#,
                "field \"a\": half of an emoji (\\ud83d); ",
            ),
            (
                r#"{"a":"\ud83d\u0041"}"#,
                "field \"a\": half of an emoji (\\ud83d); ",
            ),
            (
                r#"{"a":"\ude00\ud83d"}"#,
                "field \"a\": half of an emoji (\\ude00); ",
            ),
            (
                r#"{"a":["x","\uD83D"]}"#,
                "field \"a\": half of an emoji (\\uD83D); ",
            ),
        ] {
            assert!(found(line).starts_with(start), "{}", found(line));
        }
        for fine in [
            r#"{"a":"\ud83d\ude00 NaN 'x' True","b":-1,"c":[null,true,false],"d":[1e5,-2E-3,-0.5]}"#,
            r#"{"a":"\\ud83d"}"#,
            r#"{"a":"x\u"#,
            r#"{"a":"x\"#,
            "",
        ] {
            assert_eq!(find(fine.as_bytes()), None, "{fine}");
        }
    }
}
