//! [`Secrets`]: keeps keys, tokens and passwords out of errors and logs.

use std::cmp::Reverse;
use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::{io, iter};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue};

use crate::invalid::HIDDEN;

/// The minimum length of a secret, in bytes. A shorter one may be part of any text, and protects nothing.
const MIN_SECRET: usize = 6;
/// The maximum length of a server's message, in bytes. The rest is cut off.
const MAX_MESSAGE: usize = 2_000;
/// The maximum size of a response that is searched for secrets as a whole, in bytes. Of a longer response,
/// only the start is searched, since responses that repeat a request's headers are small.
const MAX_SEARCHED: usize = 1 << 20;

/// The keys, tokens and passwords of a client, in every form in which a server may repeat them.
pub(super) struct Secrets(Vec<String>);

/// Prints no secret.
impl Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secrets {
    /// Collects the secrets in `headers`, and `others`.
    pub(super) fn new(headers: &[(HeaderName, HeaderValue)], others: &[String]) -> Secrets {
        let in_headers = headers
            .iter()
            .filter(|(_, value)| value.is_sensitive())
            .filter_map(|(_, value)| value.to_str().ok())
            // From "Bearer TOKEN", also the token alone.
            .flat_map(|value| [Some(value), value.split_once(' ').map(|(_, token)| token)])
            .flatten();
        let all = in_headers.chain(others.iter().map(String::as_str));
        let long = all.filter(|secret| secret.len() >= MIN_SECRET);
        let mut forms: Vec<String> = long.flat_map(forms).collect();
        // The longest form first: a shorter one may be a part of it.
        forms.sort_by_key(|form| Reverse(form.len()));
        forms.dedup();
        Secrets(forms)
    }

    /// Hides the secrets in the body of a refusal, which may repeat them ("Consumer 'KEY' has been
    /// suspended"), and shortens the strings in it. Done before the body is parsed, so no part of it can end
    /// up in an error.
    pub(super) fn clean_body(&self, mut body: Vec<u8>) -> Vec<u8> {
        // JSON can write a string in many ways, so the secrets are searched for in the decoded strings.
        if let Ok(mut json) = serde_json::from_slice(&body) {
            if self.clean_json(&mut json) {
                body = json.to_string().into_bytes();
            }
        }
        for secret in &self.0 {
            body = replace_bytes(body, secret.as_bytes());
        }
        body
    }

    /// Hides the secrets in a text that came from a server, and shortens it.
    pub(super) fn clean(&self, mut text: String) -> String {
        self.clean_text(&mut text);
        text
    }

    /// Hides the secrets in a message about `answer`. The message may quote any part of the response, cut at
    /// any byte, so it is replaced if a secret is in the response.
    pub(super) fn clean_message_about(&self, answer: &[u8], message: String) -> String {
        if self.is_in(&answer[..answer.len().min(MAX_SEARCHED)]) {
            return "it does not match the request; it is not shown, because it contains a secret"
                .to_owned();
        }
        self.clean(message)
    }

    /// Returns the cause of an error. If one of its texts repeats a secret, returns an error with the cleaned
    /// text instead.
    pub(super) fn clean_cause(
        &self,
        cause: Box<dyn StdError + Send + Sync>,
    ) -> Box<dyn StdError + Send + Sync> {
        let top: &(dyn StdError + 'static) = &*cause;
        let mut chain = iter::successors(Some(top), |&error| error.source());
        let repeats_secret = chain.any(|error| {
            let texts = [error.to_string(), format!("{error:?}")];
            texts.into_iter().any(|mut text| self.hide(&mut text))
        });
        if repeats_secret {
            io::Error::other(self.clean(cause.to_string())).into()
        } else {
            cause
        }
    }

    /// Cleans the strings in a JSON value. Returns whether one of them changed.
    fn clean_json(&self, json: &mut Value) -> bool {
        match json {
            Value::String(text) => self.clean_text(text),
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |changed, item| self.clean_json(item) | changed),
            Value::Object(fields) => {
                let mut changed = false;
                for (mut name, mut value) in std::mem::take(fields) {
                    changed |= self.clean_text(&mut name) | self.clean_json(&mut value);
                    fields.insert(name, value);
                }
                changed
            }
            _ => false,
        }
    }

    /// Hides the secrets in a text and shortens it. Returns whether it changed.
    fn clean_text(&self, text: &mut String) -> bool {
        let hidden = self.hide(text);
        if text.len() <= MAX_MESSAGE {
            return hidden;
        }
        let end = (0..=MAX_MESSAGE)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
        true
    }

    /// Whether `text` contains a secret, or ends with the beginning of one.
    fn is_in(&self, text: &[u8]) -> bool {
        self.0.iter().map(String::as_bytes).any(|secret| {
            let begins = || (MIN_SECRET..secret.len()).any(|part| text.ends_with(&secret[..part]));
            find_bytes(text, secret).is_some() || begins()
        })
    }

    /// Hides the secrets in a text. Returns whether there was one.
    fn hide(&self, text: &mut String) -> bool {
        let mut found = false;
        for secret in &self.0 {
            if text.contains(secret) {
                *text = text.replace(secret, HIDDEN);
                found = true;
            }
        }
        found
    }
}

fn find_bytes(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn replace_bytes(text: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    let Some(mut found) = find_bytes(&text, secret) else {
        return text;
    };
    let (mut replaced, mut rest) = (Vec::with_capacity(text.len()), &text[..]);
    loop {
        replaced.extend_from_slice(&rest[..found]);
        replaced.extend_from_slice(HIDDEN.as_bytes());
        rest = &rest[found + secret.len()..];
        match find_bytes(rest, secret) {
            Some(next) => found = next,
            None => break,
        }
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// Returns a text as it is, as JSON writers write it in a string, and as part of a URL.
fn forms(text: &str) -> [String; 5] {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    // Go also escapes the special characters of HTML.
    let in_go = escaped
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    [
        text.to_owned(),
        escaped.replace('/', "\\/"),
        escaped,
        in_go,
        utf8_percent_encode(text, RESERVED).to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::secret;

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
    fn secrets_are_hidden_in_texts() {
        let text = "t0ken-t0ken, Bearer t0ken-t0ken, short, no secret, pa$$word";
        assert_eq!(
            secrets().clean(text.to_owned()),
            "<hidden>, <hidden>, short, no secret, <hidden>"
        );
        assert_eq!(format!("{:?}", secrets()), "<hidden>");
    }

    #[test]
    fn secrets_are_hidden_in_every_form_of_json() {
        let key = r#"a/b"c\d<-key"#;
        let header = (
            HeaderName::from_static("x-key"),
            secret("key", key).unwrap(),
        );
        let secrets = Secrets::new(&[header], &[]);
        for answer in [
            key.to_owned(),
            serde_json::json!({ "error": key }).to_string(),
            serde_json::json!({ key: [7] }).to_string(),
            serde_json::json!([key]).to_string().replace('/', r"\/"),
            // As Go writes it.
            serde_json::json!([key]).to_string().replace('<', r"\u003c"),
        ] {
            let hidden = secrets.clean_body(answer.clone().into_bytes());
            let hidden = String::from_utf8(hidden).unwrap();
            assert!(
                hidden.contains(HIDDEN) && !hidden.contains("-key"),
                "{hidden}"
            );
            let message = secrets.clean_message_about(answer.as_bytes(), answer.clone());
            assert!(!message.contains("-key"), "{message}");
        }
    }

    #[test]
    fn secrets_are_hidden_in_urls() {
        let location = "http://login/?next=%2F&password=pa%24%24word".to_owned();
        assert_eq!(
            secrets().clean(location),
            "http://login/?next=%2F&password=<hidden>"
        );
    }

    #[test]
    fn a_secret_may_have_letters_beyond_ascii() {
        let secrets = Secrets::new(&[], &["schlüssel".to_owned()]);
        assert_eq!(secrets.clean("a schlüssel".to_owned()), "a <hidden>");
        let body = secrets.clean_body(br#"["schl\u00fcssel"]"#.to_vec());
        assert_eq!(body, br#"["<hidden>"]"#);
    }

    #[test]
    fn secrets_are_hidden_among_bytes_that_are_not_utf_8() {
        let body = secrets().clean_body(b"\xFF pa$$word, pa$$word \xFE".to_vec());
        assert_eq!(body, b"\xFF <hidden>, <hidden> \xFE");
    }

    #[test]
    fn a_body_without_secrets_stays_as_it_is() {
        let body = br#"{ "error" : "NotFoundError" }"#.to_vec();
        assert_eq!(secrets().clean_body(body.clone()), body);
    }

    #[test]
    fn a_cause_keeps_its_type_unless_it_repeats_a_secret() {
        let harmless = io::Error::from(io::ErrorKind::ConnectionReset);
        let cause = secrets().clean_cause(harmless.into());
        let kind = cause.downcast_ref().map(io::Error::kind);
        assert_eq!(kind, Some(io::ErrorKind::ConnectionReset));
        let telling = io::Error::other("407 for pa$$word");
        let cause = secrets().clean_cause(telling.into());
        assert_eq!(format!("{cause}"), "407 for <hidden>");
        assert!(!format!("{cause:?}").contains("pa$$word"));
    }

    #[test]
    fn long_messages_are_cut() {
        let text = "ä".repeat(100_000);
        let is_cut = |text: &str| text.len() <= MAX_MESSAGE + 10 && text.contains("ä…");
        assert!(is_cut(&secrets().clean(text.clone())));
        let body = secrets().clean_body(serde_json::json!([text]).to_string().into_bytes());
        assert!(is_cut(&String::from_utf8(body).unwrap()));
    }

    #[test]
    fn an_answer_with_a_part_of_a_secret_is_not_quoted() {
        let about =
            |answer: &str| secrets().clean_message_about(answer.as_bytes(), answer.to_owned());
        for answer in ["a t0ken-t0ken z", "cut here: t0ken-t", "pa$$wo"] {
            let message = about(answer);
            assert!(
                message.contains("secret") && !message.contains("t0ken"),
                "{message}"
            );
        }
        assert_eq!(about("t0ken"), "t0ken");
    }

    #[test]
    fn a_secret_that_a_quote_cuts_in_two_is_not_shown() {
        #[derive(Debug, serde::Deserialize)]
        struct Count {
            #[serde(rename = "count")]
            _count: u64,
        }
        let numbers = "1,".repeat(4_000);
        let (before, after) = ("x".repeat(170), "y".repeat(300));
        let answer = format!(r#"{{"numbers":[{numbers}1],"count":"{before}t0ken-t0ken{after}"}}"#);
        let message = crate::wire::read::json::<Count>(answer.as_bytes()).unwrap_err();
        assert!(message.contains("t0ken"), "{message}");
        let message = secrets().clean_message_about(answer.as_bytes(), message);
        assert!(!message.contains("t0ken"), "{message}");
    }
}
