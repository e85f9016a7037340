//! `chroma_client rm`: deletes a collection, or some of its records.

use chroma_blocking::{Collection, Include};
use serde_json::json;

use super::args::{Global, Outcome, Selection};
use super::confirm::confirm;
use super::exit::Exit;
use super::output::{records, say};

/// Delete a collection, or the records with these ids or that pass a filter
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chroma_client rm notes
  chroma_client rm notes 1 2 --yes
  chroma_client rm notes --where '{\"year\":{\"$lt\":2000}}' --dry-run")]
pub(crate) struct Args {
    /// The collection
    name: String,
    #[command(flatten)]
    selection: Selection,
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let client = global.client()?;
    let name = &args.name;
    let collection = client.collection(name).get()?;
    let is_whole = args.selection.ids.is_empty() && args.selection.filter.is_none();
    let (ids, count) = if is_whole {
        (Vec::new(), collection.count()?)
    } else {
        let ids = selected(&collection, args)?;
        let count = ids.len();
        (ids, count)
    };
    let what = if is_whole {
        format!("the collection {name:?} with {}", records(count as u64))
    } else {
        format!("{} of the collection {name:?}", records(count as u64))
    };
    if !args.dry_run && (is_whole || count > 0) {
        if !confirm(global, &format!("Delete {what} at {}?", client.url()))? {
            return Ok(Exit::Failed);
        }
        if is_whole {
            client.delete_collection(name)?;
        } else {
            // Deletes by id alone: if the filter is sent as well, servers need minutes for thousands of ids.
            collection.delete().ids(ids).run()?;
        }
    }
    let done = if args.dry_run {
        "would delete"
    } else {
        "deleted"
    };
    say(
        global,
        &format!("{done} {what}"),
        &json!({ "collection": name, "deleted": count, "whole": is_whole, "dry_run": args.dry_run }),
    )?;
    Ok(Exit::Done)
}

/// Returns the ids of the records that the ids and the filter select.
fn selected(collection: &Collection, args: &Args) -> chroma_blocking::Result<Vec<String>> {
    const NOTHING: [Include; 0] = [];
    if !args.selection.ids.is_empty() {
        let get = collection
            .get()
            .ids(&args.selection.ids)
            .filter(args.selection.filter.clone());
        return Ok(get.include(NOTHING).run()?.ids);
    }
    let scan = collection.scan().filter(args.selection.filter.clone());
    let mut ids = Vec::new();
    for page in scan.include(NOTHING).pages() {
        ids.extend(page?.ids);
    }
    Ok(ids)
}
