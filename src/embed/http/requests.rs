//! [`Requests`]: the requests and responses of a provider, filled in by its settings.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::dialect;
use super::format::Format;
use super::provider::{EmbedMode, Provider};
use super::received::Received;
use super::text::Text;
use crate::embed::settings;
use crate::error::Error;
use crate::model::json_len::json_len;

/// The requests of one call.
pub(super) struct Requests<'a> {
    provider: &'a dyn Provider,
    /// The address that replaces that of the provider's settings.
    base_url: Option<&'a str>,
    mode: EmbedMode,
    body: Map<String, Value>,
}

impl<'a> Requests<'a> {
    pub(super) fn new(
        provider: &'a dyn Provider,
        base_url: Option<&'a str>,
        mode: EmbedMode,
    ) -> Requests<'a> {
        Requests {
            provider,
            base_url,
            mode,
            body: settings::members(provider.body(mode)),
        }
    }
}

impl Format for Requests<'_> {
    fn write(&self, texts: &mut dyn Iterator<Item = Text<'_>>, body: &mut Vec<u8>) {
        let prefix = self.provider.prefix(self.mode);
        let texts = texts.map(|Text { text, .. }| Prefixed { prefix, text });
        let whole = Body {
            members: &self.body,
            name: self.provider.service().texts,
            texts: texts.collect(),
        };
        let written = serde_json::to_writer(body, &whole);
        debug_assert!(written.is_ok(), "{written:?}");
    }

    fn bytes_per_text(&self) -> usize {
        json_len(self.provider.prefix(self.mode)) + 8
    }

    fn read(&self, response: &[u8], vectors: &mut Received<'_>) -> Result<(), String> {
        self.provider.service().answer.read(response, vectors)
    }

    fn is_about_texts(&self, error: &Error) -> bool {
        dialect::is_about_texts(error)
    }

    fn cache_key(&self) -> String {
        let provider = self.provider;
        let parts = (
            provider.service().name,
            self.base_url.unwrap_or_else(|| provider.base_url()),
            provider.path(),
            provider.model(),
            &self.body,
            provider.prefix(self.mode),
        );
        serde_json::json!(parts).to_string()
    }
}

/// The body of a request.
struct Body<'a> {
    members: &'a Map<String, Value>,
    /// The member that holds the texts.
    name: &'a str,
    texts: Vec<Prefixed<'a>>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.members {
            if name != self.name {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry(self.name, &self.texts)?;
        map.end()
    }
}

struct Prefixed<'a> {
    prefix: &'a str,
    text: &'a str,
}

impl Serialize for Prefixed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Prefixed { prefix, text } = self;
        if prefix.is_empty() {
            // A plain string is written faster than formatted text.
            serializer.serialize_str(text)
        } else {
            serializer.collect_str(&format_args!("{prefix}{text}"))
        }
    }
}
