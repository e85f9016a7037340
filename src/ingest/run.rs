//! The course of a job: the caller's thread reads, and hears how far it is; the others are started here.

use std::collections::{HashSet, VecDeque};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, Job, Place};
use super::floats::Floats;
use super::reader::{IntoRecord, Next, Reader};
use super::report::{IngestProgress, IngestReport};
use super::writer::{Event, Writer};
use super::{Batch, Mode, Settings, WAITING, content, prepare};
use crate::error::{Call, Error, Result};
use crate::model::filter::Where;
use crate::transport::Backoff;

/// Records that are deleted in one request.
const DELETED_AT_ONCE: usize = 1_000;
/// How often a wait looks at flags.
const POLL: Duration = Duration::from_millis(20);

/// What all threads of a job know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Nothing more is to be done.
    pub(super) over: AtomicBool,
    retries: AtomicU64,
    pub(super) floats: Floats,
}

impl Shared {
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
        log::warn!(
            "{error}; the job tries again in {:.1} s",
            wait.as_secs_f64()
        );
        self.retries.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        while let Some(left) = wait.checked_sub(started.elapsed()) {
            if self.over.load(Ordering::Relaxed) || settings.is_cancelled() {
                let call = Box::new(error.call().cloned().unwrap_or_default());
                return Err(Error::Cancelled { call });
            }
            thread::sleep(left.min(POLL));
        }
        Ok(())
    }
}

/// Does the whole job.
pub(super) fn run<I>(
    records: I,
    on_progress: impl FnMut(IngestProgress),
    settings: &Settings,
    call: &Call,
) -> Result<IngestReport>
where
    I: Iterator,
    I::Item: IntoRecord,
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
    let hits = || {
        let function = settings.collection.embedding_function();
        function.map_or(0, |function| function.cache_hits())
    };
    let (hits_before, retries_before) = (hits(), settings.collection.client().retries());
    let mut reader = Reader::new(records, settings);
    let passed = reader.pass_over(start);
    if let Some(failure) = reader.failure.take() {
        return Err(failure);
    }
    passed.map_err(invalid)?;

    let writer = Writer::new(settings, &shared, checkpoint, dead_letters, started);
    let (mut writer, mut result) = work(&mut reader, writer, on_progress, settings, &shared);
    result = result.and(reader.failure.take().map_or(Ok(()), Err));
    if let (Ok(()), false, Mode::Sync(within)) = (&result, settings.is_cancelled(), &settings.mode)
    {
        result = delete_others(&reader, &mut writer, within, settings);
    }
    if let (Ok(()), false) = (&result, settings.is_cancelled()) {
        result = writer.finish();
    }
    let mut report = writer.report;
    report.read = reader.read;
    report.resumed = start.items;
    report.cached = hits().saturating_sub(hits_before);
    report.retries += shared.retries.load(Ordering::Relaxed);
    report.retries += settings.collection.client().retries() - retries_before;
    report.elapsed = started.elapsed();
    report.dry_run = settings.dry_run;
    report.cancelled = settings.is_cancelled();
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

/// Reads, prepares and writes, until the input or the job is at its end.
fn work<'a, I>(
    reader: &mut Reader<'_, I>,
    writer: Writer<'a>,
    mut on_progress: impl FnMut(IngestProgress),
    settings: &'a Settings,
    shared: &'a Shared,
) -> (Writer<'a>, Result<()>)
where
    I: Iterator,
    I::Item: IntoRecord,
{
    thread::scope(|scope| {
        let (to_prepare, batches) = mpsc::channel();
        let (to_write, ready) = mpsc::channel();
        let (tell, events) = mpsc::channel();
        let batches = Arc::new(Mutex::new(batches));
        for _ in 0..settings.concurrency {
            let (batches, to_write) = (batches.clone(), to_write.clone());
            scope.spawn(move || prepare::run(&batches, &to_write, settings, shared));
        }
        drop(to_write);
        let writing = scope.spawn(move || writer.run(&ready, &tell));
        let mut under_way = UnderWay {
            to_prepare,
            events,
            batches: VecDeque::new(),
            ids: HashSet::new(),
        };
        under_way.feed(reader, settings, &mut on_progress);
        let UnderWay {
            to_prepare, events, ..
        } = under_way;
        drop(to_prepare);
        events.iter().for_each(|event| on_progress(event.progress));
        match writing.join() {
            Ok(done) => done,
            // A panic of an embedding function or of the caller's logger goes on here.
            Err(panic) => panic::resume_unwind(panic),
        }
    })
}

/// Batches that are read and not written.
struct UnderWay {
    to_prepare: Sender<Batch>,
    events: Receiver<Event>,
    batches: VecDeque<(u64, HashSet<u64>)>,
    /// The hashes of their ids.
    ids: HashSet<u64>,
}

impl UnderWay {
    /// Reads to the end, and never much more than is written. Ends early when nobody writes any more.
    fn feed<I>(
        &mut self,
        reader: &mut Reader<'_, I>,
        settings: &Settings,
        on_progress: &mut impl FnMut(IngestProgress),
    ) where
        I: Iterator,
        I::Item: IntoRecord,
    {
        let most = 2 * settings.concurrency + WAITING;
        loop {
            let (batch, ids, wait) = match reader.next(|id| self.ids.contains(&id)) {
                Next::Batch(batch, ids) => (batch, ids, false),
                Next::Wait(batch, ids) => (batch, ids, true),
                Next::End => return,
            };
            self.ids.extend(&ids);
            self.batches.push_back((batch.number, ids));
            if self.to_prepare.send(batch).is_err() {
                return;
            }
            let most = if wait { 0 } else { most };
            while self.batches.len() > most {
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

    fn hear(&mut self, event: Event, on_progress: &mut impl FnMut(IngestProgress)) {
        while let Some((_, ids)) = self
            .batches
            .front()
            .filter(|(number, _)| *number <= event.batch)
        {
            for id in ids {
                self.ids.remove(id);
            }
            self.batches.pop_front();
        }
        on_progress(event.progress);
    }
}

/// Deletes what passes the filter and was not in the input.
fn delete_others<I>(
    reader: &Reader<'_, I>,
    writer: &mut Writer<'_>,
    within: &Where,
    settings: &Settings,
) -> Result<()> {
    if reader.unreadable > 0 {
        log::warn!(
            "nothing is deleted, since {} items of the input could not be read",
            reader.unreadable
        );
        return Ok(());
    }
    let collection = &settings.collection;
    let mut others = Vec::new();
    for record in collection.scan().filter(within.clone()).include([]) {
        let id = record?.id;
        let hash = content::of_id(&id);
        if settings.is_of_shard(hash) && !reader.seen.contains(&hash) {
            others.push(id);
        }
        if others.len() == DELETED_AT_ONCE {
            writer.delete(&mut others)?;
        }
    }
    writer.delete(&mut others)
}
