//! Measures the memory of chroma-blocking in addition to the caller.s data. Prints the peak in bytes.

use chroma_blocking::{
    Client, Collection, Include, Metadata,
    record::{Columns, Vectors},
};
use peers::{DIMENSION, Data, Result, memory};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, url, records] = arguments.as_slice() else {
        return Err("usage: upsert|pages URL RECORDS".into());
    };
    let records = records.parse()?;
    let peak = match what.as_str() {
        "upsert" => upsert(url, records)?,
        "pages" => pages(url, records)?,
        _ => return Err(format!("neither upsert nor pages: {what}").into()),
    };
    println!("{peak}");
    Ok(())
}

fn open(url: &str) -> Result<Collection> {
    Ok(Client::new(url)?.collection("memory").get_or_create()?)
}

/// Writes all records in one call.
fn upsert(url: &str, records: usize) -> Result<u64> {
    let data = Data::new(records, 0);
    let metadata = |(topic, year): (&&str, &i64)| {
        let mut metadata = Metadata::new();
        metadata.insert("topic", *topic);
        metadata.insert("year", *year);
        metadata
    };
    let metadatas: Vec<Metadata> = data.topics.iter().zip(&data.years).map(metadata).collect();

    let before = memory::start()?;
    let columns = Columns::new(&data.ids)
        .documents(&data.documents)
        .embeddings(Vectors::flat(data.floats(0..records), DIMENSION))
        .metadatas(&metadatas);
    open(url)?.upsert(columns)?;
    Ok(memory::peak()?.saturating_sub(before))
}

/// Reads all records of a collection with their vectors, the newest first.
fn pages(url: &str, records: usize) -> Result<u64> {
    let include = [Include::Documents, Include::Metadatas, Include::Embeddings];
    let mut left = records;

    let before = memory::start()?;
    for page in open(url)?.scan().include(include).read_ahead(true).pages() {
        for row in page?.iter() {
            left = left.checked_sub(1).ok_or("too many records")?;
            if row.id != Data::id(left) || row.embedding.map(<[f32]>::len) != Some(DIMENSION) {
                return Err(format!("{} is not record {left}", row.id).into());
            }
        }
    }
    let peak = memory::peak()?;
    match left {
        0 => Ok(peak.saturating_sub(before)),
        left => Err(format!("{left} of {records} records are missing").into()),
    }
}
