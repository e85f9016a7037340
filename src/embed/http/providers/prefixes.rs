//! [`Prefixes`]: the words before a text that tell a model what it is for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::embed::context::Purpose;
use crate::embed::http::provider::EmbedMode;

/// The words before each document and each query. Stored next to Chroma's own settings, which have no place
/// for them; Chroma's clients ignore them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::embed::http) struct Prefixes {
    document_prefix: Option<String>,
    query_prefix: Option<String>,
}

impl Prefixes {
    pub(super) fn new(documents: &str, queries: &str) -> Prefixes {
        let some = |words: &str| (!words.is_empty()).then(|| words.to_owned());
        Prefixes {
            document_prefix: some(documents),
            query_prefix: some(queries),
        }
    }

    /// Removes both from stored settings.
    pub(in crate::embed::http) fn remove_from(config: &mut Value) {
        if let Some(members) = config.as_object_mut() {
            for name in ["document_prefix", "query_prefix"] {
                members.remove(name);
            }
        }
    }

    /// Returns the prefixes that the makers of a model name.
    pub(super) fn of(model: &str) -> Prefixes {
        let model = model.to_ascii_lowercase();
        let is = |name: &str| model.contains(name);
        // Model cards: nomic-ai/nomic-embed-text-v1.5, intfloat/e5-base-v2,
        // mixedbread-ai/mxbai-embed-large-v1.
        if is("nomic-embed-text") {
            Prefixes::new("search_document: ", "search_query: ")
        } else if (is("/e5-") || is("multilingual-e5-") || model.starts_with("e5-"))
            && !is("instruct")
        {
            Prefixes::new("passage: ", "query: ")
        } else if is("mxbai-embed-large") {
            Prefixes::new(
                "",
                "Represent this sentence for searching relevant passages: ",
            )
        } else {
            Prefixes::default()
        }
    }

    pub(super) fn before(&self, mode: EmbedMode) -> &str {
        let prefix = match mode.purpose {
            _ if mode.as_python => None,
            Purpose::Documents => self.document_prefix.as_deref(),
            Purpose::Queries => self.query_prefix.as_deref(),
        };
        prefix.unwrap_or_default()
    }
}
