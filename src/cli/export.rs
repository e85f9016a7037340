//! `chroma_client export`.

use super::args::{Global, Outcome};
use super::exit::Exit;

/// Not written yet
#[derive(clap::Args)]
#[command(after_help = "Example:\n  chroma_client export")]
pub(crate) struct Args {}

pub(crate) fn run(_global: &Global, _args: &Args) -> Outcome {
    Ok(Exit::Done)
}
