//! Finds what makes a line invalid JSON, for faults that `serde_json` describes in words of parsers.

use super::encoding::CUT;

/// Words that programs write where JSON has none, with the cause and the cure.
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
const PRINTED: &str = "Python's print and str write it: use json.dumps";

/// Returns the first fault in a line of JSON with its cure, or `None` if it is none of the known ones.
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
                b'-' | b'A'..=b'Z' | b'a'..=b'z' => {
                    let word = self.word();
                    let known = WORDS.iter().find(|(name, _)| name.as_bytes() == word);
                    if let Some((name, cure)) = known {
                        return Some((start, format!("{name} is not JSON; {cure}")));
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

    /// Returns the letters from here, with the sign before them. At least one byte.
    fn word(&self) -> &[u8] {
        let rest = &self.line[self.at..];
        let letters = rest[1..]
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic());
        &rest[..=letters.count()]
    }

    /// Skips a string. Returns the position of half of a surrogate pair in it.
    fn string_fault(&mut self) -> Option<(usize, String)> {
        let start = self.at + 1;
        let mut at = start;
        let mut fault = None;
        while let Some(byte) = self.line.get(at) {
            match byte {
                b'"' => break,
                b'\\' => match (self.unit(at), self.unit(at + 6)) {
                    (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
                    (Some(0xD800..=0xDFFF), _) if fault.is_none() => {
                        fault = Some(at);
                        at += 6;
                    }
                    (Some(_), _) => at += 6,
                    (None, _) => at += 2,
                },
                _ => at += 1,
            }
        }
        let end = at.min(self.line.len());
        self.string = start..end;
        self.at = end + 1;
        let at = fault?;
        let escape = String::from_utf8_lossy(&self.line[at..at + 6]);
        Some((at, format!("half of an emoji ({escape}); {CUT}")))
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
            r#"{"a":"\ud83d\ude00 NaN 'x' True","b":-1,"c":[null,true,false]}"#,
            r#"{"a":"\\ud83d"}"#,
            r#"{"a":"x\u"#,
            r#"{"a":"x\"#,
            "",
        ] {
            assert_eq!(find(fine.as_bytes()), None, "{fine}");
        }
    }
}
