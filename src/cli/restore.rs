//! `chroma_client restore`: checks a backup, and restores its collections.

use std::path::PathBuf;

use chroma_blocking::Client;
use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::Exit;
use super::job::{Job, stopped};
use super::output::{print_json, say};
use super::transfer::{Question, TransferArgs, print, with_options};

/// Restore all collections of a backup, or those named, or only check the backup
///
/// All files are read and compared with their checksums before anything is written. Afterwards, the collections are
/// compared with the backup.
#[derive(clap::Args)]
#[command(after_help = "\
A run that ends early leaves a checkpoint, FOLDER.restore.ckpt in the current folder. The same command continues.

Examples:
  chroma_client restore backups/tuesday --check
  chroma_client restore backups/tuesday notes --as notes=notes-of-tuesday
  chroma_client restore backups/tuesday --if-exists mirror --yes")]
pub(crate) struct Args {
    /// The folder of the backup
    folder: PathBuf,
    /// The collections [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only read and check the files; no server is needed
    #[arg(long)]
    check: bool,
    /// Restore a collection with another name; may be repeated
    #[arg(long = "as", alias = "name", value_name = "OLD=NEW", value_parser = renaming)]
    renames: Vec<(String, String)>,
    #[command(flatten)]
    options: TransferArgs,
    /// The checkpoint [default: FOLDER.restore.ckpt in the current folder]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let client = global.client()?;
    if args.check {
        return check(global, args, &client);
    }
    let checkpoint = args.checkpoint.clone().unwrap_or_else(|| {
        let name = args.folder.file_name().unwrap_or("backup".as_ref());
        let mut name = name.to_owned();
        name.push(".restore.ckpt");
        name.into()
    });
    let job = Job::new()?;
    let mut restore = client.restore(&args.folder);
    if !args.names.is_empty() {
        restore = restore.collections(&args.names);
    }
    for (from, to) in &args.renames {
        restore = restore.name(from, to);
    }
    let question = Question::new(global, &job, &args.options);
    let restore = with_options!(restore, args.options, job, &checkpoint);
    let restore = restore.confirm(|targets| question.ask(targets));
    let reports = restore.dry_run(args.options.dry_run).run();
    let reports = job.ended(reports, Some(&checkpoint))?;
    if question.is_refused()? {
        return Ok(Exit::Failed);
    }
    let exit = print(global, &reports)?;
    if reports.iter().any(|report| report.cancelled) {
        return Ok(stopped(Some(&checkpoint)));
    }
    Ok(exit)
}

fn check(global: &Global, args: &Args, client: &Client) -> Outcome {
    let job = Job::new()?;
    let checked = client
        .restore(&args.folder)
        .cancel(job.flag())
        .on_progress(|progress| job.show(progress))
        .check();
    let manifest = job.ended(checked, None)?;
    let line = json!({
        "created": manifest.created,
        "collections": manifest.collections.len(),
        "records": manifest.records(),
    });
    say(global, &manifest.to_string(), &line)?;
    if global.json {
        for one in &manifest.collections {
            print_json(&json!({
                "collection": one.name,
                "database": one.database,
                "records": one.records,
            }))?;
        }
    }
    Ok(Exit::Done)
}

/// Reads a value of `--as`.
fn renaming(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=');
    let (from, to) = parts.ok_or("it must be OLD=NEW")?;
    Ok((from.to_owned(), to.to_owned()))
}
