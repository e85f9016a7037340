//! Runs a job at the null server in a separate process, so that memory from earlier jobs is not counted.

use std::error::Error;
use std::fmt::Write;
use std::process::{Command, Stdio};

use chroma_blocking::{
    Client, Collection, EmbeddingFunction, Embeddings, Record, embed::EmbeddingError,
};
use serde::{Deserialize, Serialize};

use crate::data::{self, DIMENSION};
use crate::measure::Cost;
use crate::resident::resident;

/// The first argument of the process; the second is the job, as JSON.
pub const ARGUMENT: &str = "--job";
pub const COLLECTION: &str = "ingest";

/// Records per request of the loop.
pub const BATCH: usize = 1_000;
/// Batches embedded concurrently.
const CONCURRENCY: usize = 8;
/// Bytes of a document.
const TEXT: usize = 1 << 10;

/// The work of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub url: String,
    pub way: Way,
    pub input: Input,
    pub records: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Way {
    Ingest,
    /// Upserts batches in a loop, as a program without `ingest` does.
    Loop,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// Documents, for an embedding function that takes no time.
    Texts,
    /// Documents with their vectors.
    Vectors,
}

/// The cost of a job.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Outcome {
    pub cost: Cost,
    /// The peak resident memory in addition to that of the idle process, in bytes. Only on Linux.
    pub resident: Option<u64>,
}

impl Job {
    /// Runs the job in another process.
    pub fn run(&self) -> Result<Outcome, Box<dyn Error>> {
        let output = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &serde_json::to_string(self)?])
            .stderr(Stdio::inherit())
            .output()?;
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout)?)
        } else {
            Err(format!("{self:?} failed").into())
        }
    }
}

/// Runs the other process: does the job, and prints the outcome.
pub fn main(job: &str) -> Result<(), Box<dyn Error>> {
    let job: Job = serde_json::from_str(job)?;
    let collection = open(&job.url)?;
    let records = records(job.input)?.take(job.records);
    let idle = resident("VmRSS:");
    let cost = match job.way {
        Way::Ingest => by_ingest(&collection, records),
        Way::Loop => by_loop(&collection, records),
    }?;
    let peak = resident("VmHWM:");
    let outcome = Outcome {
        cost,
        resident: peak.zip(idle).map(|(peak, idle)| peak.saturating_sub(idle)),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    if cost.units == job.records {
        Ok(())
    } else {
        Err(format!("{} of {} records", cost.units, job.records).into())
    }
}

/// Opens the collection, after the requests that a client sends only once.
pub fn open(url: &str) -> Result<Collection, Box<dyn Error>> {
    let client = Client::builder().host(url).build()?;
    client.pre_flight_checks()?;
    let collection = client.collection(COLLECTION);
    Ok(collection.embedding_function(Instant::new()).get()?)
}

pub fn by_ingest(
    collection: &Collection,
    records: impl IntoIterator<Item = Record>,
) -> Result<Cost, Box<dyn Error>> {
    Cost::of(|| {
        let job = collection.ingest(records).concurrency(CONCURRENCY);
        Ok(job.run()?.written as usize)
    })
}

pub fn by_loop(
    collection: &Collection,
    mut records: impl Iterator<Item = Record>,
) -> Result<Cost, Box<dyn Error>> {
    Cost::of(|| {
        let (mut written, mut batch) = (0, Vec::with_capacity(BATCH));
        loop {
            batch.extend(records.by_ref().take(BATCH));
            if batch.is_empty() {
                return Ok(written);
            }
            collection.upsert(&batch)?;
            written += batch.len();
            batch.clear();
        }
    })
}

/// Returns an endless iterator that makes records on demand.
pub fn records(input: Input) -> Result<impl Iterator<Item = Record>, Box<dyn Error>> {
    let some = data::records(100)?;
    let texts: String = some.into_iter().filter_map(|r| r.document).collect();
    let texts: String = texts.chars().filter(char::is_ascii).collect();
    let vector = data::query();
    Ok((0..).map(move |index| {
        let mut text = String::with_capacity(TEXT);
        let _ = write!(text, "{index}: ");
        text.push_str(&texts[..TEXT - text.len()]);
        let record = Record::new(format!("record-{index:06}")).document(text);
        match input {
            Input::Texts => record,
            Input::Vectors => record.embedding(vector.as_slice()),
        }
    }))
}

/// An embedding function that takes no time: one vector for all texts.
struct Instant(Vec<f32>);

impl Instant {
    fn new() -> Instant {
        Instant(data::query())
    }
}

impl EmbeddingFunction for Instant {
    fn name(&self) -> &'static str {
        "instant"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(Embeddings::new(self.0.repeat(documents.len()), DIMENSION)?)
    }
}
