//! `chroma_client completions`.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;

use super::args::Outcome;
use super::exit::Exit;

/// Print the completions of a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  source <(chroma_client completions bash)
  chroma_client completions zsh > ~/.zfunc/_chroma_client")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: Command) -> Outcome {
    // The crate panics at a broken pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "chroma_client", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
