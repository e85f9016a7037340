//! The commands of `chroma_client`. They use the public API of the library only.

// The docs of arguments are their help, which is printed as it is.
#![allow(clippy::doc_markdown)]

mod args;
mod backup;
mod columns;
mod completions;
mod confirm;
mod copy;
mod count;
mod demo;
mod doctor;
mod exit;
mod export;
mod function;
mod get;
mod head;
mod import;
mod input;
mod job;
mod ls;
mod output;
mod progress;
mod query;
mod reembed;
mod restore;
mod rm;
mod serve;
mod stop;
mod transfer;

use std::io::{self, Write};
use std::process::ExitCode;

use args::{Global, Outcome};
use clap::{CommandFactory, Parser, Subcommand};
use exit::Exit;
use output::{is_broken_pipe, note};

/// The text printed without arguments.
const INTRODUCTION: &str = "\
chroma_client inspects, moves and keeps collections of Chroma. The server is CHROMA_HOST or --host.

  chroma_client ls                                  lists the collections
  chroma_client query NAME TEXT                     finds similar records
  chroma_client import FILE --collection NAME       writes a file into a collection
  chroma_client copy NAME --to URL                  copies a collection to another server
  chroma_client backup FOLDER                       writes a backup of all collections

chroma_client --help lists all commands. chroma_client demo needs no server.
";

const AFTER_HELP: &str = "\
Environment: CHROMA_HOST (a URL or host:port), CHROMA_TENANT, CHROMA_DATABASE, CHROMA_API_KEY, MAX_RETRIES, \
RETRY_DELAY_MS, CONNECTION_TIMEOUT_MS, REQUEST_TIMEOUT_MS, NO_COLOR, RUST_LOG.

Jobs (import, copy, reembed, backup, restore) repeat a failed request ten times, whatever MAX_RETRIES is.

Exit codes: 0 done; 1 an error that needs attention; 2 wrong options; 3 written, but old records were kept, or \
a copy differs from its source; 75 try again later; 130 stopped by Ctrl-C or SIGTERM. After 1, 75 and 130, \
the same command continues a job with a checkpoint.

Some messages name a setter of the library. The option has the same name: .allow_losses(true) is --allow-losses.

Example:
  CHROMA_HOST=db:8000 chroma_client ls";

/// Inspects, moves and keeps collections of Chroma, the vector database.
#[derive(Parser)]
#[command(name = "chroma_client", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Ls(ls::Args),
    Count(count::Args),
    Head(head::Args),
    Get(get::Args),
    Query(query::Args),
    Import(import::Args),
    Export(export::Args),
    Copy(copy::Args),
    Reembed(reembed::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Rm(rm::Args),
    Serve(serve::Args),
    Doctor(doctor::Args),
    Demo(demo::Args),
    Completions(completions::Args),
}

/// Runs the command of the command line.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    output::set_colours();
    log_requests(arguments.global.verbose);
    let outcome = match &arguments.command {
        Some(command) => run_command(&arguments.global, command),
        None => introduce(),
    };
    match outcome {
        Ok(exit) => exit.into(),
        // As for `| head -1`: the reader has what it wants.
        Err(error) if is_broken_pipe(&*error) => Exit::Done.into(),
        Err(error) => {
            note(&format!("chroma_client: {error:#}"));
            exit::of_error(&*error).into()
        }
    }
}

fn run_command(global: &Global, command: &Command) -> Outcome {
    match command {
        Command::Ls(args) => ls::run(global, args),
        Command::Count(args) => count::run(global, args),
        Command::Head(args) => head::run(global, args),
        Command::Get(args) => get::run(global, args),
        Command::Query(args) => query::run(global, args),
        Command::Import(args) => import::run(global, args),
        Command::Export(args) => export::run(global, args),
        Command::Copy(args) => copy::run(global, args),
        Command::Reembed(args) => reembed::run(global, args),
        Command::Backup(args) => backup::run(global, args),
        Command::Restore(args) => restore::run(global, args),
        Command::Rm(args) => rm::run(global, args),
        Command::Serve(args) => serve::run(global, args),
        Command::Doctor(args) => doctor::run(global, args),
        Command::Demo(args) => demo::run(global, args),
        Command::Completions(args) => completions::run(args, Arguments::command()),
    }
}

fn introduce() -> Outcome {
    io::stdout().write_all(INTRODUCTION.as_bytes())?;
    Ok(Exit::Done)
}

/// Prints the log of the library: warnings, or more with `--verbose` or `RUST_LOG`.
fn log_requests(verbose: u8) {
    let level = match verbose {
        0 => "chroma_blocking=warn",
        1 => "chroma_blocking=info",
        _ => "chroma_blocking=debug",
    };
    let environment = env_logger::Env::default().default_filter_or(level);
    env_logger::Builder::from_env(environment).init();
    // At the level trace, ureq_proto logs whole requests, including secrets.
    log::set_max_level(log::max_level().min(log::LevelFilter::Debug));
}

#[cfg(test)]
mod tests;
