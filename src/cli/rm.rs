//! `chroma_client rm`: deletes a collection, or some of its records.

use std::error::Error;

use chroma_blocking::{Collection, Include, Where};
use serde_json::json;

use super::args::{Global, Outcome, filter};
use super::confirm::confirm;
use super::exit::Exit;
use super::output::{Output, records};

/// Delete a collection, or the records with these ids or that pass a filter
#[derive(clap::Args)]
#[command(after_help = "\
With --json: name, records (how many are deleted), collection (whether the collection is deleted), dry_run.

Examples:
  chroma_client rm notes
  chroma_client rm notes 1 2 --yes
  chroma_client rm notes --where '{\"year\":{\"$lt\":2000}}' --dry-run")]
pub(crate) struct Args {
    /// The collection
    name: String,
    /// Ids of records
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only records that pass this filter: Chroma's JSON
    #[arg(long = "where", value_name = "JSON", value_parser = filter)]
    filter: Option<Where>,
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let client = global.client()?;
    let collection = client.collection(&args.name).get()?;
    let is_whole = args.ids.is_empty() && args.filter.is_none();
    let mut count = if is_whole {
        collection.count()?
    } else {
        selected(&collection, args)?
    };
    let describe = |count| {
        let (name, records) = (&args.name, records(count));
        if is_whole {
            format!("the collection {name:?} with {records}")
        } else {
            format!("{records} of the collection {name:?}")
        }
    };
    if !args.dry_run && (is_whole || count > 0) {
        if !confirm(
            global,
            &format!("Delete {} at {}?", describe(count), client.url()),
        )? {
            return Ok(Exit::Failed);
        }
        if is_whole {
            client.delete_collection(&args.name)?;
        } else {
            let delete = collection.delete().filter(args.filter.clone());
            let deleted = if args.ids.is_empty() {
                delete.run()?
            } else {
                delete.ids(&args.ids).run()?
            };
            count = deleted.unwrap_or(count);
        }
    }
    let mut output = Output::new(global);
    if output.is_json() {
        let dry_run = args.dry_run;
        let name = &args.name;
        let deleted =
            json!({ "name": name, "records": count, "collection": is_whole, "dry_run": dry_run });
        output.json(&deleted)?;
    } else {
        let done = if args.dry_run {
            "would delete"
        } else {
            "deleted"
        };
        output.line(&format!("{done} {}", describe(count)))?;
    }
    output.finish()?;
    Ok(Exit::Done)
}

/// Counts the records that the ids and the filter select.
fn selected(collection: &Collection, args: &Args) -> Result<usize, Box<dyn Error>> {
    const NOTHING: [Include; 0] = [];
    if !args.ids.is_empty() {
        let get = collection.get().ids(&args.ids).filter(args.filter.clone());
        return Ok(get.include(NOTHING).run()?.len());
    }
    let mut found = 0;
    for page in collection
        .scan()
        .filter(args.filter.clone())
        .include(NOTHING)
        .pages()
    {
        found += page?.len();
    }
    Ok(found)
}
