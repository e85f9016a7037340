//! Records without a text, which cannot be embedded.

use crate::collection::Collection;
use crate::error::{Call, Error, InvalidInput};

/// The name of the operation in errors and progress.
pub(super) const REEMBED: &str = "reembed";
/// How many ids an error shows.
pub(super) const SHOWN: usize = 5;

/// Whether there is a text to embed. Batch jobs leave out blank ones as well.
pub(super) fn has_text(document: Option<&str>) -> bool {
    document.is_some_and(|text| !text.trim().is_empty())
}

/// Returns the error for records without a text: how many of how many, and the first ids.
pub(super) fn without_text(source: &Collection, (count, of): (u64, u64), ids: &[String]) -> Error {
    let shown = ids.iter().take(SHOWN).map(|id| format!("{id:?}"));
    let mut first = shown.collect::<Vec<_>>().join(", ");
    if count > SHOWN as u64 {
        first.push_str(", …");
    }
    let why = format!(
        "{count} of {of} records have no text to embed ({first}); give them documents, or leave them out with .skip_without_document(true)"
    );
    let reason = InvalidInput::setting("skip_without_document", "false", why);
    Call::new(REEMBED, Some(source.name())).invalid(reason)
}
