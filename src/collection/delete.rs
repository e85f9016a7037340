//! [`Delete`]: records away, by id or by filter.

use serde::Deserialize;

use super::Collection;
use super::get::MAX_IDS;
use super::selection::Selection;
use crate::client::operations as op;
use crate::error::{InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::model::json_len::json_len;
use crate::wire::read;
use crate::wire::write::{self, Page};

/// A deletion of records; see [`Collection::delete`].
#[derive(Debug, Clone)]
#[must_use = "deletes nothing until run() is called"]
pub struct Delete {
    collection: Collection,
    selection: Selection,
    limit: Option<usize>,
}

impl Delete {
    pub(super) fn new(collection: Collection) -> Delete {
        Delete {
            collection,
            selection: Selection::default(),
            limit: None,
        }
    }

    /// These ids. Those that are not there are ignored.
    pub fn ids<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Delete {
        self.selection.add_ids(ids);
        self
    }

    /// Records that pass the filter; called twice, or with ids, those that meet all of it.
    pub fn filter(mut self, filter: Where) -> Delete {
        self.selection.add_filter(filter);
        self
    }

    /// At most this many of those that pass the filter. Servers before 1.5 would ignore it: there it is
    /// [`Error::Unsupported`](crate::Error::Unsupported), and nothing is deleted.
    pub fn limit(mut self, limit: usize) -> Delete {
        self.limit = Some(limit.min(u32::MAX as usize));
        self
    }

    /// Deletes; how many records, where the server says so. For a deletion by id it does not: it counts ids that are
    /// not there, too. When an answer was lost and the deletion repeated, the second one counts only what was left.
    ///
    /// # Errors
    /// [`InvalidInput::NothingSelected`] without ids and without a filter; to delete everything, delete the
    /// collection.
    pub fn run(self) -> Result<Option<usize>> {
        let operation = match self.limit {
            Some(_) => &op::DELETE_SOME,
            None => &op::DELETE,
        };
        let collection = self.collection.begin();
        let invalid = |reason| Err(collection.at(operation).invalid(reason));
        if self.selection.is_empty() {
            return invalid(InvalidInput::NothingSelected(
                "neither ids nor a filter; name what to delete, or delete the collection",
            ));
        }
        let Some(mut parts) = collection.select(operation, self.selection)? else {
            return Ok(Some(0));
        };
        if self.limit.is_some() {
            if parts.fields.is_none() && parts.documents.is_none() {
                return invalid(InvalidInput::NothingSelected(
                    "a limit without a filter; limit what a filter lets through",
                ));
            }
            if !collection.client().supports(|server| server.delete_limit)? {
                return Err(collection.unsupported(
                    operation,
                    "it would ignore the limit and delete all; limits need Chroma 1.5",
                ));
            }
        }
        let page = Page {
            limit: self.limit,
            offset: None,
        };
        let send = |parts: &Parts| {
            let body = write::selection(parts, &page, None);
            collection
                .request(operation)
                .body(&body)
                .send(deleted)
                .map_err(|error| collection.explain_refusal(parts, error))
        };
        match parts.ids.take() {
            None => send(&parts),
            // A limit is of the whole call, so such a call stays whole.
            Some(ids) if self.limit.is_some() => {
                parts.ids = Some(ids);
                send(&parts).map(|_| None)
            }
            Some(ids) => {
                let around = write::selection(&parts, &page, None).len();
                let size = |index: usize| json_len(&ids[index]) + 1;
                collection
                    .in_requests(operation, ids.len(), size, around, MAX_IDS, |range, _| {
                        parts.ids = Some(ids[range].to_vec());
                        send(&parts).map(drop)
                    })
                    .map_err(|(error, range)| error.stopped(&ids, range))?;
                Ok(None)
            }
        }
    }
}

/// Reads the answer to `delete`: how many records it was, where the server says so.
pub(super) fn deleted(answer: &[u8]) -> Result<Option<usize>, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        deleted: Option<usize>,
    }
    read::json(answer).map(|Answer { deleted }| deleted)
}
