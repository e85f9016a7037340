//! [`Header`]: a further header of a provider's requests.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use ureq::http::{HeaderName, HeaderValue};

use crate::error::InvalidInput;

/// Headers that HTTP and the client itself set.
const OWN_HEADERS: [&str; 7] = [
    "api-key",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
];

/// A further header of a provider's requests.
pub(super) struct Header<'a> {
    /// The setting that the header comes from.
    setting: &'static str,
    name: &'a str,
    value: &'a str,
    /// Whether the value may be a key.
    pub(super) is_secret: bool,
}

impl<'a> Header<'a> {
    /// Returns a header whose value may be shown.
    pub(super) fn public(setting: &'static str, name: &'a str, value: &'a str) -> Header<'a> {
        Header {
            setting,
            name,
            value,
            is_secret: false,
        }
    }

    /// Returns the name and the value for a request.
    ///
    /// # Errors
    /// [`InvalidInput::Setting`] if no request can have the header, or the client sets it itself.
    pub(super) fn parse(&self) -> Result<(HeaderName, HeaderValue), InvalidInput> {
        let Header { setting, value, .. } = *self;
        let name = HeaderName::try_from(self.name).map_err(|_| {
            InvalidInput::secret(setting, self.name, "it is not the name of a header")
        })?;
        if OWN_HEADERS.contains(&name.as_str()) {
            let why = match name.as_str() {
                "api-key" | "authorization" => {
                    "the client sets this header; set a key with .api_key(...)"
                }
                _ => "the client sets this header itself",
            };
            return Err(InvalidInput::setting(setting, name.as_str(), why));
        }
        let mut parsed = HeaderValue::try_from(value).map_err(|_| {
            let why = "it has a character that no header may have";
            if self.is_secret {
                InvalidInput::secret(setting, value, why)
            } else {
                InvalidInput::setting(setting, value, why)
            }
        })?;
        parsed.set_sensitive(self.is_secret);
        Ok((name, parsed))
    }
}

/// The headers that settings contain. Their values may be keys, so they are not shown.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Headers(BTreeMap<String, String>);

impl Headers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self, setting: &'static str) -> impl Iterator<Item = Header<'_>> {
        self.0.iter().map(move |(name, value)| Header {
            setting,
            name,
            value,
            is_secret: true,
        })
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
