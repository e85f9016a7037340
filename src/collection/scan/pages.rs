//! [`ScanPages`]: the pages of a scan, read on this thread or ahead on another one.

use super::ahead::Ahead;
use super::options::ScanOptions;
use super::reader::Reader;
use crate::client::operations as op;
use crate::collection::Collection;
use crate::error::Result;
use crate::logs;
use crate::model::results::GetResult;

/// The pages of a [`Scan`](super::Scan); see [`Scan::pages`](super::Scan::pages).
///
/// An iterator of [`GetResult`]s. After an error it returns `None`.
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct ScanPages {
    collection: Collection,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// Pages are read when they are requested.
    ThisThread(Box<Reader>),
    /// Another thread reads the next page.
    ReadAhead(Ahead<GetResult>),
    /// All pages have been returned, or an error.
    Finished,
}

impl ScanPages {
    /// Starts a scan. Nothing is read yet, unless it reads ahead.
    pub(super) fn start(
        collection: &Collection,
        options: &ScanOptions,
        read_ahead: bool,
    ) -> ScanPages {
        ScanPages {
            collection: collection.clone(),
            source: Source::start(Reader::new(collection, options), read_ahead),
        }
    }

    fn next_page(&mut self) -> Result<Option<GetResult>> {
        self.collection.check_cancelled(&op::GET)?;
        match &mut self.source {
            Source::ThisThread(reader) => reader.next(),
            Source::ReadAhead(ahead) => ahead.next(),
            Source::Finished => Ok(None),
        }
    }
}

impl Source {
    fn start(reader: Reader, read_ahead: bool) -> Source {
        if !read_ahead {
            return Source::ThisThread(Box::new(reader));
        }
        let mut ahead = reader.clone();
        match Ahead::start(move || ahead.next()) {
            Ok(ahead) => Source::ReadAhead(ahead),
            Err(error) => {
                log::warn!(target: logs::CLIENT, "cannot start a thread to read ahead: {error}");
                Source::ThisThread(Box::new(reader))
            }
        }
    }
}

impl Iterator for ScanPages {
    type Item = Result<GetResult>;

    fn next(&mut self) -> Option<Result<GetResult>> {
        if let Source::Finished = self.source {
            return None;
        }
        let next = self.next_page();
        if !matches!(next, Ok(Some(_))) {
            self.source = Source::Finished;
        }
        next.transpose()
    }
}

impl std::iter::FusedIterator for ScanPages {}
