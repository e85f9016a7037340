//! [`Delete`]: records away, by id or by filter.

use super::Collection;
use super::get::Selection;
use crate::client::operations as op;
use crate::error::{InvalidInput, Result};
use crate::model::filter::Where;
use crate::wire::read;
use crate::wire::write::{self, Page};

/// A deletion of records; see [`Collection::delete`].
#[derive(Debug, Clone)]
#[must_use = "deletes nothing until run() is called"]
pub struct Delete {
    collection: Collection,
    selection: Selection,
}

impl Delete {
    pub(super) fn new(collection: Collection) -> Delete {
        Delete {
            collection,
            selection: Selection::default(),
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

    /// Deletes.
    ///
    /// # Errors
    /// [`InvalidInput::NothingSelected`] without ids and without a filter; to delete everything, delete the
    /// collection.
    pub fn run(self) -> Result<()> {
        let operation = &op::DELETE;
        let invalid = |reason| self.collection.at(operation).invalid(reason);
        if self.selection.is_empty() {
            return Err(invalid(InvalidInput::NothingSelected(
                "neither ids nor a filter; name what to delete, or delete the collection",
            )));
        }
        match self.selection.parts().map_err(invalid)? {
            Some(parts) => {
                let body = write::selection(&parts, &Page::default(), None);
                self.collection.send(operation, Some(&body), read::done)
            }
            None => Ok(()),
        }
    }
}
