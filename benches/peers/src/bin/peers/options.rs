//! [`Options`]: the command line.

use std::env;

use peers::Result;

const USAGE: &str = "usage: cargo run --release -- [option...]
  --records N   records written and read by each client (10000)
  --queries N   queries of each client (200)
  --runs N      runs of each client (5)
  --quick       a short run, to see that all of it works: one run of 2000 records and 50 queries; memory of 10000
  --speed       only the comparison of clients
  --memory      only the memory of chroma-blocking";

/// The measurements to make.
pub struct Options {
    pub records: usize,
    pub queries: usize,
    pub runs: usize,
    pub speed: bool,
    pub memory: bool,
    /// Records of the memory measurements; the last one has ten times as many.
    pub memory_records: usize,
    /// The arguments, for the report.
    pub arguments: Vec<String>,
}

impl Options {
    pub fn from_arguments() -> Result<Options> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let mut options = Options {
            records: 10_000,
            queries: 200,
            runs: 5,
            speed: true,
            memory: true,
            memory_records: 100_000,
            arguments: arguments.clone(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || -> Result<usize> {
                let number = arguments.next().ok_or(USAGE)?.parse()?;
                if number == 0 {
                    return Err(USAGE.into());
                }
                Ok(number)
            };
            match argument.as_str() {
                "--records" => options.records = number()?,
                "--queries" => options.queries = number()?,
                "--runs" => options.runs = number()?,
                "--quick" => {
                    (options.records, options.queries, options.runs) = (2_000, 50, 1);
                    options.memory_records = 10_000;
                }
                "--speed" => options.memory = false,
                "--memory" => options.speed = false,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}
