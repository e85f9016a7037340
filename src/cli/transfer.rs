//! What `copy`, `restore` and `reembed` have in common: [`TransferArgs`], and the printed reports.

use std::error::Error;

use chroma_blocking::Client;
use chroma_blocking::transfer::{CopyReport, IfExists};
use serde_json::json;

use super::args::{Global, Outcome, named};
use super::confirm::confirm;
use super::exit::Exit;
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

impl TransferArgs {
    /// Whether a question is asked if a target exists.
    pub(crate) fn asks(&self, global: &Global) -> bool {
        let replaces = matches!(self.if_exists, IfExists::Replace | IfExists::Mirror);
        replaces && !self.dry_run && !global.yes
    }

    /// Asks before records of collections that exist already are replaced or deleted. Returns whether to go on.
    pub(crate) fn is_allowed(
        &self,
        global: &Global,
        targets: &[(Client, String)],
    ) -> Result<bool, Box<dyn Error>> {
        if !self.asks(global) {
            return Ok(true);
        }
        let mut existing = Vec::new();
        let mut url = "";
        for (target, name) in targets {
            match target.collection(name).get() {
                Ok(collection) => {
                    url = target.url();
                    existing.push(format!(
                        "{name:?} ({})",
                        records(collection.count()? as u64)
                    ));
                }
                Err(chroma_blocking::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if existing.is_empty() {
            return Ok(true);
        }
        let what = if self.if_exists == IfExists::Mirror {
            "Replace the records that differ, and delete those that the source does not have, of"
        } else {
            "Replace the records that differ of"
        };
        confirm(global, &format!("{what} {} at {url}?", existing.join(", ")))
    }
}

/// Prints the reports of copies. Returns how a command with them ends if it was not stopped.
pub(crate) fn print(global: &Global, reports: &[CopyReport]) -> Outcome {
    for report in reports {
        let line = json!({
            "collection": report.collection,
            "records": report.records,
            "written": report.written,
            "skipped": report.skipped,
            "deleted": report.deleted,
            "withheld": report.withheld,
            "withheld_because": report.withheld_because,
            "resumed": report.resumed,
            "losses": report.losses,
            "verified": report.verified,
            "retries": report.retries,
            "seconds": report.elapsed.as_secs_f64(),
            "cancelled": report.cancelled,
            "dry_run": report.dry_run,
        });
        say(global, &report.to_string(), &line)?;
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
