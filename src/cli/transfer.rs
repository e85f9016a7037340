//! What `copy`, `restore` and `reembed` have in common: [`TransferArgs`], and the printed reports.

use std::cell::Cell;
use std::error::Error;

use chroma_blocking::Collection;
use chroma_blocking::transfer::{CopyReport, IfExists};

use super::args::{Global, Outcome, named};
use super::confirm::confirm;
use super::exit::Exit;
use super::job::Job;
use super::output::{note, records, say};

/// The options of all commands that write collections.
#[derive(clap::Args)]
pub(crate) struct TransferArgs {
    /// How to treat a collection of the same name: fail; add-new: add records that it does not have; replace: also
    /// replace those that differ; mirror: also delete those that the source does not have
    #[arg(long, value_name = "HOW", default_value = "fail", value_parser = named::<IfExists>)]
    pub(crate) if_exists: IfExists,
    /// Create collections although the server cannot store all of their settings, and list the losses
    #[arg(long)]
    pub(crate) allow_losses: bool,
    /// Transfer at most N records per second
    #[arg(long, value_name = "N")]
    pub(crate) max_rate: Option<u32>,
    /// Do not compare the result with its source at the end
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Say what would be done, and write nothing
    #[arg(long, alias = "plan")]
    pub(crate) dry_run: bool,
}

/// Sets the options of a transfer. The library's transfers have the same setters, and no trait in common.
macro_rules! with_options {
    ($transfer:expr, $options:expr, $job:expr, $checkpoint:expr) => {{
        let mut transfer = $transfer
            .if_exists($options.if_exists)
            .allow_losses($options.allow_losses)
            .verify(!$options.no_verify)
            .checkpoint($checkpoint)
            .cancel($job.flag())
            .on_progress(|progress| $job.show(progress));
        if let Some(rate) = $options.max_rate {
            transfer = transfer.max_rate(rate);
        }
        transfer
    }};
}
pub(crate) use with_options;

/// The question before records of collections that exist already are replaced or deleted.
pub(crate) struct Question<'q> {
    global: &'q Global,
    job: &'q Job,
    if_exists: IfExists,
    /// Why the answer is not yes: the user said no, or an error.
    refused: Cell<Option<Result<(), Box<dyn Error>>>>,
}

impl<'q> Question<'q> {
    pub(crate) fn new(global: &'q Global, job: &'q Job, options: &TransferArgs) -> Question<'q> {
        let if_exists = options.if_exists;
        Question {
            global,
            job,
            if_exists,
            refused: Cell::new(None),
        }
    }

    /// Asks the user; for `confirm` of the call.
    pub(crate) fn ask(&self, targets: &[Collection]) -> bool {
        match self.is_allowed(targets) {
            Ok(true) => return true,
            Ok(false) => self.refused.set(Some(Ok(()))),
            Err(error) => self.refused.set(Some(Err(error))),
        }
        false
    }

    /// Returns whether the user has said no.
    pub(crate) fn is_refused(&self) -> Result<bool, Box<dyn Error>> {
        self.refused.take().transpose().map(|no| no.is_some())
    }

    fn is_allowed(&self, targets: &[Collection]) -> Result<bool, Box<dyn Error>> {
        if self.global.yes {
            return Ok(true);
        }
        self.job.hide_progress();
        let mut existing = Vec::new();
        for target in targets {
            let count = records(target.count()? as u64);
            existing.push(format!("{:?} ({count})", target.name()));
        }
        let what = if self.if_exists == IfExists::Mirror {
            "Replace the records that differ, and delete those that the source does not have, of"
        } else {
            "Replace the records that differ of"
        };
        let url = targets.first().map_or("", |one| one.client().url());
        let existing = existing.join(", ");
        confirm(self.global, &format!("{what} {existing} at {url}?"))
    }
}

/// Prints the reports of copies. Returns how a command with them ends if it was not stopped.
pub(crate) fn print(global: &Global, reports: &[CopyReport]) -> Outcome {
    for report in reports {
        say(global, &report.to_string(), report)?;
    }
    if !global.json {
        for report in reports {
            for loss in &report.losses {
                note(&format!("{}: {loss}", report.collection));
            }
        }
    }
    let keeps = |report: &CopyReport| report.withheld_because.is_some();
    if reports.iter().any(keeps) {
        return Ok(Exit::Kept);
    }
    Ok(Exit::Done)
}
