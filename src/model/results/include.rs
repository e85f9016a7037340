//! [`Include`]: the columns of a result.

/// A column that a [`get`](crate::Collection::get) or a [`query`](crate::Collection::query) returns in
/// addition to the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Include {
    /// The documents.
    Documents,
    /// The metadata.
    Metadatas,
    /// The vectors.
    Embeddings,
    /// The URIs.
    Uris,
}

impl Include {
    /// Returns the name in Chroma's API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Include::Documents => "documents",
            Include::Metadatas => "metadatas",
            Include::Embeddings => "embeddings",
            Include::Uris => "uris",
        }
    }
}
