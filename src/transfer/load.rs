//! [`Job`]: writes the records of a source into a collection, and compares the two.

use std::cell::RefCell;

use super::checkpoint::Saved;
use super::compare::Vectors;
use super::existing::{IfExists, Origin};
use super::feed::{Feed, FeedSettings, Pass, State};
use super::ids::IDS_PER_LINE;
use super::settings::Settings;
use super::source::{IdGroups, Source};
use crate::collection::Collection;
use crate::error::{Call, Error, Result};
use crate::model::differences::{DifferenceKind, Differences};
use crate::model::filter::Where;
use crate::model::progress::Progress;

/// How often differences are written again, before they are an error.
const MAX_ROUNDS: usize = 3;

/// Why a mirror deletes nothing: an empty source is more likely a mistake.
const EMPTY_SOURCE: &str =
    "the source has no such records; to empty the target, delete the records or the collection";

/// Why records of a target that an earlier run has created are kept.
const LOST_IDS: &str =
    "the list of ids of an earlier run is missing, so they may belong to another program";

/// A transfer that has started: its target exists.
pub(super) struct Job<'j, 'a> {
    /// The name of the operation in errors and progress.
    pub(super) operation: &'static str,
    pub(super) target: Collection,
    pub(super) origin: Origin,
    /// Restricts the records that are deleted.
    pub(super) filter: Option<Where>,
    pub(super) vectors: Vectors,
    pub(super) settings: &'j Settings<'a>,
    pub(super) saved: Option<Saved>,
    pub(super) counts: Counts,
    /// Whether the last comparison has found no difference.
    pub(super) is_verified: bool,
}

/// The records that a transfer has handled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) written: u64,
    /// Records that the target had before the first pass.
    pub(super) skipped: u64,
    pub(super) deleted: u64,
    /// Records that the source does not have and that are kept, and why.
    pub(super) withheld: u64,
    pub(super) withheld_because: Option<&'static str>,
    /// The number of passes that have ended.
    passes: u32,
    pub(super) embedded: u64,
    /// Records that kept their vectors, because only their metadata or URIs differed.
    pub(super) kept: u64,
    pub(super) cached: u64,
    pub(super) retries: u64,
}

impl Job<'_, '_> {
    /// Writes all records, and verifies them. Returns early if the caller's flag is set.
    pub(super) fn run(&mut self, source: &mut dyn Source, first: Pass, from: u64) -> Result<()> {
        match self.write_and_verify(source, first, from) {
            // The effect of the flag on a request.
            Err(Error::Cancelled { .. }) if self.settings.is_cancelled() => Ok(()),
            result => result,
        }
    }

    fn write_and_verify(&mut self, source: &mut dyn Source, first: Pass, from: u64) -> Result<()> {
        if first != Pass::Different {
            self.pass(source, first, from)?;
            if self.settings.dry_run {
                return Ok(());
            }
        } else if !self.settings.verify {
            return self.replace(source).map(|_| ());
        }
        if self.settings.verify && !self.settings.is_cancelled() {
            self.settle(source)?;
        }
        Ok(())
    }

    /// Writes what differs, and deletes what the source does not have. Returns what differed.
    fn replace(&mut self, source: &dyn Source) -> Result<Differences> {
        let mut found = self.pass(source, Pass::Different, 0)?;
        self.find_extra(source, !self.settings.dry_run, &mut found)?;
        Ok(found)
    }

    /// Writes records from a position on. Returns what differed, if the pass compares.
    fn pass(&mut self, source: &dyn Source, pass: Pass, from: u64) -> Result<Differences> {
        let state = RefCell::new(State::default());
        let settings = self.settings;
        let report = |progress: &Progress| settings.report(progress);
        let feed = FeedSettings {
            pass,
            operation: self.operation,
            total: source.len(),
            target: settings.patient(&self.target).without_progress(),
            origin: self.origin,
            vectors: self.vectors,
            max_rate: settings.max_rate,
            cancel: settings.cancel.as_deref(),
            dry_run: settings.dry_run,
            report: &report,
        };
        let mut feed = Feed::new(feed, source.pages(from)?, &state);
        if pass == Pass::Compare {
            while feed.next_page().is_some() {}
            drop(feed);
        } else {
            self.write(feed, from, source.len())?;
        }
        let State {
            failure,
            found,
            skipped,
            kept,
            ..
        } = state.into_inner();
        self.count_skipped(skipped);
        self.counts.passes += 1;
        self.counts.kept += kept;
        if let Some(saved) = &mut self.saved {
            saved.flush()?;
        }
        failure.map_or(Ok(found), Err)
    }

    /// Counts records that the target had already. Later passes find those that this run has written.
    fn count_skipped(&mut self, skipped: u64) {
        if self.counts.passes == 0 {
            self.counts.skipped += skipped;
        }
    }

    /// Writes the records of a feed with a batch job.
    fn write(&mut self, feed: Feed<'_>, from: u64, total: u64) -> Result<()> {
        let (state, pass) = (feed.state, feed.pass());
        let (settings, saved) = (self.settings, &mut self.saved);
        let mut unsaved = Ok(());
        let mut job = self
            .target
            .ingest(feed)
            .part_of(self.operation)
            .concurrency(settings.concurrency)
            .only_new(pass == Pass::New)
            .retry(settings.retry)
            .dry_run(settings.dry_run);
        if let Some(flag) = &settings.cancel {
            job = job.cancel(flag.clone());
        }
        let report = job
            .on_progress(|progress| {
                let done = state.borrow_mut().position(progress.done).unwrap_or(from);
                if let (Some(saved), Ok(()), Pass::All | Pass::New) = (&mut *saved, &unsaved, pass)
                {
                    unsaved = saved.advance(done);
                }
                settings.report(&Progress {
                    done,
                    ..progress.out_of(total)
                });
            })
            .run()?;
        self.counts.written += report.written;
        self.count_skipped(report.skipped);
        self.counts.embedded += report.embedded;
        self.counts.cached += report.cached;
        self.counts.retries += report.retries;
        unsaved
    }

    /// Compares the target with its source, and writes what differs, until nothing does.
    ///
    /// # Errors
    /// [`Error::Differs`] if something still differs after three rounds.
    fn settle(&mut self, source: &mut dyn Source) -> Result<()> {
        for _ in 0..MAX_ROUNDS {
            source.refresh()?;
            let found = self.replace(source)?;
            if self.settings.is_cancelled() || self.settings.dry_run {
                return Ok(());
            }
            if found.is_empty() {
                self.is_verified = self.counts.withheld == 0;
                return Ok(());
            }
        }
        source.refresh()?;
        let mut found = self.pass(source, Pass::Compare, 0)?;
        self.find_extra(source, false, &mut found)?;
        if self.settings.is_cancelled() {
            return Ok(());
        }
        if found.is_empty() {
            self.is_verified = self.counts.withheld == 0;
            return Ok(());
        }
        Err(Error::Differs {
            call: Box::new(Call::new(self.operation, Some(self.target.name()))),
            differences: Box::new(found),
        })
    }

    /// Finds the records that the target has and must not have, and may delete them.
    ///
    /// A mirror deletes all that the source does not have. In a collection that this transfer has created, only
    /// records that it may have written itself are deleted: those that the source had before. Others come from
    /// other programs. Records that may have to stay are only counted.
    fn find_extra(
        &mut self,
        source: &dyn Source,
        deletes: bool,
        found: &mut Differences,
    ) -> Result<()> {
        let target = self.settings.patient(&self.target);
        let existing = || -> IdGroups<'_> {
            let scan = target.scan().include([]).page_size(IDS_PER_LINE);
            let pages = scan.filter(self.filter.clone()).pages();
            Box::new(pages.map(|page| Ok(page?.ids)))
        };
        let (groups, keeps) = match self.origin {
            Origin::Created if source.has_lost_ids() => (existing(), Some(LOST_IDS)),
            Origin::Created => (source.listed_before(), None),
            Origin::Existing(IfExists::Mirror) => {
                (existing(), (source.len() == 0).then_some(EMPTY_SOURCE))
            }
            Origin::Existing(_) => return Ok(()),
        };
        self.counts.withheld = 0;
        self.counts.withheld_because = None;
        for ids in groups {
            if self.settings.is_cancelled() {
                break;
            }
            let mut extra = source.missing(ids?)?;
            if self.origin == Origin::Created && !extra.is_empty() {
                extra = target.get().ids(&extra).include([]).run()?.ids;
            }
            if keeps.is_some() && !extra.is_empty() {
                self.counts.withheld += extra.len() as u64;
                self.counts.withheld_because = keeps;
                continue;
            }
            for id in &extra {
                found.add(id, DifferenceKind::Extra);
            }
            if deletes && !extra.is_empty() {
                target.delete().ids(&extra).run()?;
            }
            if deletes || self.settings.dry_run {
                self.counts.deleted += extra.len() as u64;
            }
        }
        Ok(())
    }

    /// Deletes the checkpoint, because the transfer is complete.
    pub(super) fn finish(self) -> Result<()> {
        self.saved.map_or(Ok(()), Saved::delete)
    }
}
