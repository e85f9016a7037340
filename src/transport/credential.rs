//! Checks keys, tokens and other secrets before anything is sent, and makes header values of them.

use ureq::http::HeaderValue;

use crate::environment::fault_in;
use crate::error::InvalidInput;

/// Returns the header value of an API key or a token. `Debug` does not print it.
///
/// # Errors
/// [`InvalidInput::Setting`] with the reason that [`fault_in_key`] gives.
pub(crate) fn key(setting: &'static str, value: &str) -> Result<HeaderValue, InvalidInput> {
    match fault_in_key(setting, value) {
        Some(why) => Err(InvalidInput::secret(setting, value, why)),
        None => header(setting, value),
    }
}

/// Returns the value of a header that may be secret. `Debug` does not print it.
///
/// # Errors
/// [`InvalidInput::Setting`] if it is empty, in quotes or not ASCII, or has blanks at its ends, which HTTP
/// removes.
pub(crate) fn secret(setting: &'static str, value: &str) -> Result<HeaderValue, InvalidInput> {
    match fault_in_secret(value).or_else(|| not_ascii(value)) {
        Some(why) => Err(InvalidInput::secret(setting, value, why)),
        None => header(setting, value),
    }
}

/// Checks a part of the header `Authorization: Basic …`. It may have any visible characters.
///
/// # Errors
/// [`InvalidInput::Setting`] if it is in quotes, or has blanks at its ends or invisible characters.
pub(crate) fn check_login(setting: &'static str, part: &str) -> Result<(), InvalidInput> {
    match fault_in_secret(part).filter(|_| !part.is_empty()) {
        Some(why) => Err(InvalidInput::secret(setting, part, why)),
        None => Ok(()),
    }
}

/// Returns what is wrong with an API key or a token. `name` is the variable or the setting that holds it.
pub(crate) fn fault_in_key(name: &str, key: &str) -> Option<String> {
    if let Some(why) = fault_in_secret(key) {
        return Some(why);
    }
    let (first, rest) = key.split_once(' ').unwrap_or((key, ""));
    let schemes = ["bearer", "basic", "token", "apikey", "authorization:"];
    let is_scheme = schemes
        .iter()
        .any(|scheme| first.eq_ignore_ascii_case(scheme));
    if is_scheme && !rest.is_empty() {
        // The word is shown in our own spelling, so that no part of a key can be.
        return Some(
            "it begins with the name of an HTTP scheme, such as Bearer; give the key alone, the client adds the \
             rest"
                .to_owned(),
        );
    }
    let after_name = key.strip_prefix("export ").unwrap_or(key);
    if after_name
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('='))
    {
        return Some(format!("it begins with {name}=; give only what follows"));
    }
    if key.contains(char::is_whitespace) {
        return Some("it contains a blank, which no key does; copy the key again".to_owned());
    }
    let is_placeholder =
        key.starts_with("${") && key.ends_with('}') || key.starts_with('<') && key.ends_with('>');
    if is_placeholder {
        return Some("it is a placeholder that was not replaced by a key".to_owned());
    }
    not_ascii(key)
}

fn fault_in_secret(value: &str) -> Option<String> {
    if value.is_empty() {
        return Some("it must not be empty".to_owned());
    }
    if value.trim() != value {
        let why = "it begins or ends with a blank or a line break; trim it";
        return Some(why.to_owned());
    }
    fault_in(value)
}

fn not_ascii(value: &str) -> Option<String> {
    let why =
        "it has a character that is not ASCII; copy it from its source, or encode that character";
    (!value.is_ascii()).then(|| why.to_owned())
}

fn header(setting: &'static str, value: &str) -> Result<HeaderValue, InvalidInput> {
    let mut header = HeaderValue::try_from(value).map_err(|_| {
        let why = "it has a character that is not allowed in an HTTP header";
        InvalidInput::secret(setting, value, why)
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_09_a_key_that_was_copied_wrongly_is_refused_and_never_shown() {
        for (bad, words) in [
            ("\"s3cret\"", "in quotes"),
            ("'s3cret'", "in quotes"),
            ("“s3cret”", "in quotes"),
            ("s3 cret", "blank"),
            ("s3cret\u{a0}x", "blank"),
            ("s3cret\n", "trim it"),
            (" s3cret", "trim it"),
            ("s3cret\u{3000}", "trim it"),
            ("s3cret\r\nx-evil: 1", "a line break (U+000D)"),
            ("s3cret\tx", "a tab (U+0009)"),
            ("s3cret\0", "a zero byte (U+0000)"),
            ("s3cret\u{7f}", "a control character (U+007F)"),
            ("s3cret\u{200b}", "a zero-width space (U+200B)"),
            ("s3\u{200d}cret", "U+200D"),
            ("s3\u{ad}cret", "U+00AD"),
            ("s3\u{202e}cret", "U+202E"),
            ("\u{feff}s3cret", "a byte order mark (U+FEFF)"),
            ("Bearer s3cret", "HTTP scheme"),
            ("bearer s3cret", "HTTP scheme"),
            ("Basic s3cret", "HTTP scheme"),
            ("Authorization: Bearer s3cret", "HTTP scheme"),
            ("CHROMA_API_KEY=s3cret", "begins with CHROMA_API_KEY="),
            (
                "export CHROMA_API_KEY=s3cret",
                "begins with CHROMA_API_KEY=",
            ),
            ("${S3cret}", "placeholder"),
            ("<your s3cret>", "blank"),
            ("<s3cret>", "placeholder"),
            ("s3crét", "not ASCII"),
            ("s3cret–x", "not ASCII"),
            ("", "must not be empty"),
        ] {
            let error = key("CHROMA_API_KEY", bad).expect_err(bad).to_string();
            assert!(error.starts_with("CHROMA_API_KEY is "), "{error}");
            assert!(error.contains(words), "{bad:?}: {error}");
            assert!(!error.to_lowercase().contains("s3"), "{error}");
        }
        for good in [
            "k",
            "ck-5ecret_.~+/==",
            "AIzaSy-_0",
            "a\"b'c",
            "bearer",
            "token",
            "x=y",
        ] {
            let header = key("CHROMA_API_KEY", good).unwrap();
            assert_eq!(header, good);
            assert!(header.is_sensitive() && !format!("{header:?}").contains(good));
        }
    }

    #[test]
    fn field_09_other_headers_may_have_blanks_and_quotes_within() {
        for good in ["a b", "a \"b\"", "sig=\"x\", y"] {
            assert!(secret("header", good).is_ok(), "{good}");
        }
        for bad in ["", " a", "a\n", "\"a\"", "a\u{200b}", "ä", "a\0b"] {
            let error = secret("header", bad).expect_err(bad).to_string();
            assert!(error.starts_with("header is "), "{error}");
        }
    }

    #[test]
    fn field_09_a_password_may_have_all_characters_that_can_be_seen() {
        for good in ["", "a b", "ä€😀", "\"a", "p:w"] {
            assert!(check_login("basic_auth", good).is_ok(), "{good}");
        }
        for bad in ["\"a\"", "a\n", "a ", "a\u{feff}", "a\0b"] {
            assert!(check_login("basic_auth", bad).is_err(), "{bad:?}");
        }
    }
}
