//! `chroma_client rm`.

use super::args::{Global, Outcome};
use super::exit::Exit;

/// Not written yet
#[derive(clap::Args)]
#[command(after_help = "Example:\n  chroma_client rm")]
pub(crate) struct Args {}

pub(crate) fn run(_global: &Global, _args: &Args) -> Outcome {
    Ok(Exit::Done)
}
