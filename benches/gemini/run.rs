//! Runs the benchmark: many texts in one call, the same in a plain loop, and a stream of many more.

use std::error::Error;
use std::time::Duration;

use chroma_blocking::{Embeddings, Gemini, RetryPolicy};

use crate::google::{KEY, vector_of};
use crate::measure::Cost;
use crate::plain;
use crate::server::Server;

/// Floats per vector.
pub const DIMENSION: usize = 768;
/// Texts per request.
pub const BATCH: usize = 100;
/// Concurrent requests.
pub const WORKERS: usize = 8;

/// The amount of work.
pub struct Size {
    /// Texts in one call.
    pub texts: usize,
    /// The time in which the server answers.
    pub latency: Duration,
    pub rounds: usize,
    /// Texts in the plain loop.
    pub plain: usize,
    /// Texts in the stream, and in one call of it.
    pub stream: usize,
    pub chunk: usize,
}

/// The results.
pub struct Found {
    /// With `WORKERS` concurrent requests.
    pub parallel: Cost,
    /// One request at a time, without this library.
    pub plain: Cost,
    /// The first call of a stream, and the whole stream.
    pub chunk: Cost,
    pub stream: Cost,
    pub latency: Duration,
}

impl Found {
    /// Returns the time for these texts if only the server took time.
    pub fn ideal(&self, cost: &Cost) -> Duration {
        let batches = cost.units.div_ceil(BATCH) as f64;
        self.latency.mul_f64(batches / WORKERS as f64)
    }
}

pub fn all(size: &Size) -> Result<Found, Box<dyn Error>> {
    let server = Server::start(size.latency)?;
    let texts = texts(size.texts.max(size.plain))?;

    eprintln!("measuring: {WORKERS} concurrent requests");
    let gemini = gemini(server.url())?;
    let some = &texts[..size.texts];
    // Starts the threads and the connections.
    gemini
        .embed(&texts[..size.texts.min(WORKERS * BATCH)])
        .run()?;
    let mut rounds = Vec::new();
    for _ in 0..size.rounds {
        let mut vectors = Embeddings::default();
        rounds.push(Cost::of(|| {
            vectors = gemini.embed(some).run()?;
            Ok(vectors.len())
        })?);
        check(vectors.rows(), some)?;
    }

    eprintln!("measuring: a plain loop");
    let some = &texts[..size.plain];
    let mut vectors = Vec::new();
    let plain = Cost::of(|| {
        vectors = plain::embed(server.url(), some)?;
        Ok(vectors.len())
    })?;
    check(vectors.iter().map(Vec::as_slice), some)?;
    drop(vectors);
    server.stop()?;

    eprintln!("measuring: a stream");
    let (chunk, stream) = stream(size)?;
    Ok(Found {
        parallel: Cost::median(&rounds),
        plain,
        chunk,
        stream,
        latency: size.latency,
    })
}

/// Embeds short texts in chunks, with a server that answers immediately. The vectors are dropped.
fn stream(size: &Size) -> Result<(Cost, Cost), Box<dyn Error>> {
    let server = Server::start(Duration::ZERO)?;
    let gemini = gemini(server.url())?;
    gemini.embed(texts(WORKERS * BATCH)?).run()?;
    let run = |texts: usize| {
        Cost::of(|| {
            for start in (0..texts).step_by(size.chunk) {
                let end = texts.min(start + size.chunk);
                let chunk: Vec<String> = (start..end).map(|i| format!("text {i}")).collect();
                let vectors = gemini.embed(&chunk).run()?;
                check(vectors.rows().take(1), &chunk[..1])?;
            }
            Ok(texts)
        })
    };
    let costs = (run(size.chunk)?, run(size.stream)?);
    server.stop()?;
    Ok(costs)
}

fn gemini(url: &str) -> chroma_blocking::Result<Gemini> {
    Gemini::builder()
        .api_key(KEY)
        .base_url(url)
        .dimension(DIMENSION)
        .batch_size(BATCH)
        .concurrency(WORKERS)
        .retry(RetryPolicy::none())
        .build()
}

/// Returns the texts of the examples' corpus, repeated with different numbers.
fn texts(count: usize) -> Result<Vec<String>, serde_json::Error> {
    let corpus = include_str!("../../examples/data/corpus.jsonl").lines();
    let corpus: Vec<serde_json::Value> =
        corpus.map(serde_json::from_str).collect::<Result<_, _>>()?;
    let texts = corpus
        .iter()
        .filter_map(|document| document["text"].as_str());
    let numbered = texts.cycle().take(count).enumerate();
    Ok(numbered.map(|(i, text)| format!("{i}: {text}")).collect())
}

/// Checks that each vector belongs to its text.
fn check<'a>(
    vectors: impl Iterator<Item = &'a [f32]>,
    texts: &[String],
) -> Result<(), Box<dyn Error>> {
    let mut count = 0;
    for (vector, text) in vectors.zip(texts) {
        let expected = vector_of(text, DIMENSION);
        let length = expected.iter().map(|x| x * x).sum::<f32>().sqrt();
        let off = vector
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b / length).abs());
        if off.fold(0.0, f32::max) > 1e-5 {
            return Err(format!("wrong vector for {text:?}").into());
        }
        count += 1;
    }
    if count == texts.len() {
        Ok(())
    } else {
        Err(format!("{count} vectors for {} texts", texts.len()).into())
    }
}
