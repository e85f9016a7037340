//! `chroma_client query`: finds the records that are most similar to a text.

use std::sync::Arc;

use chroma_blocking::Where;

use super::args::{Global, Outcome, filter};
use super::columns::Columns;
use super::exit::Exit;
use super::function::FunctionArgs;

/// Find the records that are most similar to a text, nearest first
///
/// The text is embedded with the function that the collection stores. Its key is read from the environment variable
/// that the collection names, such as GEMINI_API_KEY. Chroma 1.0.0 does not return the function; pass --function.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chroma_client query notes \"memory safety\" -n 3
  chroma_client query notes \"memory safety\" --where '{\"year\":{\"$gt\":2000}}'")]
pub(crate) struct Args {
    /// The collection
    name: String,
    /// The text
    text: String,
    /// The number of hits
    #[arg(short, long = "limit", value_name = "N", default_value_t = 10)]
    n: usize,
    /// Only records that pass this filter: Chroma's JSON
    #[arg(long = "where", value_name = "JSON", value_parser = filter)]
    filter: Option<Where>,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    function: FunctionArgs,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let mut opener = global.client()?.collection(&args.name);
    if let Some(function) = args.function.make(Arc::default())? {
        opener = opener.embedding_function(function);
    }
    let collection = opener.get()?;
    let query = collection.query(args.text.as_str()).n_results(args.n);
    let query = query
        .filter(args.filter.clone())
        .include(args.columns.include());
    let hits = query.run()?;
    args.columns.hits(global).print(hits)?;
    Ok(Exit::Done)
}
