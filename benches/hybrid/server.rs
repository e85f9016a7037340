//! A real server, with a collection of synsets.

use std::error::Error;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use chroma_blocking::{Collection, EmbeddingFunction, Hashing, LocalServer, Record, Space};

use crate::wordnet::Synset;

pub struct Filled {
    pub notes: Collection,
    written: Instant,
    _server: LocalServer,
}

impl Filled {
    /// Fills a collection whose vectors are made by [`Hashing`], with 384 floats.
    pub fn with(synsets: &[Synset]) -> Result<Filled, Box<dyn Error>> {
        Filled::with_function(synsets, Arc::new(Hashing::with_dimension(384)?))
    }

    /// Waits until the writes are older than the lookback of an index, which reads newer ones again.
    pub fn settle(&self) {
        const LOOKBACK: Duration = Duration::from_secs(60);
        sleep(LOOKBACK.saturating_sub(self.written.elapsed()));
    }

    pub fn with_function(
        synsets: &[Synset],
        function: Arc<dyn EmbeddingFunction>,
    ) -> Result<Filled, Box<dyn Error>> {
        let server = LocalServer::builder().install(true).start()?;
        let client = server.client()?;
        let notes = client
            .collection("synsets")
            .embedding_function(function)
            .space(Space::Cosine)
            .stamp_writes(true)
            .create()?;

        for (index, part) in synsets.chunks(5_000).enumerate() {
            eprintln!("writing record {} of {}", index * 5_000, synsets.len());
            let record = |synset: &Synset| Record::new(&synset.id).document(&synset.text);
            notes.add(part.iter().map(record))?;
        }
        // The first query waits until all records are in the index.
        notes.query("ready").run()?;
        Ok(Filled {
            written: Instant::now(),
            notes,
            _server: server,
        })
    }
}
