//! [`Get`]: records by id, by filter, or all of them.

use super::Collection;
use crate::client::operations as op;
use crate::error::{InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::model::results::{GetResult, Include};
use crate::wire::read;
use crate::wire::write::{self, Page};

/// Ids and filter of a read or a delete.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    ids: Option<Vec<String>>,
    filter: Option<Where>,
}

impl Selection {
    pub(super) fn add_ids<S: Into<String>>(&mut self, ids: impl IntoIterator<Item = S>) {
        let ids = ids.into_iter().map(Into::into);
        self.ids.get_or_insert_default().extend(ids);
    }

    pub(super) fn add_filter(&mut self, filter: Where) {
        self.filter = Some(match self.filter.take() {
            Some(before) => before & filter,
            None => filter,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_none() && self.filter.is_none()
    }

    /// What goes into the request, or `None` when no record can be meant: the server would take an empty list of ids
    /// for no list, and so mean all records.
    pub(super) fn parts(self) -> Result<Option<Parts>, InvalidInput> {
        let mut parts = self
            .filter
            .map(Where::split)
            .transpose()?
            .unwrap_or_default();
        if let Some(ids) = self.ids {
            parts.narrow_ids(ids);
        }
        Ok(Some(parts).filter(|parts| parts.ids.as_ref().is_none_or(|ids| !ids.is_empty())))
    }
}

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
        self.page.limit = Some(limit);
        self
    }

    /// From this one on, counted from 0.
    pub fn offset(mut self, offset: usize) -> Get {
        self.page.offset = Some(offset);
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
        let parts = self
            .selection
            .parts()
            .map_err(|reason| self.collection.at(operation).invalid(reason))?;
        let Some(parts) = parts.filter(|_| self.page.limit != Some(0)) else {
            return Ok(GetResult::default());
        };
        let body = write::selection(&parts, &self.page, Some(&self.include));
        self.collection.send(operation, Some(&body), read::get)
    }
}
