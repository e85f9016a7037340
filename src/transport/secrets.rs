//! [`Secrets`]: keeps keys, tokens and passwords out of errors and logs.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::ops::Range;
use std::{io, iter};

use serde_json::Value;
use ureq::http::{HeaderName, HeaderValue};

use super::echoes::{Echo, MAX_ENCODED, MIN_SECRET, Place};
use crate::invalid::HIDDEN;
use crate::printable::{is_unprintable, one_line_of};

/// The maximum length of a server's message, in bytes. The rest is cut off.
const MAX_MESSAGE: usize = 2_000;
/// The number of bytes at the start of a response that are searched for secrets. Responses that repeat a
/// request's headers are small.
const MAX_SEARCHED: usize = 1 << 20;
/// The minimum number of characters of a secret that are hidden at the end of a truncated body.
const AT_CUT: usize = 3;

/// The keys, tokens and passwords of a client, in every form in which a server may repeat them.
///
/// Secrets are hidden before a text is shortened, since a cut can split them.
pub(crate) struct Secrets {
    echoes: Vec<Echo>,
    /// The indices of the echoes that may be found at each byte, one byte after the other.
    places: Vec<(usize, Place)>,
    /// For each byte, the end of its part of `places`.
    ends: [usize; 256],
    has_backslash: bool,
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
        let mut places = Vec::new();
        let ends = std::array::from_fn(|byte| {
            for (index, echo) in echoes.iter().enumerate() {
                places.extend(echo.places(byte as u8).map(|place| (index, place)));
            }
            places.len()
        });
        Secrets {
            places,
            ends,
            has_backslash: echoes.iter().any(Echo::has_backslash),
            echoes,
        }
    }

    /// Hides the secrets in the body of an error response, which may repeat them ("Consumer 'KEY' has been
    /// suspended"), shortens its strings, and escapes unprintable characters. The result is for readers only:
    /// a secret can be an ordinary word, such as a key of the JSON. `is_cut` says that the body is truncated.
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

    /// Hides the secrets in a message about `answer`. A quotation may cut a secret in two. So the message is
    /// replaced if the response contains a secret, or the message a part of one.
    pub(super) fn clean_message_about(&self, answer: &[u8], message: String) -> String {
        let start = &answer[..answer.len().min(MAX_SEARCHED)];
        let is_in_answer = || self.hidden_in(start, MIN_SECRET).is_some();
        if is_in_answer() || self.echoes.iter().any(|echo| echo.is_partly_in(&message)) {
            return "it does not match the request; it is not shown, because it contains a secret"
                .to_owned();
        }
        self.clean(message)
    }

    /// Returns the cause of an error, or a cleaned copy if its text contains a secret or an unprintable
    /// character.
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

    /// Returns the indices of the echoes that may be found at a byte.
    fn places_of(&self, byte: u8) -> &[(usize, Place)] {
        let byte = usize::from(byte);
        let start = byte.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[start..self.ends[byte]]
    }

    /// Returns a text with its secrets hidden, or `None` if it has none. The start of a secret at the end of
    /// the text is hidden if it has at least `at_end` characters.
    fn hidden_in(&self, text: &[u8], at_end: usize) -> Option<Vec<u8>> {
        let mut hidden = Vec::new();
        let (mut at, mut copied) = (0, 0);
        while at < text.len() {
            let byte = text[at];
            if byte == b'\\' && !self.has_backslash {
                // A character is found only after the last backslashes of a long run.
                let run = text[at..].iter().take_while(|byte| **byte == b'\\');
                let skipped = run.count().saturating_sub(MAX_ENCODED);
                if skipped > 0 {
                    at += skipped;
                    continue;
                }
            }
            let possible = self.places_of(byte).iter();
            let found = possible
                .filter_map(|(index, place)| self.echoes[*index].find((text, at), *place, at_end));
            // All of them contain this byte.
            let all = found.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
            if let Some(Range { start, end }) = all {
                if start > copied || copied == 0 {
                    hidden.extend_from_slice(&text[copied..start]);
                    hidden.extend_from_slice(HIDDEN.as_bytes());
                }
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
mod tests;
