//! Batch jobs: embed and write any number of records, with bounded memory and checkpoints.
//!
//! [`Collection::ingest`] creates an [`Ingest`] job from any iterator of records. Set its options, then call
//! [`run`](Ingest::run), which returns an [`IngestReport`].
//!
//! Records can come from your own iterator or from a reader of this module:
//!
//! - [`jsonl_records`] reads JSON Lines,
//! - `csv_records` reads CSV (feature `csv`),
//! - [`text_records`] reads a folder of text files,
//! - [`TextSplitter`] splits long texts into chunks.
//!
//! [`BadRecords`] decides whether a record that cannot be read, embedded or written stops the job.
//!
//! ```no_run
//! use chroma_blocking::{Client, Hashing};
//! use chroma_blocking::ingest::{BadRecords, TextSplitter, text_records};
//!
//! let docs = Client::from_env()?
//!     .collection("docs")
//!     .embedding_function(Hashing::default())
//!     .get_or_create()?;
//! let files = text_records("docs")?;
//! let splitter = TextSplitter::new(1_000).document_key("source_id");
//! let report = docs
//!     .ingest(splitter.split_records(files))
//!     .replace_documents("source_id") // deletes pieces that files no longer have
//!     .checkpoint("docs.ckpt")
//!     .bad_records(BadRecords::skip())
//!     .run()?;
//! println!("{report}");
//! # Ok::<(), chroma_blocking::Error>(())
//! ```

// The caller's thread reads the input (`reader`). Worker threads look records up and embed them (`prepare`,
// `embed`). One more thread writes the batches in input order and keeps the checkpoint (`writer`). `run`
// starts the threads and bounds the number of batches in flight.

mod bad;
mod batch;
pub(crate) mod checkpoint;
mod consumed;
mod documents;
mod embed;
mod files;
pub(crate) mod hash;
mod in_flight;
mod input;
mod job;
mod left_out;
mod pool;
mod prepare;
mod reader;
mod readers;
mod replace;
mod run;
mod settings;
mod sparse;
mod splitter;
mod sync;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use crate::model::report::{BadRecord, IngestReport, IngestStage};
pub use bad::BadRecords;
pub use input::TryIntoRecord;
#[cfg(feature = "csv")]
pub use readers::{CsvRows, csv_records};
pub use readers::{JsonLines, MissingIds, NestedFields, TextFiles, jsonl_records, text_records};
pub use splitter::TextSplitter;

use crate::collection::Collection;
use crate::error::{Call, Result};
use crate::model::filter::Where;
use crate::model::progress::Progress;
use crate::transport::RetryPolicy;
use job::Job;
use run::Input;
use settings::{Mode, Settings, Shard};

/// A batch job that writes any number of records. Created by [`Collection::ingest`].
///
/// The thread that calls [`run`](Ingest::run) reads the records, several threads embed them, and one thread
/// writes them in input order, all at the same time. If an id occurs more than once, the last record wins, as
/// if the records had been written one by one. The job holds at most a few thousand records in memory,
/// regardless of the input's length.
///
/// - **It can be killed at any time.** With a [`checkpoint`](Ingest::checkpoint), the next run continues
///   after the last record that is known to be written. Records that were in flight are read, embedded and
///   written again, with the same result. With a [cache](crate::embed::GeminiBuilder::cache) they are not
///   paid for twice.
/// - **It waits for an unavailable server**, as the job's [retry policy](Ingest::retry) allows.
/// - **Bad records** stop the job, or are [skipped](Ingest::bad_records).
///
/// # Empty documents
/// A record without a vector whose document is empty, or holds only white space, is left out: there is nothing
/// to embed. The report counts it as [`empty`](IngestReport::empty), and a file of [dead
/// letters](BadRecords::dead_letters) gets it with its metadata. It is not a bad record, so it does not stop the
/// job. A stored record with its id stays as it is, except that a [sync](Ingest::sync) deletes it. With
/// [`replace_documents`](Ingest::replace_documents), all stored pieces of its document are deleted.
///
/// A record with a vector is written, whatever its document is. A record with neither a document nor a vector
/// is a bad record, since its reader may have been given a wrong name.
///
/// ```no_run
/// use chroma_blocking::{Client, Gemini, Record};
/// use chroma_blocking::ingest::BadRecords;
///
/// let notes = Client::from_env()?
///     .collection("notes")
///     .embedding_function(Gemini::from_env()?)
///     .get_or_create()?;
/// let records = (0..1_000_000)
///     .map(|i| Record::new(format!("{i}")).document(format!("text {i}")));
/// let report = notes
///     .ingest(records)
///     .concurrency(8) // embedding requests in flight
///     .checkpoint("corpus.ckpt") // resume here after a crash
///     .bad_records(BadRecords::dead_letters("corpus.bad.jsonl"))
///     .on_progress(|progress| eprintln!("{progress}"))
///     .run()?;
/// println!("{report}");
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[must_use = "does nothing until run() is called"]
pub struct Ingest<'a, I> {
    input: Input<'a, I>,
    on_progress: Box<dyn FnMut(&Progress) + 'a>,
    settings: Settings,
}

impl<I> fmt::Debug for Ingest<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Collection {
    /// Creates a batch job that embeds and writes the records of an iterator.
    ///
    /// The items are [`Record`](crate::Record)s, or `Result`s of them with any error type (see
    /// [`TryIntoRecord`]). The job uses bounded memory and can be killed and resumed. See [`Ingest`] for its
    /// options.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Record};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let lines = std::io::stdin().lines();
    /// let records = lines.enumerate().map(|(i, line)| {
    ///     let record = Record::new(format!("{i}")).document(line?);
    ///     Ok::<_, std::io::Error>(record)
    /// });
    /// let report = notes.ingest(records).checkpoint("lines.ckpt").run()?;
    /// println!("{report}");
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn ingest<'a, I>(&self, records: I) -> Ingest<'a, I>
    where
        I: IntoIterator,
        I::Item: TryIntoRecord,
    {
        Ingest {
            input: Input {
                records,
                reopen: None,
            },
            on_progress: Box::new(|_| {}),
            settings: Settings::new(self.without_progress()),
        }
    }
}

impl<'a, I> Ingest<'a, I>
where
    I: IntoIterator,
    I::Item: TryIntoRecord,
{
    /// Sets how many batches of texts are embedded at the same time, 1 to 64. Default: 4.
    ///
    /// An embedding function may have its own limit, as [`Gemini`](crate::embed::GeminiBuilder::concurrency)
    /// does. Set both to the same number.
    pub fn concurrency(mut self, batches: usize) -> Self {
        self.settings.concurrency = batches;
        self
    }

    /// Sets the maximum number of records in one write request. Default: 1,000.
    ///
    /// The server's own limits always apply. The job sends fewer records in a request if no more are ready.
    pub fn batch_size(mut self, records: usize) -> Self {
        self.settings.batch_size = records;
        self
    }

    /// Sets the file that records how far the job has come. Default: none.
    ///
    /// The job creates the file if it does not exist, updates it after each write to the server (atomically
    /// and synced, at most twenty times a second), and deletes it when the job is complete. If the file
    /// exists when the job starts, the job resumes at the position in the file: it reads the items before
    /// that position, but does not write them.
    ///
    /// The file identifies the collection, the embedding function, the mode, the shard, and the input up to
    /// that position (by a hash of its records). The job refuses a file of another job before it writes
    /// anything, unless it may [restart](Ingest::restart_with).
    ///
    /// One job at a time can use a checkpoint. While a job runs, a file with the same name and `.lock` at the
    /// end holds its process id. The lock ends when the process ends, even if it is killed. Jobs on other
    /// machines or in other containers are not seen at the start; a job stops as soon as it finds that
    /// another one has changed its checkpoint.
    ///
    /// If the path is a link, its target is replaced. Only the current user can read a file that the job
    /// creates.
    pub fn checkpoint(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings.checkpoint = Some(file.into());
        self
    }

    /// Sets a function that opens the input again. With it, the job starts from the beginning if its
    /// checkpoint belongs to another input or another job, instead of refusing it. Default: none.
    ///
    /// Use it if the input changes between runs, such as an export that is made every night. The job reads the
    /// input up to the position of the checkpoint to compare it, so it needs the input a second time.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing};
    /// # use chroma_blocking::ingest::jsonl_records;
    /// # let notes = Client::from_env()?.collection("notes");
    /// # let notes = notes.embedding_function(Hashing::default()).get_or_create()?;
    /// let input = || jsonl_records("tonight.jsonl");
    /// let report = notes
    ///     .ingest(input()?)
    ///     .checkpoint("nightly.ckpt")
    ///     .restart_with(input)
    ///     .run()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn restart_with(mut self, open: impl FnOnce() -> Result<I> + 'a) -> Self {
        self.input.reopen = Some(Box::new(open));
        self
    }

    /// Sets a function to call with the job's progress after each write, on the thread that called
    /// [`run`](Ingest::run). Default: none.
    ///
    /// For a bar with an end, use [`input_bytes`](Progress::input_bytes) and
    /// [`input_bytes_total`](Progress::input_bytes_total) with a reader of this crate, and otherwise
    /// [`done`](Progress::done) and [`total`](Progress::total).
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> Self {
        self.on_progress = Box::new(report);
        self.settings.reports_progress = true;
        self
    }

    /// Sets a flag that stops the job gracefully when it is `true`. Default: none.
    ///
    /// The job then stops reading, finishes the records in flight, updates the checkpoint, and returns its
    /// report with [`cancelled`](IngestReport::cancelled) set. So no text is embedded twice. To end the waits of
    /// an embedding function as well, for example at a rate limit, give it the same flag.
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.settings.cancel = Some(flag);
        self
    }

    /// Sets how the job handles bad records. Default: the first one [stops](BadRecords::stop) the job.
    pub fn bad_records(mut self, policy: BadRecords) -> Self {
        self.settings.bad_records = policy;
        self
    }

    /// Sets the job's retry policy for a server or an embedding function that fails. Default: ten retries,
    /// after about 1, 2, 4 seconds and so on up to a minute, which is about five minutes in total.
    ///
    /// These retries are in addition to those that the client and the embedding function make themselves. The
    /// job retries an error of your own embedding function if it is an [`io::Error`](std::io::Error) or a
    /// retryable [`Error`](crate::Error). For dense vectors it also retries if the function refuses every
    /// single text of a batch. Another error of a function of sparse vectors ends the job, unless it names the
    /// refused text ([`InvalidInput::Text`](crate::InvalidInput::Text)).
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Embeds and writes only records that have changed. Default: off.
    ///
    /// The job stores a hash of each record in the record's metadata under this key, and skips records whose
    /// stored hash is equal. Changing the embedding function changes all hashes. A record is also written if
    /// its stored document or metadata was changed since, but not the stored hash.
    ///
    /// Vectors are not compared. If [`update`](Collection::update) has changed only the vector of a record,
    /// that vector stays.
    ///
    /// A metadata key that the new version of a record no longer has stays in the collection, as with
    /// [`upsert`](Collection::upsert), unless [`replace_metadata`](Ingest::replace_metadata) is set.
    pub fn content_hash(mut self, metadata_key: impl Into<String>) -> Self {
        self.settings.content_hash = Some(metadata_key.into());
        self
    }

    /// Sets whether to remove the metadata keys that a stored record has and its new version does not. Default:
    /// `false`: such keys stay, as with [`upsert`](Collection::upsert), and filters find the record by them.
    ///
    /// Keys that other programs have added are removed as well. With `true`, the job asks the server for the
    /// metadata of 100 records at a time.
    ///
    /// A stored document or URI stays if the new version has none. To remove it, delete the record.
    pub fn replace_metadata(mut self, replace: bool) -> Self {
        self.settings.replace_metadata = replace;
        self
    }

    /// Replaces whole documents: deletes the stored pieces of each document that are not among its new pieces.
    /// Default: off.
    ///
    /// A document is a text that was split into several records, its pieces, such as the chunks of a
    /// [`TextSplitter`]. All of its pieces hold its id, which is text or an integer, in their metadata under
    /// this key. [`TextSplitter::document_key`] adds it. When a document has become shorter, its last pieces would
    /// otherwise stay in the collection, and queries would find them.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing};
    /// # use chroma_blocking::ingest::{TextSplitter, text_records};
    /// # let docs = Client::from_env()?.collection("docs");
    /// # let docs = docs.embedding_function(Hashing::default()).get_or_create()?;
    /// let splitter = TextSplitter::new(1_000).document_key("source_id");
    /// let pieces = splitter.split_records(text_records("docs")?);
    /// let report = docs
    ///     .ingest(pieces)
    ///     .replace_documents("source_id")
    ///     .content_hash("hash") // skip pieces that have not changed
    ///     .run()?;
    /// println!("{} old pieces deleted", report.deleted);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    ///
    /// The old pieces of a document are deleted after its new ones are written, so queries find the document
    /// at any time. If the job was killed in between, it deletes them when it resumes.
    ///
    /// - Only records that hold the document's id under this key are deleted. Pieces that were written without
    ///   the key stay; delete them once.
    /// - The pieces of a document must follow each other in the input, because the job takes the document as
    ///   complete when the next one starts. A later piece of it ends the job with an error, whatever
    ///   [`bad_records`](Ingest::bad_records) says. By then, stored pieces of this document that come later in
    ///   the input may have been deleted. The job reads ahead and then deletes nothing more, so it deletes none
    ///   of them in a short input. Sort the input and run the job again to restore them. To check the order
    ///   first, use a [dry run](Ingest::dry_run).
    /// - If a document occurs again and starts with the same piece, the last version wins.
    /// - A piece without a document is a [bad record](Ingest::bad_records).
    /// - The input must hold whole documents. `take(n)` and `skip(n)` on pieces can cut a document, and the
    ///   job then deletes the stored pieces that were cut off. Apply them before the splitter instead. To
    ///   resume a job, use a [checkpoint](Ingest::checkpoint).
    /// - A document without text is a piece without text: it is not written, and all stored pieces of the
    ///   document are deleted. A document that is not in the input at all keeps its pieces, unless you also
    ///   use [`sync`](Ingest::sync).
    /// - A document with a bad record keeps all old pieces. So does a document before or after an item that
    ///   could not be read, which may be a piece of it; see [`tolerate_unreadable`](Ingest::tolerate_unreadable).
    ///   The report [counts](IngestReport::withheld) them. Do not use this option for corrected dead letters
    ///   alone, because they lack the other pieces of their documents.
    /// - With [`shard`](Ingest::shard), the hash of the document's id decides the shard. With
    ///   [`sync`](Ingest::sync), all stored pieces of documents that are not in the input are deleted as
    ///   well.
    ///
    /// The job sends at least two more requests for each write in which a document ends. It remembers the ids
    /// of all documents, at about 20 bytes each, and while it replaces documents, the ids of their old pieces.
    /// It cannot be combined with [`only_new`](Ingest::only_new).
    pub fn replace_documents(mut self, metadata_key: impl Into<String>) -> Self {
        self.settings.document_key = Some(metadata_key.into());
        self
    }

    /// Sets how many items of the input may be unreadable before [`sync`](Ingest::sync) and
    /// [`replace_documents`](Ingest::replace_documents) stop deleting. Default: 0.
    ///
    /// An item that cannot be read has no known id, and might be one of the stored records that seem to be
    /// missing from the input. If you tolerate it, that record may be deleted. Items that were read but are
    /// bad for another reason have an id, so a sync does not delete them.
    ///
    /// [`bad_records`](Ingest::bad_records) decides whether such an item stops the job.
    pub fn tolerate_unreadable(mut self, items: u64) -> Self {
        self.settings.tolerated_unreadable = items;
        self
    }

    /// Restricts the job to shard `index` (counted from 0) of `count` shards. Default: shard 0 of 1, which is
    /// everything.
    ///
    /// The hash of a record's id decides which shard it belongs to. This way, `count` machines can share one
    /// job without communicating. Each of them reads the whole input and has its own checkpoint.
    pub fn shard(mut self, index: u32, count: u32) -> Self {
        self.settings.shard = Shard { index, count };
        self
    }

    /// Sets whether the job only adds records whose ids do not exist yet, and skips all others. Default:
    /// `false`.
    ///
    /// The job asks the server which ids exist. Replaces [`sync`](Ingest::sync).
    pub fn only_new(mut self, only_new: bool) -> Self {
        if only_new {
            self.settings.mode = Mode::AddNew;
        } else if matches!(self.settings.mode, Mode::AddNew) {
            self.settings.mode = Mode::Upsert;
        }
        self
    }

    /// Makes the collection match the input: writes all records, then deletes those that match the filter and
    /// are not in the input. Default: off. Replaces [`only_new`](Ingest::only_new).
    ///
    /// With `None`, the job deletes all records that are not in the input. It refuses a filter that every record
    /// passes, such as a [`Where::all`] of no conditions, since that may be a mistake.
    ///
    /// Nothing is deleted if the job stops early, if an item could not be read (its record might exist; see
    /// [`tolerate_unreadable`](Ingest::tolerate_unreadable)), or if the input is empty. The
    /// [report](IngestReport::withheld) says how many records were kept, and why.
    ///
    /// If an input holds two versions of a document in numbered pieces, the last pieces of the longer version
    /// stay, because their ids are in the input. Use [`replace_documents`](Ingest::replace_documents) as
    /// well.
    ///
    /// The job remembers the ids of the input, at about 16 bytes each.
    pub fn sync(mut self, within: impl Into<Option<Where>>) -> Self {
        self.settings.mode = Mode::Sync(within.into());
        self
    }

    /// Sets whether the job only reports what it would do. Default: `false`.
    ///
    /// A dry run reads, validates and looks up everything. It does not embed, write or delete anything. An id
    /// that occurs twice counts twice, because the first record does not exist when the second one is looked
    /// up.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.settings.dry_run = dry_run;
        self
    }

    /// Sets the name of the operation in errors, logs and progress, for a job that is part of another call.
    #[cfg(feature = "transfer")]
    pub(crate) fn part_of(mut self, operation: &'static str) -> Self {
        self.settings.operation = operation;
        self
    }

    /// Runs the job until the input ends.
    ///
    /// # Errors
    /// - [`Error::Invalid`](crate::Error::Invalid) for an invalid option, a checkpoint of another job, or a
    ///   file that is used twice. Nothing has been written then.
    /// - [`Error::Ingest`](crate::Error::Ingest) if the job stops early: because of a bad record, or because
    ///   the input, the embedding function or the server fails permanently. It holds the report and the
    ///   cause.
    /// - [`Error::Io`](crate::Error::Io) if the checkpoint or the dead letter file cannot be opened or
    ///   written, if another job uses the checkpoint
    ///   ([`ResourceBusy`](std::io::ErrorKind::ResourceBusy)), or if the input fails before the job has
    ///   reached the position of its checkpoint. Nothing has been written then.
    ///
    /// # Panics
    /// If the iterator, the embedding function or the progress function panics.
    pub fn run(self) -> Result<IngestReport> {
        let call = Call::new(
            self.settings.operation,
            Some(self.settings.collection.name()),
        );
        self.settings
            .check()
            .map_err(|reason| call.clone().invalid(reason))?;
        run::run(
            &Job::new(&self.settings, &call),
            self.input,
            self.on_progress,
        )
    }
}
