//! [`InFlight`]: the batches that are read and not yet written.

use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::{Receiver, Sender};

use super::batch::{Batch, QUEUED};
use super::input::TryIntoRecord;
use super::job::Job;
use super::reader::{Next, ReadBatch, Reader};
use super::writer::Event;
use crate::model::progress::Progress;

/// The maximum size of all records in flight.
const MAX_BYTES: usize = 24 << 20;

/// The batches that are read and not yet written.
pub(super) struct InFlight<'a> {
    job: &'a Job<'a>,
    batches: VecDeque<BatchInFlight>,
    bytes: usize,
    /// The hashes of their ids, if the job looks records up.
    ids: HashSet<u64>,
    to_prepare: Sender<Batch>,
    events: Receiver<Event>,
}

struct BatchInFlight {
    number: u64,
    bytes: usize,
    ids: HashSet<u64>,
}

/// The channel is closed, because the job has failed.
struct Disconnected;

impl<'a> InFlight<'a> {
    pub(super) fn new(
        job: &'a Job<'a>,
        to_prepare: Sender<Batch>,
        events: Receiver<Event>,
    ) -> InFlight<'a> {
        InFlight {
            job,
            batches: VecDeque::new(),
            bytes: 0,
            ids: HashSet::new(),
            to_prepare,
            events,
        }
    }

    /// Reads the input to its end, and reports progress until all of it is written or the job has failed.
    pub(super) fn read_all<I>(
        mut self,
        reader: &mut Reader<'_, I>,
        on_progress: &mut impl FnMut(&Progress),
    ) where
        I: Iterator,
        I::Item: TryIntoRecord,
    {
        // An error means that the writer has stopped. It returns the reason itself.
        while let Ok(true) = self.read_batch(reader, on_progress) {}
        let InFlight {
            to_prepare, events, ..
        } = self;
        // Closes the channel, so that the threads end after the last batch.
        drop(to_prepare);
        for event in events {
            on_progress(&event.progress);
        }
    }

    /// Reads a batch and waits until there is room for the next one. Returns whether there was a batch.
    fn read_batch<I>(
        &mut self,
        reader: &mut Reader<'_, I>,
        on_progress: &mut impl FnMut(&Progress),
    ) -> Result<bool, Disconnected>
    where
        I: Iterator,
        I::Item: TryIntoRecord,
    {
        let max_batches = 2 * self.job.settings.concurrency + QUEUED;
        let (read, max_batches) = match reader.next(|id| self.ids.contains(&id)) {
            Next::Batch(read) => (read, max_batches),
            Next::BatchThenDrain(read) => (read, 0),
            Next::End => return Ok(false),
        };
        self.send(read)?;
        while self.batches.len() > max_batches || self.bytes > MAX_BYTES && !self.batches.is_empty()
        {
            let event = self.events.recv().map_err(|_| Disconnected)?;
            self.on_event(event, on_progress);
        }
        while let Ok(event) = self.events.try_recv() {
            self.on_event(event, on_progress);
        }
        Ok(true)
    }

    fn send(&mut self, ReadBatch { batch, ids }: ReadBatch) -> Result<(), Disconnected> {
        if self.job.settings.needs_lookup() {
            self.ids.extend(&ids);
        }
        self.bytes += batch.bytes;
        self.batches.push_back(BatchInFlight {
            number: batch.number,
            bytes: batch.bytes,
            ids,
        });
        if self.job.is_finished() {
            return Err(Disconnected);
        }
        self.to_prepare.send(batch).map_err(|_| Disconnected)
    }

    /// Removes the batches that are written, and reports progress.
    fn on_event(&mut self, event: Event, on_progress: &mut impl FnMut(&Progress)) {
        let is_written = |batch: &BatchInFlight| batch.number <= event.batch;
        while self.batches.front().is_some_and(is_written) {
            let Some(batch) = self.batches.pop_front() else {
                break;
            };
            self.bytes -= batch.bytes;
            for id in &batch.ids {
                self.ids.remove(id);
            }
        }
        on_progress(&event.progress);
    }
}
