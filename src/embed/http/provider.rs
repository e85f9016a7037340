//! [`Provider`]: the settings of a function: where requests go, what they contain, and where the vectors are.

use std::fmt::Debug;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::answer::Answer;
use super::header::Header;
use crate::embed::context::Purpose;
use crate::embed::settings;
use crate::error::InvalidInput;
use crate::model::space::Space;

/// The part that all functions of a provider have in common: names, address, limits.
#[derive(Debug)]
pub(super) struct Service {
    /// Chroma's name of the function.
    pub(super) name: &'static str,
    /// The provider's own name, for messages.
    pub(super) title: &'static str,
    /// The variables that may hold the key: the first one that is set applies. Empty: the service takes no
    /// key.
    pub(super) key_variables: &'static [&'static str],
    /// The address. Empty: the settings contain it.
    pub(super) base_url: &'static str,
    /// The path, appended to the address.
    pub(super) path: &'static str,
    /// The provider's own hosts. An address that a collection stores may have these.
    pub(super) hosts: &'static [&'static str],
    /// The member of a body that holds the texts.
    pub(super) texts: &'static str,
    pub(super) answer: Answer,
    /// The most texts in a request.
    pub(super) batch_size: usize,
    /// The most bytes in a body, by the provider's limit of tokens. A larger body may be refused, and is
    /// halved.
    pub(super) max_bytes: usize,
}

impl Service {
    /// The facts that most providers share with OpenAI.
    pub(super) const LIKE_OPENAI: Service = Service {
        name: "",
        title: "",
        key_variables: &[],
        base_url: "",
        path: "/embeddings",
        hosts: &[],
        texts: "input",
        answer: Answer::at(&["data"]),
        // For providers that name no limit
        batch_size: 128,
        max_bytes: MAX_BYTES,
    };
}

/// The most bytes in a body where a provider names no limit.
pub(super) const MAX_BYTES: usize = 4_000_000;

/// The purpose of the texts, and whether to embed them as Chroma's Python client does.
#[derive(Debug, Clone, Copy)]
pub(super) struct EmbedMode {
    pub(super) purpose: Purpose,
    /// Whether texts are embedded as Chroma's Python client embeds them.
    pub(super) as_python: bool,
}

impl EmbedMode {
    /// Whether the texts are queries that are embedded differently from documents.
    pub(super) fn is_distinct_query(self) -> bool {
        self.purpose == Purpose::Queries && !self.as_python
    }
}

/// The header that carries the key.
pub(super) enum KeyHeader {
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// The key alone.
    Named(&'static str),
}

/// The settings of one function of a provider, and the requests that they make.
pub(super) trait Provider: Debug + Send + Sync + ToJson {
    fn service(&self) -> &'static Service;

    fn model(&self) -> &str;

    /// Returns the address that the path is appended to.
    fn base_url(&self) -> &str {
        self.service().base_url
    }

    fn path(&self) -> String {
        self.service().path.to_owned()
    }

    /// Returns the variable that replaces the address, if the provider has one.
    fn url_variable(&self) -> Option<&'static str> {
        None
    }

    /// Returns the address that a client must trust, if the settings choose it.
    fn url_to_allow(&self) -> Option<&str> {
        None
    }

    /// Whether requests need a key, at the address of the settings.
    fn needs_key(&self) -> bool {
        true
    }

    /// Whether a collection stores the name of the key's variable even if there is no key. Chroma's Python
    /// client opens no collection without it.
    fn stores_key_variable(&self) -> bool {
        true
    }

    fn key_header(&self) -> KeyHeader {
        KeyHeader::Bearer
    }

    /// Returns further headers.
    fn headers(&self) -> Vec<Header<'_>> {
        Vec::new()
    }

    /// Returns the members of a body, except the texts. Those that are `null` are not sent.
    fn body(&self, mode: EmbedMode) -> Value;

    /// Returns the words before each text.
    fn prefix(&self, _: EmbedMode) -> &str {
        ""
    }

    fn dimension(&self) -> Option<usize> {
        None
    }

    /// The most tokens of a text, if they are known.
    fn max_tokens(&self) -> Option<usize> {
        None
    }

    fn default_space(&self) -> Space {
        Space::Cosine
    }

    /// The longest time that a request may take, if the settings say it.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Refuses settings that no request can have.
    fn check(&self) -> Result<(), InvalidInput> {
        Ok(())
    }
}

/// Settings as a collection stores them: those that are set.
pub(super) trait ToJson {
    fn to_json(&self) -> Value;
}

impl<T: Serialize> ToJson for T {
    fn to_json(&self) -> Value {
        let json = serde_json::to_value(self).unwrap_or_default();
        Value::Object(settings::members(json))
    }
}

/// Refuses a part of a path that would change the path: it may have letters, digits, and `-`, `_`, `.`, `@`,
/// `:` and single slashes.
///
/// # Errors
/// [`InvalidInput::Setting`].
pub(super) fn check_in_path(name: &'static str, value: &str) -> Result<(), InvalidInput> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.@:".contains(&b);
    let is_good =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(fits);
    if value.split('/').all(is_good) {
        return Ok(());
    }
    let why = "it becomes a part of the path, so it must be a name of letters, digits, '-', '_', '.', '@', ':' and single slashes";
    Err(InvalidInput::setting(name, value, why))
}

/// Like [`check_in_path`], for a single segment of a path.
///
/// # Errors
/// [`InvalidInput::Setting`].
pub(super) fn check_segment(name: &'static str, value: &str) -> Result<(), InvalidInput> {
    if value.contains('/') {
        let why = "it becomes a part of the path, so it must have no slash";
        return Err(InvalidInput::setting(name, value, why));
    }
    check_in_path(name, value)
}
