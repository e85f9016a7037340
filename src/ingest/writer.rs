//! [`Writer`]: writes batches in the order of the input, and says how far it has come.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::panic;
use std::sync::mpsc::{Receiver, Sender};

use log::Level;

use super::bad::DeadLetters;
use super::checkpoint::{Checkpoint, Place};
use super::prepare::Ready;
use super::run::{Over, Shared};
use super::{Batch, Item, Mode, Settings, content, size};
use crate::client::operations as op;
use crate::error::{Call, Error, InvalidInput, Result};
use crate::logs;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::record::{AsRecord, Record};
use crate::model::report::{BadRecord, IngestReport, IngestStage};

/// Bytes of one write, about; the server's own limits are kept in any case.
const WRITE_BYTES: usize = 4 << 20;

/// Batches up to this one are done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) batch: u64,
    pub(super) progress: Progress,
}

pub(super) struct Writer<'a> {
    settings: &'a Settings,
    shared: &'a Shared,
    checkpoint: Option<Checkpoint>,
    dead_letters: Option<DeadLetters>,
    /// The bad record that was one too many.
    stopped_at: Option<u64>,
    pub(super) report: IngestReport,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        shared: &'a Shared,
        checkpoint: Option<Checkpoint>,
        dead_letters: Option<DeadLetters>,
    ) -> Writer<'a> {
        Writer {
            settings,
            shared,
            checkpoint,
            dead_letters,
            stopped_at: None,
            report: IngestReport::default(),
        }
    }

    /// Writes what is ready, as much at a time as there is, until no more comes.
    pub(super) fn run(
        mut self,
        ready: &Receiver<Ready>,
        tell: &Sender<Event>,
    ) -> (Writer<'a>, Result<()>) {
        let over = Over(self.shared);
        let _counted = self.shared.count_retries();
        let result = self.write_all(ready, tell);
        drop(over);
        let saved = self.checkpoint.as_mut().map_or(Ok(()), Checkpoint::flush);
        (self, result.and(saved))
    }

    fn write_all(&mut self, ready: &Receiver<Ready>, tell: &Sender<Event>) -> Result<()> {
        let mut waiting = BTreeMap::new();
        let mut next = 0;
        loop {
            while !waiting.contains_key(&next) {
                let Ok(Ready { number, result }) = ready.recv() else {
                    return Ok(());
                };
                waiting.insert(number, result);
            }
            waiting.extend(ready.try_iter().map(|ready| (ready.number, ready.result)));
            let mut group = Group::new();
            while let Some(result) = waiting.remove(&next) {
                let batch = match result {
                    Ok(Ok(batch)) => batch,
                    // What comes before is written first.
                    failed if !group.is_empty() => {
                        waiting.insert(next, failed);
                        break;
                    }
                    Ok(Err(error)) => return Err(error),
                    Err(panic) => panic::resume_unwind(panic),
                };
                if let Err(batch) = group.add(batch, self.settings.batch_size) {
                    waiting.insert(next, Ok(Ok(batch)));
                    break;
                }
                next += 1;
            }
            let event = self.write(group)?;
            // Nobody listens when the caller panics.
            let _ = tell.send(Event {
                batch: next - 1,
                progress: event,
            });
        }
    }

    fn write(&mut self, group: Group) -> Result<Progress> {
        self.report.skipped += group.skipped;
        self.report.embedded += group.embedded;
        self.report.cached += group.cached;
        let written = self.write_records(group.records, group.bad);
        // All in front of this item is done.
        let done = match (&written, self.stopped_at) {
            (Ok(()), _) => u64::MAX,
            (Err(_), Some(item)) => item,
            (Err(_), None) => 0,
        };
        let end = group.ends.into_iter().rfind(|end| end.items <= done);
        // The letters first: what the checkpoint has passed does not come again.
        self.dead_letters
            .as_mut()
            .map_or(Ok(()), DeadLetters::sync)?;
        if let (Some(checkpoint), Some(end)) = (&mut self.checkpoint, end) {
            checkpoint.reached(end)?;
        }
        written?;
        Ok(self.progress(ProgressStage::Writing, end.map_or(0, |end| end.items)))
    }

    /// How far it is, when so many items are done.
    pub(super) fn progress(&self, stage: ProgressStage, items: u64) -> Progress {
        Progress {
            written: self.report.written,
            skipped: self.report.skipped,
            failed: self.report.failed,
            deleted: self.report.deleted,
            ..Progress::new("ingest", stage, items, None)
        }
    }

    /// Writes records, from the first to the last; what is refused is halved until the bad ones are alone. `known` are bad
    /// already. The first one too many ends the job: then all in front of it is written, and nothing behind it.
    fn write_records(
        &mut self,
        records: Vec<Item>,
        mut known: Vec<(BadRecord, Option<Record>)>,
    ) -> Result<()> {
        known.sort_by_key(|(bad, _)| bad.item);
        let mut known = VecDeque::from(known);
        let mut parts = vec![records];
        while let Some(mut part) = parts.pop() {
            let left = self.settings.bad_records.most() - self.report.failed;
            let too_many = known.get(usize::try_from(left).unwrap_or(usize::MAX));
            if let Some((too_many, _)) = too_many {
                part.retain(|item| item.number < too_many.item);
            }
            if part.is_empty() {
                continue;
            }
            match self.send(&part) {
                Ok(()) => {
                    self.report.written += part.len() as u64;
                    self.shared.floats.give_back(part);
                }
                Err(error) if !is_about_records(&error) => return Err(error),
                Err(error) if part.len() > 1 => {
                    logs::failure(
                        logs::INGEST,
                        Level::Warn,
                        &error,
                        &[self.settings.logged(), ("records", part.len().into())],
                        format_args!(
                            "{error:#}; {} records are tried again in halves",
                            part.len()
                        ),
                    );
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Err(error) => {
                    for Item { number, record, .. } in part {
                        let bad = BadRecord {
                            item: number,
                            id: Some(record.id.clone()),
                            stage: IngestStage::Write,
                            reason: format!("{error:#}"),
                        };
                        while known.front().is_some_and(|(known, _)| known.item < number) {
                            self.give_up_first(&mut known)?;
                        }
                        self.give_up(bad, Some(&record))?;
                    }
                }
            }
        }
        while !known.is_empty() {
            self.give_up_first(&mut known)?;
        }
        Ok(())
    }

    fn give_up_first(&mut self, known: &mut VecDeque<(BadRecord, Option<Record>)>) -> Result<()> {
        match known.pop_front() {
            Some((bad, record)) => self.give_up(bad, record.as_ref()),
            None => Ok(()),
        }
    }

    /// Until it is done, or will not be.
    fn send(&self, records: &[Item]) -> Result<()> {
        if self.settings.dry_run {
            return Ok(());
        }
        let operation = match self.settings.mode {
            Mode::AddNew => &op::ADD,
            Mode::Upsert | Mode::Sync(_) => &op::UPSERT,
        };
        let rows: Vec<&Item> = records.iter().collect();
        self.patiently(|| self.settings.collection.begin().write(operation, &rows))
    }

    fn patiently<T>(&self, call: impl Fn() -> Result<T>) -> Result<T> {
        let mut backoff = self.settings.retry.backoff();
        loop {
            match call() {
                Err(error) if error.is_retryable() => {
                    self.shared.wait(self.settings, &mut backoff, error)?;
                }
                result => return result,
            }
        }
    }

    /// Deletes these, and forgets them.
    pub(super) fn delete(&mut self, ids: &mut Vec<String>) -> Result<()> {
        if !self.settings.dry_run && !ids.is_empty() {
            self.patiently(|| self.settings.collection.delete().ids(ids.iter()).run())?;
        }
        self.report.deleted += ids.len() as u64;
        ids.clear();
        Ok(())
    }

    /// Leaves a bad record out; stops the job when there are too many.
    fn give_up(&mut self, bad: BadRecord, record: Option<&Record>) -> Result<()> {
        log::warn!(
            target: logs::INGEST, collection = self.settings.collection.name(), item = bad.item, stage = bad.stage.name();
            "{bad}"
        );
        if let Some(letters) = &mut self.dead_letters {
            letters.write(&bad, record)?;
        }
        self.report.add_bad(bad.clone());
        if self.report.failed <= self.settings.bad_records.most() {
            return Ok(());
        }
        self.stopped_at = Some(bad.item);
        let call = Call::new("ingest", Some(self.settings.collection.name()));
        Err(call.invalid(InvalidInput::BadRecord {
            record: bad.to_string(),
        }))
    }

    /// The job is done, so there is nothing to go on with.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self.checkpoint.take().filter(|_| !self.settings.dry_run) {
            Some(checkpoint) => checkpoint.finish(),
            None => Ok(()),
        }
    }
}

/// Whether it may be about one of the records, or about their being so many bytes.
fn is_about_records(error: &Error) -> bool {
    match error {
        Error::Invalid { .. } => true,
        Error::Server { status, .. } => matches!(status, 400 | 413 | 422),
        Error::PartlyDone { source, .. } => is_about_records(source),
        _ => false,
    }
}

/// Batches that are written together.
struct Group {
    records: Vec<Item>,
    bad: Vec<(BadRecord, Option<Record>)>,
    /// Of each batch.
    ends: Vec<Place>,
    skipped: u64,
    embedded: u64,
    cached: u64,
    ids: HashSet<u64>,
    bytes: usize,
}

impl Group {
    fn new() -> Group {
        Group {
            records: Vec::new(),
            bad: Vec::new(),
            ends: Vec::new(),
            skipped: 0,
            embedded: 0,
            cached: 0,
            ids: HashSet::new(),
            bytes: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a batch, or gives it back: it would be too much, or has an id that is there already.
    fn add(&mut self, batch: Batch, most: usize) -> Result<(), Batch> {
        let records = batch.records.iter();
        let ids: Vec<u64> = (records.clone().map(|item| content::of_id(&item.record.id))).collect();
        let bytes: usize = records.map(|item| size(item.as_record())).sum();
        let fits = self.records.len() + batch.records.len() <= most
            && self.bytes + bytes <= WRITE_BYTES
            && !ids.iter().any(|id| self.ids.contains(id));
        if !self.is_empty() && !fits {
            return Err(batch);
        }
        self.ids.extend(ids);
        self.bytes += bytes;
        self.ends.push(batch.end);
        self.skipped += batch.skipped;
        self.embedded += batch.embedded;
        self.cached += batch.cached;
        self.records.extend(batch.records);
        self.bad.extend(batch.bad);
        Ok(())
    }
}
