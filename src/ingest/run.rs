//! Runs a job: starts its threads, and returns its report.

use std::fmt;
use std::iter::Fuse;
use std::panic;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::checkpoint::{Position, different_input};
use super::files::{Files, log_restart};
use super::in_flight::InFlight;
use super::input::TryIntoRecord;
use super::job::Job;
use super::left_out;
use super::prepare;
use super::reader::Reader;
use super::settings::Mode;
use super::sync::Cleanup;
use super::writer::Writer;
use crate::error::{Call, Error, Result};
use crate::logs;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::report::IngestReport;
use crate::printable::OneLine;
use crate::transport::Parent;

/// The records of a job, and how to open them again.
pub(super) struct Input<'a, I> {
    pub(super) records: I,
    pub(super) reopen: Option<Reopen<'a, I>>,
}

/// Opens an input again.
pub(super) type Reopen<'a, I> = Box<dyn FnOnce() -> Result<I> + 'a>;

/// Runs a job until its end, its cancellation or its failure.
pub(super) fn run<I>(
    job: &Job<'_>,
    input: Input<'_, I>,
    mut on_progress: impl FnMut(&Progress),
) -> Result<IngestReport>
where
    I: IntoIterator,
    I::Item: TryIntoRecord,
{
    let started = Instant::now();
    let settings = job.settings;
    let files = Files::open(job, input.reopen.is_some())?;
    let retries = job.count_retries();
    let _scope = left_out::Scope::enter();
    let (mut reader, start) = skip_done(job, input, files.start)?;
    let mut checkpoint = files.checkpoint;
    if let Some(checkpoint) = checkpoint.as_mut().filter(|_| start != files.start) {
        checkpoint.start(start)?;
    }
    let mut writer = Writer::new(job, checkpoint, files.dead_letters, reader.total);
    // The earlier run has reported the fields of the items that were skipped.
    left_out::clear();
    let mut result = Ok(());
    if !job.was_cancelled() {
        log_start(job, start);
        (writer, result) = write_all(&mut reader, writer, &mut on_progress);
        result = result.and(reader.failure.take().map_or(Ok(()), Err));
    }
    if result.is_ok() && !job.was_cancelled() {
        result = complete(&reader, &mut writer, on_progress);
    }
    if matches!(result, Err(Error::Cancelled { .. })) {
        // The flag that ended a call may be the caller's.
        job.check_cancelled();
    }
    drop(retries);
    let report = IngestReport {
        read: reader.read,
        resumed: start.items,
        retries: job.retries(),
        elapsed: started.elapsed(),
        cancelled: job.was_cancelled(),
        dry_run: settings.dry_run,
        left_out: left_out::counts(),
        ..writer.report
    };
    conclude(job, report, result)
}

/// Reads the items that an earlier run has written. If they are not those of the checkpoint and the input can
/// be opened again, returns a reader at the start. Returns the position of the reader as well.
fn skip_done<'a, I>(
    job: &'a Job<'a>,
    input: Input<'_, I>,
    done: Position,
) -> Result<(Reader<'a, Fuse<I::IntoIter>>, Position)>
where
    I: IntoIterator,
    I::Item: TryIntoRecord,
{
    // Some iterators start again after their end.
    let mut reader = Reader::new(job, input.records.into_iter().fuse());
    if reader.skip_done(done)? {
        return Ok((reader, done));
    }
    if let Some(reopen) = input.reopen {
        log_restart(job, "input");
        let records = reopen()?.into_iter().fuse();
        return Ok((Reader::new(job, records), Position::START));
    }
    let path = job.settings.checkpoint.as_deref();
    let reason = different_input(path.unwrap_or("".as_ref()), done);
    Err(job.call.clone().invalid(reason))
}

/// Reads, prepares and writes until the input or the job ends.
fn write_all<'a, I>(
    reader: &mut Reader<'_, I>,
    writer: Writer<'a>,
    on_progress: &mut impl FnMut(&Progress),
) -> (Writer<'a>, Result<()>)
where
    I: Iterator,
    I::Item: TryIntoRecord,
{
    let job = writer.job;
    thread::scope(|scope| {
        // Ends the threads also if the caller's iterator or progress function panics.
        let _finish = job.finish_on_drop();
        let (to_prepare, batches) = mpsc::channel();
        let (to_write, prepared) = mpsc::channel();
        let (to_report, events) = mpsc::channel();
        let batches = Arc::new(Mutex::new(batches));
        let parent = Parent::current();
        for _ in 0..job.settings.concurrency {
            let (batches, to_write) = (batches.clone(), to_write.clone());
            let parent = parent.clone();
            scope.spawn(move || {
                let _entered = parent.enter();
                prepare::run(job, &batches, &to_write);
            });
        }
        // The writer ends when the last of these threads has ended.
        drop(to_write);
        let writing = scope.spawn(move || {
            let _entered = parent.enter();
            writer.run(&prepared, &to_report)
        });
        InFlight::new(job, to_prepare, events).read_all(reader, on_progress);
        match writing.join() {
            Ok(written) => written,
            // A panic of an embedding function or of the caller's logger.
            Err(panic) => panic::resume_unwind(panic),
        }
    })
}

/// After the last write: deletes what a sync did not find, and the checkpoint.
fn complete<I>(
    reader: &Reader<'_, I>,
    writer: &mut Writer<'_>,
    mut on_progress: impl FnMut(&Progress),
) -> Result<()> {
    let job = writer.job;
    if let Mode::Sync(within) = &job.settings.mode {
        let within = within.clone().unwrap_or_default();
        let items = reader.skipped + reader.read;
        let milestone = Milestone {
            state: "deleting",
            items,
            written: writer.report.written,
        };
        milestone.log(
            job.call,
            format_args!(", all records are written; deleting those that are not in the input"),
        );
        let cleanup = Cleanup {
            within: &within,
            seen: &reader.seen,
            documents: reader.documents.as_ref(),
            unreadable: reader.unreadable,
        };
        cleanup.run(writer, |writer| {
            on_progress(&writer.progress(ProgressStage::Deleting, items, &reader.consumed));
        })?;
    }
    if job.was_cancelled() {
        return Ok(());
    }
    writer.finish()
}

/// Logs the end of a job, and adds the report to its error.
fn conclude(job: &Job<'_>, report: IngestReport, result: Result<()>) -> Result<IngestReport> {
    let result = match result {
        // The effect of the caller's flag on a call in progress.
        Err(Error::Cancelled { .. }) if report.cancelled => Ok(()),
        result => result,
    };
    let (state, cause) = match &result {
        Ok(()) if report.cancelled => ("stopped", String::new()),
        Ok(()) => ("done", String::new()),
        Err(error) => ("failed", format!("; {error:#}")),
    };
    let milestone = Milestone {
        state,
        items: report.resumed + report.read,
        written: report.written,
    };
    milestone.log(job.call, format_args!(": {report}{cause}"));
    if result.is_ok() {
        warn_of_rest(job, &report);
    }
    match result {
        Ok(()) => Ok(report),
        Err(source) => Err(Error::Ingest {
            call: Box::new(Call {
                elapsed: report.elapsed,
                ..job.call.clone()
            }),
            report: Box::new(report),
            source: Box::new(source),
        }),
    }
}

/// Logs the records that a complete job left out, and the old ones that it kept.
fn warn_of_rest(job: &Job<'_>, report: &IngestReport) {
    let (call, collection) = (job.call, job.settings.collection.name());
    if let Some(first) = report.bad.first() {
        let failed = report.failed;
        log::warn!(
            target: logs::INGEST, collection = logs::text(collection), failed = failed;
            "{call}: {failed} bad records were left out; the first one: {first}"
        );
    }
    if let Some(why) = &report.withheld_because {
        let withheld = report.withheld;
        log::warn!(
            target: logs::INGEST, collection = logs::text(collection), withheld = withheld;
            "{call}: {withheld} records that are not in the input were kept: {}", OneLine(why)
        );
    }
}

/// An event in the course of a job, for the log.
struct Milestone {
    state: &'static str,
    /// The number of items that are done.
    items: u64,
    written: u64,
}

impl Milestone {
    /// Logs the milestone at `info`.
    fn log(&self, call: &Call, details: fmt::Arguments<'_>) {
        let Milestone {
            state,
            items,
            written,
        } = *self;
        let collection = call.subject.as_deref().unwrap_or_default();
        log::info!(
            target: logs::INGEST, operation = call.operation, collection = logs::text(collection),
            state = state, items = items, written = written;
            "{call}: {state}{}", OneLine(details)
        );
    }
}

fn log_start(job: &Job<'_>, Position { items, .. }: Position) {
    let milestone = Milestone {
        state: "started",
        items,
        written: 0,
    };
    if items == 0 {
        milestone.log(job.call, format_args!(""));
    } else {
        milestone.log(
            job.call,
            format_args!(", resuming after {items} items of an earlier run"),
        );
    }
}
