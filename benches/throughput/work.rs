//! What is measured.

use std::error::Error;
use std::hint::black_box;

use chroma_blocking::{Client, Collection, Include, Key, Record};

/// Records per write, and per page of a read.
pub const BATCH: usize = 1_000;

/// One kind of work.
pub struct Work {
    pub name: &'static str,
    /// What its costs are divided by.
    pub unit: &'static str,
    /// Does it once, checks what comes back, and says how many units that were.
    pub run: fn(&Place<'_>) -> Result<usize, Box<dyn Error>>,
    /// Whether each run needs an empty collection.
    pub writes: bool,
    /// Whether a server is asked.
    pub asks: bool,
    /// How often it is done in a round that is worth its time.
    pub repeat: usize,
}

/// Where it is done, and with what.
#[derive(Clone)]
pub struct Place<'a> {
    pub client: Client,
    pub collection: Collection,
    pub records: &'a [Record],
    pub query: &'a [f32],
}

/// Further work is a function and an entry here: the null server and the floor learn from the recording what
/// it says.
pub const ALL: &[Work] = &[
    Work {
        name: "upsert",
        unit: "record",
        run: upsert,
        writes: true,
        asks: true,
        repeat: 1,
    },
    Work {
        name: "get",
        unit: "record",
        run: get,
        writes: false,
        asks: true,
        repeat: 1,
    },
    Work {
        name: "scan",
        unit: "record",
        run: scan,
        writes: false,
        asks: true,
        repeat: 1,
    },
    Work {
        name: "query",
        unit: "query",
        run: query,
        writes: false,
        asks: true,
        repeat: 300,
    },
    Work {
        name: "not found",
        unit: "error",
        run: not_found,
        writes: false,
        asks: true,
        repeat: 300,
    },
    Work {
        name: "filter",
        unit: "filter",
        run: filter,
        writes: false,
        asks: false,
        repeat: 20_000,
    },
];

fn upsert(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    for batch in at.records.chunks(BATCH) {
        at.collection.upsert(batch)?;
    }
    Ok(at.records.len())
}

/// All records with all that they have, a page at a time.
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
    match found == at.records.len() {
        true => Ok(found),
        false => Err(format!("{found} of {} records", at.records.len()).into()),
    }
}

/// The same, by the iterator.
fn scan(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    let scan =
        at.collection
            .scan()
            .include([Include::Documents, Include::Embeddings, Include::Metadatas]);
    let mut found = 0;
    for page in scan.pages() {
        found += black_box(page?).len();
    }
    match found == at.records.len() {
        true => Ok(found),
        false => Err(format!("{found} of {} records", at.records.len()).into()),
    }
}

/// The ten records nearest to a vector, with documents and metadata.
fn query(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    let hits = at.collection.query(at.query).n_results(10).run()?;
    match hits.len() {
        10 => Ok(1),
        found => Err(format!("{found} of 10 hits").into()),
    }
}

/// A collection that is not there.
fn not_found(at: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    match at.client.collection("not-there").get() {
        Err(chroma_blocking::Error::NotFound { .. }) => Ok(1),
        other => Err(format!("not a NotFound: {other:?}").into()),
    }
}

/// Six conditions, joined; nothing is sent.
fn filter(_: &Place<'_>) -> Result<usize, Box<dyn Error>> {
    let recent = Key::field("year").gte(1900) & Key::field("year").lt(2000);
    let science = Key::field("subject").is_in(["astronomy", "physics", "chemistry"]);
    let text = Key::document().contains("telescope") | Key::document().regex("[Ss]tars?");
    let _ = black_box(recent & science & text & Key::field("place").ne("Paris"));
    Ok(1)
}
