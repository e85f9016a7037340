//! [`Freshness`]: how much a search relies on its index of words.

/// How much a search may rely on its [`WordIndex`](super::WordIndex). What each one promises is in
/// [`WordIndex`](super::WordIndex#freshness).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Freshness {
    /// Asks the server what has changed before the search, and compares the documents of the hits with those
    /// that were indexed. One request in addition to those of the search, or two if the collection stamps its
    /// writes; more if something has changed. The default.
    #[default]
    Checked,
    /// Takes the index as it is. No request in addition to those of the search.
    Snapshot,
    /// Reads all documents before the search.
    Rebuilt,
}
