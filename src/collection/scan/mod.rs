//! [`Scan`]: every record of a collection, page by page, in constant memory.

mod ahead;
mod options;
mod page_reader;
mod pages;
mod reader;
mod recent_ids;

use super::Collection;
use crate::error::Result;
#[cfg(feature = "transfer")]
use crate::model::filter::Parts;
use crate::model::filter::{Where, restrict};
use crate::model::record::Record;
use crate::model::results::{GetResult, Include, IntoIter};
use options::ScanOptions;
#[cfg(feature = "transfer")]
pub(crate) use page_reader::PageReader;
pub use pages::ScanPages;

impl Collection {
    /// Scans all records, or all that pass a filter: page by page, in constant memory, newest first. Returns
    /// ids, documents and metadata unless [`include`](Scan::include) is set.
    ///
    /// Records may be deleted or changed during the scan: see [`Scan`].
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Include, Key};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// for record in notes.scan().filter(Key::field("year").lt(2000)) {
    ///     let record = record?;
    ///     println!("{}: {}", record.id, record.document.unwrap_or_default());
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn scan(&self) -> Scan {
        Scan {
            collection: self.clone(),
            options: ScanOptions::default(),
            read_ahead: false,
            reading: None,
        }
    }

    /// Returns a reader of records by id, which reads at most `page_size` at a time.
    #[cfg(feature = "transfer")]
    pub(crate) fn page_reader(&self, include: Vec<Include>, page_size: usize) -> PageReader {
        let max = self.limits().ids(&Parts::default());
        PageReader::new(&self.without_progress(), include, page_size.clamp(1, max))
    }
}

/// A scan of a whole collection; see [`Collection::scan`].
///
/// It is an iterator of [`Record`]s. Set all options before the first record is read: later changes have no
/// effect. [`pages`](Scan::pages) iterates over whole pages instead, which hold their records in columns.
///
/// `scan.filter(...)` is [`Scan::filter`], which filters on the server. To filter records with a closure, use
/// [`Iterator::filter_map`], or `scan.by_ref().filter(...)`.
///
/// # Order
/// The newest record comes first: the reverse of the order in which records were added, and of the order of
/// [`get`](Collection::get). Changing a record does not move it.
///
/// # Concurrent writes
/// A record that exists from the start of the scan to its end, and passes the filter all the time, is
/// returned exactly once. So records may be deleted and changed during the scan, and new ones may be added.
///
/// - The scan lists the ids of nine pages at a time: at most 9,000 ids (270 on Chroma Cloud). The filter
///   applies to this listing. The records are read later, page by page, in their state at that time. A record
///   that was deleted in the meantime is left out; a record that no longer passes the filter is still
///   returned.
/// - A record that is added during the scan, or starts to pass the filter, may be returned or not. A record
///   that is deleted and added again counts as a new one.
/// - There are two limits, both for changes between two listings. If more than 1,000 records (30 on Chroma
///   Cloud) start to pass the filter, other records may be missed. If more than 90,000 unread records are
///   deleted or stop passing the filter, other records may be returned twice.
/// - Distributed servers assign the final positions of new records some time after they were added. Records
///   that were added shortly before the scan may move during the scan, and be missed.
///
/// # Memory
/// One page and its response, whatever the collection's size. [`read_ahead`](Scan::read_ahead) adds one page.
/// Pages of large records hold fewer records: the size of each page is chosen from the size of the previous
/// page.
///
/// # Errors
/// An error, after the client's own retries, is returned once. Then the iterator ends.
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct Scan {
    collection: Collection,
    options: ScanOptions,
    read_ahead: bool,
    /// `None` until the first record is requested.
    reading: Option<Reading>,
}

/// A scan that has started.
#[derive(Debug)]
struct Reading {
    pages: ScanPages,
    /// The records of the current page that have not been returned yet.
    page: IntoIter,
}

impl Scan {
    /// Restricts the scan to records that pass the filter; `None` changes nothing. If called twice, a record
    /// must pass both filters.
    pub fn filter(mut self, filter: impl Into<Option<Where>>) -> Scan {
        if let Some(filter) = filter.into() {
            restrict(&mut self.options.filter, filter);
        }
        self
    }

    /// Sets what to return with the ids. Default: documents and metadata.
    pub fn include(mut self, include: impl IntoIterator<Item = Include>) -> Scan {
        self.options.include = include.into_iter().collect();
        self
    }

    /// Sets the maximum number of records per page. Clamped to 1–9,000, on Chroma Cloud to 1–270. Default:
    /// 1,000.
    pub fn page_size(mut self, records: usize) -> Scan {
        self.options.page_size = records;
        self
    }

    /// Sets whether the next page is read on another thread while the caller works on the current one.
    /// Default: `false`.
    ///
    /// The thread starts with the first record, or with [`pages`](Scan::pages). When the iterator is dropped,
    /// the thread ends after its current request and the retries of that request. If no thread can be
    /// started, nothing is read ahead.
    pub fn read_ahead(mut self, read_ahead: bool) -> Scan {
        self.read_ahead = read_ahead;
        self
    }

    /// Scans page by page. A page holds its records in columns, and its vectors in one flat matrix. No page
    /// is empty.
    ///
    /// Starts with the newest record, even if records have been read from this scan before.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Include};
    /// # let notes = Client::from_env()?.collection("notes").get()?;
    /// for page in notes.scan().include([Include::Embeddings]).pages() {
    ///     let page = page?;
    ///     println!("{} records, {:?}", page.len(), page.embeddings);
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn pages(self) -> ScanPages {
        ScanPages::start(&self.collection, &self.options, self.read_ahead)
    }

    pub(super) fn collection(&self) -> &Collection {
        &self.collection
    }
}

impl Iterator for Scan {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let reading = self.reading.get_or_insert_with(|| Reading {
            pages: ScanPages::start(&self.collection, &self.options, self.read_ahead),
            page: GetResult::default().into_iter(),
        });
        reading.next()
    }
}

impl std::iter::FusedIterator for Scan {}

impl Reading {
    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.page.next() {
                return Some(Ok(record));
            }
            // Frees this page before the next one is read.
            self.page = GetResult::default().into_iter();
            match self.pages.next()? {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
