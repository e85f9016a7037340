//! [`Writer`]: writes batches in input order, and keeps the checkpoint, the dead letters and the report.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::panic;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;

use log::Level;

use super::bad::DeadLetters;
use super::batch::{Batch, Item, Rejected, record_bytes};
use super::checkpoint::{Checkpoint, Position};
use super::consumed::Consumed;
use super::documents::DocumentEnd;
use super::hash::id_hash;
use super::job::Job;
use super::prepare::Prepared;
use super::replace::Replacement;
use super::settings::Mode;
use crate::client::operations as op;
use crate::error::{Error, InvalidInput, Result};
use crate::logs;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::record::AsRecord;
use crate::model::report::{IngestReport, IngestStage};
use crate::printable::OneLine;
use crate::wire::cut::halves;

/// The approximate maximum size of a write request. The server's own limits always apply.
const MAX_WRITE_BYTES: usize = 4 << 20;

/// The number of records that one request deletes.
pub(super) const IDS_PER_DELETE: usize = 1_000;

/// Reports that all batches up to one are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    /// The number of the last batch.
    pub(super) batch: u64,
    pub(super) progress: Progress,
}

pub(super) struct Writer<'a> {
    pub(super) job: &'a Job<'a>,
    checkpoint: Option<Checkpoint>,
    dead_letters: Option<DeadLetters>,
    /// The item that exceeded the limit of bad records.
    stopped_at: Option<u64>,
    /// The hashes of the ids of documents that lack a bad record and have not ended yet.
    incomplete: HashSet<u64>,
    /// The number of items in the input, if it is known.
    total: Option<u64>,
    pub(super) report: IngestReport,
}

/// Prepared batches by number, until their turn comes.
type Pending = BTreeMap<u64, thread::Result<Result<Batch>>>;

impl<'a> Writer<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        checkpoint: Option<Checkpoint>,
        dead_letters: Option<DeadLetters>,
        total: Option<u64>,
    ) -> Writer<'a> {
        Writer {
            job,
            checkpoint,
            dead_letters,
            stopped_at: None,
            incomplete: HashSet::new(),
            total,
            report: IngestReport::default(),
        }
    }

    /// Writes batches until no more arrive. Returns the writer with its report, also after an error.
    pub(super) fn run(
        mut self,
        prepared: &Receiver<Prepared>,
        events: &Sender<Event>,
    ) -> (Writer<'a>, Result<()>) {
        let finish = self.job.finish_on_drop();
        let _retries = self.job.count_retries();
        let result = self.write_batches(prepared, events);
        drop(finish);
        let saved = self.checkpoint.as_mut().map_or(Ok(()), Checkpoint::flush);
        (self, result.and(saved))
    }

    fn write_batches(
        &mut self,
        prepared: &Receiver<Prepared>,
        events: &Sender<Event>,
    ) -> Result<()> {
        let mut pending = Pending::new();
        let mut next = 0;
        loop {
            while !pending.contains_key(&next) {
                let Ok(Prepared { number, result }) = prepared.recv() else {
                    return Ok(());
                };
                pending.insert(number, result);
            }
            pending.extend(prepared.try_iter().map(|next| (next.number, next.result)));
            let group = self.take_group(&mut pending, &mut next)?;
            let progress = self.write_group(group)?;
            // The receiver is gone if the caller's code has panicked.
            let _ = events.send(Event {
                batch: next - 1,
                progress,
            });
        }
    }

    /// Takes as many consecutive batches as fit into one write. `next` is the number of the next batch.
    ///
    /// # Errors
    /// If the next batch has failed. Batches before a failed one are returned first.
    fn take_group(&self, pending: &mut Pending, next: &mut u64) -> Result<Group> {
        let mut group = Group::default();
        while let Some(result) = pending.remove(next) {
            let batch = match result {
                Ok(Ok(batch)) => batch,
                failed if !group.is_empty() => {
                    pending.insert(*next, failed);
                    break;
                }
                Ok(Err(error)) => return Err(error),
                Err(panic) => panic::resume_unwind(panic),
            };
            if let Some(batch) = group.add(batch, self.job.settings.batch_size) {
                pending.insert(*next, Ok(Ok(batch)));
                break;
            }
            *next += 1;
        }
        Ok(group)
    }

    fn write_group(&mut self, group: Group) -> Result<Progress> {
        self.report.skipped += group.skipped;
        self.report.embedded += group.embedded;
        self.report.cached += group.cached;
        let written = self.write_records(group.records, group.rejected);
        // All items before this one are done.
        let done = match (&written, self.stopped_at) {
            (Ok(()), _) => u64::MAX,
            (Err(_), Some(item)) => item,
            (Err(_), None) => 0,
        };
        let mut ends = group.ends;
        ends.retain(|end| end.position.items <= done);
        let end = ends.last().map(|end| end.position);
        let consumed = ends.last().map_or(Consumed::START, |end| end.consumed);
        let documents: Vec<_> = ends.into_iter().flat_map(|end| end.documents).collect();
        let replaced = self.replace(&documents);
        for empty in group.empty {
            if empty.bad.item < done {
                self.leave_out(&empty)?;
            }
        }
        // Before the checkpoint, because a resumed job does not see these records again.
        self.dead_letters
            .as_mut()
            .map_or(Ok(()), DeadLetters::sync)?;
        // A resumed job must see that a document is incomplete.
        let may_advance = replaced.is_ok() && self.incomplete.is_empty() && !self.job.is_unsorted();
        if let (Some(checkpoint), Some(end), true) = (&mut self.checkpoint, end, may_advance) {
            checkpoint.advance(end)?;
        }
        written?;
        replaced?;
        let items = end.map_or(0, |end| end.items);
        Ok(self.progress(ProgressStage::Writing, items, &consumed))
    }

    /// Deletes the old pieces of documents whose new pieces are written, unless the reader, which is ahead,
    /// has found that the input is not sorted.
    fn replace(&mut self, documents: &[DocumentEnd]) -> Result<()> {
        if documents.is_empty() || self.job.is_unsorted() {
            return Ok(());
        }
        let replacement = Replacement::find(self.job, documents, &self.incomplete)?;
        let mut to_delete = replacement.to_delete;
        while !to_delete.is_empty() && !self.job.is_unsorted() {
            let rest = to_delete.len().saturating_sub(IDS_PER_DELETE);
            self.delete(&mut to_delete.split_off(rest))?;
        }
        let why = "documents have bad records, or unreadable items next to them";
        self.report.withhold(replacement.withheld, why);
        for end in documents {
            self.incomplete.remove(&end.hash);
        }
        Ok(())
    }

    /// Returns the job's progress when `items` items are done, for which the readers have read `consumed`.
    pub(super) fn progress(
        &self,
        stage: ProgressStage,
        items: u64,
        consumed: &Consumed,
    ) -> Progress {
        Progress {
            total: self.total,
            input_items: consumed.items().unwrap_or(items),
            input_bytes: consumed.bytes,
            input_bytes_total: consumed.total_bytes(),
            written: self.report.written,
            skipped: self.report.skipped,
            failed: self.report.failed,
            deleted: self.report.deleted,
            ..Progress::new(self.job.settings.operation, stage, items)
        }
    }

    /// Writes records in input order. A request that the server refuses is halved until the bad records are
    /// alone.
    ///
    /// `rejected` are records that are already known to be bad. The first bad record beyond the limit ends
    /// the job: all records before it are written, and none after it.
    fn write_records(&mut self, records: Vec<Item>, mut rejected: Vec<Rejected>) -> Result<()> {
        rejected.sort_by_key(|rejected| rejected.bad.item);
        let mut rejected = VecDeque::from(rejected);
        let mut parts = vec![records];
        while let Some(mut part) = parts.pop() {
            let allowed = self.job.settings.bad_records.limit() - self.report.failed;
            let beyond_limit = rejected.get(usize::try_from(allowed).unwrap_or(usize::MAX));
            if let Some(Rejected { bad, .. }) = beyond_limit {
                part.retain(|item| item.number < bad.item);
            }
            if part.is_empty() {
                continue;
            }
            match self.send(&part) {
                Ok(()) => {
                    self.report.written += part.len() as u64;
                    self.job.vectors.recycle(part);
                }
                Err(error) if !is_about_records(&error) => return Err(error),
                Err(error) if part.len() > 1 => {
                    self.log_halving(&error, part.len());
                    let [_, second] = halves(0..part.len());
                    let second = part.split_off(second.start);
                    parts.extend([second, part]);
                }
                Err(error) => {
                    for item in part {
                        self.skip_before(item.number, &mut rejected)?;
                        let item = item.rejected(IngestStage::Write, format!("{error:#}"));
                        self.skip_bad(&item)?;
                    }
                }
            }
        }
        self.skip_before(u64::MAX, &mut rejected)
    }

    fn log_halving(&self, error: &Error, records: usize) {
        let pairs = [self.job.settings.log_pair(), ("records", records.into())];
        logs::Line::new(logs::INGEST, Level::Warn, &pairs).log_failure(
            error,
            format_args!("retrying the {records} records in two halves"),
        );
    }

    /// Skips bad records whose items come before this one.
    fn skip_before(&mut self, item: u64, rejected: &mut VecDeque<Rejected>) -> Result<()> {
        while rejected.front().is_some_and(|first| first.bad.item < item) {
            if let Some(first) = rejected.pop_front() {
                self.skip_bad(&first)?;
            }
        }
        Ok(())
    }

    /// Logs and counts a record with an empty document.
    fn leave_out(&mut self, empty: &Rejected) -> Result<()> {
        let bad = &empty.bad;
        log::debug!(
            target: logs::INGEST, collection = logs::text(self.job.settings.collection.name()), item = bad.item;
            "record {:?} (item {}) is left out: {}", bad.id.as_deref().unwrap_or_default(), bad.item, OneLine(&bad.reason)
        );
        if let Some(letters) = &mut self.dead_letters {
            letters.write(empty)?;
        }
        self.report.empty += 1;
        Ok(())
    }

    /// Logs and counts a bad record.
    ///
    /// # Errors
    /// If there are more bad records than allowed, or the dead letter file cannot be written.
    fn skip_bad(&mut self, rejected: &Rejected) -> Result<()> {
        let settings = self.job.settings;
        let bad = &rejected.bad;
        // The end of the job warns of all of them at once.
        log::debug!(
            target: logs::INGEST, collection = logs::text(settings.collection.name()), item = bad.item, stage = bad.stage.name();
            "{bad}"
        );
        if let Some(letters) = &mut self.dead_letters {
            letters.write(rejected)?;
        }
        self.report.add_bad(bad.clone());
        let limit = settings.bad_records.limit();
        if self.report.failed <= limit {
            self.incomplete.extend(rejected.document);
            return Ok(());
        }
        self.stopped_at = Some(bad.item);
        let advice = if limit == 0 {
            "to skip bad records, use .bad_records(BadRecords::skip())".to_owned()
        } else {
            format!("the job allows {limit} bad records; raise BadRecords::at_most to allow more")
        };
        Err(self.job.call.clone().invalid(InvalidInput::BadRecord {
            record: format!("{bad}; {advice}"),
        }))
    }

    /// Sends one write request, with the job's retries.
    fn send(&self, records: &[Item]) -> Result<()> {
        let settings = self.job.settings;
        if settings.dry_run {
            return Ok(());
        }
        let operation = match settings.mode {
            Mode::AddNew => &op::ADD,
            Mode::Upsert | Mode::Sync(_) => &op::UPSERT,
        };
        let rows: Vec<&Item> = records.iter().collect();
        self.job
            .retry(|| settings.collection.begin().write(operation, &rows))
    }

    /// Deletes records by their ids, with the job's retries, and clears the ids.
    pub(super) fn delete(&mut self, ids: &mut Vec<String>) -> Result<()> {
        let settings = self.job.settings;
        if !settings.dry_run && !ids.is_empty() {
            self.job
                .retry(|| settings.collection.delete().ids(ids.iter()).run())?;
        }
        self.report.deleted += ids.len() as u64;
        ids.clear();
        Ok(())
    }

    /// Deletes the checkpoint, because the job is complete.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.checkpoint.take().map_or(Ok(()), Checkpoint::delete)
    }
}

/// Whether the cause of an error may be one of the records, or the size of the request.
fn is_about_records(error: &Error) -> bool {
    match error {
        Error::Invalid { .. } | Error::TooLarge { .. } => true,
        Error::Server { status, .. } => matches!(status, 400 | 413 | 422),
        Error::PartlyDone { source, .. } => is_about_records(source),
        _ => false,
    }
}

/// Batches that are written together.
#[derive(Default)]
struct Group {
    records: Vec<Item>,
    rejected: Vec<Rejected>,
    /// Records with empty documents.
    empty: Vec<Rejected>,
    ends: Vec<BatchEnd>,
    skipped: u64,
    embedded: u64,
    cached: u64,
    /// The hashes of all ids.
    ids: HashSet<u64>,
    bytes: usize,
}

/// The end of a batch.
struct BatchEnd {
    position: Position,
    consumed: Consumed,
    documents: Vec<DocumentEnd>,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a batch. Returns the batch instead if the group would become too large, already has one of the
    /// batch's ids, or may hold the end of a document of which the batch has a new version.
    fn add(&mut self, batch: Batch, max_records: usize) -> Option<Batch> {
        let records = batch.records.iter();
        let ids: Vec<u64> = (records.clone().map(|item| id_hash(&item.record.id))).collect();
        let bytes: usize = records.map(|item| record_bytes(item.as_record())).sum();
        let fits = self.records.len() + batch.records.len() <= max_records
            && self.bytes + bytes <= MAX_WRITE_BYTES
            && !ids.iter().any(|id| self.ids.contains(id))
            && !batch.restarts;
        if !self.is_empty() && !fits {
            return Some(batch);
        }
        self.ids.extend(ids);
        self.bytes += bytes;
        self.ends.push(BatchEnd {
            position: batch.end,
            consumed: batch.consumed,
            documents: batch.documents,
        });
        self.skipped += batch.skipped;
        self.embedded += batch.embedded;
        self.cached += batch.cached;
        self.records.extend(batch.records);
        self.rejected.extend(batch.rejected);
        self.empty.extend(batch.empty);
        None
    }
}
