//! `chroma_client get`: prints records by id or by filter.

use std::collections::HashSet;

use super::args::{Global, Outcome, Selection};
use super::columns::Columns;
use super::exit::Exit;

/// The records of one request.
const PAGE: usize = 1_000;

/// Print records: those with these ids, those that pass a filter, or all
#[derive(clap::Args)]
#[command(after_help = "\
An id without a record is an error, after all others are printed.

While other programs write, use export to read a whole collection.

Examples:
  chroma_client get notes 1 2
  chroma_client get notes --where '{\"year\":{\"$gt\":2000}}' --limit 5")]
pub(crate) struct Args {
    /// The collection
    pub(super) name: String,
    #[command(flatten)]
    pub(super) selection: Selection,
    /// At most this many records
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Skip this many records
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) offset: usize,
    #[command(flatten)]
    pub(super) columns: Columns,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let collection = global.client()?.collection(&args.name).get()?;
    let mut table = args.columns.records(global);
    let ids = &args.selection.ids;
    let mut missing: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut offset = args.offset;
    loop {
        let size = left.min(PAGE);
        let mut page = collection.get().limit(size).offset(offset);
        if !ids.is_empty() {
            page = page.ids(ids);
        }
        let page = page.filter(args.selection.filter.clone());
        let page = page.include(args.columns.include()).run()?;
        let found = page.len();
        for id in &page.ids {
            missing.remove(id.as_str());
        }
        table.print(page)?;
        left -= found;
        offset += found;
        if found < size || left == 0 {
            break;
        }
    }
    // Other options leave out records that exist.
    let is_by_id_alone =
        args.selection.filter.is_none() && args.limit.is_none() && args.offset == 0;
    match missing.iter().next() {
        Some(id) if is_by_id_alone => {
            Err(format!("the collection {:?} has no record {id:?}", args.name).into())
        }
        _ => Ok(Exit::Done),
    }
}
