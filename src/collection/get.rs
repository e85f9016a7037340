//! [`Get`]: reads records by id, by filter, or all of them.

use std::collections::HashSet;

use super::batches::{self, MAX_IDS};
use super::selection::Selection;
use super::{Collection, IntoIds};
use crate::client::operations as op;
use crate::error::{InvalidInput, Result};
use crate::model::filter::{Parts, Where};
use crate::model::record::Record;
use crate::model::results::{GetResult, Include};
use crate::model::search::ReadLevel;
use crate::wire::read;
use crate::wire::write::{self, Page};

impl Collection {
    /// Reads records by id, by filter, or all of them, in pages or at once. Returns ids, documents and
    /// metadata unless [`include`](Get::include) is set.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Key};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// let recent = notes.get().filter(Key::field("year").gte(2020)).limit(10).run()?;
    /// for row in recent.iter() {
    ///     println!("{}: {}", row.id, row.document.unwrap_or_default());
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn get(&self) -> Get {
        Get {
            collection: self.clone(),
            selection: Selection::default(),
            page: Page::default(),
            include: vec![Include::Documents, Include::Metadatas],
        }
    }

    /// Reads one record by its id, with its document and metadata. Returns `None` if no record has this id.
    ///
    /// To read the vector as well, use [`get`](Collection::get) with an [`include`](Get::include).
    ///
    /// ```no_run
    /// # let notes = chroma_blocking::Client::from_env()?.collection("notes").get()?;
    /// if let Some(note) = notes.get_one("1")? {
    ///     println!("{}", note.document.unwrap_or_default());
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of any request: see [`Error`](crate::Error).
    pub fn get_one(&self, id: &str) -> Result<Option<Record>> {
        let found = self.get().ids(id).run()?;
        Ok(found.into_iter().next())
    }

    /// Returns the number of records.
    ///
    /// # Errors
    /// The errors of any request: see [`Error`](crate::Error).
    pub fn count(&self) -> Result<usize> {
        self.request(&op::COUNT).send(read::json)
    }

    /// Returns the number of records at a read level. Counting only indexed records is faster. Single-node
    /// servers ignore the level.
    ///
    /// # Errors
    /// The errors of any request: see [`Error`](crate::Error).
    pub fn count_at(&self, level: ReadLevel) -> Result<usize> {
        let query = format!("read_level={}", level.name());
        self.request(&op::COUNT).query(&query).send(read::json)
    }

    /// Reads the first ten records with their documents, metadata and vectors.
    ///
    /// # Errors
    /// The errors of any request: see [`Error`](crate::Error).
    pub fn peek(&self) -> Result<GetResult> {
        let include = [Include::Documents, Include::Metadatas, Include::Embeddings];
        self.get().limit(10).include(include).run()
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
    /// Reads only the records with these ids: one id or several. Ids without a record are left out of the
    /// result. If called again, adds these ids to the earlier ones.
    pub fn ids<M>(mut self, ids: impl IntoIds<M>) -> Get {
        self.selection.add_ids(ids);
        self
    }

    /// Reads only records that pass the filter; `None` changes nothing. If called twice, a record must pass
    /// both filters.
    pub fn filter(mut self, filter: impl Into<Option<Where>>) -> Get {
        self.selection.add_filter(filter);
        self
    }

    /// Sets the maximum number of records. Default: no limit.
    pub fn limit(mut self, limit: usize) -> Get {
        self.page.limit = Some(limit.min(u32::MAX as usize));
        self
    }

    /// Sets the number of records to skip. Default: 0.
    pub fn offset(mut self, offset: usize) -> Get {
        self.page.offset = Some(offset.min(u32::MAX as usize));
        self
    }

    /// Sets what to return with the ids. Default: documents and metadata.
    pub fn include(mut self, include: impl IntoIterator<Item = Include>) -> Get {
        self.include = include.into_iter().collect();
        self
    }

    /// Sends the request. More than 10,000 ids are split over several requests.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a filter that the server would refuse or misread, and
    /// for more than 10,000 ids with a limit or an offset.
    pub fn run(self) -> Result<GetResult> {
        let operation = &op::GET;
        let collection = self.collection.begin();
        let mut found = GetResult::empty(&self.include);
        let Some(mut parts) = collection.select(operation, self.selection)? else {
            return Ok(found);
        };
        if self.page.limit == Some(0) {
            return Ok(found);
        }
        let mut send = |parts: &Parts| {
            let body = write::selection(parts, &self.page, Some(&self.include));
            let request = collection.request(operation).body(&body);
            request
                .send(|answer| found.append(read::get(answer)?))
                .map_err(|error| collection.explain_refusal(parts, error))
        };
        let is_paged = self.page.limit.is_some() || self.page.offset.is_some();
        match parts.ids.take() {
            Some(ids) if is_paged && ids.len() > MAX_IDS => {
                let reason = InvalidInput::setting(
                    "ids",
                    format!("a list of {} ids", ids.len()),
                    format!("with a limit or an offset, at most {MAX_IDS} ids are allowed"),
                );
                return Err(collection.unsent_call(operation).invalid(reason));
            }
            Some(mut ids) if !is_paged => {
                let mut seen = HashSet::new();
                ids.retain(|id| seen.insert(id.clone()));
                let overhead = write::selection(&parts, &self.page, Some(&self.include)).len();
                let batches = batches::of_ids(operation, &ids, overhead);
                batches.send(&collection, |range, _| {
                    parts.ids = Some(ids[range].to_vec());
                    send(&parts)
                })?;
            }
            ids => {
                parts.ids = ids;
                send(&parts)?;
            }
        }
        Ok(found)
    }
}
