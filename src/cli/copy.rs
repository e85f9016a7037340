//! `chroma_client copy`: copies a collection, or all of a database, to another server, database or name.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use chroma_blocking::transfer::{CopyReport, IfExists};
use chroma_blocking::{Client, Where};
use serde_json::json;

use super::args::{Global, Outcome, filter};
use super::confirm::confirm;
use super::exit::{Exit, UsageError};
use super::job::{Job, stopped};
use super::output::{Output, note, records};

/// Copy a collection, or all of a database, to another server, database or name
///
/// Everything is copied: settings, schema, embedding function, vectors, documents, URIs and metadata. No text is
/// embedded. At the end, the copy is compared with its source.
#[derive(clap::Args)]
#[command(after_help = "\
The target has settings of its own. Its key is read from CHROMA_TO_API_KEY, its tenant and database from
CHROMA_TO_TENANT and CHROMA_TO_DATABASE. It never gets the key of the source. Without --to, the copy stays on
the server of the source, with the source's key.

A run that ends early leaves a checkpoint, NAME.copy.ckpt (with --all, DATABASE.copy.ckpt). The same command continues there.

With --json, a line for each collection: collection, records, written, skipped, deleted, withheld,
withheld_because, resumed, losses, verified, retries, seconds, cancelled, dry_run.

Exit codes: 0; 1; 2 wrong options; 3 if the copy differs from its source; 75 try again later; 130 stopped.

Examples:
  chroma_client copy notes --to db:8000
  chroma_client copy notes --as notes-2
  CHROMA_TO_API_KEY=… chroma_client copy notes --to https://api.trychroma.com --to-database prod
  chroma_client copy --all --to db:8000 --if-exists replace --yes")]
// The flags of the command line.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Args {
    /// The collection
    #[arg(required_unless_present = "all")]
    name: Option<String>,
    /// Copy all collections of the database
    #[arg(long, conflicts_with_all = ["name", "rename", "filter"])]
    all: bool,
    /// The target's server: a URL, or host:port [default: that of the source]
    #[arg(long, value_name = "URL", required_unless_present_any = ["to_tenant", "to_database", "rename"])]
    to: Option<String>,
    /// The target's tenant
    #[arg(long, value_name = "TENANT")]
    to_tenant: Option<String>,
    /// The target's database
    #[arg(long, value_name = "DATABASE")]
    to_database: Option<String>,
    /// The name of the copy [default: the same]
    #[arg(long = "as", alias = "name", value_name = "NEWNAME")]
    rename: Option<String>,
    #[command(flatten)]
    options: TransferArgs,
    /// Only records that pass this filter: Chroma's JSON
    #[arg(long = "where", value_name = "JSON", value_parser = filter)]
    filter: Option<Where>,
    /// The checkpoint [default: NAME.copy.ckpt or DATABASE.copy.ckpt]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Read at most N records per second
    #[arg(long, value_name = "N")]
    max_rate: Option<u32>,
    /// Do not compare the copy with its source at the end
    #[arg(long)]
    no_verify: bool,
}

/// The options of `copy` and `restore`.
#[derive(clap::Args)]
pub(crate) struct TransferArgs {
    /// How to treat a collection of the same name
    #[arg(long, value_enum, default_value_t = Existing::Fail)]
    pub(crate) if_exists: Existing,
    /// Create collections although the target's server cannot store all of their settings, and list the losses
    #[arg(long)]
    pub(crate) allow_losses: bool,
    /// Say what would be done, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Existing {
    /// Fail before anything is written
    Fail,
    /// Add records that it does not have, and change none
    AddNew,
    /// Add records, and replace those that differ
    Replace,
    /// As replace, and delete records that the source does not have
    Mirror,
}

impl From<Existing> for IfExists {
    fn from(existing: Existing) -> IfExists {
        match existing {
            Existing::Fail => IfExists::Fail,
            Existing::AddNew => IfExists::AddNew,
            Existing::Replace => IfExists::Replace,
            Existing::Mirror => IfExists::Mirror,
        }
    }
}

impl TransferArgs {
    /// Whether a question is asked if a target exists.
    pub(crate) fn asks(&self, global: &Global) -> bool {
        let replaces = matches!(self.if_exists, Existing::Replace | Existing::Mirror);
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
        let what = if self.if_exists == Existing::Mirror {
            "Replace the records that differ, and delete those that the source does not have, of"
        } else {
            "Replace the records that differ of"
        };
        confirm(global, &format!("{what} {} at {url}?", existing.join(", ")))
    }
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let source = global.client()?;
    let target = target(global, args)?;
    let names = match &args.name {
        Some(name) => vec![args.rename.as_ref().unwrap_or(name).clone()],
        None => source
            .list_collections()
            .run()?
            .iter()
            .map(|one| one.name().to_owned())
            .collect(),
    };
    let targets: Vec<_> = names
        .into_iter()
        .map(|name| (target.clone(), name))
        .collect();
    if !args.options.is_allowed(global, &targets)? {
        return Ok(Exit::Failed);
    }
    let what = args.name.as_deref().unwrap_or(source.database());
    let checkpoint = args.checkpoint.clone();
    let checkpoint = checkpoint.unwrap_or_else(|| format!("{what}.copy.ckpt").into());
    let job = Job::new(global)?;
    // Both copies have the same options, and no trait in common.
    macro_rules! run {
        ($copy:expr) => {{
            let mut copy = $copy
                .if_exists(args.options.if_exists.into())
                .allow_losses(args.options.allow_losses)
                .dry_run(args.options.dry_run)
                .verify(!args.no_verify)
                .checkpoint(&checkpoint)
                .cancel(job.flag())
                .on_progress(|progress| job.show(progress));
            if let Some(rate) = args.max_rate {
                copy = copy.max_rate(rate);
            }
            job.ended(copy.run(), Some(&checkpoint))?
        }};
    }
    let reports = if let Some(name) = &args.name {
        let copy = source.collection(name).get()?.copy_to(&target);
        let new_name = args.rename.as_ref().unwrap_or(name);
        vec![run!(copy.name(new_name).filter(args.filter.clone()))]
    } else {
        run!(source.copy_database_to(&target))
    };
    print(global, &reports)?;
    if job.is_stopped() || reports.iter().any(|report| report.cancelled) {
        return Ok(stopped(Some(&checkpoint)));
    }
    Ok(exit_of(&reports))
}

/// Returns the exit code of complete copies.
pub(crate) fn exit_of(reports: &[CopyReport]) -> Exit {
    if reports.iter().any(|report| report.withheld > 0) {
        Exit::Kept
    } else {
        Exit::Done
    }
}

/// Returns a client of the target. A server other than the source's has its own settings.
fn target(global: &Global, args: &Args) -> Result<Client, Box<dyn Error>> {
    let mut builder = match &args.to {
        None => global.builder()?,
        Some(host) => {
            let mut builder = Client::builder().host(host);
            if let Some(key) = variable("CHROMA_TO_API_KEY") {
                builder = builder.api_key(key);
            }
            if let Some(timeout) = milliseconds("REQUEST_TIMEOUT_MS") {
                builder = builder.request_timeout(timeout);
            }
            if let Some(timeout) = milliseconds("CONNECTION_TIMEOUT_MS") {
                builder = builder.connection_timeout(timeout);
            }
            builder
        }
    };
    if let Some(tenant) = args
        .to_tenant
        .clone()
        .or_else(|| variable("CHROMA_TO_TENANT"))
    {
        builder = builder.tenant(tenant);
    }
    if let Some(database) = args
        .to_database
        .clone()
        .or_else(|| variable("CHROMA_TO_DATABASE"))
    {
        builder = builder.database(database);
    }
    builder.build().map_err(|error| match error {
        chroma_blocking::Error::Invalid { reason, .. } if args.to.is_some() => {
            let why = format!("--to: {reason}; the target's key is read from CHROMA_TO_API_KEY");
            UsageError(why).into()
        }
        error => error.into(),
    })
}

fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// Reads a timeout. The client of the source has checked it.
fn milliseconds(name: &str) -> Option<Duration> {
    variable(name)?.parse().map(Duration::from_millis).ok()
}

/// Prints the reports of copies.
pub(crate) fn print(global: &Global, reports: &[CopyReport]) -> Result<(), Box<dyn Error>> {
    let mut output = Output::new(global);
    for report in reports {
        if output.is_json() {
            output.json(&json!({
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
            }))?;
        } else {
            output.line(&report.to_string())?;
        }
    }
    output.finish()?;
    if !global.json {
        for report in reports {
            for loss in &report.losses {
                note(&format!("{}: {loss}", report.collection));
            }
        }
    }
    Ok(())
}
