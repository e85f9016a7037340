//! Runs the benchmark: jobs of growing size and loops at the null server, then jobs and loops in alternation
//! at the real server.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use chroma_blocking::{LocalServer, Record};

use crate::data;
use crate::job::{self, COLLECTION, Input, Job, Outcome, Way};
use crate::measure::Cost;
use crate::null_server::NullServer;
use crate::recorder::{Exchange, Recorder};

/// The amount of work.
pub struct Size {
    /// Records of the jobs whose memory is measured.
    pub memory: &'static [usize],
    /// Records of the jobs that are compared with a loop at the null server, and the number of rounds.
    pub records: usize,
    pub rounds: usize,
    /// The number of pieces that both write to the real server, and their size in records.
    pub pieces: usize,
    pub piece: usize,
}

/// The results.
pub struct Found {
    pub null: Vec<Row>,
    pub real: Real,
}

/// The cost of a job or a loop at the null server.
pub struct Row {
    pub way: Way,
    pub input: Input,
    /// The median of each figure; for memory the maximum.
    pub outcome: Outcome,
}

/// The median cost of a piece, and the rate of the job divided by that of the loop for each piece, sorted.
pub struct Real {
    pub ingest: Cost,
    pub by_loop: Cost,
    pub ratios: Vec<f64>,
}

pub fn all(size: &Size) -> Result<Found, Box<dyn Error>> {
    eprintln!("starting a server, and recording its answers");
    let server = LocalServer::builder()
        .version("1.5.9")
        .install(true)
        .on_install(|plan| eprintln!("{plan}"))
        .start()?;
    server.client()?.collection(COLLECTION).create()?;
    let null = NullServer::start(record(server.port())?.iter())?;
    Ok(Found {
        null: at_null(size, null.url())?,
        real: at_real(size, &server)?,
    })
}

/// Records the requests before the first write, and a write.
fn record(port: u16) -> Result<Vec<Exchange>, Box<dyn Error>> {
    let recorder = Recorder::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let collection = job::open(&recorder.url())?;
    job::by_loop(&collection, job::records(Input::Vectors)?.take(100))?;
    Ok(recorder.take())
}

fn at_null(size: &Size, url: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let run = |way, input, records| {
        let url = url.to_owned();
        let job = Job {
            url,
            way,
            input,
            records,
        };
        job.run()
    };
    let mut rows = Vec::new();
    for &records in size.memory {
        eprintln!("measuring: {records} records at the null server");
        let outcome = run(Way::Ingest, Input::Texts, records)?;
        rows.push(Row::new(Way::Ingest, Input::Texts, &[outcome]));
    }
    for input in [Input::Texts, Input::Vectors] {
        eprintln!("measuring: {input:?} in alternation with a loop");
        let (mut jobs, mut loops) = (Vec::new(), Vec::new());
        for _ in 0..size.rounds {
            jobs.push(run(Way::Ingest, input, size.records)?);
            loops.push(run(Way::Loop, input, size.records)?);
        }
        // Replaces a row with a single measurement.
        let same = |row: &Row| row.input == input && row.outcome.cost.units == size.records;
        rows.retain(|row| !same(row));
        rows.push(Row::new(Way::Ingest, input, &jobs));
        rows.push(Row::new(Way::Loop, input, &loops));
    }
    rows.sort_by_key(|row| (row.input as u8, row.way as u8, row.outcome.cost.units));
    Ok(rows)
}

impl Row {
    fn new(way: Way, input: Input, rounds: &[Outcome]) -> Row {
        let costs: Vec<Cost> = rounds.iter().map(|round| round.cost).collect();
        let peak = costs.iter().map(|cost| cost.peak).max().unwrap_or(0);
        Row {
            way,
            input,
            outcome: Outcome {
                cost: Cost {
                    peak,
                    ..Cost::median(&costs)
                },
                resident: rounds.iter().filter_map(|round| round.resident).max(),
            },
        }
    }
}

/// Writes each piece to a new collection. In a large collection the server is slower, which would hide the
/// client.
fn at_real(size: &Size, server: &LocalServer) -> Result<Real, Box<dyn Error>> {
    let client = server.client()?;
    let mut records = data::stream()?;
    let (mut jobs, mut loops, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for piece in 0..size.pieces {
        let piece_of: Vec<Record> = records.by_ref().take(size.piece).collect();
        let copy = piece_of.clone();
        let ingested = client.collection("ingested").create()?;
        let looped = client.collection("looped").create()?;
        let by_ingest = || job::by_ingest(&ingested, copy);
        let by_loop = || by_loop(&looped, &piece_of);
        // Alternates the order.
        let (job, by_loop) = if piece % 2 == 0 {
            let job = by_ingest()?;
            (job, by_loop()?)
        } else {
            let by_loop = by_loop()?;
            (by_ingest()?, by_loop)
        };
        let ratio = by_loop.time.as_secs_f64() / job.time.as_secs_f64();
        let number = piece + 1;
        eprintln!(
            "measuring: piece {number} of {} at the real server: {ratio:.2} times the loop's rate",
            size.pieces
        );
        ratios.push(ratio);
        jobs.push(job);
        loops.push(by_loop);
        for collection in [ingested, looped] {
            if collection.count()? != size.piece {
                return Err("records are missing".into());
            }
            client.delete_collection(collection.name())?;
        }
    }
    ratios.sort_by(f64::total_cmp);
    Ok(Real {
        ingest: Cost::median(&jobs),
        by_loop: Cost::median(&loops),
        ratios,
    })
}

/// Upserts prepared batches.
fn by_loop(
    collection: &chroma_blocking::Collection,
    records: &[Record],
) -> Result<Cost, Box<dyn Error>> {
    Cost::of(|| {
        for batch in records.chunks(job::BATCH) {
            collection.upsert(batch)?;
        }
        Ok(records.len())
    })
}
