//! `chroma_client head`: prints the first records of a collection.

use super::args::{Global, Outcome, Selection};
use super::columns::Columns;
use super::get;

/// Print the first records of a collection
#[derive(clap::Args)]
#[command(after_help = "Example:\n  chroma_client head notes -n 3")]
pub(crate) struct Args {
    /// The collection
    name: String,
    /// The number of records
    #[arg(short, long = "limit", value_name = "N", default_value_t = 10)]
    n: usize,
    #[command(flatten)]
    columns: Columns,
}

pub(crate) fn run(global: &Global, args: &Args) -> Outcome {
    let first = get::Args {
        name: args.name.clone(),
        selection: Selection::default(),
        limit: Some(args.n),
        offset: 0,
        columns: args.columns,
    };
    get::run(global, &first)
}
