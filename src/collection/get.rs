//! [`Get`]: reads records by id, by filter, or all of them.

use super::read::Read;
use super::selection::Selection;
use super::{Collection, IntoIds};
use crate::client::operations as op;
use crate::error::Result;
use crate::model::filter::Where;
use crate::model::record::Record;
use crate::model::results::{GetResult, Include};
use crate::model::search::ReadLevel;
use crate::wire::read;
use crate::wire::write::Page;

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

    /// Sends the request. Returns the records in the order in which they were added.
    ///
    /// A read that exceeds what a server returns for one request is split into several:
    ///
    /// - More than 10,000 ids. The order is then that of the ids, in groups of 10,000.
    /// - More than 30,000 records with metadata or URIs. All ids are then listed by one request, and the
    ///   records after the first 30,000 are read by id.
    /// - A filter with an [`is_in`](crate::Key::is_in) of tens of thousands of values, without a limit or an
    ///   offset. The order is then that of the values, in groups.
    /// - On Chroma Cloud, more than 300 ids, or more than 300 records without a limit.
    ///
    /// Several requests are not a snapshot, because other programs may write in between. No id is returned
    /// twice. A record that is deleted meanwhile may be missing. A record that is changed is returned in its
    /// old or its new state, even if it no longer passes the filter. A record that is added, or starts to
    /// pass the filter, may be missing. To read a large collection in constant memory, use
    /// [`scan`](Collection::scan).
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a filter that the server would refuse or misread, for
    /// more than 10,000 ids with a limit or an offset, and for a filter with too many values that cannot be
    /// split.
    /// [`Error::Decode`](crate::Error::Decode) for records that were not requested, a record that comes twice,
    /// or more records than the limit.
    pub fn run(self) -> Result<GetResult> {
        let collection = self.collection.begin();
        let selected = if self.page.is_set() {
            let parts = collection.select(&op::GET, self.selection)?;
            parts.into_iter().collect()
        } else {
            collection.select_in_parts(&op::GET, self.selection)?
        };
        if self.page.limit == Some(0) {
            // The filter is checked, but nothing is sent.
            return Ok(GetResult::empty(&self.include));
        }
        let is_cut = selected.len() > 1;
        let mut read = Read::new(&collection, &self.include, &self.page);
        for parts in selected {
            read.run(parts)?;
        }
        let mut found = read.finish();
        if is_cut {
            found.remove_repeated();
        }
        Ok(found)
    }
}
