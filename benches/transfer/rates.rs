//! Compares the rate of a copy with that of other ways, at two real servers. The ways alternate.

use std::error::Error;
use std::time::Instant;

use chroma_blocking::{Client, Collection, LocalServer};
use serde::Deserialize;
use serde_json::json;

use crate::Size;
use crate::null_server::COLLECTION;
use crate::numbered::record;
use crate::prepared::{BATCH, Prepared};
use crate::python::{Installed, Python};
use crate::table::{Goal, Row};

/// The name of the copy.
const TARGET: &str = "the-copy";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// `copy_to`, without the verification at the end.
    Copy,
    /// `copy_to` with its defaults.
    Verified,
    /// Prepared upserts.
    Prepared,
    /// A loop with Chroma's Python client.
    Python,
}

pub fn all(size: &Size) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut ways = vec![Way::Copy, Way::Prepared, Way::Verified];
    let mut bench = Bench::start(size)?;
    if bench.python.is_some() {
        ways.push(Way::Python);
    }
    // Not measured. Meanwhile, the source's server puts the records into its index.
    bench.run(Way::Copy)?;
    let mut rounds = Vec::new();
    for round in 1..=size.rounds {
        let mut seconds = Vec::new();
        for way in &ways {
            let time = bench.run(*way)?;
            eprintln!(
                "measuring: round {round} of {}, {} records: {way:?} took {time:.2} s",
                size.rounds, size.records
            );
            seconds.push((*way, time));
        }
        rounds.push(Round(seconds));
        // No way is always the first.
        ways.rotate_left(1);
    }
    Ok(rows(size, &rounds))
}

/// The seconds of each way.
struct Round(Vec<(Way, f64)>);

impl Round {
    fn seconds(&self, way: Way) -> Option<f64> {
        let mut all = self.0.iter();
        all.find(|(other, _)| *other == way)
            .map(|(_, seconds)| *seconds)
    }

    /// Returns the rate of a way divided by that of another.
    fn ratio(&self, way: Way, to: Way) -> Option<f64> {
        Some(self.seconds(to)? / self.seconds(way)?)
    }
}

fn rows(size: &Size, rounds: &[Round]) -> Vec<Row> {
    let records = size.records as f64;
    let rate =
        |way| median(rounds.iter().filter_map(|round| round.seconds(way))).map(|s| records / s);
    let ratio = |way, to| median(rounds.iter().filter_map(|round| round.ratio(way, to)));
    let row = |name: &str, what: String, way, to: Option<Way>, goal| {
        Some(Row {
            name: name.to_owned(),
            what,
            value: rate(way)?,
            unit: "records/s",
            ratio: to.and_then(|to| ratio(way, to)),
            goal,
        })
    };
    let (many, rounds) = (size.records, size.rounds);
    let rows = [
        row(
            "copy/loop",
            format!(
                "copy of {many} records without verification, by prepared upserts; median of {rounds}"
            ),
            Way::Copy,
            Some(Way::Prepared),
            Some(Goal::Ratio(0.95)),
        ),
        row(
            "copy/python",
            "the same, by a loop with Chroma's Python client".to_owned(),
            Way::Copy,
            Some(Way::Python),
            Some(Goal::Ratio(1.0)),
        )
        .filter(|row| row.ratio.is_some()),
        row(
            "copy/verified",
            "copy with verification, by prepared upserts".to_owned(),
            Way::Verified,
            Some(Way::Prepared),
            None,
        ),
        row(
            "loop",
            "prepared upserts".to_owned(),
            Way::Prepared,
            None,
            None,
        ),
        row(
            "python",
            "a loop with Chroma's Python client".to_owned(),
            Way::Python,
            None,
            None,
        ),
    ];
    rows.into_iter().flatten().collect()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

struct Bench {
    records: usize,
    from: LocalServer,
    to: LocalServer,
    source: Collection,
    target: Client,
    prepared: Prepared,
    python: Option<Python>,
}

impl Bench {
    /// Starts two servers, and fills one of them.
    fn start(size: &Size) -> Result<Bench, Box<dyn Error>> {
        eprintln!(
            "starting two servers, and writing {} records to one",
            size.records
        );
        let python = if size.python {
            Some(Python::start(&Installed::find()?, "transfer/python.py")?)
        } else {
            None
        };
        let (from, to) = (start()?, start()?);
        let source = from.client()?.collection(COLLECTION).create()?;
        source.ingest((0..size.records).map(record)).run()?;
        Ok(Bench {
            records: size.records,
            target: to.client()?,
            prepared: Prepared::new(size.records)?,
            from,
            to,
            source,
            python,
        })
    }

    /// Copies all records to a new collection. Returns the seconds that this took.
    fn run(&mut self, way: Way) -> Result<f64, Box<dyn Error>> {
        let seconds = match way {
            Way::Copy | Way::Verified => {
                let started = Instant::now();
                let copy = self.source.copy_to(&self.target).name(TARGET);
                copy.verify(way == Way::Verified).run()?;
                started.elapsed().as_secs_f64()
            }
            Way::Prepared => {
                let started = Instant::now();
                let created = self.target.collection(TARGET).create()?;
                self.prepared.send(self.to.url(), created.id())?;
                started.elapsed().as_secs_f64()
            }
            Way::Python => self.by_python()?,
        };
        let count = self.target.collection(TARGET).get()?.count()?;
        if count != self.records {
            return Err(format!("{way:?}: {count} of {} records", self.records).into());
        }
        self.target.delete_collection(TARGET)?;
        Ok(seconds)
    }

    fn by_python(&mut self) -> Result<f64, Box<dyn Error>> {
        #[derive(Deserialize)]
        struct Found {
            records: usize,
            seconds: f64,
        }
        let job = json!({
            "from": self.from.port(),
            "to": self.to.port(),
            "source": COLLECTION,
            "target": TARGET,
            "batch": BATCH,
        });
        let python = self.python.as_mut().ok_or("Python is not started")?;
        let found: Found = python.call(&job)?;
        if found.records == self.records {
            Ok(found.seconds)
        } else {
            Err(format!("Python copied {} records", found.records).into())
        }
    }
}

fn start() -> Result<LocalServer, Box<dyn Error>> {
    let server = LocalServer::builder().version("1.5.9").install(true);
    Ok(server.on_install(|plan| eprintln!("{plan}")).start()?)
}
