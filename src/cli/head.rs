//! `chroma_client head`: prints the first records of a collection.

use super::args::{Global, Outcome};
use super::exit::Exit;
use super::output::Output;
use super::records::{Columns, Records};

/// Print the first records of a collection
#[derive(clap::Args)]
#[command(after_help = "\
With --json, a line for each record: id, document, uri, metadata, embedding. \
What a record does not have is left out.

Example:
  chroma_client head notes -n 3")]
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
    let collection = global.client()?.collection(&args.name).get()?;
    let first = collection.get().limit(args.n);
    let found = first.include(args.columns.include()).run()?;
    let mut output = Output::new(global);
    Records::new(&mut output, &args.columns).print(found.into_iter())?;
    output.finish()?;
    Ok(Exit::Done)
}
