//! The kinds of work that are measured.

use std::error::Error;
use std::hint::black_box;

use chroma_blocking::{Client, Collection, Include, Key, Record};

/// Records per write, and per page of a read.
pub const BATCH: usize = 1_000;

/// One kind of work.
pub struct Work {
    pub name: &'static str,
    /// The unit of the costs.
    pub unit: &'static str,
    /// Does the work once, checks the results, and returns the number of units.
    pub run: fn(&Place<'_>) -> Result<usize, Box<dyn Error>>,
    /// Whether each run needs an empty collection.
    pub writes: bool,
    /// Whether it needs a server.
    pub uses_server: bool,
    /// Repetitions in a round.
    pub repeat: usize,
}

/// The client, the collection and the data of the work.
#[derive(Clone)]
pub struct Place<'a> {
    pub client: Client,
    pub collection: Collection,
    pub records: &'a [Record],
    pub query: &'a [f32],
}

/// To add work, add a function and an entry here. The null server and the floor use the recording.
pub const ALL: &[Work] = &[
    Work {
        name: "upsert",
        unit: "record",
        run: upsert,
        writes: true,
        uses_server: true,
        repeat: 1,
    },
    Work {
        name: "get",
        unit: "record",
        run: get,
        writes: false,
        uses_server: true,
        repeat: 1,
    },
    Work {
        name: "scan",
        unit: "record",
        run: scan,
        writes: false,
        uses_server: true,
        repeat: 1,
    },
    Work {
        name: "query",
        unit: "query",
        run: query,
        writes: false,
        uses_server: true,
        repeat: 300,
    },
    Work {
        name: "not found",
        unit: "error",
        run: not_found,
        writes: false,
        uses_server: true,
        repeat: 300,
    },
    Work {
        name: "filter",
        unit: "filter",
        run: filter,
        writes: false,
        uses_server: false,
        repeat: 20_000,
    },
];

fn upsert(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    for batch in at.records.chunks(BATCH) {
        at.collection.upsert(batch)?;
    }
    Ok(at.records.len())
}

/// Reads all columns of all records, in pages.
fn get(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    let mut found = 0;
    for offset in (0..at.records.len()).step_by(BATCH) {
        let page = at.collection.get().limit(BATCH).offset(offset).include([
            Include::Documents,
            Include::Embeddings,
            Include::Metadatas,
        ]);
        let page = page.run()?;
        found += page.len();
        black_box(page);
    }
    if found == at.records.len() {
        Ok(found)
    } else {
        Err(format!("{found} of {} records", at.records.len()).into())
    }
}

/// Does the same with the iterator.
fn scan(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    let scan =
        at.collection
            .scan()
            .include([Include::Documents, Include::Embeddings, Include::Metadatas]);
    let mut found = 0;
    for page in scan.pages() {
        found += black_box(page?).len();
    }
    if found == at.records.len() {
        Ok(found)
    } else {
        Err(format!("{found} of {} records", at.records.len()).into())
    }
}

/// Finds the ten records nearest to a vector, with documents and metadata.
fn query(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    let hits = at.collection.query(at.query).n_results(10).run()?;
    match hits.len() {
        10 => Ok(1),
        found => Err(format!("{found} of 10 hits").into()),
    }
}

/// Opens a collection that does not exist.
fn not_found(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    match at.client.collection("not-there").get() {
        Err(chroma_blocking::Error::NotFound { .. }) => Ok(1),
        other => Err(format!("not a NotFound: {other:?}").into()),
    }
}

/// Joins six conditions. Nothing is sent.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the table has functions of one type"
)]
fn filter(_: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    let recent = Key::field("year").gte(1900) & Key::field("year").lt(2000);
    let science = Key::field("subject").is_in(["astronomy", "physics", "chemistry"]);
    let text = Key::document().contains("telescope") | Key::document().regex("[Ss]tars?");
    let _ = black_box(recent & science & text & Key::field("place").ne("Paris"));
    Ok(1)
}
