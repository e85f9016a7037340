//! Embeds and writes a file of JSON Lines of any size. You may stop or kill it; the next run continues there.
//!
//! ```text
//! cargo run --release --example batch_ingest -- [OPTIONS] [INPUT]
//!
//!   INPUT                 a file of JSON Lines. Default: the corpus of the examples
//!   --collection NAME     default: the name of the input
//!   --checkpoint FILE     default: INPUT.ckpt, or INPUT.I-of-N.ckpt
//!   --concurrency N       concurrent embedding requests. Default: 4
//!   --only-changed        skips unchanged records
//!   --bad FILE            writes bad records to FILE and continues.
//!                         Default: the first bad record stops the job
//!   --sync                deletes records that are not in the input. If an item cannot be read, nothing is
//!                         deleted, because its record might be in the collection
//!   --tolerate N          with --sync: deletes although up to N items cannot be read. Default: 0
//!   --shard I/N           the part of this machine: I of N, counted from 0
//!   --restart             starts from the beginning if the last run did not finish and the input has
//!                         changed since. Default: the checkpoint of that run is refused
//!   --dry-run             reports what would be done
//! ```
//!
//! Exit codes:
//! - 0: everything is written
//! - 1: an error that needs attention
//! - 2: wrong options
//! - 3: everything is written, but --sync kept old records
//! - 75: try again later (no server, a quota is used up, or another run uses the checkpoint)
//! - 130: stopped by Ctrl-C
//!
//! After 1, 75 and 130, the same command continues where it stopped. For servers and keys, see
//! `.env.example`.

#[path = "../src/cli/exit.rs"]
mod exit;

use std::cell::Cell;
use std::env;
use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chroma_blocking::{
    Client, ClientBuilder, EmbeddingFunction, Gemini, Hashing, LocalServer, Progress,
    ingest::{BadRecords, jsonl_records},
};
use exit::Exit;
use indicatif::{ProgressBar, ProgressStyle};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/corpus.jsonl");
/// The time between two lines of progress, without a terminal.
const PAUSE: Duration = Duration::from_secs(10);

// The flags of the command line.
#[allow(clippy::struct_excessive_bools)]
struct Options {
    input: PathBuf,
    collection: String,
    checkpoint: PathBuf,
    concurrency: usize,
    only_changed: bool,
    bad: Option<PathBuf>,
    sync: bool,
    tolerate: u64,
    shard: (u32, u32),
    restart: bool,
    dry_run: bool,
}

fn main() -> ExitCode {
    if let Err(error) = dotenvy::dotenv() {
        if !error.not_found() {
            eprintln!("batch_ingest: .env: {error}");
            return Exit::Usage.into();
        }
    }
    // At the level trace, ureq_proto logs whole requests, including secrets.
    env_logger::Builder::from_default_env()
        .filter_module("ureq_proto", log::LevelFilter::Info)
        .init();
    if env::args().any(|argument| argument == "--help") {
        help();
        return ExitCode::SUCCESS;
    }
    let options = match options(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("batch_ingest: {error}; --help lists the options");
            return Exit::Usage.into();
        }
    };
    match run(&options) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("batch_ingest: {error:#}");
            exit::of_error(&*error).into()
        }
    }
}

/// Prints the documentation at the top of this file.
fn help() {
    let top = include_str!("batch_ingest.rs").lines();
    for line in top.map_while(|line| line.strip_prefix("//!")) {
        println!("{}", line.strip_prefix(' ').unwrap_or(line));
    }
}

fn run(options: &Options) -> Result<Exit, Box<dyn Error>> {
    let (client, _server) = connect()?;
    let function: Box<dyn EmbeddingFunction> =
        if is_set("GOOGLE_API_KEY") || is_set("GEMINI_API_KEY") {
            Box::new(Gemini::builder().concurrency(options.concurrency).build()?)
        } else {
            Box::new(Hashing::default())
        };
    eprintln!(
        "writing {} to the collection {:?} at {}",
        options.input.display(),
        options.collection,
        client.url()
    );
    let notes = client
        .collection(&options.collection)
        .embedding_function(function)
        .get_or_create()?;

    let stop = stop_on_ctrl_c()?;
    let progress = ProgressDisplay::new()?;
    let mut job = notes
        .ingest(jsonl_records(&options.input)?)
        .concurrency(options.concurrency)
        .checkpoint(&options.checkpoint)
        .shard(options.shard.0, options.shard.1)
        .cancel(stop)
        .dry_run(options.dry_run)
        .on_progress(|update| progress.show(update));
    if options.restart {
        job = job.restart_with(|| jsonl_records(&options.input));
    }
    if options.only_changed {
        job = job.content_hash("content_hash");
    }
    if options.sync {
        job = job.sync(None).tolerate_unreadable(options.tolerate);
    }
    if let Some(file) = &options.bad {
        job = job.bad_records(BadRecords::dead_letters(file));
    }
    let report = job.run();
    progress.clear();
    let report = report?;
    println!("{report}");
    for bad in &report.bad {
        eprintln!("{bad}");
    }
    if report.cancelled {
        eprintln!("run the same command again to continue");
        return Ok(Exit::Stopped);
    }
    if let Some(why) = &report.withheld_because {
        eprintln!(
            "{} records that are not in the input were kept: {why}; see --tolerate",
            report.withheld
        );
        return Ok(Exit::Kept);
    }
    Ok(Exit::Done)
}

/// Connects to the server in the environment, or starts one for this run. The started server keeps its data,
/// so that a job can continue.
fn connect() -> Result<(Client, Option<LocalServer>), Box<dyn Error>> {
    let named = ["CHROMA_HOST", "CHROMA_ENDPOINT", "CHROMA_API_KEY"];
    if named.into_iter().any(is_set) {
        return Ok((Client::from_env()?, None));
    }
    let data = env::temp_dir().join("chroma-blocking-batch-ingest");
    eprintln!(
        "starting a server with its data in {}; to use your server, set CHROMA_HOST",
        data.display()
    );
    let mut builder = LocalServer::builder()
        .install(true)
        .on_install(|plan| eprintln!("{plan}"))
        .data(data);
    if !is_set("CHROMA_BIN") {
        builder = builder.version("1.5.9");
    }
    let server = builder.start()?;
    let client = ClientBuilder::from_env()?.host(server.url()).build()?;
    Ok((client, Some(server)))
}

fn is_set(variable: &str) -> bool {
    env::var(variable).is_ok_and(|value| !value.trim().is_empty())
}

/// Returns a flag that Ctrl-C sets. A second Ctrl-C ends the program at once, which is also safe.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, Box<dyn Error>> {
    let flag = Arc::new(AtomicBool::new(false));
    let stop = flag.clone();
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::SeqCst) {
            process::exit(Exit::Stopped as i32);
        }
        eprintln!("finishing the current requests; press Ctrl-C again to stop at once");
    })?;
    Ok(flag)
}

/// Shows progress: a bar on a terminal, otherwise a line every [`PAUSE`].
struct ProgressDisplay {
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Cell<Instant>,
}

impl ProgressDisplay {
    fn new() -> Result<ProgressDisplay, Box<dyn Error>> {
        let mut bar = None;
        if stderr().is_terminal() {
            let style = "{wide_bar} {bytes} of {total_bytes}, {msg}, {eta} left";
            bar = Some(ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?));
        }
        Ok(ProgressDisplay {
            bar,
            started: Instant::now(),
            last_line: Cell::new(Instant::now()),
        })
    }

    fn show(&self, update: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(update.input_bytes_total.unwrap_or_default());
            bar.set_position(update.input_bytes);
            bar.set_message(format!("{} items", update.done));
        } else if self.last_line.get().elapsed() >= PAUSE {
            self.last_line.set(Instant::now());
            let rate = update.written as f64 / self.started.elapsed().as_secs_f64();
            eprintln!("{update}, {rate:.0} written per second");
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut input = None;
    let (mut collection, mut checkpoint, mut bad) = (None, None, None);
    let (mut concurrency, mut shard) = (4, (0, 1));
    let (mut only_changed, mut restart, mut dry_run) = (false, false, false);
    let (mut sync, mut tolerate) = (false, 0);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--collection" => collection = Some(value()?),
            "--checkpoint" => checkpoint = Some(value()?.into()),
            "--bad" => bad = Some(value()?.into()),
            "--concurrency" => concurrency = number(&argument, &value()?)?,
            "--shard" => {
                let text = value()?;
                let parts = text.split_once('/');
                let (index, count) = parts.ok_or(format!("--shard {text} must look like 0/4"))?;
                shard = (number(&argument, index)?, number(&argument, count)?);
            }
            "--sync" => sync = true,
            "--tolerate" => tolerate = number(&argument, &value()?)?,
            "--only-changed" => only_changed = true,
            "--restart" => restart = true,
            "--dry-run" => dry_run = true,
            other if other.starts_with('-') => return Err(format!("unknown option {other}")),
            _ if input.is_some() => {
                return Err(format!(
                    "only one input is allowed, {argument} is the second"
                ));
            }
            _ => input = Some(PathBuf::from(argument)),
        }
    }
    let input = input.unwrap_or_else(|| CORPUS.into());
    let stem = input.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Options {
        collection: collection.unwrap_or_else(|| stem.into_owned()),
        checkpoint: checkpoint.unwrap_or_else(|| checkpoint_of(&input, shard)),
        input,
        concurrency,
        only_changed,
        bad,
        sync,
        tolerate,
        shard,
        restart,
        dry_run,
    })
}

/// Returns `INPUT.ckpt`, or `INPUT.I-of-N.ckpt` for a shard.
fn checkpoint_of(input: &Path, (index, count): (u32, u32)) -> PathBuf {
    let mut file = input.as_os_str().to_owned();
    if count > 1 {
        file.push(format!(".{index}-of-{count}"));
    }
    file.push(".ckpt");
    file.into()
}

fn number<T: FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{option} {text} is not a valid number"))
}
