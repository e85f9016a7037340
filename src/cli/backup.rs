//! `chroma_client backup`: writes collections into a folder or a `.tar` stream.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use chroma_blocking::transfer::BackupReport;
use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::{Exit, UsageError};
use super::job::{Job, stopped};
use super::output::{is_broken_pipe, print};
use crate::printable::one_line;

/// Write all collections of the database, or those named, into a folder or a .tar stream
///
/// A backup has settings, schema, function and records, as JSON Lines with checksums. The folder gets its name when
/// the backup is complete. Only the current user can read it.
#[derive(clap::Args)]
#[command(after_help = "\
With --tar, the report is on standard error.

A backup that ends early leaves nothing; run it again.

Examples:
  chroma_client backup backups/monday
  chroma_client backup backups/tuesday --since backups/monday
  chroma_client backup --tar notes | zstd > notes.tar.zst")]
pub(crate) struct Args {
    /// A new or empty folder, or - as --tar
    #[arg(required_unless_present = "tar")]
    folder: Option<String>,
    /// The collections [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write a .tar stream to standard output instead of a folder
    #[arg(long)]
    tar: bool,
    /// Make hard links to the files of this backup that have not changed; each folder stays complete by itself
    #[arg(long, value_name = "FOLDER")]
    since: Option<PathBuf>,
    /// Back up all databases of the tenant
    #[arg(long)]
    all_databases: bool,
    /// Read everything, and write nothing; --since has no effect then
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let folder = args
        .folder
        .as_deref()
        .filter(|folder| !args.tar && *folder != "-");
    // With --tar, the first argument is a collection.
    let first = args.folder.iter().filter(|_| args.tar);
    let names: Vec<&String> = first.chain(&args.names).collect();
    if folder.is_none() && !args.dry_run && io::stdout().is_terminal() {
        let why = "a .tar stream is not for a terminal; redirect it to a file or a program";
        return Err(UsageError(why.to_owned()).into());
    }
    let client = global.client()?;
    let job = Job::new()?;
    let mut backup = client
        .backup()
        .all_databases(args.all_databases)
        .cancel(job.flag())
        .on_progress(|progress| job.show(progress));
    if !names.is_empty() {
        backup = backup.collections(names);
    }
    if let Some(earlier) = args.since.as_ref().filter(|_| !args.dry_run) {
        backup = backup.since(earlier);
    }
    let report = match folder {
        _ if args.dry_run => backup.to_tar(io::sink()),
        Some(folder) => backup.to_folder(folder),
        None => backup.to_tar(io::stdout().lock()),
    };
    let report = job.ended(report, None).map_err(|error| -> Box<dyn Error> {
        if is_broken_pipe(&error) {
            // An incomplete stream cannot be restored.
            "backup: the program that reads the .tar stream has ended, so the backup is incomplete"
                .into()
        } else {
            error.into()
        }
    })?;
    if folder.is_none() && !args.dry_run {
        writeln!(io::stderr(), "{}", line(global, args, &report)?)?;
    } else {
        print(&line(global, args, &report)?)?;
    }
    if report.cancelled {
        return Ok(stopped(None));
    }
    Ok(Exit::Done)
}

/// Returns the report as one line.
fn line(global: &Global, args: &Args, report: &BackupReport) -> Result<String, serde_json::Error> {
    if !global.json {
        let dry = if args.dry_run { "dry run: " } else { "" };
        return Ok(format!("{dry}{report}"));
    }
    let mut line = serde_json::to_value(report)?;
    line["dry_run"] = json!(args.dry_run);
    Ok(one_line(&line.to_string()).into_owned())
}
