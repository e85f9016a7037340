//! `chroma_client count`: counts the records of a collection.

use serde_json::json;

use super::args::{Global, Outcome};
use super::exit::Exit;
use super::output::say;

/// Print the number of records in a collection
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  chroma_client count notes")]
pub(crate) struct Args {
    /// The collection
    name: String,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let records = global.client()?.collection(&args.name).get()?.count()?;
    let line = json!({ "collection": args.name, "records": records });
    say(global, &records.to_string(), &line)?;
    Ok(Exit::Done)
}
