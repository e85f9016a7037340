//! [`Writer`]: writes the records of a source into a collection, and compares the two.

use std::cell::RefCell;

use super::compare::Vectors;
use super::existing::{IfExists, Origin};
use super::feed::{Feed, FeedSettings, Pass, State};
use super::ids::IDS_PER_LINE;
use super::report::CopyReport;
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
const EARLIER_RUN: &str = "they may belong to another program, since this run continues an earlier one; to delete \
                           them, run again in the mirror mode";

/// Writes the records of a source into a collection, and compares the two.
pub(super) struct Writer<'w, 'a> {
    /// The name of the operation in errors and progress.
    pub(super) operation: &'static str,
    pub(super) target: Collection,
    pub(super) origin: Origin,
    /// The records that the first pass writes.
    pub(super) first: Pass,
    /// Restricts the records that are deleted.
    pub(super) filter: Option<Where>,
    pub(super) vectors: Vectors,
    pub(super) settings: &'w Settings<'a>,
    pub(super) report: &'w mut CopyReport,
    /// Whether the first pass has ended.
    pub(super) has_passed: bool,
}

impl Writer<'_, '_> {
    /// Writes all records, and verifies them. Returns early if the caller's flag is set.
    pub(super) fn run(&mut self, source: &mut dyn Source) -> Result<()> {
        let settings = self.settings;
        if self.first != Pass::Different {
            self.pass(source, self.first)?;
            if settings.dry_run {
                return Ok(());
            }
        } else if !settings.verify {
            return self.replace(source).map(drop);
        }
        if settings.verify && !settings.is_cancelled() {
            self.settle(source)?;
        }
        Ok(())
    }

    /// Compares the target with its source, and writes what differs, until nothing does.
    ///
    /// # Errors
    /// [`Error::Differs`] if something still differs after three rounds.
    fn settle(&mut self, source: &mut dyn Source) -> Result<()> {
        for round in 0..=MAX_ROUNDS {
            source.refresh()?;
            let found = if round < MAX_ROUNDS {
                self.replace(source)?
            } else {
                let mut found = self.pass(source, Pass::Compare)?;
                self.find_extra(source, false, &mut found)?;
                found
            };
            if self.settings.is_cancelled() || self.settings.dry_run {
                return Ok(());
            }
            if found.is_empty() {
                self.report.verified = self.report.withheld == 0;
                return Ok(());
            }
            if round == MAX_ROUNDS {
                let call = Box::new(Call::new(self.operation, Some(self.target.name())));
                let differences = Box::new(found);
                return Err(Error::Differs { call, differences });
            }
        }
        Ok(())
    }

    /// Writes what differs, and deletes what the source does not have. Returns what differed.
    fn replace(&mut self, source: &dyn Source) -> Result<Differences> {
        let mut found = self.pass(source, Pass::Different)?;
        self.find_extra(source, !self.settings.dry_run, &mut found)?;
        Ok(found)
    }

    /// Writes the records of a pass. Returns what differed, if the pass compares.
    fn pass(&mut self, source: &dyn Source, pass: Pass) -> Result<Differences> {
        let state = RefCell::new(State::default());
        let settings = self.settings;
        let report = |progress: &Progress| settings.report(progress);
        let target = settings.patient(&self.target).without_progress();
        let feed = FeedSettings {
            pass,
            operation: self.operation,
            total: source.len(),
            target: &target,
            origin: self.origin,
            vectors: self.vectors,
            max_rate: settings.max_rate,
            cancel: settings.cancel.as_deref(),
            dry_run: settings.dry_run,
            report: &report,
        };
        let known = (pass == Pass::New).then_some(&target);
        let mut feed = Feed::new(feed, source.pages(known)?, &state);
        if pass == Pass::Compare {
            while feed.next_page().is_some() {}
            drop(feed);
        } else {
            self.write(feed, source.len())?;
        }
        let state = state.into_inner();
        self.count_known(state.skipped);
        self.has_passed = true;
        self.report.updated += state.updated;
        self.report.without_document = source.without_document();
        state.failure.map_or(Ok(state.found), Err)
    }

    /// Counts records that the target had already. Later passes find those that this run has written.
    fn count_known(&mut self, records: u64) {
        match self.origin {
            _ if self.has_passed => {}
            Origin::Created => self.report.resumed += records,
            Origin::Existing(_) => self.report.skipped += records,
        }
    }

    /// Writes the records of a feed with a batch job.
    fn write(&mut self, feed: Feed<'_>, total: u64) -> Result<()> {
        let (state, pass, settings) = (feed.state, feed.pass(), self.settings);
        // Another program may have added the same ids since the feed asked for them.
        let only_new = self.origin == Origin::Existing(IfExists::AddNew);
        let mut job = self
            .target
            .ingest(feed)
            .part_of(self.operation)
            .concurrency(settings.concurrency)
            .only_new(only_new)
            .retry(settings.retry)
            .dry_run(settings.dry_run);
        if let Some(flag) = &settings.cancel {
            job = job.cancel(flag.clone());
        }
        let report = job
            .on_progress(|progress| {
                let state = state.borrow();
                let done = match pass {
                    Pass::All | Pass::New => state.skipped + progress.done,
                    Pass::Different | Pass::Compare => state.end,
                };
                drop(state);
                let progress = progress.out_of(total);
                settings.report(&Progress { done, ..progress });
            })
            .run()?;
        self.report.written += report.written;
        self.count_known(report.skipped);
        self.report.embedded += report.embedded;
        self.report.cached += report.cached;
        self.report.retries += report.retries;
        Ok(())
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
        let mut searches = Vec::new();
        match self.origin {
            Origin::Created => {
                searches.push((source.listed_before(), None));
                if self.first == Pass::New {
                    searches.push((existing(), Some(EARLIER_RUN)));
                }
            }
            Origin::Existing(IfExists::Mirror) => {
                searches.push((existing(), (source.len() == 0).then_some(EMPTY_SOURCE)));
            }
            Origin::Existing(_) => {}
        }
        self.report.withheld = 0;
        self.report.withheld_because = None;
        for (groups, keeps) in searches {
            for ids in groups {
                if self.settings.is_cancelled() {
                    return Ok(());
                }
                let mut extra = source.missing(ids?)?;
                if extra.is_empty() {
                    continue;
                }
                if let Some(why) = keeps {
                    self.report.withheld += extra.len() as u64;
                    self.report.withheld_because = Some(why.to_owned());
                    continue;
                }
                if self.origin == Origin::Created {
                    extra = target.get().ids(&extra).include([]).run()?.ids;
                }
                self.remove(&extra, deletes, found)?;
            }
        }
        Ok(())
    }

    /// Counts records that the target must not have, and may delete them.
    fn remove(&mut self, extra: &[String], deletes: bool, found: &mut Differences) -> Result<()> {
        for id in extra {
            found.add(id, DifferenceKind::Extra);
        }
        if deletes && !extra.is_empty() {
            let target = self.settings.patient(&self.target);
            target.delete().ids(extra).run()?;
        }
        if deletes || self.settings.dry_run {
            self.report.deleted += extra.len() as u64;
        }
        Ok(())
    }
}
