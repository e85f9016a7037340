//! [`Scan`]: every record of a collection, page by page, in constant memory.

mod ahead;
mod reader;
mod seen;

use super::Collection;
use crate::error::{Error, Result};
use crate::logs;
use crate::model::filter::{Where, restrict};
use crate::model::record::Record;
use crate::model::results::{GetResult, Include, IntoIter};
use ahead::Ahead;
use reader::Reader;

/// Records per page, unless the caller says otherwise.
const PAGE: usize = 1_000;

/// A walk over a whole collection; see [`Collection::scan`].
///
/// Iterate it for [`Record`]s, or its [`pages`](Scan::pages) for columns. Options can be set before that.
///
/// # Order
/// The newest record comes first: the order in which they were added, backwards, and so that of
/// [`get`](Collection::get), backwards. Changing a record does not move it. Chroma pages by position alone; what is
/// deleted moves only what was added later, and that has already come.
///
/// # While others write
/// A record that is there from the start of the scan to its end, and passes the filter all the while, comes exactly
/// once. So records may be deleted and changed as they come, and new ones may be added.
///
/// - Ids are listed for nine pages at a time, 9,000 (270 on Chroma Cloud) at most. Those that pass the filter then come as
///   they are when their page is read: not at all if they are gone by then, but also if they do not pass any more.
/// - A record that is added meanwhile, or that starts to pass the filter, may come or not. One that is deleted and
///   added again is a new one.
/// - It has bounds, between two listings: when more than 1,000 records (30 on Chroma Cloud) start to pass the filter,
///   others may be missed; when more than 90,000 go, or stop passing it, before they came, others may come again.
/// - Distributed servers settle the places of new records some time after they were added. Of those that were added
///   shortly before the scan, some may move meanwhile, and be missed.
///
/// # Memory
/// That of one page and of its answer, whatever the collection's size; with [`read_ahead`](Scan::read_ahead), of one
/// more page. Pages of large records have fewer of them: the size of each is made from that of the last one.
///
/// # Errors
/// An error, after the client's own retries, comes once, and the iterator ends.
#[derive(Debug, Clone)]
#[must_use = "reads nothing unless it is iterated"]
pub struct Scan {
    collection: Collection,
    filter: Option<Where>,
    include: Vec<Include>,
    page_size: usize,
    read_ahead: bool,
}

impl Scan {
    pub(super) fn collection(&self) -> &Collection {
        &self.collection
    }

    pub(super) fn new(collection: Collection) -> Scan {
        Scan {
            collection,
            filter: None,
            include: vec![Include::Documents, Include::Metadatas],
            page_size: PAGE,
            read_ahead: false,
        }
    }

    /// Only records that pass the filter; called twice, both.
    pub fn filter(mut self, filter: Where) -> Scan {
        restrict(&mut self.filter, filter);
        self
    }

    /// What to bring with the ids, in place of documents and metadata.
    pub fn include(mut self, include: impl IntoIterator<Item = Include>) -> Scan {
        self.include = include.into_iter().collect();
        self
    }

    /// At most this many records in a page. Default: 1,000. What is above 9,000, or on Chroma Cloud above 270, is taken
    /// for that, and 0 for 1.
    pub fn page_size(mut self, records: usize) -> Scan {
        self.page_size = records;
        self
    }

    /// Reads the next page on a thread of its own while the caller works on the present one. Default: no.
    ///
    /// The thread starts with the iterator. It ends when that is dropped, after the request that is under way and its retries.
    /// Where no thread can be started, nothing is read ahead.
    pub fn read_ahead(mut self, read_ahead: bool) -> Scan {
        self.read_ahead = read_ahead;
        self
    }

    /// Page by page: columns, and the vectors in one piece. No page is empty.
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
        if self.read_ahead {
            let mut reader = Reader::new(&self);
            match Ahead::start(move || reader.next()) {
                Ok(ahead) => return ScanPages(Source::Ahead(ahead)),
                Err(error) => log::warn!(target: logs::CLIENT, "no thread to read ahead: {error}"),
            }
        }
        ScanPages(Source::Here(Box::new(Reader::new(&self))))
    }
}

impl IntoIterator for Scan {
    type Item = Result<Record>;
    type IntoIter = ScanRecords;

    fn into_iter(self) -> ScanRecords {
        ScanRecords {
            pages: self.pages(),
            page: GetResult::default().into_iter(),
        }
    }
}

/// The pages of a [`Scan`].
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct ScanPages(Source);

#[derive(Debug)]
enum Source {
    Here(Box<Reader>),
    Ahead(Ahead<GetResult>),
    Over,
}

impl Iterator for ScanPages {
    type Item = Result<GetResult>;

    fn next(&mut self) -> Option<Result<GetResult>> {
        let next: Result<Option<GetResult>, Error> = match &mut self.0 {
            Source::Here(reader) => reader.next(),
            Source::Ahead(ahead) => ahead.next(),
            Source::Over => Ok(None),
        };
        if !matches!(next, Ok(Some(_))) {
            self.0 = Source::Over;
        }
        next.transpose()
    }
}

impl std::iter::FusedIterator for ScanPages {}

/// The records of a [`Scan`].
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct ScanRecords {
    pages: ScanPages,
    page: IntoIter,
}

impl Iterator for ScanRecords {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.page.next() {
                return Some(Ok(record));
            }
            // What is left of this page goes before the next one comes.
            self.page = GetResult::default().into_iter();
            match self.pages.next()? {
                Ok(page) => self.page = page.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl std::iter::FusedIterator for ScanRecords {}
