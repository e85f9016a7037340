//! [`Delete`]: deletes records by id or by filter.

use serde::Deserialize;

use super::selection::Selection;
use super::{Collection, IntoIds, batches};
use crate::client::{Feature, operations as op};
use crate::error::{InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::transport::Operation;
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

    /// Deletes the records. More than 10,000 ids without a limit are split into several requests. So is a
    /// filter with an [`is_in`](crate::Key::is_in) of tens of thousands of values. If one of them fails, run
    /// the deletion again: it deletes the rest.
    ///
    /// Returns the number of deleted records if the server reports it, otherwise `None`. A deletion by ids
    /// returns `None`: servers also count ids without a record. If a response is lost and the deletion is
    /// sent again, the number covers only the second attempt.
    ///
    /// # Errors
    /// - [`InvalidInput::NothingSelected`] if neither ids nor a filter are set, or a limit without a filter.
    ///   To delete everything, delete the collection.
    /// - [`Error::Invalid`](crate::Error::Invalid) for more than 10,000 ids with a limit, and for a filter
    ///   with too many values that cannot be split.
    /// - [`Error::TooLarge`](crate::Error::TooLarge) on Chroma 1.0.0, if more than 5,461 records pass a
    ///   filter. List their ids with [`get`](Collection::get), and delete them by id.
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
        if self.limit.is_some() {
            return self.run_limited(&collection);
        }
        let deletion = Deletion {
            collection: &collection,
            operation,
            page: Page::default(),
        };
        let mut deleted = Some(0_usize);
        let selected = collection.select_in_parts(operation, self.selection)?;
        for (index, parts) in selected.into_iter().enumerate() {
            let result = deletion.run(parts);
            let of_part = result.map_err(|mut error| {
                if let Some(call) = error.call_mut() {
                    call.may_have_acted |= index > 0;
                }
                error
            })?;
            deleted = deleted
                .zip(of_part)
                .map(|(all, of_part)| all.saturating_add(of_part));
        }
        Ok(deleted)
    }

    /// Deletes at most as many records as the limit allows, in one request.
    fn run_limited(self, collection: &Collection) -> Result<Option<usize>> {
        let operation = &op::DELETE_SOME;
        let Some(parts) = collection.select(operation, self.selection)? else {
            return Ok(Some(0));
        };
        if parts.fields.is_none() && parts.documents.is_none() {
            let reason = "a limit needs a filter; set one, or remove the limit";
            let reason = InvalidInput::NothingSelected(reason);
            return Err(collection.unsent_call(operation).invalid(reason));
        }
        collection.require(operation, Feature::DeleteLimit)?;
        collection.check_id_count(operation, &parts, "with a limit")?;
        let deletion = Deletion {
            collection,
            operation,
            page: Page {
                limit: self.limit,
                offset: None,
            },
        };
        let deleted = deletion.send(&parts)?;
        Ok(deleted.filter(|_| parts.ids.is_none()))
    }
}

/// The parts that all requests of a call share.
struct Deletion<'a> {
    collection: &'a Collection,
    operation: &'static Operation,
    page: Page,
}

impl Deletion<'_> {
    /// Deletes the selected records, in several requests if there are many ids.
    fn run(&self, mut parts: Parts) -> Result<Option<usize>> {
        let Some(ids) = parts.ids.take() else {
            return self.send(&parts);
        };
        let overhead = write::selection(&parts, &self.page, None).len();
        let max_count = self.collection.limits().ids(&parts);
        batches::of_ids(self.operation, &ids, overhead, max_count)
            .send(self.collection, |range, _| {
                parts.ids = Some(ids[range].to_vec());
                self.send(&parts).map(drop)
            })
            .map_err(|failed| failed.with_ids(&ids))?;
        Ok(None)
    }

    fn send(&self, parts: &Parts) -> Result<Option<usize>> {
        let body = write::selection(parts, &self.page, None);
        let request = self.collection.request(self.operation).body(&body);
        let sent = request.send(deleted);
        let ids = || {
            let ids = parts.ids.as_ref()?;
            Some(ids.iter().map(String::as_str).collect())
        };
        match &sent {
            // With a filter, only some of them were deleted.
            Ok(_) if parts.fields.is_none() && parts.documents.is_none() => {
                self.collection.announce_deleted(ids);
            }
            // Also after an error, if the server may have deleted them.
            _ => {
                self.collection.announce(&sent, ids);
                // The order of records that are added again is new.
                self.collection.announce(&sent, || None);
            }
        }
        sent.map_err(|error| self.collection.explain_refusal(parts, error))
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
