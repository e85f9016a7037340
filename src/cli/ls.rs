//! `chroma_client ls`: lists the collections.

use chroma_blocking::Collection;
use serde::Serialize;

use super::args::{Global, Outcome};
use super::exit::Exit;
use super::output::{Output, Table};

/// List the collections of the database
#[derive(clap::Args)]
#[command(after_help = "\
With --json, a line for each: name, id, records, dimension, space, embedding_function, metadata.

Examples:
  chroma_client ls
  chroma_client ls --json | jq -r .name")]
pub(crate) struct Args {}

/// A line of `ls --json`.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    id: &'a str,
    records: usize,
    dimension: Option<usize>,
    space: Option<chroma_blocking::Space>,
    embedding_function: Option<&'a str>,
    metadata: &'a chroma_blocking::Metadata,
}

pub(crate) fn run(global: &Global, _args: &Args) -> Outcome {
    let client = global.client()?;
    let mut collections = client.list_collections().run()?;
    if collections.is_empty() {
        // Servers list no collections of a database that does not exist.
        client.get_database(client.database())?;
    }
    collections.sort_by(|one, other| one.name().cmp(other.name()));
    let mut output = Output::new(global);
    let mut table = Table::new(&["NAME", "RECORDS", "DIMENSION", "SPACE", "FUNCTION"]);
    let mut rows = Vec::new();
    for collection in &collections {
        let records = match collection.count() {
            // Another program has deleted it.
            Err(chroma_blocking::Error::NotFound { .. }) => continue,
            records => records?,
        };
        let listed = listed(collection, records);
        if output.is_json() {
            output.json(&listed)?;
        } else {
            let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            rows.push(vec![
                listed.name.to_owned(),
                records.to_string(),
                shown(listed.dimension.map(|floats| floats.to_string())),
                shown(
                    listed
                        .space
                        .map(|space| format!("{space:?}").to_lowercase()),
                ),
                shown(listed.embedding_function.map(ToOwned::to_owned)),
            ]);
        }
    }
    if !output.is_json() {
        output.rows(&mut table, &rows)?;
    }
    output.finish()?;
    Ok(Exit::Done)
}

fn listed(collection: &Collection, records: usize) -> Listed<'_> {
    let stored = collection.configuration().embedding_function.as_ref();
    Listed {
        name: collection.name(),
        id: collection.id(),
        records,
        dimension: collection.dimension(),
        space: collection.space(),
        embedding_function: stored.and_then(|function| function.name.as_deref()),
        metadata: collection.metadata(),
    }
}
