//! Prints the tables in Markdown.

use std::process::Command;
use std::time::Duration;

use peers::{BATCH, DIMENSION, HITS, PHASES, Result, Stopwatch};

use crate::children::{CLIENTS, Run};
use crate::options::Options;

const MIB: f64 = 1024.0 * 1024.0;
const UNITS: [&str; PHASES.len()] = ["record", "record", "query"];

/// The runs of each of the [`CLIENTS`].
#[derive(Default)]
pub struct Speed(pub [Vec<Run>; CLIENTS.len()]);

/// Peaks in bytes.
pub struct Memory {
    pub upsert: u64,
    pub pages: u64,
    /// The same with ten times as many records.
    pub more_pages: u64,
}

pub fn print(options: &Options, speed: Option<&Speed>, memory: Option<&Memory>) -> Result<()> {
    print_circumstances(options)?;
    if let Some(speed) = speed {
        print_speed(options, speed);
    }
    println!("| goal | limit | measured | met |\n|---|---|---|---|");
    if let Some(speed) = speed {
        print_speed_goals(speed);
    }
    if let Some(memory) = memory {
        print_memory_goals(options, memory);
    }
    Ok(())
}

fn print_circumstances(options: &Options) -> Result<()> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    println!(
        "{}, {} cores of {}, {}, {}.\nCommand: `{}`.\n",
        said_by("date", &["-u", "+%F"])?,
        std::thread::available_parallelism()?,
        model.map_or("an unknown CPU", |model| model
            .trim_start_matches(['\t', ':', ' '])),
        // Without what a distribution appends.
        said_by("uname", &["-sr"])?
            .split('-')
            .next()
            .unwrap_or_default(),
        said_by("rustc", &["--version"])?,
        ["cargo run --release --"]
            .into_iter()
            .chain(options.arguments.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
            .trim_end_matches(" --"),
    );
    Ok(())
}

fn said_by(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn print_speed(options: &Options, speed: &Speed) {
    println!(
        "{} records of {DIMENSION} floats, a document and two metadata values, in batches and pages of {BATCH}; {} \
         queries by vector for {HITS} hits.\nMedian (lowest to highest) of {} alternating runs, in µs.\n",
        options.records, options.queries, options.runs
    );
    let names = [
        "chroma-blocking".to_owned(),
        format!("official `chroma` {}", locked("chroma")),
        format!("`chromadb` {}", locked("chromadb")),
    ];
    println!("| | {} |\n|---|---|---|---|", names.join(" | "));
    each_row(|phase, row, clock| {
        let cells = speed.0.iter().map(|runs| {
            Spread::of(
                runs.iter()
                    .map(|run| clock(&run.0[phase]).as_secs_f64() * 1e6),
            )
            .to_string()
        });
        println!("| {row} | {} |", cells.collect::<Vec<_>>().join(" | "));
    });
    println!("\nMultiples of chroma-blocking in the same run:\n");
    println!("| | {} |\n|---|---|---|", names[1..].join(" | "));
    each_row(|phase, row, clock| {
        println!(
            "| {row} | {} | {} |",
            ratio(speed, 1, phase, clock),
            ratio(speed, 2, phase, clock)
        );
    });
    println!();
}

type Clock = fn(&Stopwatch) -> Duration;

fn each_row(row: impl Fn(usize, &str, Clock)) {
    for (phase, (name, unit)) in PHASES.iter().zip(UNITS).enumerate() {
        row(phase, &format!("{name}, CPU per {unit}"), |watch| watch.cpu);
        row(phase, &format!("{name}, wall per {unit}"), |watch| {
            watch.wall
        });
    }
}

/// Returns the times of another client divided by ours.
fn ratio(speed: &Speed, client: usize, phase: usize, clock: Clock) -> Spread {
    let time = |run: &Run| clock(&run.0[phase]).as_secs_f64();
    let runs = speed.0[client].iter().zip(&speed.0[0]);
    Spread::of(runs.map(|(theirs, ours)| time(theirs) / time(ours)))
}

fn print_speed_goals(speed: &Speed) {
    let cpu: Clock = |watch| watch.cpu;
    let per_record = |phase: usize| {
        let ours = speed.0[0].iter();
        Spread::of(ours.map(|run| run.0[phase].cpu.as_secs_f64() * 1e6)).median
    };
    let official = |phase| ratio(speed, 1, phase, cpu).median;
    at_most("upsert, CPU per record", 4.5, per_record(0), " µs");
    at_least("upsert, official by ours", 6.0, official(0));
    at_most(
        "get with embeddings, CPU per record",
        15.0,
        per_record(1),
        " µs",
    );
    at_least("get with embeddings, official by ours", 3.0, official(1));
    at_most("query, ours by official", 0.7, 1.0 / official(2), "");
}

fn print_memory_goals(options: &Options, memory: &Memory) {
    let records = options.memory_records;
    let goals = [
        (
            format!(
                "peak memory in addition to the caller's data, {records} records in one `upsert`"
            ),
            32.0,
            memory.upsert,
        ),
        (
            format!("peak memory of pages with embeddings, {records} records"),
            64.0,
            memory.pages,
        ),
        (
            format!("the same, {} records", records * 10),
            64.0,
            memory.more_pages,
        ),
    ];
    for (goal, limit, bytes) in goals {
        at_most(&goal, limit, bytes as f64 / MIB, " MiB");
    }
}

fn at_most(goal: &str, limit: f64, measured: f64, unit: &str) {
    let met = met(measured <= limit, measured / limit - 1.0);
    println!("| {goal} | at most {limit}{unit} | {measured:.2}{unit} | {met} |");
}

fn at_least(goal: &str, limit: f64, measured: f64) {
    let met = met(measured >= limit, 1.0 - measured / limit);
    println!("| {goal} | at least {limit} | {measured:.2} | {met} |");
}

fn met(met: bool, missed_by: f64) -> String {
    if met {
        "yes".to_owned()
    } else {
        format!("**no**, by {:.0} %", missed_by * 100.0)
    }
}

/// The version of a crate in the lock file.
fn locked(name: &str) -> &'static str {
    let lock = include_str!("../../../Cargo.lock");
    lock.split_once(&format!("name = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("?")
}

struct Spread {
    lowest: f64,
    median: f64,
    highest: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        Spread {
            lowest: values.first().copied().unwrap_or(f64::NAN),
            median,
            highest: values.last().copied().unwrap_or(f64::NAN),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Three significant digits.
        let digits = match self.median {
            median if median < 10.0 => 2,
            median if median < 100.0 => 1,
            _ => 0,
        };
        let Spread {
            lowest,
            median,
            highest,
        } = self;
        write!(
            f,
            "{median:.digits$} ({lowest:.digits$}–{highest:.digits$})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        assert_eq!(
            Spread::of([3.0, 1.0, 2.0].into_iter()).to_string(),
            "2.00 (1.00–3.00)"
        );
        assert_eq!(
            Spread::of([400.0, 100.0].into_iter()).to_string(),
            "250 (100–400)"
        );
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(locked("chroma").starts_with("0.15."));
        assert!(locked("chromadb").starts_with("2.3."));
    }
}
