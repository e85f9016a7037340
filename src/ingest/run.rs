//! The course of a job: the caller's thread reads, and hears how far it is; the others are started here.

use std::collections::{HashSet, VecDeque};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use super::checkpoint::{Checkpoint, Job, Place};
use super::floats::Floats;
use super::reader::{Next, Reader, TryIntoRecord};
use super::writer::{Event, Writer};
use super::{Batch, Mode, Settings, WAITING, content, prepare};
use crate::error::{Call, Error, Result};
use crate::logs;
use crate::model::filter::Where;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::report::IngestReport;
use crate::transport::{Backoff, Parent, retries_of_this_thread};

/// Bytes of records under way, where these are large.
const MOST_BYTES: usize = 24 << 20;
/// Records that are deleted in one request.
const DELETED_AT_ONCE: usize = 1_000;
/// How often a wait looks at flags.
const POLL: Duration = Duration::from_millis(20);

/// What all threads of a job know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Nothing more is to be done.
    pub(super) over: AtomicBool,
    /// The caller's flag was seen up: what is not read yet is not read any more, whatever becomes of the flag.
    stopped: AtomicBool,
    pub(super) retries: AtomicU64,
    pub(super) floats: Floats,
}

impl Shared {
    /// Whether the job is to stop before its end.
    pub(super) fn is_stopped(&self, settings: &Settings) -> bool {
        if settings.is_cancelled() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.stopped.load(Ordering::Relaxed)
    }

    /// Counts the requests that this thread makes again, until it is dropped.
    pub(super) fn count_retries(&self) -> CountedRetries<'_> {
        CountedRetries {
            shared: self,
            before: retries_of_this_thread(),
        }
    }

    /// Waits before something is tried again.
    ///
    /// # Errors
    /// The error, when it is not to be tried again; or that the job is over.
    pub(super) fn wait(
        &self,
        settings: &Settings,
        backoff: &mut Backoff,
        error: Error,
    ) -> Result<()> {
        let Some(wait) = backoff.next(error.asked_wait()) else {
            return Err(error);
        };
        logs::failure(
            logs::INGEST,
            Level::Warn,
            &error,
            &[settings.logged(), logs::wait_ms(wait)],
            format_args!(
                "{error:#}; the job tries again in {:.1} s",
                wait.as_secs_f64()
            ),
        );
        let started = Instant::now();
        while let Some(left) = wait.checked_sub(started.elapsed()) {
            if self.over.load(Ordering::Relaxed) || self.is_stopped(settings) {
                let call = Box::new(error.call().cloned().unwrap_or_default());
                return Err(Error::Cancelled { call });
            }
            thread::sleep(left.min(POLL));
        }
        self.retries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// See [`Shared::count_retries`].
pub(super) struct CountedRetries<'a> {
    shared: &'a Shared,
    before: u64,
}

impl Drop for CountedRetries<'_> {
    fn drop(&mut self) {
        let retries = retries_of_this_thread() - self.before;
        self.shared.retries.fetch_add(retries, Ordering::Relaxed);
    }
}

/// Does the whole job.
pub(super) fn run<I>(
    records: I,
    mut on_progress: impl FnMut(&Progress),
    settings: &Settings,
    call: &Call,
) -> Result<IngestReport>
where
    I: Iterator,
    I::Item: TryIntoRecord,
{
    let started = Instant::now();
    let invalid = |reason| call.clone().invalid(reason);
    let (checkpoint, start) = match &settings.checkpoint {
        None => (None, Place::START),
        Some(path) => {
            let job = Job {
                collection: settings.collection.id().to_owned(),
                function: settings.function_key(),
                mode: settings.mode.name().to_owned(),
                shard: settings.shard,
                content_hash: settings.content_hash.clone(),
            };
            let (checkpoint, start) =
                Checkpoint::open(path, job, settings.dry_run).map_err(invalid)?;
            (checkpoint, start)
        }
    };
    let dead_letters = match settings.dry_run {
        true => None,
        false => settings.bad_records.open().map_err(invalid)?,
    };
    let shared = Shared::default();
    let counted = shared.count_retries();
    let mut reader = Reader::new(records, settings, &shared);
    let passed = reader.pass_over(start);
    if let Some(failure) = reader.failure.take() {
        return Err(failure);
    }
    passed.map_err(invalid)?;
    if shared.stopped.load(Ordering::Relaxed) {
        let report = IngestReport {
            resumed: start.items,
            elapsed: started.elapsed(),
            cancelled: true,
            dry_run: settings.dry_run,
            ..IngestReport::default()
        };
        milestone(call, "stopped", start.items, 0, &format!(": {report}"));
        return Ok(report);
    }

    milestone(
        call,
        "begun",
        start.items,
        0,
        &match start.items {
            0 => String::new(),
            items => format!(", goes on behind {items} items that an earlier run has done"),
        },
    );
    let writer = Writer::new(settings, &shared, checkpoint, dead_letters);
    let (mut writer, mut result) = work(&mut reader, writer, &mut on_progress, settings, &shared);
    result = result.and(reader.failure.take().map_or(Ok(()), Err));
    let stopped = || shared.stopped.load(Ordering::Relaxed);
    if let (Ok(()), false, Mode::Sync(within)) = (&result, stopped(), &settings.mode) {
        let (items, written) = (start.items + reader.read, writer.report.written);
        let what = ": all is written; what is not in the input is deleted now";
        milestone(call, "deleting", items, written, what);
        let tell =
            |writer: &Writer<'_>| on_progress(&writer.progress(ProgressStage::Deleting, items));
        result = delete_others(&reader, &mut writer, within, settings, &shared, tell);
    }
    if let (Ok(()), false) = (&result, stopped()) {
        result = writer.finish();
    }
    let mut report = writer.report;
    report.read = reader.read;
    report.resumed = start.items;
    drop(counted);
    report.retries = shared.retries.load(Ordering::Relaxed);
    report.elapsed = started.elapsed();
    report.dry_run = settings.dry_run;
    report.cancelled = stopped();
    let (state, why) = match &result {
        Ok(()) | Err(Error::Cancelled { .. }) if report.cancelled => ("stopped", String::new()),
        Ok(()) => ("done", String::new()),
        Err(error) => ("failed", format!("; {error:#}")),
    };
    let items = report.resumed + report.read;
    milestone(
        call,
        state,
        items,
        report.written,
        &format!(": {report}{why}"),
    );
    match result {
        // It had to stop somewhere.
        Err(Error::Cancelled { .. }) if report.cancelled => Ok(report),
        Ok(()) => Ok(report),
        Err(source) => Err(Error::Ingest {
            call: Box::new(Call {
                elapsed: report.elapsed,
                ..call.clone()
            }),
            report: Box::new(report),
            source: Box::new(source),
        }),
    }
}

/// A line at `info`.
fn milestone(call: &Call, state: &str, items: u64, written: u64, more: &str) {
    log::info!(
        target: logs::INGEST, operation = call.operation, collection = call.subject.as_deref().unwrap_or_default(),
        state = state, items = items, written = written;
        "{call}: {state}{more}"
    );
}

/// Reads, prepares and writes, until the input or the job is at its end.
fn work<'a, I>(
    reader: &mut Reader<'_, I>,
    writer: Writer<'a>,
    on_progress: &mut impl FnMut(&Progress),
    settings: &'a Settings,
    shared: &'a Shared,
) -> (Writer<'a>, Result<()>)
where
    I: Iterator,
    I::Item: TryIntoRecord,
{
    thread::scope(|scope| {
        // Also when the caller's iterator or its report of progress panics: then nobody waits any longer.
        let _over = Over(shared);
        let (to_prepare, batches) = mpsc::channel();
        let (to_write, ready) = mpsc::channel();
        let (tell, events) = mpsc::channel();
        let batches = Arc::new(Mutex::new(batches));
        let parent = Parent::current();
        for _ in 0..settings.concurrency {
            let (batches, to_write) = (batches.clone(), to_write.clone());
            let parent = parent.clone();
            scope.spawn(move || {
                let _entered = parent.enter();
                prepare::run(&batches, &to_write, settings, shared);
            });
        }
        drop(to_write);
        let writing = scope.spawn(move || {
            let _entered = parent.enter();
            writer.run(&ready, &tell)
        });
        let mut under_way = UnderWay {
            to_prepare,
            events,
            batches: VecDeque::new(),
            bytes: 0,
            ids: HashSet::new(),
        };
        under_way.feed(reader, settings, shared, on_progress);
        let UnderWay {
            to_prepare, events, ..
        } = under_way;
        drop(to_prepare);
        events.iter().for_each(|event| on_progress(&event.progress));
        match writing.join() {
            Ok(done) => done,
            // A panic of an embedding function or of the caller's logger goes on here.
            Err(panic) => panic::resume_unwind(panic),
        }
    })
}

/// Says that nothing more is to be done, at the latest when it is dropped.
pub(super) struct Over<'a>(pub(super) &'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// Batches that are read and not written.
struct UnderWay {
    to_prepare: Sender<Batch>,
    events: Receiver<Event>,
    batches: VecDeque<Waiting>,
    bytes: usize,
    /// The hashes of their ids.
    ids: HashSet<u64>,
}

/// What there is to know of such a batch.
struct Waiting {
    number: u64,
    bytes: usize,
    ids: HashSet<u64>,
}

impl UnderWay {
    /// Reads to the end, and never much more than is written. Ends early when nobody writes any more.
    fn feed<I>(
        &mut self,
        reader: &mut Reader<'_, I>,
        settings: &Settings,
        shared: &Shared,
        on_progress: &mut impl FnMut(&Progress),
    ) where
        I: Iterator,
        I::Item: TryIntoRecord,
    {
        let most = 2 * settings.concurrency + WAITING;
        loop {
            let (batch, ids, wait) = match reader.next(|id| self.ids.contains(&id)) {
                Next::Batch(batch, ids) => (batch, ids, false),
                Next::Wait(batch, ids) => (batch, ids, true),
                Next::End => return,
            };
            if settings.looks_up() {
                self.ids.extend(&ids);
            }
            self.bytes += batch.bytes;
            self.batches.push_back(Waiting {
                number: batch.number,
                bytes: batch.bytes,
                ids,
            });
            if shared.over.load(Ordering::Relaxed) || self.to_prepare.send(batch).is_err() {
                return;
            }
            let most = if wait { 0 } else { most };
            while self.batches.len() > most || self.bytes > MOST_BYTES && !self.batches.is_empty() {
                let Ok(event) = self.events.recv() else {
                    return;
                };
                self.hear(event, on_progress);
            }
            while let Ok(event) = self.events.try_recv() {
                self.hear(event, on_progress);
            }
        }
    }

    fn hear(&mut self, event: Event, on_progress: &mut impl FnMut(&Progress)) {
        while self
            .batches
            .front()
            .is_some_and(|batch| batch.number <= event.batch)
        {
            let Some(done) = self.batches.pop_front() else {
                break;
            };
            self.bytes -= done.bytes;
            for id in &done.ids {
                self.ids.remove(id);
            }
        }
        on_progress(&event.progress);
    }
}

/// Deletes what passes the filter and was not in the input.
fn delete_others<I>(
    reader: &Reader<'_, I>,
    writer: &mut Writer<'_>,
    within: &Where,
    settings: &Settings,
    shared: &Shared,
    mut tell: impl FnMut(&Writer<'_>),
) -> Result<()> {
    if reader.unreadable > 0 {
        log::warn!(
            target: logs::INGEST, collection = settings.collection.name(), unreadable = reader.unreadable;
            "nothing is deleted, since {} items of the input could not be read",
            reader.unreadable
        );
        return Ok(());
    }
    if reader.seen.is_empty() {
        log::warn!(
            target: logs::INGEST, collection = settings.collection.name();
            "nothing is deleted, since there was nothing in the input"
        );
        return Ok(());
    }
    let scan = || {
        settings
            .collection
            .scan()
            .filter(within.clone())
            .include([])
    };
    let (mut backoff, mut records) = (settings.retry.backoff(), scan());
    let mut others = Vec::new();
    while let Some(record) = records.next() {
        if shared.is_stopped(settings) {
            return Ok(());
        }
        let id = match record {
            Ok(record) => record.id,
            Err(error) if error.is_retryable() && !settings.dry_run => {
                shared.wait(settings, &mut backoff, error)?;
                // What is deleted does not come again.
                others.clear();
                records = scan();
                continue;
            }
            Err(error) => return Err(error),
        };
        let hash = content::of_id(&id);
        if settings.is_of_shard(hash) && !reader.seen.contains(&hash) {
            others.push(id);
        }
        if others.len() == DELETED_AT_ONCE {
            writer.delete(&mut others)?;
            tell(writer);
        }
    }
    if !others.is_empty() {
        writer.delete(&mut others)?;
        tell(writer);
    }
    Ok(())
}
