//! [`Feed`]: the records of a source that a pass writes.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::vec;

use super::compare::{Vectors, keeps_old_parts, replace_metadata};
use super::existing::{IfExists, Origin};
use super::pace::Pace;
use super::source::{Page, Pages};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::model::differences::{DifferenceKind, Differences};
use crate::model::progress::{Progress, ProgressStage};
use crate::model::record::{AsRecord, Record, RecordRef};
use crate::model::results::{GetResult, Include};

/// How many copies are deleted in addition to that of the record that is read next: a batch in total.
const DELETED_AHEAD: usize = 99;

/// Which records of a source a pass writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// All of them.
    All,
    /// Those whose ids do not exist.
    New,
    /// Those that differ.
    Different,
    /// None: the pass only compares.
    Compare,
}

/// The settings of a [`Feed`].
pub(super) struct FeedSettings<'f> {
    pub(super) pass: Pass,
    /// The name of the operation in the progress of a comparison.
    pub(super) operation: &'static str,
    /// The number of positions of the source.
    pub(super) total: u64,
    pub(super) target: &'f Collection,
    pub(super) origin: Origin,
    pub(super) vectors: Vectors,
    pub(super) max_rate: Option<u32>,
    pub(super) cancel: Option<&'f AtomicBool>,
    pub(super) dry_run: bool,
    /// Called with the progress of a comparison. A batch job reports that of writing.
    pub(super) report: &'f dyn Fn(&Progress),
}

/// The records of a source that a pass writes, in the order of the source. An iterator for a batch job.
pub(super) struct Feed<'f> {
    settings: FeedSettings<'f>,
    pages: Pages<'f>,
    /// The records of the current page that the job has not read yet.
    page: vec::IntoIter<Record>,
    /// Those of them whose copies are deleted first.
    replaced: HashSet<String>,
    pace: Pace,
    pub(super) state: &'f RefCell<State>,
}

/// The state that a feed shares with the function that reports the progress of its job.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The position in the source before which all records are read.
    pub(super) end: u64,
    /// The differences between the source and its copy.
    pub(super) found: Differences,
    /// The number of records that the target has already.
    pub(super) skipped: u64,
    /// The number of records that keep the vectors of their copies.
    pub(super) updated: u64,
    /// Why the source ended early.
    pub(super) failure: Option<Error>,
}

impl<'f> Feed<'f> {
    pub(super) fn new(
        settings: FeedSettings<'f>,
        pages: Pages<'f>,
        state: &'f RefCell<State>,
    ) -> Feed<'f> {
        Feed {
            pace: Pace::new(settings.max_rate),
            settings,
            pages,
            page: Vec::new().into_iter(),
            replaced: HashSet::new(),
            state,
        }
    }

    pub(super) fn pass(&self) -> Pass {
        self.settings.pass
    }

    /// Reads the next page. Returns `None` at the end.
    pub(super) fn next_page(&mut self) -> Option<()> {
        let selected = match self.pages.next()? {
            Ok(page) => self.select(page),
            Err(error) => Err(error),
        };
        match selected {
            Ok(records) => self.page = records.into_iter(),
            Err(error) => {
                self.state.borrow_mut().failure = Some(error);
                return None;
            }
        }
        let end = self.state.borrow().end;
        self.report(end);
        Some(())
    }

    /// Reports how much is compared. A batch job reports what it writes, but not pages without a record to write.
    fn report(&self, done: u64) {
        let compares = matches!(self.settings.pass, Pass::Different | Pass::Compare);
        if compares || self.page.as_slice().is_empty() {
            let progress = Progress::new(self.settings.operation, ProgressStage::Comparing, done);
            (self.settings.report)(&progress.out_of(self.settings.total));
        }
    }

    /// Returns the records of a page that the pass writes.
    fn select(&mut self, page: Page) -> Result<Vec<Record>> {
        self.pace.wait(page.records.len(), self.settings.cancel);
        let mut state = self.state.borrow_mut();
        state.end = page.end;
        state.skipped += page.left_out;
        drop(state);
        match self.settings.pass {
            Pass::All | Pass::New => Ok(page.records),
            Pass::Different | Pass::Compare => self.different(page.records),
        }
    }

    /// Returns the records that differ from their copies, so that writing them replaces the copies.
    fn different(&mut self, records: Vec<Record>) -> Result<Vec<Record>> {
        let copies = self.copies(&records)?;
        let rows: HashMap<&str, RecordRef<'_>> =
            copies.iter().map(|copy| (copy.id, copy)).collect();
        let adds_only = self.settings.origin == Origin::Existing(IfExists::AddNew);
        let mut state = self.state.borrow_mut();
        let (mut different, mut replaced) = (Vec::new(), HashSet::new());
        for mut record in records {
            let Some(copy) = rows.get(record.id.as_str()).copied() else {
                state.found.add(&record.id, DifferenceKind::Missing);
                different.push(record);
                continue;
            };
            let difference = if adds_only {
                None
            } else {
                self.settings.vectors.difference(record.as_record(), copy)
            };
            let Some(kind) = difference else {
                state.skipped += 1;
                continue;
            };
            state.found.add(&record.id, kind);
            if keeps_old_parts(&record, copy) {
                replaced.insert(record.id.clone());
            } else {
                replace_metadata(&mut record, copy.metadata);
            }
            if self.keeps_vector(kind) {
                record.embedding = copy.embedding.map(<[f32]>::to_vec);
                state.updated += 1;
            }
            different.push(record);
        }
        drop(state);
        self.replaced = replaced;
        Ok(different)
    }

    /// Deletes the copies of a record and of the next ones, if they are to be replaced as a whole. Only few at a
    /// time, because a run that ends early leaves the target without them.
    fn delete_copies(&mut self, record: &Record) -> Result<()> {
        if self.settings.dry_run || !self.replaced.contains(&record.id) {
            return Ok(());
        }
        let next = self.page.as_slice().iter().take(DELETED_AHEAD);
        let ids = std::iter::once(record).chain(next).map(|record| &record.id);
        let ids: Vec<String> = ids.filter_map(|id| self.replaced.take(id)).collect();
        self.settings.target.delete().ids(&ids).run()?;
        Ok(())
    }

    /// Reads the copies of records.
    fn copies(&self, records: &[Record]) -> Result<GetResult> {
        let get = self
            .settings
            .target
            .get()
            .ids(records.iter().map(|record| &record.id));
        get.include([
            Include::Documents,
            Include::Metadatas,
            Include::Uris,
            Include::Embeddings,
        ])
        .run()
    }

    /// Whether the copy's vector is written again, because the function would only make the same one.
    fn keeps_vector(&self, kind: DifferenceKind) -> bool {
        self.settings.vectors == Vectors::Ignored && kind != DifferenceKind::Document
    }
}

impl Iterator for Feed<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.page.next() {
                if let Err(error) = self.delete_copies(&record) {
                    self.state.borrow_mut().failure = Some(error);
                    return None;
                }
                return Some(record);
            }
            self.next_page()?;
        }
    }
}
