//! [`OneLine`]: escapes text from servers and files for terminals and logs. [`short`]: cuts a long one.
//!
//! A line break could forge a log line. A control character could change the terminal. A bidirectional control
//! character could make text look like other text. They are escaped as in JSON: `\n`, `\u001b`, `\u202e`. So
//! printed JSON stays JSON with the same meaning. All other characters stay. Escaping a text twice has no
//! further effect.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Displays a value with its unprintable characters escaped, so that it fills one line.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes the unprintable characters in all that is written to it.
pub(crate) struct Escaping<W>(pub(crate) W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, found)) = find(rest) {
            self.0.write_str(&rest[..at])?;
            write_escape(&mut self.0, found)?;
            rest = &rest[at + found.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Returns a text with its unprintable characters escaped. Copies it only if there are any.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if find(text).is_some() {
        OneLine(text).to_string().into()
    } else {
        text.into()
    }
}

/// Returns a text with its unprintable characters escaped, of at most `max` bytes and an ellipsis. Does not
/// cut inside an escape or a character.
pub(crate) fn one_line_of(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max && find(text).is_none() {
        return text.into();
    }
    let mut cut = String::new();
    for c in text.chars() {
        let before = cut.len();
        // Writing to a string cannot fail.
        let _ = Escaping(&mut cut).write_char(c);
        if cut.len() > max {
            cut.truncate(before);
            cut.push('…');
            break;
        }
    }
    cut.into()
}

/// Shortens a long message to its start and its end. `serde_json` quotes an unexpected string in full, and
/// then names the position.
pub(crate) fn short(what: &str) -> Cow<'_, str> {
    const START: usize = 200;
    const END: usize = 100;
    let start = what.char_indices().nth(START);
    let end = what.char_indices().nth_back(END);
    match (start, end) {
        (Some((start, _)), Some((end, _))) if start < end => {
            format!("{}…{}", &what[..start], &what[end..]).into()
        }
        _ => what.into(),
    }
}

/// Whether a character must not be printed as it is: a control character, a line separator, or one that
/// changes the direction of text.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        )
}

fn find(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, c)| is_unprintable(*c))
}

/// Writes an escape of JSON. No unprintable character needs more than four digits.
fn write_escape(to: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '\n' => to.write_str("\\n"),
        '\r' => to.write_str("\\r"),
        '\t' => to.write_str("\\t"),
        other => write!(to, "\\u{:04x}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_06_unprintable_characters_are_escaped_and_all_others_stay() {
        for (text, shown) in [
            ("a\nb\r\tc", r"a\nb\r\tc"),
            (
                "\u{1b}[31mred\u{7}\u{8}\u{7f}",
                r"\u001b[31mred\u0007\u0008\u007f",
            ),
            ("\u{9b}31m\u{85}", r"\u009b31m\u0085"),
            ("\u{2028}\u{2029}", r"\u2028\u2029"),
            (
                "\u{202a}\u{202e}\u{2066}\u{2069}",
                r"\u202a\u202e\u2066\u2069",
            ),
            ("\u{200e}\u{200f}\u{61c}", r"\u200e\u200f\u061c"),
            (
                r#"it's "quoted" \ and naïve שלום 👩‍💻 e\u0301"#,
                r#"it's "quoted" \ and naïve שלום 👩‍💻 e\u0301"#,
            ),
            ("e\u{301} نمی‌خواهم", "e\u{301} نمی‌خواهم"),
        ] {
            assert_eq!(one_line(text), shown);
            assert_eq!(OneLine(text).to_string(), shown);
            assert_eq!(one_line(shown), shown, "a second time");
        }
        assert!(matches!(one_line("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn secure_06_escaped_json_means_the_same() {
        let text = serde_json::json!({ "a\u{202e}": "\u{9b}\n\u{7f}\u{2028}" });
        let shown = OneLine(&text).to_string();
        assert!(!shown.chars().any(is_unprintable), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            text
        );
    }

    #[test]
    fn secure_06_a_cut_splits_no_escape_and_no_character() {
        let text = "ä\u{1b}".repeat(9);
        for max in 0..40 {
            let cut = one_line_of(&text, max).into_owned();
            let kept = cut.strip_suffix('…').unwrap();
            assert!(kept.len() <= max);
            let rest = kept.replace(r"ä\u001b", "");
            assert!(rest.is_empty() || rest == "ä", "{max}: {cut}");
        }
        assert_eq!(one_line_of("abc", 3), "abc");
        assert_eq!(one_line_of("a\nb", 4), r"a\nb");
        assert_eq!(one_line_of("a\nb", 3), r"a\n…");
    }
}
