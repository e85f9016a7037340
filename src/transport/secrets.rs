//! [`Secrets`]: keeps keys, tokens and passwords out of errors and logs.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::{io, iter};

use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue};

use super::echoes::{Echo, MIN_SECRET};
use crate::invalid::HIDDEN;
use crate::printable::{is_unprintable, one_line_of};

/// The maximum length of a server's message, in bytes. The rest is cut off.
const MAX_MESSAGE: usize = 2_000;
/// The maximum size of a response that is searched for secrets as a whole, in bytes. Of a longer response,
/// only the start is searched, since responses that repeat a request's headers are small.
const MAX_SEARCHED: usize = 1 << 20;
/// How much of a secret is hidden at the end of a body that was cut off, in characters.
const AT_CUT: usize = 3;

/// The keys, tokens and passwords of a client, in every form in which a server may repeat them.
///
/// Secrets are hidden before a text is shortened or decoded, since neither leaves them in one piece.
pub(crate) struct Secrets {
    echoes: Vec<Echo>,
    /// For each byte, whether an echo may begin with it.
    may_begin: [bool; 256],
}

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
        let mut echoes: Vec<Echo> = all.flat_map(Echo::of).collect();
        // The longest one first: a shorter one may be a part of it.
        echoes.sort_by_key(|echo| Reverse(echo.len()));
        echoes.dedup();
        let may_begin = |byte| echoes.iter().any(|echo| echo.may_begin_with(byte as u8));
        Secrets {
            may_begin: std::array::from_fn(may_begin),
            echoes,
        }
    }

    /// Hides the secrets in the body of an error response, which may repeat them ("Consumer 'KEY' has been
    /// suspended"), shortens its strings, and escapes unprintable characters. The result is for readers only:
    /// a secret can be an ordinary word, such as a key of the JSON. `is_cut` says that the end of the body
    /// is missing.
    pub(super) fn clean_body(&self, body: &[u8], is_cut: bool) -> Vec<u8> {
        let at_end = if is_cut { AT_CUT } else { usize::MAX };
        let mut cleaned = Cow::Borrowed(body);
        if let Ok(mut json) = serde_json::from_slice(body) {
            if self.clean_json(&mut json) {
                cleaned = json.to_string().into_bytes().into();
            }
        }
        // In JSON, the rest are numbers.
        let hidden = self.hidden_in(&cleaned, at_end);
        hidden.unwrap_or_else(|| cleaned.into_owned())
    }

    /// Hides the secrets in a text that came from a server, escapes what must not be printed, and shortens
    /// it.
    pub(super) fn clean(&self, mut text: String) -> String {
        self.clean_text(&mut text);
        text
    }

    /// Hides the secrets in a message about `answer`. The message may quote any part of the response, cut at
    /// any byte, so it is replaced if a secret is in the response or a part of one in the message.
    pub(super) fn clean_message_about(&self, answer: &[u8], message: String) -> String {
        let start = &answer[..answer.len().min(MAX_SEARCHED)];
        let is_in_answer = || self.hidden_in(start, MIN_SECRET).is_some();
        if is_in_answer() || self.echoes.iter().any(|echo| echo.is_partly_in(&message)) {
            return "it does not match the request; it is not shown, because it contains a secret"
                .to_owned();
        }
        self.clean(message)
    }

    /// Returns the cause of an error. If one of its texts repeats a secret or must not be printed, returns an
    /// error with the cleaned text instead.
    pub(super) fn clean_cause(
        &self,
        cause: Box<dyn StdError + Send + Sync>,
    ) -> Box<dyn StdError + Send + Sync> {
        let top: &(dyn StdError + 'static) = &*cause;
        let mut chain = iter::successors(Some(top), |&error| error.source());
        let must_change = chain.any(|error| {
            let texts = [error.to_string(), format!("{error:?}")];
            texts.iter().any(|text| {
                text.contains(is_unprintable)
                    || self.hidden_in(text.as_bytes(), usize::MAX).is_some()
            })
        });
        if must_change {
            let kind = cause
                .downcast_ref()
                .map_or(io::ErrorKind::Other, io::Error::kind);
            io::Error::new(kind, self.clean(cause.to_string())).into()
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

    /// Hides the secrets in a text, escapes what must not be printed, and shortens it. Returns whether it
    /// changed.
    fn clean_text(&self, text: &mut String) -> bool {
        let hidden = self.hidden_in(text.as_bytes(), usize::MAX);
        let hidden = hidden.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let before = hidden.as_deref().unwrap_or(text);
        let cleaned = one_line_of(before, MAX_MESSAGE);
        if cleaned == **text {
            return false;
        }
        *text = cleaned.into_owned();
        true
    }

    /// Returns a text with its secrets hidden; `None` if it has none. If it ends with the first `at_end`
    /// characters of a secret or more, these are hidden as well.
    fn hidden_in(&self, text: &[u8], at_end: usize) -> Option<Vec<u8>> {
        let mut hidden = Vec::new();
        let (mut at, mut copied) = (0, 0);
        while at < text.len() {
            let byte = text[at];
            let end = if self.may_begin[usize::from(byte)] {
                let echoes = self.echoes.iter();
                let possible = echoes.filter(|echo| echo.may_begin_with(byte));
                possible.filter_map(|echo| echo.end(text, at, at_end)).max()
            } else {
                None
            };
            if let Some(end) = end {
                hidden.extend_from_slice(&text[copied..at]);
                hidden.extend_from_slice(HIDDEN.as_bytes());
                (at, copied) = (end, end);
            } else {
                at += 1;
            }
        }
        hidden.extend_from_slice(&text[copied..]);
        (copied > 0).then_some(hidden)
    }
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
            "<hidden>, <hidden>, <hidden>, no secret, <hidden>"
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
            let hidden = secrets.clean_body(answer.as_bytes(), false);
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
        let body = secrets.clean_body(br#"["schl\u00fcssel"]"#, false);
        assert_eq!(body, br#"["<hidden>"]"#);
    }

    #[test]
    fn secrets_are_hidden_among_bytes_that_are_not_utf_8() {
        let body = secrets().clean_body(b"\xFF pa$$word, pa$$word \xFE", false);
        assert_eq!(body, b"\xFF <hidden>, <hidden> \xFE");
    }

    #[test]
    fn a_body_without_secrets_stays_as_it_is() {
        let body = br#"{ "error" : "NotFoundError" }"#.to_vec();
        assert_eq!(secrets().clean_body(&body, false), body);
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
        let body = secrets().clean_body(serde_json::json!([text]).to_string().as_bytes(), false);
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

    /// A token with characters that encoders treat differently, among other bytes.
    const TOKEN: &str = "Qm-7+x/Kp=9_z~W.e?3>t:4";

    fn of_token() -> Secrets {
        Secrets::new(&[], &[TOKEN.to_owned()])
    }

    /// The token in every encoding that servers, proxies and their logs use.
    fn echoes(token: &str) -> Vec<String> {
        use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
        use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
        const FEW: &AsciiSet = &CONTROLS.add(b'+').add(b'?');
        const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
        let percent = |set| utf8_percent_encode(token, set).to_string();
        let each = |form: &dyn Fn(u32) -> String| -> String {
            token.chars().map(|c| form(u32::from(c))).collect()
        };
        let hex: Vec<String> = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.concat();
        let mut all = vec![
            token.to_owned(),
            token.to_uppercase(),
            percent(NON_ALPHANUMERIC),
            percent(NON_ALPHANUMERIC).to_lowercase(),
            percent(RESERVED),
            percent(FEW),
            percent(NON_ALPHANUMERIC).replace('%', "%25"),
            each(&|c| format!("%{c:02X}")),
            each(&|c| format!("\\u{c:04x}")),
            each(&|c| format!("\\\\u{c:04X}")),
            each(&|c| format!("\\x{c:02x}")),
            each(&|c| format!("\\u{{{c:x}}}")),
            each(&|c| format!("&#{c};")),
            each(&|c| format!("&#x{c:X};")),
            token.replace('/', "\\/"),
            token.replace('>', "&gt;"),
            token.replace('>', "&amp;gt;"),
            token.replace('>', "\\u003e"),
            hex.to_uppercase(),
            hex,
        ];
        for around in ["", "u:", "me:", "user:"] {
            let text = format!("{around}{token}{around}");
            all.extend([
                STANDARD.encode_to_string(&text),
                STANDARD_NO_PAD.encode_to_string(&text),
                URL_SAFE.encode_to_string(&text),
                URL_SAFE_NO_PAD.encode_to_string(&text),
            ]);
            all.push(all[all.len() - 4].replace('/', "%2F").replace('+', "%2B"));
        }
        all
    }

    /// Whether a text shows eight characters in a row of an echo.
    fn shows(text: &str, echo: &str) -> bool {
        echo.as_bytes()
            .windows(8)
            .any(|part| text.as_bytes().windows(8).any(|window| window == part))
    }

    #[test]
    fn secure_07_a_secret_is_hidden_in_every_encoding() {
        for echo in echoes(TOKEN) {
            let shown = of_token().clean(format!("the key {echo} is unknown"));
            assert!(!shows(&shown, &echo), "{echo}: {shown}");
            assert!(
                shown.starts_with("the key ") && shown.ends_with(" is unknown"),
                "{shown}"
            );
            let body = format!(r#"{{"error":"E","message":{:?}}}"#, format!("x {echo} x"));
            for body in [body, format!("<p>{echo}</p>")] {
                let shown = of_token().clean_body(body.as_bytes(), false);
                let shown = String::from_utf8_lossy(&shown).into_owned();
                assert!(!shows(&shown, &echo), "{echo}: {shown}");
            }
        }
    }

    #[test]
    fn secure_07_a_secret_across_any_cut_is_hidden_also_among_bad_bytes() {
        for echo in echoes(TOKEN) {
            for before in (150..200).step_by(7) {
                let mut body = vec![b'x'; before];
                body[7] = 0xFF;
                body.extend_from_slice(b" key ");
                body.extend_from_slice(echo.as_bytes());
                body.extend_from_slice(&[b'y'; 300]);
                let shown = crate::wire::read::shown(&of_token().clean_body(&body, false));
                assert!(!shows(&shown, &echo), "{echo} after {before}: {shown}");
            }
        }
    }

    #[test]
    fn secure_07_a_secret_at_the_end_of_a_body_that_was_cut_off_is_hidden() {
        let token = "0123456789abcdefghijklmnopqrstuvw";
        let secrets = Secrets::new(&[], &[token.to_owned()]);
        for kept in AT_CUT..token.len() {
            let body = format!("bad key {}", &token[..kept]).into_bytes();
            assert_eq!(secrets.clean_body(&body, true), b"bad key <hidden>");
        }
        // Half of it is hidden wherever it stands, since the server may have cut its message.
        assert_eq!(
            secrets.clean(format!("bad key {}...", &token[..17])),
            "bad key <hidden>..."
        );
        // Servers show a few characters, so that the user recognizes the key.
        let masked = "bad key 01234***vw";
        assert_eq!(secrets.clean(masked.to_owned()), masked);
    }

    #[test]
    fn secure_07_a_short_secret_is_hidden_where_it_is_a_word() {
        let secrets = |short: &str| Secrets::new(&[], &[short.to_owned()]);
        for (text, shown) in [
            ("login me:abc failed", "login me:<hidden> failed"),
            ("abc", "<hidden>"),
            ("?p=abc&x=\"abc\"", "?p=<hidden>&x=\"<hidden>\""),
            ("?p=%20abc%20&x=\\nabc", "?p=%20<hidden>%20&x=\\n<hidden>"),
            ("%61%62%63, \\u0061bc", "<hidden>, <hidden>"),
            ("YWJj, 616263", "<hidden>, <hidden>"),
            ("abcd, xabc, alphabc1", "abcd, xabc, alphabc1"),
        ] {
            assert_eq!(secrets("abc").clean(text.to_owned()), shown);
        }
        assert_eq!(secrets("7").clean("7 of 17".to_owned()), "<hidden> of 17");
        assert_eq!(secrets("").clean("nothing".to_owned()), "nothing");
    }

    #[test]
    fn secure_07_letters_beyond_ascii_are_hidden_in_other_character_sets() {
        let secrets = Secrets::new(&[], &["schlüssel😀ñ".to_owned()]);
        for echo in [
            "schlüssel😀ñ".as_bytes(),
            b"schl\xFCssel",
            "schlÃ¼ssel".as_bytes(),
            b"schl%C3%BCssel%F0%9F%98%80%c3%b1",
            br"schl\u00fcssel\ud83d\ude00\u00f1",
            b"schl&#252;ssel&#128512;&#xf1;",
        ] {
            let body = [b"x ", echo, b"!"].concat();
            let shown = secrets.clean_body(&body, false);
            assert!(
                shown.starts_with(b"x <hidden>"),
                "{}",
                String::from_utf8_lossy(&shown)
            );
            assert!(!shows(&String::from_utf8_lossy(&shown), "schlüssel"));
        }
    }

    #[test]
    fn secure_07_a_quote_from_the_middle_of_a_large_answer_shows_no_part_of_a_secret() {
        let token = "0123456789abcdefghijklmnopqrstuvw";
        let secrets = Secrets::new(&[], &[token.to_owned()]);
        let mut answer = vec![b'1'; MAX_SEARCHED];
        answer.extend_from_slice(token.as_bytes());
        for from in 1..24 {
            let message = format!("invalid type: string \"a…{}\"", &token[from..]);
            let shown = secrets.clean_message_about(&answer, message);
            assert!(shown.contains("contains a secret"), "{shown}");
        }
    }

    #[test]
    fn secure_06_the_words_of_a_server_are_escaped_before_they_are_cut() {
        let evil = "\u{1b}[2J\u{9b}31m\u{202e}\r\nforged";
        let escaped = r"\u001b[2J\u009b31m\u202e\r\nforged";
        assert_eq!(secrets().clean(evil.to_owned()), escaped);
        let body = serde_json::json!({ "error": evil, "message": evil.repeat(1_000) });
        let body = secrets().clean_body(body.to_string().as_bytes(), false);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"], escaped);
        let message = body["message"].as_str().unwrap();
        assert!(message.len() <= MAX_MESSAGE + 3, "{}", message.len());
        assert!(!message.contains(is_unprintable));
        let whole = escaped.repeat(1_000);
        assert!(whole.starts_with(message.strip_suffix('…').unwrap()));
        let cause = secrets().clean_cause(io::Error::other(evil).into());
        assert_eq!(cause.to_string(), escaped);
    }

    /// With a search whose steps grow with the text, this would take minutes.
    #[test]
    fn secure_07_the_search_is_linear_in_the_text() {
        let secrets = Secrets::new(&[], &["%\\&a-secret".to_owned(), TOKEN.to_owned()]);
        for part in [
            "\\", "&", "&amp;", "%25", "%", "\\u{", "\\u0", "Qm-7+x/K", "Q",
        ] {
            let text = part.repeat((1 << 13) / part.len());
            let body = secrets.clean_body(text.as_bytes(), true);
            assert!(body.len() > text.len() - 10, "{part}");
        }
    }
}
