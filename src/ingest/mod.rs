//! Batch jobs: any number of records, embedded and written in bounded memory, safe to kill at any moment.
//!
//! [`Collection::ingest`] makes an [`Ingest`]. It takes any iterator of records; this module also reads them from JSON
//! Lines ([`jsonl_records`]), text files ([`text_records`]) and CSV (`csv_records`, feature `csv`), and cuts long texts
//! into pieces ([`TextSplitter`]).

// The caller's thread reads (`reader`); threads of the job look up and embed (`prepare`); one more thread writes, in the
// order of the input, and keeps the checkpoint (`writer`). They hand on a bounded number of `Batch`es (`run`).

mod bad;
mod checkpoint;
mod content;
mod floats;
mod prepare;
mod reader;
mod readers;
mod run;
mod splitter;
mod writer;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::model::report::{BadRecord, IngestReport, IngestStage};
pub use bad::BadRecords;
use checkpoint::Place;
use log::kv::Value;
pub use reader::TryIntoRecord;
#[cfg(feature = "csv")]
pub use readers::{CsvRows, csv_records};
pub use readers::{JsonLines, MissingIds, NestedFields, TextFiles, jsonl_records, text_records};
pub use splitter::TextSplitter;

use crate::collection::Collection;
use crate::error::{Call, InvalidInput, Result};
use crate::model::filter::Where;
use crate::model::metadata::Metadata;
use crate::model::progress::Progress;
use crate::model::record::{AsRecord, Record, RecordRef};
use crate::transport::RetryPolicy;

/// Items of one batch: as many texts as Gemini takes in a request.
const BATCH_ITEMS: usize = 100;
/// Bytes of texts, vectors and metadata after which a batch is closed.
const BATCH_BYTES: usize = 512 << 10;
/// Batches that may be under way beside those that are embedded.
const WAITING: usize = 16;

/// A job that writes any number of records; made by [`Collection::ingest`].
///
/// Records are read on the thread that calls [`run`](Ingest::run), embedded by several threads, and written in the order of
/// the input; all of that at the same time. So the last one of an id wins, as if the records had been written one by one.
/// It takes as much memory as a few thousand records, whatever their number.
///
/// - **It may be killed at any time.** With a [`checkpoint`](Ingest::checkpoint) the next run goes on behind the last record
///   that is known to be written. Records that were under way are read and embedded again (with a
///   [cache](crate::embed::GeminiBuilder::cache) none is paid for twice), and written again, which changes nothing.
/// - **A server that is away** is waited for, by the [policy](Ingest::retry) of the job.
/// - **Bad records** stop it, or are [left out](Ingest::bad_records).
///
/// ```no_run
/// use chroma_blocking::{Client, Gemini, Record};
/// use chroma_blocking::ingest::BadRecords;
///
/// let notes = Client::from_env()?.collection("notes").embedding_function(Gemini::from_env()?).get_or_create()?;
/// let records = (0..1_000_000).map(|i| Record::new(format!("{i}")).document(format!("text number {i}")));
/// let report = notes
///     .ingest(records)
///     .concurrency(8)                       // embedding requests in flight
///     .checkpoint("corpus.ckpt")            // resume here after a crash
///     .bad_records(BadRecords::dead_letters("corpus.bad.jsonl"))
///     .on_progress(|p| eprintln!("{} done", p.items))
///     .run()?;
/// println!("{report}");
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
#[must_use = "does nothing until run() is called"]
pub struct Ingest<'a, I> {
    records: I,
    on_progress: Box<dyn FnMut(&Progress) + 'a>,
    settings: Settings,
}

/// All that there is to choose.
struct Settings {
    collection: Collection,
    concurrency: usize,
    batch_size: usize,
    checkpoint: Option<PathBuf>,
    cancel: Option<Arc<AtomicBool>>,
    bad_records: BadRecords,
    retry: RetryPolicy,
    content_hash: Option<String>,
    shard: (u32, u32),
    mode: Mode,
    dry_run: bool,
}

/// What becomes of records that are there, and of those that are not in the input.
#[derive(Debug)]
enum Mode {
    Upsert,
    AddNew,
    /// Deletes what passes the filter and is not in the input.
    Sync(Where),
}

/// Some consecutive items of the input, on their way.
struct Batch {
    /// Counted from 0, without gaps.
    number: u64,
    /// The first item.
    start: u64,
    /// Where the input is behind it.
    end: Place,
    records: Vec<Item>,
    bad: Vec<(BadRecord, Option<Record>)>,
    skipped: u64,
    embedded: u64,
    /// Of these, texts whose vectors a cache had.
    cached: u64,
    /// About, with vectors that are to be made.
    bytes: usize,
}

impl Batch {
    fn new(number: u64, start: Place) -> Batch {
        Batch {
            number,
            start: start.items,
            end: start,
            records: Vec::new(),
            bad: Vec::new(),
            skipped: 0,
            embedded: 0,
            cached: 0,
            bytes: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.end.items == self.start
    }
}

/// A record on its way.
struct Item {
    /// Which item of the input, counted from 0.
    number: u64,
    record: Record,
    /// The vector that was made of its text, among those that were made together.
    made: Option<(Arc<Vec<f32>>, Range<usize>)>,
}

impl AsRecord for Item {
    fn as_record(&self) -> RecordRef<'_> {
        let row = self.record.as_record();
        let made = self.made.as_ref();
        let made = made.and_then(|(floats, range)| floats.get(range.clone()));
        RecordRef {
            embedding: row.embedding.or(made),
            ..row
        }
    }
}

/// About the bytes that a record takes.
fn size(row: RecordRef<'_>) -> usize {
    let document = row.document.map_or(0, str::len);
    let floats = row.embedding.map_or(0, <[f32]>::len);
    let metadata = row.metadata.iter();
    let metadata: usize = metadata.map(|(key, value)| key.len() + value.size()).sum();
    let uri = row.uri.map_or(0, str::len);
    row.id.len() + document + size_of::<f32>() * floats + metadata + uri
}

impl Collection {
    /// A batch job: any number of records, from any iterator of them or of results of them, embedded and written with
    /// bounded memory, and safe to kill. See [`Ingest`].
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Record};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let lines = std::io::stdin().lines();
    /// let records = lines.enumerate().map(|(i, line)| Ok::<_, std::io::Error>(Record::new(format!("{i}")).document(line?)));
    /// println!("{}", notes.ingest(records).checkpoint("lines.ckpt").run()?);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn ingest<'a, I>(&self, records: I) -> Ingest<'a, I>
    where
        I: IntoIterator,
        I::Item: TryIntoRecord,
    {
        Ingest::new(self.without_progress(), records)
    }
}

impl<'a, I> Ingest<'a, I>
where
    I: IntoIterator,
    I::Item: TryIntoRecord,
{
    pub(crate) fn new(collection: Collection, records: I) -> Ingest<'a, I> {
        Ingest {
            records,
            on_progress: Box::new(|_| {}),
            settings: Settings {
                collection,
                concurrency: 4,
                batch_size: 1_000,
                checkpoint: None,
                cancel: None,
                bad_records: BadRecords::default(),
                retry: RetryPolicy::default().max_retries(10),
                content_hash: None,
                shard: (0, 1),
                mode: Mode::Upsert,
                dry_run: false,
            },
        }
    }

    /// Batches of texts that are embedded at the same time, 1 to 64. Default 4. An embedding function may have a bound of its
    /// own, as [`Gemini`](crate::embed::GeminiBuilder::concurrency) does: give it the same.
    pub fn concurrency(mut self, batches: usize) -> Self {
        self.settings.concurrency = batches;
        self
    }

    /// Records that are written in one request, at most; the server's limits hold in any case. Default 1,000. Fewer are
    /// written when no more are ready.
    pub fn batch_size(mut self, records: usize) -> Self {
        self.settings.batch_size = records;
        self
    }

    /// A file that says how far the job has come. It is made if it is not there, written after each write to the server
    /// (all of it or nothing, and synced; at most twenty times a second), and deleted when the job is done. If it is there,
    /// the job goes on behind that place: the records before it are read and not written.
    ///
    /// The file knows the collection, the embedding function, the mode, the shard and the input as far as it was done (by
    /// a hash of its records). A file of another job is refused, before anything is written.
    pub fn checkpoint(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings.checkpoint = Some(file.into());
        self
    }

    /// Is told how far the job is after each write, on the thread that called [`run`](Ingest::run).
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> Self {
        self.on_progress = Box::new(report);
        self
    }

    /// A flag that stops the job politely: when it is true nothing more is read, what is under way is finished, the
    /// checkpoint is written, and the report comes back ([`IngestReport::cancelled`]).
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.settings.cancel = Some(flag);
        self
    }

    /// What becomes of the job when a record is bad. Default: it [stops](BadRecords::stop).
    pub fn bad_records(mut self, then: BadRecords) -> Self {
        self.settings.bad_records = then;
        self
    }

    /// How often, and after which waits, a server or an embedding function that fails is tried again, after the retries that
    /// each of them makes itself. An embedding function of yours is waited for when its error is an [`io::Error`](std::io::Error)
    /// or a retryable [`Error`](crate::Error), and when it refuses every single text of a batch. Default: ten retries, after about 1, 2, 4 seconds and so on up to a minute, which is about five minutes.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry = policy;
        self
    }

    /// Writes, and embeds, only what has changed: a hash of each record is kept in its metadata under this key, and a record
    /// whose stored hash is the same is skipped. A change of the embedding function changes all hashes.
    ///
    /// A record that has lost a metadata key keeps it in the collection, as with [`upsert`](Collection::upsert).
    pub fn content_hash(mut self, metadata_key: impl Into<String>) -> Self {
        self.settings.content_hash = Some(metadata_key.into());
        self
    }

    /// Only the records of one of `count` shards, `index` of them counted from 0: those whose id has a hash that falls to
    /// it. So `count` machines can do one job without speaking to each other, each with the whole input and a checkpoint of
    /// its own.
    pub fn shard(mut self, index: u32, count: u32) -> Self {
        self.settings.shard = (index, count);
        self
    }

    /// Adds records whose ids are not there yet, and skips the others, which are asked for.
    pub fn only_new(mut self) -> Self {
        self.settings.mode = Mode::AddNew;
        self
    }

    /// Writes all, and, at the end, deletes what passes the filter and is not in the input. Nothing is deleted when the job
    /// stops early, when an item could not be read (its record might be there), or when the input had nothing at all.
    ///
    /// The ids of the input are remembered, in about 16 bytes for each.
    pub fn sync(mut self, within: Where) -> Self {
        self.settings.mode = Mode::Sync(within);
        self
    }

    /// Reads, checks and looks up everything, and says what would be done; embeds, writes and deletes nothing. An id that
    /// comes twice is counted twice, since the first one is not there when the second one is looked up.
    pub fn dry_run(mut self) -> Self {
        self.settings.dry_run = true;
        self
    }

    /// Does the job.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) before anything is read, for settings that cannot be and a checkpoint of
    /// another job. [`Error::Ingest`](crate::Error::Ingest), with the report so far and the reason, when the job stops early:
    /// a bad record, an embedding function or a server that fails for good.
    pub fn run(self) -> Result<IngestReport> {
        let call = Call::new("ingest", Some(self.settings.collection.name()));
        self.settings
            .check()
            .map_err(|reason| call.clone().invalid(reason))?;
        // What comes behind the end of an iterator is anybody's guess.
        let records = self.records.into_iter().fuse();
        run::run(records, self.on_progress, &self.settings, &call)
    }
}

impl Settings {
    fn check(&self) -> Result<(), InvalidInput> {
        let bad = |name, value: String, why: &str| {
            Err(InvalidInput::Setting {
                name,
                value,
                why: why.to_owned(),
            })
        };
        if !(1..=64).contains(&self.concurrency) {
            let why = "it must be from 1 to 64";
            return bad("concurrency", self.concurrency.to_string(), why);
        }
        if self.batch_size == 0 {
            let why = "a request has one record at least; the default is 1000";
            return bad("batch_size", "0".to_owned(), why);
        }
        let (index, count) = self.shard;
        if index >= count {
            let why = "shards are counted from 0: of three there are 0, 1 and 2";
            return bad("shard", format!("{index} of {count}"), why);
        }
        if self.retry.deadline.is_some() {
            let why = "a job has no deadline; stop it by a flag, with .cancel(...)";
            return bad("retry", "a policy with a deadline".to_owned(), why);
        }
        match &self.content_hash {
            Some(key) => {
                Metadata::from([(key.as_str(), "")]).check_record(|| "content_hash".to_owned())
            }
            None => Ok(()),
        }
    }

    /// What vectors depend on beside the text.
    fn function_key(&self) -> Option<String> {
        let function = self.collection.embedding_function()?;
        Some(function.cache_key(crate::embed::Purpose::Documents))
    }

    /// Whether the server is asked for records before they are written.
    fn looks_up(&self) -> bool {
        self.content_hash.is_some() || matches!(self.mode, Mode::AddNew)
    }

    /// Whether an id of this hash belongs to this shard.
    fn is_of_shard(&self, hash: u64) -> bool {
        hash % u64::from(self.shard.1) == u64::from(self.shard.0)
    }

    /// As lines of the log show it.
    fn logged(&self) -> (&'static str, Value<'_>) {
        ("collection", self.collection.name().into())
    }

    fn is_cancelled(&self) -> bool {
        let flag = self.cancel.as_deref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

impl Mode {
    fn name(&self) -> &'static str {
        match self {
            Mode::Upsert => "upsert",
            Mode::AddNew => "only_new",
            Mode::Sync(_) => "sync",
        }
    }
}
