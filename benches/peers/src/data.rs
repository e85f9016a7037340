//! [`Data`]: the same records in every process.

use std::iter;
use std::ops::Range;

/// Floats per vector.
pub const DIMENSION: usize = 768;

/// Words per document.
const WORDS: usize = 16;
const VOCABULARY: [&str; 32] = [
    "amber",
    "bridge",
    "candle",
    "delta",
    "ember",
    "forest",
    "garden",
    "harbour",
    "island",
    "jasmine",
    "kettle",
    "lantern",
    "meadow",
    "north",
    "orchard",
    "pepper",
    "quiet",
    "river",
    "silver",
    "timber",
    "umbrella",
    "valley",
    "winter",
    "yellow",
    "zenith",
    "\"quoted\"",
    "naïve",
    "snow",
    "stone",
    "thread",
    "wheel",
    "window",
];

/// Columns of records, and query vectors.
pub struct Data {
    pub ids: Vec<String>,
    pub documents: Vec<String>,
    pub topics: Vec<&'static str>,
    pub years: Vec<i64>,
    floats: Vec<f32>,
    queries: Vec<f32>,
}

impl Data {
    pub fn new(records: usize, queries: usize) -> Data {
        let mut random = Random(0x5EED);
        Data {
            ids: (0..records).map(Data::id).collect(),
            documents: (0..records).map(|_| random.document()).collect(),
            topics: (0..records).map(|_| random.word()).collect(),
            years: (0..records)
                .map(|_| 1900 + random.below(125) as i64)
                .collect(),
            floats: random.vectors(records),
            queries: random.vectors(queries),
        }
    }

    /// Returns the id of a record. All ids have the same length.
    pub fn id(index: usize) -> String {
        format!("record-{index:08}")
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns the vectors of some records as one flat slice.
    pub fn floats(&self, range: Range<usize>) -> &[f32] {
        &self.floats[range.start * DIMENSION..range.end * DIMENSION]
    }

    /// Returns the vectors of some records in the form that other clients require.
    pub fn rows(&self, range: Range<usize>) -> Vec<Vec<f32>> {
        let rows = self.floats(range).chunks_exact(DIMENSION);
        rows.map(<[f32]>::to_vec).collect()
    }

    pub fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.queries.chunks_exact(DIMENSION)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn word(&mut self) -> &'static str {
        VOCABULARY[self.below(VOCABULARY.len())]
    }

    fn document(&mut self) -> String {
        let words: Vec<&str> = iter::repeat_with(|| self.word()).take(WORDS).collect();
        words.join(" ")
    }

    /// Returns vectors of length 1, as embedding models make them. Each float uses all 24 bits.
    fn vectors(&mut self, count: usize) -> Vec<f32> {
        let mut floats = Vec::with_capacity(count * DIMENSION);
        for _ in 0..count {
            let start = floats.len();
            let float = || (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0;
            floats.extend(iter::repeat_with(float).take(DIMENSION));
            let vector = &mut floats[start..];
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|x| *x /= length);
        }
        floats
    }
}
