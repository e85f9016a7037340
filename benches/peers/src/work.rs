//! [`work`]: the work of every client. [`Peer`]: the calls of a client.

use std::error::Error;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Data, Stopwatch};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Records per request, written and read.
pub const BATCH: usize = 1_000;
/// Hits per query.
pub const HITS: usize = 10;
/// The measured phases, in the order in which [`work`] prints them.
pub const PHASES: [&str; 3] = ["upsert", "get", "query"];

/// A client under test. Its methods contain only the calls of a user, and no other work.
#[allow(async_fn_in_trait)] // No task is spawned with these futures.
pub trait Peer: Sized {
    /// The arguments of one `upsert`. They are made before the clock runs, so that copies that the API
    /// requires are not counted.
    type Batch;
    /// The argument of one `query`, made before the clock runs.
    type Question;
    /// The result of `get`.
    type Page;
    /// The result of `query`.
    type Hits;

    /// Makes a client, and creates a collection with this name.
    async fn open(url: &str, name: &str) -> Result<Self>;
    async fn count(&self) -> Result<usize>;
    fn batch(data: &'static Data, range: Range<usize>) -> Self::Batch;
    async fn upsert(&self, batch: &mut Self::Batch) -> Result<()>;
    async fn get(&self, offset: usize, limit: usize) -> Result<Self::Page>;
    /// Returns a record of a page, or `None` if a part of it is missing.
    fn row(page: &Self::Page, index: usize) -> Option<Row<'_>>;
    fn question(vector: &'static [f32]) -> Self::Question;
    async fn query(&self, question: &mut Self::Question, n: usize) -> Result<Self::Hits>;
    /// Counts the hits with an id, a document, metadata and a distance.
    fn complete(hits: &Self::Hits) -> usize;
    async fn delete(self) -> Result<()>;
}

/// A record from the server.
pub struct Row<'a> {
    pub id: &'a str,
    pub document: &'a str,
    pub vector: &'a [f32],
    pub topic: &'a str,
    pub year: i64,
}

/// Writes records, reads them, and queries them. Prints a line for each phase: its name, and CPU and wall
/// time in nanoseconds.
pub async fn work<P: Peer>() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, records, queries] = arguments.as_slice() else {
        return Err("usage: URL RECORDS QUERIES".into());
    };
    // Leaked on purpose, so that borrows are 'static.
    let data: &'static Data = Box::leak(Box::new(Data::new(records.parse()?, queries.parse()?)));
    let name = format!(
        "peers-{}",
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos()
    );
    let peer = P::open(url, &name).await?;
    // Opens the connection before measuring.
    if peer.count().await? != 0 {
        return Err("the collection is not new".into());
    }
    let phases = [
        upsert(&peer, data).await?,
        get(&peer, data).await?,
        query(&peer, data).await?,
    ];
    peer.delete().await?;
    for (name, Stopwatch { cpu, wall }) in PHASES.iter().zip(phases) {
        println!("{name} {} {}", cpu.as_nanos(), wall.as_nanos());
    }
    Ok(())
}

fn batches(data: &'static Data) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..data.len()).step_by(BATCH);
    starts.map(|start| start..data.len().min(start + BATCH))
}

async fn upsert<P: Peer>(peer: &P, data: &'static Data) -> Result<Stopwatch> {
    let mut watch = Stopwatch::default();
    for range in batches(data) {
        let mut batch = P::batch(data, range);
        watch.time(peer.upsert(&mut batch)).await?;
    }
    match peer.count().await? {
        count if count == data.len() => Ok(watch),
        count => Err(format!("{count} of {} records were written", data.len()).into()),
    }
}

async fn get<P: Peer>(peer: &P, data: &'static Data) -> Result<Stopwatch> {
    let mut watch = Stopwatch::default();
    let mut seen = vec![false; data.len()];
    for range in batches(data) {
        let page = watch.time(peer.get(range.start, range.len())).await?;
        for row in 0..range.len() {
            let row = P::row(&page, row).ok_or("a record is incomplete")?;
            seen[index_of(&row, data)?] = true;
        }
        watch.time(async { drop(page) }).await;
    }
    if seen.iter().all(|seen| *seen) {
        Ok(watch)
    } else {
        Err("records are missing".into())
    }
}

/// Returns the index of a record, which must be equal to the one written.
fn index_of(row: &Row<'_>, data: &Data) -> Result<usize> {
    let index = data
        .ids
        .binary_search_by(|id| id.as_str().cmp(row.id))
        .map_err(|_| format!("unknown id {}", row.id))?;
    // A parser that uses f64 may round twice, and then differ in the last bit.
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= f32::EPSILON * b.abs();
    let vector = data.floats(index..index + 1);
    let same = row.document == data.documents[index]
        && row.topic == data.topics[index]
        && row.year == data.years[index]
        && row.vector.len() == vector.len()
        && row.vector.iter().zip(vector).all(near);
    if !same {
        return Err(format!("{} differs from the record written", row.id).into());
    }
    Ok(index)
}

async fn query<P: Peer>(peer: &P, data: &'static Data) -> Result<Stopwatch> {
    let mut watch = Stopwatch::default();
    for vector in data.queries() {
        let mut question = P::question(vector);
        let hits = watch.time(peer.query(&mut question, HITS)).await?;
        if P::complete(&hits) != HITS.min(data.len()) {
            return Err("hits are missing or incomplete".into());
        }
        watch.time(async { drop(hits) }).await;
    }
    Ok(watch)
}
