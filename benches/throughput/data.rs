//! Realistic records: texts from the examples, vectors of length 1, two metadata values.

use chroma_blocking::Record;
use serde::Deserialize;

/// Floats per vector: a common size, and one that Gemini offers.
pub const DIMENSION: usize = 768;
/// Characters of text per record.
const TEXT: usize = 200;

#[derive(Deserialize)]
struct Document {
    text: String,
    subject: String,
    year: i64,
}

pub fn records(count: usize) -> Result<Vec<Record>, serde_json::Error> {
    Ok(stream()?.take(count).collect())
}

/// Returns an endless iterator.
pub fn stream() -> Result<impl Iterator<Item = Record>, serde_json::Error> {
    let corpus = include_str!("../../examples/data/corpus.jsonl").lines();
    let corpus: Vec<Document> = corpus.map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    Ok((0..).map(move |index| {
        let document: &Document = &corpus[index % corpus.len()];
        Record::new(format!("record-{index:06}"))
            .document(document.text.chars().take(TEXT).collect::<String>())
            .embedding(random.vector())
            .metadata("subject", document.subject.as_str())
            .metadata("year", document.year)
    }))
}

/// Returns a vector that no record has.
pub fn query() -> Vec<f32> {
    Random(0x9e37_79b9_7f4a_7c15).vector()
}

/// A random number generator that is the same in every run.
struct Random(u64);

impl Random {
    /// Returns a number from -1 to 1.
    fn float(&mut self) -> f32 {
        // Xorshift; its upper bits are good enough here.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    }

    fn vector(&mut self) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..DIMENSION).map(|_| self.float()).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        for x in &mut vector {
            *x /= length;
        }
        vector
    }
}
