//! [`Delete`]: deletes records by id or by filter.

use serde::Deserialize;

use super::selection::Selection;
use super::{Collection, IntoIds, batches};
use crate::client::{Feature, operations as op};
use crate::error::{InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::wire::read;
use crate::wire::write::{self, Page};

impl Collection {
    /// Deletes records by id or by filter.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Key};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// notes.delete().ids(["1", "2"]).run()?;
    /// notes.delete().filter(Key::field("year").lt(2000)).run()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn delete(&self) -> Delete {
        Delete {
            collection: self.clone(),
            selection: Selection::default(),
            limit: None,
        }
    }
}

/// A deletion of records; see [`Collection::delete`].
#[derive(Debug, Clone)]
#[must_use = "deletes nothing until run() is called"]
pub struct Delete {
    collection: Collection,
    selection: Selection,
    limit: Option<usize>,
}

impl Delete {
    /// Deletes only the records with these ids: one id or several. Ids without a record are ignored. If
    /// called again, adds these ids to the earlier ones.
    pub fn ids<M>(mut self, ids: impl IntoIds<M>) -> Delete {
        self.selection.add_ids(ids);
        self
    }

    /// Deletes only records that pass the filter; `None` changes nothing. If called twice, a record must pass
    /// both filters. With ids as well, a record must have one of the ids and pass the filter.
    pub fn filter(mut self, filter: impl Into<Option<Where>>) -> Delete {
        self.selection.add_filter(filter);
        self
    }

    /// Sets the maximum number of records to delete among those that pass the filter. Default: no limit.
    ///
    /// Servers before 1.5 would ignore the limit. With them the call fails with
    /// [`Error::Unsupported`](crate::Error::Unsupported), and nothing is deleted.
    pub fn limit(mut self, limit: usize) -> Delete {
        self.limit = Some(limit.min(u32::MAX as usize));
        self
    }

    /// Deletes the records. More than 10,000 ids without a limit are split over several requests.
    ///
    /// Returns the number of deleted records if the server reports it, otherwise `None`. A deletion by ids
    /// returns `None`: servers also count ids without a record. If a response is lost and the deletion is
    /// sent again, the number covers only the second attempt.
    ///
    /// # Errors
    /// - [`InvalidInput::NothingSelected`] if neither ids nor a filter are set, or a limit without a filter.
    ///   To delete everything, delete the collection.
    /// - [`Error::PartlyDone`](crate::Error::PartlyDone), with the ids, if a later one of several requests
    ///   fails.
    pub fn run(self) -> Result<Option<usize>> {
        let operation = if self.limit.is_some() {
            &op::DELETE_SOME
        } else {
            &op::DELETE
        };
        let collection = self.collection.begin();
        let invalid = |reason| Err(collection.unsent_call(operation).invalid(reason));
        if self.selection.is_empty() {
            return invalid(InvalidInput::NothingSelected(
                "neither ids nor a filter is set; set one of them, or delete the collection",
            ));
        }
        let Some(mut parts) = collection.select(operation, self.selection)? else {
            return Ok(Some(0));
        };
        if self.limit.is_some() {
            if parts.fields.is_none() && parts.documents.is_none() {
                return invalid(InvalidInput::NothingSelected(
                    "a limit needs a filter; set one, or remove the limit",
                ));
            }
            collection.require(operation, Feature::DeleteLimit)?;
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
            // The limit applies to the whole call, so the call must be one request.
            Some(ids) if self.limit.is_some() => {
                parts.ids = Some(ids);
                send(&parts).map(|_| None)
            }
            Some(ids) => {
                let overhead = write::selection(&parts, &page, None).len();
                batches::of_ids(operation, &ids, overhead)
                    .send(&collection, |range, _| {
                        parts.ids = Some(ids[range].to_vec());
                        send(&parts).map(drop)
                    })
                    .map_err(|failed| failed.with_ids(&ids))?;
                Ok(None)
            }
        }
    }
}

/// Reads the response to `delete`: the number of deleted records, if the server reports it.
pub(super) fn deleted(answer: &[u8]) -> Result<Option<usize>, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        deleted: Option<usize>,
    }
    read::json(answer).map(|Answer { deleted }| deleted)
}
