//! [`Get`]: records by id, by filter, or all of them.

use std::collections::HashSet;

use super::Collection;
use super::selection::Selection;
use crate::client::operations as op;
use crate::error::{InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::model::json_len::json_len;
use crate::model::results::{GetResult, Include};
use crate::wire::read;
use crate::wire::write::{self, Page};

/// Ids that one request may name; more are asked for in several. A single-node server fails at 32,767 (SQLite's limit of
/// variables in a statement).
pub(super) const MAX_IDS: usize = 10_000;

/// A read of records; see [`Collection::get`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct Get {
    collection: Collection,
    selection: Selection,
    page: Page,
    include: Vec<Include>,
}

impl Get {
    pub(super) fn new(collection: Collection) -> Get {
        Get {
            collection,
            selection: Selection::default(),
            page: Page::default(),
            include: vec![Include::Documents, Include::Metadatas],
        }
    }

    /// Only these ids. Those that are not there are left out of the answer.
    pub fn ids<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Get {
        self.selection.add_ids(ids);
        self
    }

    /// Only records that pass the filter; called twice, both.
    pub fn filter(mut self, filter: Where) -> Get {
        self.selection.add_filter(filter);
        self
    }

    /// At most this many.
    pub fn limit(mut self, limit: usize) -> Get {
        self.page.limit = Some(limit.min(u32::MAX as usize));
        self
    }

    /// From this one on, counted from 0.
    pub fn offset(mut self, offset: usize) -> Get {
        self.page.offset = Some(offset.min(u32::MAX as usize));
        self
    }

    /// What to bring with the ids, in place of documents and metadata.
    pub fn include(mut self, include: impl IntoIterator<Item = Include>) -> Get {
        self.include = include.into_iter().collect();
        self
    }

    /// Asks the server.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a filter that the server would refuse or misread.
    pub fn run(self) -> Result<GetResult> {
        let operation = &op::GET;
        let collection = self.collection.begin();
        let parts = collection.select(operation, self.selection)?;
        let Some(mut parts) = parts.filter(|_| self.page.limit != Some(0)) else {
            return Ok(GetResult::default());
        };
        let mut found = GetResult::default();
        let mut send = |parts: &Parts| {
            let body = write::selection(parts, &self.page, Some(&self.include));
            let request = collection.request(operation).body(&body);
            request
                .send(|answer| found.append(read::get(answer)?))
                .map_err(|error| collection.explain_refusal(parts, error))
        };
        let whole = self.page.limit.is_none() && self.page.offset.is_none();
        match parts.ids.take() {
            Some(ids) if ids.len() > MAX_IDS && !whole => {
                let reason = InvalidInput::Setting {
                    name: "ids",
                    value: format!("{} ids", ids.len()),
                    why: format!("with a limit or an offset there can be {MAX_IDS}"),
                };
                return Err(collection.at(operation).invalid(reason));
            }
            Some(mut ids) if whole => {
                let mut seen = HashSet::new();
                ids.retain(|id| seen.insert(id.clone()));
                let around = write::selection(&parts, &self.page, Some(&self.include)).len();
                let size = |index: usize| json_len(&ids[index]) + 1;
                collection
                    .in_requests(operation, ids.len(), size, around, MAX_IDS, |range, _| {
                        parts.ids = Some(ids[range].to_vec());
                        send(&parts)
                    })
                    .map_err(|(error, _)| error)?;
            }
            ids => {
                parts.ids = ids;
                send(&parts)?;
            }
        }
        Ok(found)
    }
}
