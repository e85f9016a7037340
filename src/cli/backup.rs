//! `chroma_client backup`.

use super::args::{Global, Outcome};
use super::exit::Exit;

/// Not written yet
#[derive(clap::Args)]
#[command(after_help = "Example:\n  chroma_client backup")]
pub(crate) struct Args {}

pub(crate) fn run(_global: &Global, _args: &Args) -> Outcome {
    Ok(Exit::Done)
}
