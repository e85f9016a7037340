//! `chroma_client export`: writes a collection as JSON Lines.

use std::io;
use std::path::{Path, PathBuf};

use chroma_blocking::Where;
use serde_json::json;

use super::args::{Global, Outcome, filter};
use super::exit::Exit;
use super::output::{records, say};
use super::progress::Bar;
use super::stop;

/// Write a collection as JSON Lines, which import reads
///
/// A line has id, document, uri, metadata and embedding. A file is replaced when all records are written. The name,
/// settings and schema of the collection are not written: see backup and copy.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chroma_client export notes notes.jsonl
  chroma_client export notes --where '{\"year\":{\"$gt\":2000}}' --no-embeddings | gzip > notes.jsonl.gz")]
pub(crate) struct Args {
    /// The collection
    name: String,
    /// The file [default: standard output]
    file: Option<PathBuf>,
    /// Only records that pass this filter: Chroma's JSON
    #[arg(long = "where", value_name = "JSON", value_parser = filter)]
    filter: Option<Where>,
    /// Leave the vectors out; an import then embeds the documents again
    #[arg(long)]
    no_embeddings: bool,
    /// Read all records, and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    let stop = stop::on_signals("stopping")?;
    let collection = global.client()?.collection(&args.name).get()?;
    let bar = Bar::new()?;
    let export = collection
        .with_cancel(stop)
        .export()
        .filter(args.filter.clone())
        .embeddings(!args.no_embeddings)
        .on_progress(|progress| bar.show(progress));
    let count = match file {
        _ if args.dry_run => export.write_to(io::sink()),
        Some(file) => export.to_file(file),
        None => export.write_to(io::stdout().lock()),
    };
    bar.clear();
    let count = count?;
    if args.dry_run || file.is_some() {
        let shown = file.map_or("standard output".into(), Path::to_string_lossy);
        let done = if args.dry_run { "would write" } else { "wrote" };
        say(
            global,
            &format!("{done} {} to {shown}", records(count)),
            &json!({ "collection": args.name, "file": shown, "written": count, "dry_run": args.dry_run }),
        )?;
    }
    Ok(Exit::Done)
}
