//! [`ScanPages`]: the pages of a scan, read on this thread or ahead on another one.

use super::ahead::Ahead;
use super::options::ScanOptions;
use super::reader::Reader;
use crate::collection::Collection;
use crate::error::Result;
use crate::logs;
use crate::model::results::GetResult;

/// The pages of a [`Scan`](super::Scan); see [`Scan::pages`](super::Scan::pages).
///
/// An iterator of [`GetResult`]s. After an error it returns `None`.
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct ScanPages(Source);

#[derive(Debug)]
enum Source {
    ThisThread(Box<Reader>),
    ReadAhead(Ahead<GetResult>),
    Finished,
}

impl ScanPages {
    /// Starts a scan. Nothing is read yet, unless it reads ahead.
    pub(super) fn start(
        collection: &Collection,
        options: &ScanOptions,
        read_ahead: bool,
    ) -> ScanPages {
        if read_ahead {
            let mut reader = Reader::new(collection, options);
            match Ahead::start(move || reader.next()) {
                Ok(ahead) => return ScanPages(Source::ReadAhead(ahead)),
                Err(error) => {
                    log::warn!(target: logs::CLIENT, "cannot start a thread to read ahead: {error}");
                }
            }
        }
        ScanPages(Source::ThisThread(Box::new(Reader::new(
            collection, options,
        ))))
    }
}

impl Iterator for ScanPages {
    type Item = Result<GetResult>;

    fn next(&mut self) -> Option<Result<GetResult>> {
        let next = match &mut self.0 {
            Source::ThisThread(reader) => reader.next(),
            Source::ReadAhead(ahead) => ahead.next(),
            Source::Finished => Ok(None),
        };
        if !matches!(next, Ok(Some(_))) {
            self.0 = Source::Finished;
        }
        next.transpose()
    }
}

impl std::iter::FusedIterator for ScanPages {}
