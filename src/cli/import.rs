//! `chroma_client import`: writes the records of a file, a folder or standard input into a collection.

use std::error::Error;
use std::path::{Path, PathBuf};

use chroma_blocking::ingest::{BadRecords, IngestReport, TextSplitter};
use chroma_blocking::{Collection, Space};
use serde_json::json;

use super::args::{Global, Outcome, named};
use super::confirm::confirm;
use super::exit::{Exit, UsageError};
use super::function::FunctionArgs;
use super::input::{Format, Input, Records};
use super::job::{Job, stopped};
use super::output::{note, records, say};
use crate::printable::one_line;

/// The metadata key of the hashes of `--only-changed`.
const CONTENT_HASH: &str = "content_hash";
/// The metadata key of the document of a piece.
const SOURCE_ID: &str = "source_id";

/// Write the records of a file, a folder or standard input into a collection
///
/// The fields id, document, embedding and uri are the record's own; all others become metadata. The collection is
/// created if it does not exist. Records with vectors need no embedding function; the others are embedded with the
/// one that the collection stores, or with --function.
#[derive(clap::Args)]
#[command(after_help = "\
A run that ends early leaves a checkpoint, INPUT.ckpt. The same command continues there.

The key of a function is read from its provider's variable, such as GEMINI_API_KEY or OPENAI_API_KEY.

Examples:
  chroma_client import notes.jsonl --collection notes
  chroma_client import docs/ --collection docs --split 1000 --function google_gemini
  chroma_client export notes | chroma_client import - --collection copy --host db:8000")]
// The flags of the command line.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Args {
    /// A file, a folder, or - for standard input
    #[arg(value_name = "FILE|FOLDER|-")]
    input: PathBuf,
    /// The collection
    #[arg(long, short, value_name = "NAME")]
    collection: String,
    /// The format [default: by the extension; text for a folder, jsonl for standard input]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    function: FunctionArgs,
    /// The distance function of a new collection: l2, cosine or ip [default: the embedding function's, or l2]
    #[arg(long, value_parser = named::<Space>)]
    space: Option<Space>,
    /// Split documents into pieces of at most N characters; later runs replace all pieces of a document
    #[arg(long, value_name = "N")]
    split: Option<usize>,
    /// Skip records that have not changed since the last run
    #[arg(long)]
    only_changed: bool,
    /// Delete records that are not in the input
    #[arg(long)]
    sync: bool,
    /// With --sync: delete although up to N items cannot be read
    #[arg(long, value_name = "N", default_value_t = 0)]
    tolerate: u64,
    /// Write bad records to this file and continue [default: the first bad record stops the command]
    #[arg(long, visible_alias = "bad", value_name = "FILE")]
    skip_bad: Option<PathBuf>,
    /// The checkpoint [default: INPUT.ckpt; none for standard input]
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Start from the beginning if the input has changed since the run of the checkpoint
    #[arg(long, alias = "restart-with")]
    restart: bool,
    /// Read and check everything, and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let input = Input::new(&args.input, args.format)?;
    let client = global.client()?;
    let job = Job::new()?;
    let mut builder = client.collection(&args.collection);
    if let Some(function) = args.function.make(job.flag())? {
        builder = builder.embedding_function(function);
    }
    if let Some(space) = args.space {
        builder = builder.space(space);
    }
    let existing = match builder.clone().get() {
        Ok(collection) => Some(collection),
        Err(chroma_blocking::Error::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(collection) = existing.as_ref().filter(|_| args.sync && !args.dry_run) {
        let (name, url, input) = (&args.collection, client.url(), args.input.display());
        let question = format!("Delete the records of {name:?} at {url} that are not in {input}?");
        if collection.count()? > 0 && !confirm(global, &question)? {
            return Ok(Exit::Failed);
        }
    }
    let mut records = open(&input, args)?;
    let checkpoint = args.checkpoint.clone().or_else(|| input.checkpoint());
    let checkpoint = checkpoint.as_deref();
    let collection = match existing {
        Some(collection) => collection,
        None if args.dry_run => {
            note(&format!(
                "the collection {:?} would be created",
                args.collection
            ));
            return finish(global, args, &read_only(records), checkpoint);
        }
        None => {
            if args.function.function.is_none() {
                records = check_first(records, &input, args)?;
            }
            builder.get_or_create()?
        }
    };
    let report = write(&collection, records, (&input, args), (&job, checkpoint));
    finish(global, args, &job.ended(report, checkpoint)?, checkpoint)
}

fn open(input: &Input, args: &Args) -> chroma_blocking::Result<Records> {
    let records = input.open()?;
    Ok(match args.split {
        Some(size) => {
            let splitter = TextSplitter::new(size).document_key(SOURCE_ID);
            Box::new(splitter.split_records(records))
        }
        None => records,
    })
}

/// Checks that the first record has a vector, so that no collection is created in vain.
fn check_first(
    mut records: Records,
    input: &Input,
    args: &Args,
) -> Result<Records, Box<dyn Error>> {
    let first = records.next();
    if let Some(Ok(record)) = &first {
        if record.embedding.is_none() {
            let (id, name) = (one_line(&record.id), &args.collection);
            return Err(UsageError(format!(
                "the record {id} has no vector, and the collection {name:?} does not exist yet; pass --function"
            ))
            .into());
        }
    }
    // A file is opened again, since the job shows how much of it is read.
    if input.is_stream() {
        Ok(Box::new(first.into_iter().chain(records)))
    } else {
        Ok(open(input, args)?)
    }
}

/// Does what a dry run can do without a collection.
fn read_only(records: Records) -> IngestReport {
    let mut report = IngestReport::default();
    report.dry_run = true;
    for record in records {
        report.read += 1;
        match record {
            Ok(_) => report.written += 1,
            Err(error) => {
                report.failed += 1;
                note(&format!("{error:#}"));
            }
        }
    }
    report
}

fn write(
    collection: &Collection,
    records: Records,
    (input, args): (&Input, &Args),
    (progress, checkpoint): (&Job, Option<&Path>),
) -> chroma_blocking::Result<IngestReport> {
    let mut job = collection
        .ingest(records)
        .concurrency(args.function.concurrency)
        .dry_run(args.dry_run)
        .cancel(progress.flag())
        .on_progress(|update| progress.show(update));
    if let Some(file) = checkpoint {
        job = job.checkpoint(file);
    }
    if args.restart {
        job = job.restart_with(|| open(input, args));
    }
    if args.only_changed {
        job = job.content_hash(CONTENT_HASH);
    }
    if args.split.is_some() {
        job = job.replace_documents(SOURCE_ID);
    }
    if args.sync {
        job = job.sync(None).tolerate_unreadable(args.tolerate);
    }
    if let Some(file) = &args.skip_bad {
        job = job.bad_records(BadRecords::dead_letters(file));
    }
    job.run()
}

/// Prints the report.
fn finish(
    global: &Global,
    args: &Args,
    report: &IngestReport,
    checkpoint: Option<&Path>,
) -> Outcome {
    let mut line = serde_json::to_value(report)?;
    line["collection"] = json!(args.collection);
    say(global, &format!("{}: {report}", args.collection), &line)?;
    for bad in &report.bad {
        note(&bad.to_string());
    }
    if report.cancelled {
        return Ok(stopped(checkpoint));
    }
    if let Some(why) = &report.withheld_because {
        let kept = records(report.withheld);
        note(&format!(
            "{kept} that are not in the input were kept: {why}; see --tolerate"
        ));
        return Ok(Exit::Kept);
    }
    Ok(Exit::Done)
}
