//! Embeds and writes a file of JSON Lines, however large: may be stopped and killed, and goes on where it was.
//!
//! ```text
//! cargo run --release --example batch_ingest -- [OPTIONS] [INPUT]
//!
//!   INPUT                 a file of JSON Lines; default: the corpus of the examples
//!   --collection NAME     default: the name of the input
//!   --checkpoint FILE     default: INPUT.ckpt, or INPUT.I-of-N.ckpt
//!   --concurrency N       embedding requests in flight; default 4
//!   --only-changed        skips records that are stored as they are
//!   --bad FILE            writes bad records there, and goes on; default: the first one stops the job
//!   --shard I/N           this machine's part: I of N, counted from 0
//!   --dry-run             says what would be done
//! ```
//!
//! Ends with 0 when all is written, 2 for wrong options, 75 when it may go well later (a server is away, a quota is used
//! up), 130 when it was stopped by Ctrl-C, and 1 when a person has to look. In the last three cases the same command goes
//! on where it stopped. The settings of servers and keys are in `.env.example`.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chroma_blocking::{
    Client, ClientBuilder, EmbeddingFunction, Gemini, Hashing, InvalidInput, LocalServer, Progress,
    ingest::{BadRecords, jsonl_records},
};
use indicatif::{ProgressBar, ProgressStyle};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/corpus.jsonl");
/// sysexits.h: EX_USAGE is 64 there, but shells and most tools say 2.
const USAGE: u8 = 2;
/// EX_TEMPFAIL in sysexits.h: schedulers that know it try again.
const TRY_LATER: u8 = 75;
/// What a shell says of a program that SIGINT ended: 128 + 2.
const STOPPED: u8 = 130;
/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

struct Options {
    input: PathBuf,
    collection: String,
    checkpoint: PathBuf,
    concurrency: usize,
    only_changed: bool,
    bad: Option<PathBuf>,
    shard: (u32, u32),
    dry_run: bool,
}

fn main() -> ExitCode {
    if let Err(error) = dotenvy::dotenv() {
        if !error.not_found() {
            eprintln!("batch_ingest: .env: {error}");
            return ExitCode::from(USAGE);
        }
    }
    // At the level trace, ureq_proto shows requests whole, with the secrets in them.
    env_logger::Builder::from_default_env()
        .filter_module("ureq_proto", log::LevelFilter::Info)
        .init();
    if env::args().any(|argument| argument == "--help") {
        let top = include_str!("batch_ingest.rs").lines();
        let help = top.map_while(|line| line.strip_prefix("//!"));
        help.for_each(|line| println!("{}", line.strip_prefix(' ').unwrap_or(line)));
        return ExitCode::SUCCESS;
    }
    let options = match options(env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!(
                "batch_ingest: {wrong}; its options are at the top of examples/batch_ingest.rs"
            );
            return ExitCode::from(USAGE);
        }
    };
    match run(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("batch_ingest: {error:#}");
            let own = error.downcast_ref::<chroma_blocking::Error>();
            match own {
                Some(chroma_blocking::Error::Invalid {
                    reason: InvalidInput::Setting { .. },
                    ..
                }) => ExitCode::from(USAGE),
                Some(own) if may_go_well_later(own) => ExitCode::from(TRY_LATER),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn may_go_well_later(error: &chroma_blocking::Error) -> bool {
    use chroma_blocking::Error::{Embedding, Ingest, PartlyEmbedded, QuotaExhausted};

    match error {
        Ingest { source, .. } | PartlyEmbedded { source, .. } => may_go_well_later(source),
        Embedding { source, .. } => source.downcast_ref().is_some_and(may_go_well_later),
        QuotaExhausted { .. } => true,
        other => other.is_retryable(),
    }
}

fn run(options: &Options) -> Result<u8, Box<dyn Error>> {
    let (client, _server) = connect()?;
    let function: Box<dyn EmbeddingFunction> =
        match is_set("GOOGLE_API_KEY") || is_set("GEMINI_API_KEY") {
            true => Box::new(Gemini::builder().concurrency(options.concurrency).build()?),
            false => Box::new(Hashing::default()),
        };
    eprintln!(
        "{} to the collection {:?} at {}",
        options.input.display(),
        options.collection,
        client.url()
    );
    let notes = client
        .collection(&options.collection)
        .embedding_function(function)
        .get_or_create()?;

    let stop = stop_on_ctrl_c()?;
    let progress = Bar::of(&options.input)?;
    let mut job = notes
        .ingest(jsonl_records(&options.input)?)
        .concurrency(options.concurrency)
        .checkpoint(&options.checkpoint)
        .shard(options.shard.0, options.shard.1)
        .cancel(stop)
        .dry_run(options.dry_run)
        .on_progress(|at| progress.show(at));
    if options.only_changed {
        job = job.content_hash("content_hash");
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
    match report.cancelled {
        true => {
            eprintln!("the same command goes on from here");
            Ok(STOPPED)
        }
        false => Ok(0),
    }
}

/// A client of the server that the environment names, or of one that is started for this run. That one keeps its data, so
/// that a job can go on.
fn connect() -> Result<(Client, Option<LocalServer>), Box<dyn Error>> {
    let named = ["CHROMA_HOST", "CHROMA_ENDPOINT", "CHROMA_API_KEY"];
    if named.into_iter().any(is_set) {
        return Ok((Client::from_env()?, None));
    }
    let data = env::temp_dir().join("chroma-blocking-batch-ingest");
    eprintln!(
        "a server is started, with its data in {}; set CHROMA_HOST for yours",
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

/// A flag that Ctrl-C puts up. The second one ends the program at once, which does no harm either.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, Box<dyn Error>> {
    let flag = Arc::new(AtomicBool::new(false));
    let stop = flag.clone();
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::SeqCst) {
            process::exit(STOPPED.into());
        }
        eprintln!("finishing what is under way; once more to stop at once");
    })?;
    Ok(flag)
}

/// A bar on a terminal, and a line now and then elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    items: u64,
    started: Instant,
    said: std::cell::Cell<Instant>,
}

impl Bar {
    fn of(input: &Path) -> Result<Bar, Box<dyn Error>> {
        let items = lines(input)?;
        let bar = match stderr().is_terminal() {
            false => None,
            true => {
                let style = "{wide_bar} {pos} of {len}, {per_sec}, {eta} left";
                Some(ProgressBar::new(items).with_style(ProgressStyle::with_template(style)?))
            }
        };
        Ok(Bar {
            bar,
            items,
            started: Instant::now(),
            said: std::cell::Cell::new(Instant::now()),
        })
    }

    fn show(&self, at: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_position(at.done);
        } else if self.said.get().elapsed() >= PAUSE {
            self.said.set(Instant::now());
            let rate = at.written as f64 / self.started.elapsed().as_secs_f64();
            eprintln!(
                "{} of {} items, {} written, {} skipped, {} failed, {rate:.0} per second",
                at.done, self.items, at.written, at.skipped, at.failed
            );
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Lines with something on them.
fn lines(input: &Path) -> Result<u64, Box<dyn Error>> {
    let file = File::open(input).map_err(|error| format!("{}: {error}", input.display()))?;
    let mut lines = BufReader::new(file).split(b'\n');
    let full = |line: &Vec<u8>| !line.trim_ascii().is_empty();
    lines.try_fold(0, |count, line| Ok(count + u64::from(full(&line?))))
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut input = None;
    let (mut collection, mut checkpoint, mut bad) = (None, None, None);
    let (mut concurrency, mut shard) = (4, (0, 1));
    let (mut only_changed, mut dry_run) = (false, false);
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
                let (index, count) = parts.ok_or(format!("--shard {text}: it looks like 0/4"))?;
                shard = (number(&argument, index)?, number(&argument, count)?);
            }
            "--only-changed" => only_changed = true,
            "--dry-run" => dry_run = true,
            other if other.starts_with('-') => return Err(format!("there is no option {other}")),
            _ if input.is_some() => {
                return Err(format!("there is one input, not {argument} as well"));
            }
            _ => input = Some(PathBuf::from(argument)),
        }
    }
    let input = input.unwrap_or_else(|| CORPUS.into());
    let name = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    Ok(Options {
        collection: collection.or(name(&input)).unwrap_or_default(),
        checkpoint: checkpoint.unwrap_or_else(|| {
            let mut file = input.clone().into_os_string();
            if shard.1 > 1 {
                file.push(format!(".{}-of-{}", shard.0, shard.1));
            }
            file.push(".ckpt");
            file.into()
        }),
        input,
        concurrency,
        only_changed,
        bad,
        shard,
        dry_run,
    })
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{option} {text}: it is no number"))
}
