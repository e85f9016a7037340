//! Records that are made from their number, so that any of them can be checked without a list of all.

use chroma_blocking::Record;

use super::random::Random;

/// Floats per vector.
pub const DIMENSION: usize = 384;

/// Returns the id of a record. Ids have the same length, and sort as the numbers do.
pub fn id(number: usize) -> String {
    format!("record-{number:07}")
}

/// Returns the number of a record.
pub fn number(id: &str) -> Option<usize> {
    id.strip_prefix("record-")?.parse().ok()
}

/// Returns a record with a document, a vector and metadata.
pub fn record(number: usize) -> Record {
    Record::new(id(number))
        .document(document(number))
        .embedding(vector(number))
        .metadata("number", number as i64)
        .metadata("part", format!("part {}", number % 10))
}

/// Returns the text of a record: about 200 bytes.
pub fn document(number: usize) -> String {
    const WORDS: [&str; 8] = [
        "harbour", "lantern", "meadow", "orchard", "pebble", "quarry", "ribbon", "saddle",
    ];
    let mut random = Random(number as u64);
    let mut text = format!("Note {number}:");
    while text.len() < 200 {
        text.push(' ');
        text.push_str(random.choose(&WORDS));
    }
    text
}

/// Returns the vector of a record.
pub fn vector(number: usize) -> Vec<f32> {
    let mut random = Random(!(number as u64));
    let float = |bits: u64| (bits >> 40) as f32 / (1_u32 << 23) as f32 - 1.0;
    (0..DIMENSION).map(|_| float(random.next())).collect()
}
