//! `chroma_client`: inspects, moves and keeps collections from a shell.

mod cli;
// The library's own file, compiled again: the program uses the public API, which does not have the escapes.
#[allow(dead_code)]
mod printable;

fn main() -> std::process::ExitCode {
    cli::run()
}
