//! `chroma_client get`: prints records by id or by filter.

use std::collections::HashSet;
use std::error::Error;

use chroma_blocking::Collection;

use super::args::{Global, Outcome, Selection};
use super::exit::Exit;
use super::output::Output;
use super::records::{Columns, Records};

/// The records of one request.
const PAGE: usize = 1_000;

/// Print records: those with these ids, those that pass a filter, or all
#[derive(clap::Args)]
#[command(after_help = "\
With --json, a line for each record: id, document, uri, metadata, embedding. \
What a record does not have is left out. An id without a record is an error, after all others are printed.

While other programs write, use export to read a whole collection.

Examples:
  chroma_client get notes 1 2
  chroma_client get notes --where '{\"year\":{\"$gt\":2000}}' --limit 5")]
pub(crate) struct Args {
    /// The collection
    name: String,
    #[command(flatten)]
    selection: Selection,
    /// At most this many records
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Skip this many records
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    #[command(flatten)]
    columns: Columns,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let collection = global.client()?.collection(&args.name).get()?;
    let mut output = Output::new(global);
    let mut records = Records::new(&mut output, &args.columns);
    let missing = if args.selection.ids.is_empty() {
        print_pages(&collection, args, &mut records)?;
        None
    } else {
        print_by_id(&collection, args, &mut records)?
    };
    output.finish()?;
    match missing {
        Some(id) => Err(format!("the collection {:?} has no record {id:?}", args.name).into()),
        None => Ok(Exit::Done),
    }
}

/// Prints the records that have one of the ids. Returns the first id without a record.
fn print_by_id<'a>(
    collection: &Collection,
    args: &'a Args,
    records: &mut Records<'_>,
) -> Result<Option<&'a str>, Box<dyn Error>> {
    let get = collection
        .get()
        .ids(&args.selection.ids)
        .filter(args.selection.filter.clone());
    let found = get.include(args.columns.include()).run()?;
    let ids: HashSet<String> = found.ids.iter().cloned().collect();
    let limit = args.limit.unwrap_or(usize::MAX);
    records.print(found.into_iter().skip(args.offset).take(limit))?;
    let mut missing = args.selection.ids.iter().filter(|id| !ids.contains(*id));
    // A record that does not pass the filter exists.
    let missing = missing.next().filter(|_| args.selection.filter.is_none());
    Ok(missing.map(String::as_str))
}

/// Prints all records that pass the filter, page by page.
fn print_pages(
    collection: &Collection,
    args: &Args,
    records: &mut Records<'_>,
) -> Result<(), Box<dyn Error>> {
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut offset = args.offset;
    loop {
        let size = left.min(PAGE);
        let page = collection
            .get()
            .filter(args.selection.filter.clone())
            .limit(size)
            .offset(offset);
        let page = page.include(args.columns.include()).run()?;
        let found = page.len();
        records.print(page.into_iter())?;
        left -= found;
        offset += found;
        if found < size || left == 0 {
            return Ok(());
        }
    }
}
