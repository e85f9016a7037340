//! The course of a run: many texts at once, the same in a plain loop, and a stream of very many.

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
/// Requests in flight.
pub const WORKERS: usize = 8;

/// How much is done.
pub struct Size {
    /// Texts in one call.
    pub texts: usize,
    /// How long the server takes to answer.
    pub latency: Duration,
    pub rounds: usize,
    /// Texts in the plain loop.
    pub plain: usize,
    /// Texts in the stream, and in one call of it.
    pub stream: usize,
    pub chunk: usize,
}

/// What was found.
pub struct Found {
    /// `WORKERS` requests at once.
    pub parallel: Cost,
    /// One request after the other, without this library.
    pub plain: Cost,
    /// The first call of a stream, and all of it.
    pub chunk: Cost,
    pub stream: Cost,
    pub latency: Duration,
}

impl Found {
    /// How long so many texts take where nothing but the server takes time.
    pub fn ideal(&self, cost: &Cost) -> Duration {
        let batches = cost.units.div_ceil(BATCH) as f64;
        self.latency.mul_f64(batches / WORKERS as f64)
    }
}

pub fn all(size: &Size) -> Result<Found, Box<dyn Error>> {
    let server = Server::start(size.latency)?;
    let texts = texts(size.texts.max(size.plain))?;

    eprintln!("measuring: {WORKERS} requests at once");
    let gemini = gemini(server.url())?;
    let some = &texts[..size.texts];
    // Makes threads and connections.
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

/// Short texts, a chunk at a time, from a server that answers at once; the vectors are dropped.
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

/// The corpus of the examples over and over, each time with another number.
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

/// That each vector is that of its text.
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
            return Err(format!("not the vector of {text:?}").into());
        }
        count += 1;
    }
    match count == texts.len() {
        true => Ok(()),
        false => Err(format!("{count} vectors for {} texts", texts.len()).into()),
    }
}
