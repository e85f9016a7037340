//! [`Run`]: transfers collections one after the other, with one checkpoint for all of them.

use std::time::Instant;

use super::checkpoint::{Position, TransferCheckpoint};
use super::compare::Vectors;
use super::report::CopyReport;
use super::settings::Settings;
use super::source::Source;
use super::target::{Target, TargetOptions};
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::model::filter::Where;

/// Opens the source of a task.
pub(super) type OpenSource<'t> =
    Box<dyn FnOnce(&Settings<'_>) -> Result<Box<dyn Source + 't>> + 't>;

/// A collection to transfer.
pub(super) struct Task<'t> {
    /// Identifies the task in the checkpoint.
    pub(super) key: String,
    pub(super) target: TargetOptions,
    /// Restricts the records that are deleted.
    pub(super) filter: Option<Where>,
    /// Whether the target's embedding function makes the vectors. Otherwise, those of the source are copied.
    pub(super) embeds: bool,
    pub(super) open: OpenSource<'t>,
}

/// A transfer of collections.
pub(super) struct Run<'r, 'a> {
    /// The name of the operation in errors and progress.
    pub(super) operation: &'static str,
    pub(super) settings: &'r Settings<'a>,
    pub(super) checkpoint: TransferCheckpoint,
    /// Whether the checkpoint stays when the transfer is complete.
    pub(super) keeps_checkpoint: bool,
}

impl Run<'_, '_> {
    /// Checks all targets, and then writes and verifies those that are not complete. Returns their reports. If
    /// the caller's flag is set or the caller does not confirm, the last report says so.
    pub(super) fn all(mut self, tasks: Vec<Task<'_>>) -> Result<Vec<CopyReport>> {
        let mut left = self.find_left(tasks)?;
        let is_confirmed = self.settings.dry_run || self.is_confirmed(&left);
        let mut reports = Vec::new();
        left.reverse();
        while let Some((task, target)) = left.pop() {
            let key = task.key.clone();
            let started = Instant::now();
            let mut report = CopyReport {
                collection: task.target.builder.name().to_owned(),
                dry_run: self.settings.dry_run,
                cancelled: true,
                ..CopyReport::default()
            };
            if is_confirmed && !self.settings.is_cancelled() {
                match self.transfer(task, target, &mut report) {
                    // The effect of the flag on a request.
                    Err(Error::Cancelled { .. }) if self.settings.is_cancelled() => {}
                    result => result?,
                }
                report.cancelled = self.settings.is_cancelled();
            }
            report.elapsed = started.elapsed();
            let is_cancelled = report.cancelled;
            reports.push(report);
            if is_cancelled {
                return Ok(reports);
            }
            if !left.is_empty() {
                self.checkpoint.change(&key, |one| one.is_complete = true)?;
            }
        }
        if !self.keeps_checkpoint {
            self.checkpoint.delete()?;
        }
        Ok(reports)
    }

    /// Returns the tasks that are not complete, and their targets. Writes to no server.
    fn find_left<'t>(&mut self, tasks: Vec<Task<'t>>) -> Result<Vec<(Task<'t>, Target)>> {
        let mut left = Vec::new();
        for task in tasks {
            let position = self.checkpoint.position(&task.key);
            if position.is_complete {
                match task.target.builder.clone().get() {
                    Ok(found) if Some(found.id()) == position.collection.as_deref() => continue,
                    // It was deleted or replaced, so it is copied again.
                    Ok(_) | Err(Error::NotFound { .. }) => {
                        self.checkpoint
                            .change(&task.key, |one| *one = Position::default())?;
                    }
                    Err(error) => return Err(error),
                }
            }
            let position = self.checkpoint.position(&task.key);
            let target = task.target.find(&position, self.settings)?;
            left.push((task, target));
        }
        Ok(left)
    }

    /// Asks the caller if records of others may be replaced or deleted.
    fn is_confirmed(&self, left: &[(Task<'_>, Target)]) -> bool {
        let targets = left.iter().map(|(_, target)| target);
        let changed = targets.filter(|target| target.changes_records());
        let changed: Vec<_> = changed.filter_map(|one| one.collection.clone()).collect();
        changed.is_empty() || (self.settings.confirm.borrow_mut())(&changed)
    }

    /// Writes the records of a collection, and verifies them.
    fn transfer(
        &mut self,
        task: Task<'_>,
        mut target: Target,
        report: &mut CopyReport,
    ) -> Result<()> {
        let settings = self.settings;
        let mut source = (task.open)(settings)?;
        report.records = source.len();
        if !settings.dry_run {
            let place = (&mut self.checkpoint, task.key.as_str());
            task.target.create(&mut target, settings, place)?;
        }
        report.losses = target.losses;
        let Some(collection) = target.collection else {
            report.written = source.len();
            return Ok(());
        };
        report.target = Some(collection.clone());
        let (collection, vectors) = if task.embeds {
            (collection, Vectors::Ignored)
        } else {
            let source = task.target.source.index().space();
            let vectors = Vectors::of(source, collection.space());
            (collection.without_functions(), vectors)
        };
        let mut writer = Writer {
            operation: self.operation,
            target: collection,
            origin: target.origin,
            first: target.pass,
            filter: task.filter,
            vectors,
            settings,
            report,
            has_passed: false,
        };
        writer.run(&mut *source)
    }
}
