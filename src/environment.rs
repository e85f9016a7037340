//! [`Environment`]: the environment variables, which tests can replace.

use std::ffi::OsString;
use std::num::IntErrorKind;

use crate::invalid::{HIDDEN, InvalidInput};

/// The environment variables of this process, or those of a test. Setting real ones is unsafe in a program
/// with threads.
pub(crate) struct Environment<'a>(&'a dyn Fn(&str) -> Option<OsString>);

#[cfg(test)]
impl<'a> Environment<'a> {
    pub(crate) fn of(variables: &'a dyn Fn(&str) -> Option<OsString>) -> Environment<'a> {
        Environment(variables)
    }
}

impl Environment<'_> {
    pub(crate) fn of_process() -> Environment<'static> {
        Environment(&|name| std::env::var_os(name))
    }

    /// Returns the trimmed value of a variable that may hold a secret; `None` if it is not set or empty.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the value is not Unicode, is in quotes, or has invisible characters. It
    /// does not show the value.
    pub(crate) fn get(&self, name: &'static str) -> Result<Option<String>, InvalidInput> {
        self.text(name)
            .map_err(|why| InvalidInput::setting(name, HIDDEN, why))
    }

    /// Like [`get`](Environment::get), for a variable that holds no secret: the error shows the value.
    ///
    /// # Errors
    /// Those of [`get`](Environment::get).
    pub(crate) fn get_shown(&self, name: &'static str) -> Result<Option<String>, InvalidInput> {
        self.text(name).map_err(|why| {
            let value = (self.0)(name).unwrap_or_default();
            InvalidInput::setting(name, value.to_string_lossy(), why)
        })
    }

    /// Like [`get`](Environment::get), for a name that is known at run time only. Returns the fault in the
    /// value.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        let value = value
            .into_string()
            .map_err(|_| "it is not valid Unicode".to_owned())?;
        let value = value.trim();
        match fault_in(value) {
            Some(why) => Err(why),
            None => Ok((!value.is_empty()).then(|| value.to_owned())),
        }
    }

    /// Returns the path in a variable, which need not be Unicode; `None` if it is not set or empty.
    #[cfg(feature = "onnx")]
    pub(crate) fn path(&self, name: &str) -> Option<std::path::PathBuf> {
        let value = (self.0)(name).filter(|value| !value.is_empty());
        value.map(std::path::PathBuf::from)
    }

    /// Whether a variable is set and not empty.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        (self.0)(name).is_some_and(|value| !value.is_empty())
    }

    /// Returns the value of a variable as a whole number.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if the value is not a whole number of 0 or more, or too large.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, InvalidInput> {
        let Some(value) = self.get_shown(name)? else {
            return Ok(None);
        };
        match value.parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(error) => {
                let why = match error.kind() {
                    IntErrorKind::PosOverflow => format!("it must be at most {}", u64::MAX),
                    _ => "it must be a whole number of 0 or more".to_owned(),
                };
                Err(InvalidInput::setting(name, value, why))
            }
        }
    }
}

/// Whether a text can be the name of a variable. Users sometimes give a key instead.
pub(crate) fn is_variable_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    // A Google key would be a valid name, but starts with `AIza`.
    !text.is_empty() && text.bytes().all(fits) && !text.starts_with("AIza")
}

/// Whether a name is certainly no key, so that an error may show it. Keys like `hf_…` and `AKIA…` are valid
/// names, but contain a long word.
#[cfg(feature = "gemini")]
pub(crate) fn may_show_name(name: &str) -> bool {
    const MAX_WORD: usize = 15;
    is_variable_name(name) && name.split('_').all(|word| word.len() <= MAX_WORD)
}

/// Returns what is wrong with a value that has quotes around it or invisible characters. Both come from files
/// and web pages that the value was copied from.
pub(crate) fn fault_in(value: &str) -> Option<String> {
    const QUOTES: [(char, char); 6] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('“', '”'),
        ('‘', '’'),
        ('«', '»'),
    ];
    let is_quoted =
        |(open, close)| value.len() > 1 && value.starts_with(open) && value.ends_with(close);
    if QUOTES.into_iter().any(is_quoted) {
        let why = "it is in quotes, which `docker --env-file` and other readers of .env files keep; remove them";
        return Some(why.to_owned());
    }
    let found = value.chars().find(|c| is_invisible(*c))?;
    let (code, name) = (u32::from(found), name_of(found));
    Some(format!(
        "it contains {name} (U+{code:04X}), which cannot be seen; type it again or copy it from its source"
    ))
}

/// Whether a character is invisible: a control character, or one that only formats the text around it.
fn is_invisible(c: char) -> bool {
    let formats = [
        '\u{ad}'..='\u{ad}',
        '\u{180e}'..='\u{180e}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
        '\u{fff9}'..='\u{fffb}',
    ];
    c.is_control() || formats.iter().any(|range| range.contains(&c))
}

fn name_of(c: char) -> &'static str {
    match c {
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => "a line break",
        '\t' => "a tab",
        '\0' => "a zero byte",
        '\u{feff}' => "a byte order mark",
        '\u{200b}' => "a zero-width space",
        _ if c.is_control() => "a control character",
        _ => "a formatting character",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_09_a_variable_in_quotes_or_with_invisible_characters_is_refused_by_name() {
        for (value, words) in [
            ("\"s3cret\"", "in quotes"),
            (" 's3cret'\n", "in quotes"),
            ("\u{feff}s3cret", "byte order mark"),
            ("s3\u{200b}cret", "zero-width space"),
            ("s3\ncret", "line break"),
        ] {
            let lookup = |_: &str| Some(value.into());
            let error = Environment::of(&lookup).get("CHROMA_DATABASE").unwrap_err();
            let error = error.to_string();
            assert!(
                error.starts_with("CHROMA_DATABASE is \"<hidden>\""),
                "{error}"
            );
            assert!(error.contains(words) && !error.contains("cret"), "{error}");
        }
        for good in ["it's", "\"", "a \"b\" c", "\u{1f468}\u{1f3fd}", "größe"] {
            let lookup = |_: &str| Some(good.into());
            let value = Environment::of(&lookup).get("CHROMA_DATABASE").unwrap();
            assert_eq!(value.as_deref(), Some(good));
        }
    }
}
