//! `chroma_client ls`: lists the collections.

use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::Exit;
use super::output::Table;

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
    let mut lines = Vec::new();
    for collection in &collections {
        let records = match collection.count() {
            // Another program has deleted it.
            Err(chroma_blocking::Error::NotFound { .. }) => continue,
            records => records?,
        };
        let function = collection.configuration().embedding_function.as_ref();
        lines.push(json!({
            "collection": collection.name(),
            "id": collection.id(),
            "records": records,
            "dimension": collection.dimension(),
            "space": collection.space(),
            "embedding_function": function.and_then(|function| function.name.as_ref()),
            "metadata": collection.metadata(),
        }));
    }
    let names = &[
        "collection",
        "records",
        "dimension",
        "space",
        "embedding_function",
    ];
    Table::new(global, names).print(lines)?;
    Ok(Exit::Done)
}
