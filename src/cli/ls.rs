//! `chroma_client ls`: lists the collections.

use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::Exit;
use super::output::{Output, Table};

/// List the collections of the database
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chroma_client ls
  chroma_client ls --json | jq -r .collection")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: &Args) -> Outcome {
    let client = global.client()?;
    let mut collections = client.list_collections().run()?;
    if collections.is_empty() {
        // Servers list no collections of a database that does not exist.
        client.get_database(client.database())?;
    }
    collections.sort_by(|one, other| one.name().cmp(other.name()));
    let output = Output::new(global);
    let mut rows = Vec::new();
    for collection in &collections {
        let records = match collection.count() {
            // Another program has deleted it.
            Err(chroma_blocking::Error::NotFound { .. }) => continue,
            records => records?,
        };
        let stored = collection.configuration().embedding_function.as_ref();
        let function = stored.and_then(|function| function.name.clone());
        if output.is_json() {
            output.json(&json!({
                "collection": collection.name(),
                "id": collection.id(),
                "records": records,
                "dimension": collection.dimension(),
                "space": collection.space(),
                "embedding_function": function,
                "metadata": collection.metadata(),
            }))?;
            continue;
        }
        let dimension = collection.dimension().map(|floats| floats.to_string());
        let space = collection
            .space()
            .map(|space| format!("{space:?}").to_lowercase());
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let mut row = vec![collection.name().to_owned(), records.to_string()];
        row.extend([dimension, space, function].map(or_dash));
        rows.push(row);
    }
    if !output.is_json() {
        let mut table = Table::new(&["NAME", "RECORDS", "DIMENSION", "SPACE", "FUNCTION"]);
        output.rows(&mut table, &rows)?;
    }
    Ok(Exit::Done)
}
