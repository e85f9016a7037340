//! [`Secrets`]: what must not be in an error or a log, whoever says it.

use std::cmp::Reverse;
use std::fmt::{self, Debug};

use ureq::http::{HeaderName, HeaderValue};

use crate::error::InvalidInput;

/// What stands for a secret.
const HIDDEN: &str = "<hidden>";
/// A shorter one may stand in any text, and guards nothing.
const SHORTEST: usize = 6;
/// Bytes of a server's words that are passed on.
const MOST_WORDS: usize = 2_000;
/// Where in an answer those words come from that an error quotes.
const QUOTED: usize = 4_096;

/// A client's keys, tokens and passwords. Says nothing of itself.
pub(super) struct Secrets(Vec<String>);

impl Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secrets {
    /// Those in the headers, and others.
    pub(super) fn new(headers: &[(HeaderName, HeaderValue)], others: &[String]) -> Secrets {
        let in_headers = headers
            .iter()
            .filter(|(_, value)| value.is_sensitive())
            .filter_map(|(_, value)| value.to_str().ok())
            // Of "Bearer TOKEN", the token alone too.
            .flat_map(|value| [Some(value), value.split_once(' ').map(|(_, token)| token)])
            .flatten();
        let all = in_headers.chain(others.iter().map(String::as_str));
        let long = all.filter(|secret| secret.len() >= SHORTEST);
        let mut forms: Vec<String> = long.flat_map(forms).collect();
        // The longest first, or a part of it would be replaced before it.
        forms.sort_by_key(|form| Reverse(form.len()));
        forms.dedup();
        Secrets(forms)
    }

    /// Hides them in a server's words, which may repeat them ("Consumer 'api_key:…' has been suspended"), and cuts words
    /// without end.
    pub(super) fn take_out_of(&self, words: &mut String) {
        self.hide(words);
        if words.len() > MOST_WORDS {
            let end = (0..=MOST_WORDS)
                .rev()
                .find(|at| words.is_char_boundary(*at));
            words.truncate(end.unwrap_or(0));
            words.push('…');
        }
    }

    /// The same for an answer, before any part of it is taken for an error.
    pub(super) fn out_of_answer(&self, answer: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(answer) {
            Ok(mut text) => {
                self.hide(&mut text);
                text.into_bytes()
            }
            Err(other) => other.into_bytes(),
        }
    }

    /// What is wrong with an answer, in words that may quote its start: cut anywhere, so also within a secret.
    pub(super) fn out_of_words_on(&self, answer: &[u8], mut words: String) -> String {
        if self.is_in(&answer[..answer.len().min(QUOTED)]) {
            return "it is not what was asked for, and is not shown, since it repeats a secret"
                .to_owned();
        }
        self.take_out_of(&mut words);
        words
    }

    /// Whether one is in there, or begins at its end.
    fn is_in(&self, text: &[u8]) -> bool {
        self.0.iter().map(String::as_bytes).any(|secret| {
            let begins = || (SHORTEST..secret.len()).any(|part| text.ends_with(&secret[..part]));
            text.windows(secret.len()).any(|window| window == secret) || begins()
        })
    }

    fn hide(&self, text: &mut String) {
        for secret in &self.0 {
            if text.contains(secret) {
                *text = text.replace(secret, HIDDEN);
            }
        }
    }
}

/// A text as it is, and as JSON writers put it into a string.
fn forms(text: &str) -> [String; 3] {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    [text.to_owned(), escaped.replace('/', "\\/"), escaped]
}

/// A secret for a header: kept out of `Debug`, and refused when it could break out of the header.
pub(crate) fn secret(setting: &'static str, value: &str) -> Result<HeaderValue, InvalidInput> {
    let bad = |why| InvalidInput::setting(setting, HIDDEN, why);
    if value.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut header = HeaderValue::try_from(value)
        .map_err(|_| bad("it has a character that cannot stand in an HTTP header"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let header = |name, value| (HeaderName::from_static(name), value);
        let headers = [
            header(
                "authorization",
                secret("token", "Bearer t0ken-t0ken").unwrap(),
            ),
            header("x-key", secret("key", "short").unwrap()),
            header("x-other", HeaderValue::from_static("no secret")),
        ];
        Secrets::new(&headers, &["pa$$word".to_owned()])
    }

    #[test]
    fn none_is_left_in_words() {
        let mut words = "t0ken-t0ken, Bearer t0ken-t0ken, short, no secret, pa$$word".to_owned();
        secrets().take_out_of(&mut words);
        assert_eq!(words, "<hidden>, <hidden>, short, no secret, <hidden>");
        assert_eq!(format!("{:?}", secrets()), "<hidden>");
    }

    #[test]
    fn none_is_left_however_it_is_written() {
        let key = r#"a/b"c\d-key"#;
        let header = (
            HeaderName::from_static("x-key"),
            secret("key", key).unwrap(),
        );
        let secrets = Secrets::new(&[header], &[]);
        for answer in [
            key.to_owned(),
            serde_json::json!({ "error": key }).to_string(),
            serde_json::json!([key]).to_string().replace('/', r"\/"),
        ] {
            let hidden = secrets.out_of_answer(answer.clone().into_bytes());
            let hidden = String::from_utf8(hidden).unwrap();
            assert!(
                hidden.contains(HIDDEN) && !hidden.contains("-key"),
                "{hidden}"
            );
            let words = secrets.out_of_words_on(answer.as_bytes(), answer.clone());
            assert!(!words.contains("-key"), "{words}");
        }
    }

    #[test]
    fn words_have_an_end() {
        let mut words = "ä".repeat(100_000);
        secrets().take_out_of(&mut words);
        assert!(words.len() <= MOST_WORDS + '…'.len_utf8() && words.ends_with("ä…"));
    }

    #[test]
    fn a_secret_that_is_cut_is_not_shown() {
        let on = |answer: &str| secrets().out_of_words_on(answer.as_bytes(), answer.to_owned());
        for answer in ["a t0ken-t0ken z", "cut here: t0ken-t", "pa$$wo"] {
            let words = on(answer);
            assert!(
                words.contains("secret") && !words.contains("t0ken"),
                "{words}"
            );
        }
        assert_eq!(on("t0ken"), "t0ken");
    }

    #[test]
    fn what_breaks_out_of_a_header_is_refused_unseen() {
        for bad in ["", "a\nb", "a\r\nx-evil: 1", "a\0b", "\u{7f}"] {
            let error = secret("token", bad).unwrap_err().to_string();
            assert!(error.contains("token"), "{error}");
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
