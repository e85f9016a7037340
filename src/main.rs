//! `chroma_client`: inspects, moves and keeps collections from a shell.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
