//! `chroma_client copy`: copies a collection, or all of a database, to another server, database or name.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use chroma_blocking::{Client, Where};

use super::args::{Global, Outcome, filter};
use super::exit::{Exit, UsageError};
use super::job::{Job, stopped};
use super::transfer::{Question, TransferArgs, print, with_options};

/// Copy a collection, or all of a database, to another server, database or name
///
/// Everything is copied: settings, schema, embedding function, vectors, documents, URIs and metadata. No text is
/// embedded. At the end, the copy is compared with its source.
#[derive(clap::Args)]
#[command(after_help = "\
The target has settings of its own. Its key is read from CHROMA_TO_API_KEY, its tenant and database from \
CHROMA_TO_TENANT and CHROMA_TO_DATABASE. It never gets the key of the source. Without --to, the copy stays on \
the server of the source, with the source's key.

A run that ends early leaves a checkpoint, NAME.copy.ckpt (with --all, DATABASE.copy.ckpt). The same command continues there.

Examples:
  chroma_client copy notes --to db:8000
  chroma_client copy notes --as notes-2
  CHROMA_TO_API_KEY=… chroma_client copy notes --to https://api.trychroma.com --to-database prod
  chroma_client copy --all --to db:8000 --if-exists replace --yes")]
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
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let source = global.client()?;
    let target = target(global, args)?;
    let what = args.name.as_deref().unwrap_or(source.database());
    let checkpoint = args.checkpoint.clone();
    let checkpoint = checkpoint.unwrap_or_else(|| format!("{what}.copy.ckpt").into());
    let job = Job::new()?;
    let options = &args.options;
    let question = Question::new(global, &job, options);
    let reports = if let Some(name) = &args.name {
        let copy = source.collection(name).get()?.copy_to(&target);
        let new_name = args.rename.as_ref().unwrap_or(name);
        let copy = copy.name(new_name).filter(args.filter.clone());
        let copy = with_options!(copy, options, job, &checkpoint);
        let copy = copy.confirm(|targets| question.ask(targets));
        let report = copy.dry_run(options.dry_run).run();
        vec![job.ended(report, Some(&checkpoint))?]
    } else {
        let copy = source.copy_database_to(&target);
        let copy = with_options!(copy, options, job, &checkpoint);
        let copy = copy.confirm(|targets| question.ask(targets));
        job.ended(copy.dry_run(options.dry_run).run(), Some(&checkpoint))?
    };
    if question.is_refused()? {
        return Ok(Exit::Failed);
    }
    let exit = print(global, &reports)?;
    if job.is_stopped() || reports.iter().any(|report| report.cancelled) {
        return Ok(stopped(Some(&checkpoint)));
    }
    Ok(exit)
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
