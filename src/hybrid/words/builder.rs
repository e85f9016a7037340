//! [`WordIndexBuilder`]: opens an index of words.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use super::index::WordIndex;
use super::own_writes::OwnWrites;
use super::shared::{LastLook, Shared};
use crate::collection::{Collection, WriteObserver};
use crate::durable::Target;
use crate::embed::Bm25;
use crate::error::{Error, Result};
use crate::model::progress::Progress;

/// The default of [`WordIndexBuilder::lookback`].
const LOOKBACK: Duration = Duration::from_secs(60);

/// A function that is passed the progress of building an index.
type Report<'a> = Box<dyn FnMut(&Progress) + 'a>;

/// Opens a [`WordIndex`]; see [`Collection::word_index`].
#[must_use = "does nothing until open() is called"]
pub struct WordIndexBuilder<'a> {
    collection: Collection,
    bm25: Bm25,
    key: Option<String>,
    lookback: Duration,
    path: Option<PathBuf>,
    on_progress: Option<Report<'a>>,
}

impl Collection {
    /// Opens an index of the words of this collection's documents, for searches on a server that has none.
    ///
    /// ```no_run
    /// # let notes = chroma_blocking::Client::from_env()?.collection("notes").get()?;
    /// let words = notes
    ///     .word_index()
    ///     .file("notes.words")
    ///     .on_progress(|progress| eprintln!("{progress}"))
    ///     .open()?;
    /// println!("{} records", words.len());
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn word_index<'a>(&self) -> WordIndexBuilder<'a> {
        WordIndexBuilder {
            collection: self.clone(),
            bm25: Bm25::default(),
            key: None,
            lookback: LOOKBACK,
            path: None,
            on_progress: None,
        }
    }
}

impl<'a> WordIndexBuilder<'a> {
    /// Sets the file that keeps the index between runs of the program. Default: none; the index is built each
    /// time.
    ///
    /// The file is written after the index was built or [refreshed](WordIndex::refresh). It holds ids and
    /// hashes of words, but no documents. Only the current user can read a new file. A file that is damaged, or
    /// of another collection or other settings, is replaced after a warning in the log. A file that holds
    /// something else is not touched, and the index stays in memory.
    pub fn file(mut self, path: impl AsRef<Path>) -> WordIndexBuilder<'a> {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// Sets how texts are split into words, and how words count. Default: [`Bm25::default`].
    pub fn bm25(mut self, bm25: Bm25) -> WordIndexBuilder<'a> {
        self.bm25 = bm25;
        self
    }

    /// Sets the metadata key that the index stands for, so that a search written for a server with a sparse
    /// vector index under this key also runs here. Default: none; [`Knn::words`](crate::search::Knn::words) and
    /// [`Rrf::hybrid`](crate::search::Rrf::hybrid) need no key.
    pub fn key(mut self, key: impl Into<String>) -> WordIndexBuilder<'a> {
        self.key = Some(key.into());
        self
    }

    /// Sets how far a look for stamped writes reaches back before the last one. It must be longer than the
    /// slowest write takes, plus the difference between the clocks of the machines. All documents that were
    /// written in this time are read again by each search. Default: 60 seconds.
    pub fn lookback(mut self, lookback: Duration) -> WordIndexBuilder<'a> {
        self.lookback = lookback;
        self
    }

    /// Sets a function that is called after each page of records that was read.
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> WordIndexBuilder<'a> {
        self.on_progress = Some(Box::new(report));
        self
    }

    /// Reads the file, or else all documents, and then what has changed.
    ///
    /// # Errors
    /// - [`Error::Invalid`] if no record of the collection has a document.
    /// - [`Error::Io`] if the file cannot be read or written, or the path is not that of a file.
    /// - The errors of any request.
    pub fn open(mut self) -> Result<WordIndex> {
        let path = self.path.as_deref().map(usable_path).transpose()?;
        let own_writes = Arc::new(OwnWrites::default());
        let observer: Arc<dyn WriteObserver> = own_writes.clone();
        self.collection.on_write(Arc::downgrade(&observer));
        let mut shared = Shared {
            collection: self.collection,
            bm25: self.bm25,
            key: self.key,
            lookback: self.lookback,
            path,
            own_writes,
            last_look: Mutex::new(LastLook::now()),
            state: RwLock::default(),
        };
        let is_loaded = shared.load()?;
        if is_loaded {
            shared.look(&shared.collection, Instant::now())?;
        } else {
            shared.build_with(&shared.collection, &mut |progress| {
                if let Some(report) = &mut self.on_progress {
                    report(progress);
                }
            })?;
        }
        shared.refuse_no_documents()?;
        // Without stamps, the time of the look that the file has is not used.
        if !is_loaded || shared.collection.stamps_writes() || shared.state().has_changed() {
            shared.save()?;
        }
        Ok(WordIndex(Arc::new(shared)))
    }
}

/// Returns the path of a file, following links.
fn usable_path(path: &Path) -> Result<PathBuf> {
    Target::file(path).map_err(|source| Error::Io {
        message: format!("cannot use {} for an index of words", path.display()),
        source,
    })
}

impl fmt::Debug for WordIndexBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordIndexBuilder")
            .field("collection", &self.collection.name())
            .field("file", &self.path)
            .finish_non_exhaustive()
    }
}
