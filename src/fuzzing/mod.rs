//! Every parser of responses and of users' JSON, by name: for the fuzz test below, and for `fuzz/`. This
//! module exists only in tests and under `--cfg fuzzing`; it is not part of the API.

#[cfg(test)]
mod mutate;
#[cfg(test)]
pub(crate) use crate::random;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client;
use crate::collection;
use crate::error::Result;
use crate::ingest::JsonLines;
use crate::model::configuration::CollectionConfiguration;
use crate::model::filter::Where;
use crate::model::metadata::{Metadata, MetadataValue};
use crate::model::record::{AsRecord, Record};
use crate::model::schema::Schema;
use crate::wire::line;

/// The name of an operation or of a type, and its parser.
pub(crate) type Parser = (&'static str, fn(&[u8]) -> Result<Check, String>);

/// Checks an invariant of a parsed value. Panics if it does not hold.
pub(crate) type Check = Box<dyn FnOnce()>;

/// Returns a check that always passes.
pub(crate) fn anything<T>(_: T) -> Check {
    Box::new(|| ())
}

/// Checks that a value is the same after writing and reading it.
pub(crate) fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap_or_default();
    let reread = serde_json::from_str(&json);
    assert_eq!(reread.as_ref().ok(), Some(value), "{json} {reread:?}");
}

/// Checks that metadata survives, and that each index of a sparse vector has a value.
pub(crate) fn sound(metadata: &Metadata) {
    survives(metadata);
    for (_, value) in metadata {
        if let MetadataValue::SparseVector(vector) = value {
            assert_eq!(vector.indices.len(), vector.values.len());
        }
    }
}

/// Returns the folder `tests/data`, or `None` in the published package, which has no such folder.
#[cfg(test)]
pub(crate) fn data() -> Option<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    if folder.exists() {
        return Some(folder);
    }
    eprintln!("skipped: the folder tests/data is missing");
    None
}

/// The parsers of users' JSON.
const VALUES: &[Parser] = &[
    ("where", |json| {
        filter(json, Where::from_json, Where::to_string)
    }),
    ("where_document", |json| {
        let document = |filter: &Where| {
            let document = crate::model::filter::Document(filter);
            serde_json::to_string(&document).unwrap_or_default()
        };
        filter(json, Where::document_from_json, document)
    }),
    ("where_inside", value::<Where>),
    ("metadata", |json| {
        let metadata: Metadata = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        Ok(Box::new(move || sound(&metadata)))
    }),
    ("jsonl", |lines| {
        let records: Result<Vec<Record>> = JsonLines::from_reader(lines).collect();
        let records = records.map_err(|error| error.to_string())?;
        Ok(Box::new(move || {
            let mut lines = Vec::new();
            for record in &records {
                line::record(&mut lines, record.as_record());
            }
            let reread: Result<Vec<Record>> = JsonLines::from_reader(&*lines).collect();
            assert_eq!(reread.ok().as_ref(), Some(&records));
        }))
    }),
    ("schema", value::<Schema>),
    ("configuration", value::<CollectionConfiguration>),
];

fn value<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(
    json: &[u8],
) -> Result<Check, String> {
    let value: T = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    Ok(Box::new(move || survives(&value)))
}

fn filter(
    json: &[u8],
    read: fn(&str) -> Result<Where, crate::InvalidInput>,
    print: fn(&Where) -> String,
) -> Result<Check, String> {
    let json = std::str::from_utf8(json).map_err(|error| error.to_string())?;
    let filter = read(json).map_err(|error| error.to_string())?;
    Ok(Box::new(move || {
        let json = print(&filter);
        assert_eq!(read(&json).ok().as_ref(), Some(&filter), "{json}");
        // Must not panic, whatever the filter is.
        let _ = filter.split(&|_| true);
    }))
}

/// The parsers of servers' responses.
fn answers() -> impl Iterator<Item = &'static Parser> {
    let of_chroma = [client::PARSERS, collection::PARSERS].into_iter().flatten();
    #[cfg(feature = "functions")]
    let all = of_chroma.chain(crate::embed::parsers());
    #[cfg(not(feature = "functions"))]
    let all = of_chroma;
    all
}

fn run<'a>(parsers: impl IntoIterator<Item = &'a Parser>, bytes: &[u8]) {
    for (_, read) in parsers {
        if let Ok(check) = read(bytes) {
            check();
        }
    }
}

/// Passes the bytes to every parser of responses.
pub fn read_answers(bytes: &[u8]) {
    run(answers(), bytes);
}

/// Passes the bytes to every parser of users' JSON.
pub fn read_values(bytes: &[u8]) {
    run(VALUES, bytes);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use allocation_counter::measure;

    use super::mutate::{Mutator, nested, values};
    use super::*;
    use crate::client::operations;

    /// The most memory a parser may hold for each byte of a response.
    const MAX_HELD_PER_BYTE: usize = 400;
    /// The most memory a parser may hold in addition, for any response.
    const MAX_HELD: usize = 8 << 10;
    /// The longest error message for a response, in bytes. It must not quote a long response in full.
    /// Messages about users' own JSON may.
    const LONGEST_ERROR: usize = 2_000;

    /// A response from `tests/data`, and the index of its parser.
    struct Seed {
        parser: usize,
        bytes: Vec<u8>,
    }

    fn parsers() -> Vec<Parser> {
        answers().chain(VALUES).copied().collect()
    }

    fn parser(name: &str) -> Parser {
        let mut parsers = answers().chain(VALUES);
        *parsers.find(|parser| parser.0 == name).unwrap()
    }

    /// Returns the responses in `tests/data`, if there are any.
    fn seeds(parsers: &[Parser]) -> Option<Vec<Seed>> {
        let data = data()?;
        let mut seeds = Vec::new();
        let mut seed = |name: &str, bytes: Vec<u8>| {
            if let Some(parser) = parsers.iter().position(|(parser, _)| *parser == name) {
                seeds.push(Seed { parser, bytes });
            } else if cfg!(all(
                feature = "functions",
                feature = "hybrid",
                feature = "onnx"
            )) {
                panic!("the parser {name} is missing");
            }
        };
        for version in ["1.0.0", "1.5.9", "shapes"] {
            let folder = fs::read_dir(data.join("answers").join(version)).unwrap();
            let mut files: Vec<_> = folder.map(|file| file.unwrap().path()).collect();
            files.sort();
            for file in files {
                let name = file.file_name().unwrap().to_str().unwrap();
                seed(name.split('.').next().unwrap(), fs::read(&file).unwrap());
            }
        }
        let golden = fs::read(data.join("golden-1.5.9.json")).unwrap();
        let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
        for (entries, parser) in [
            ("where", "where"),
            ("where", "where_inside"),
            ("schema", "schema"),
        ] {
            for entry in golden[entries].as_array().unwrap() {
                seed(parser, entry["json"].to_string().into_bytes());
            }
        }
        Some(seeds)
    }

    /// Returns the longest response of each parser.
    fn longest(parsers: &[Parser]) -> Vec<(Parser, Vec<u8>)> {
        let mut seeds = seeds(parsers).unwrap_or_default();
        seeds.sort_by_key(|seed| (seed.parser, seed.bytes.len()));
        let last = |same: &[Seed]| {
            let seed = same.last()?;
            Some((parsers[seed.parser], seed.bytes.clone()))
        };
        seeds
            .chunk_by(|a, b| a.parser == b.parser)
            .filter_map(last)
            .collect()
    }

    /// Runs a parser and its check. Returns whether the parser accepted the bytes.
    fn read((name, read): Parser, bytes: &[u8]) -> bool {
        let mut result = Err(String::new());
        let held = measure(|| result = read(bytes)).bytes_max;
        let bound = MAX_HELD_PER_BYTE * bytes.len() + MAX_HELD;
        assert!(
            held <= bound as u64,
            "{name} held {held} bytes for {}",
            bytes.len()
        );
        match result {
            Ok(check) => {
                check();
                true
            }
            Err(error) => {
                let users = VALUES.iter().any(|(value, _)| *value == name);
                assert!(users || error.len() <= LONGEST_ERROR, "{name}: {error}");
                false
            }
        }
    }

    /// Prints the failing case when a test panics.
    struct Case<'a>(u64, &'static str, &'a [u8]);

    impl Drop for Case<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                let Case(number, parser, bytes) = self;
                let shown = bytes.len().min(1_000);
                eprintln!(
                    "case {number}: {parser} of {}",
                    bytes[..shown].escape_ascii()
                );
            }
        }
    }

    /// Reads a number from the environment.
    fn setting(name: &str, default: u64) -> u64 {
        std::env::var(name).map_or(default, |value| value.parse().unwrap())
    }

    #[test]
    fn every_operation_has_a_parser_and_every_parser_an_answer() {
        let parsers = parsers();
        for operation in operations::ALL {
            let named = |(name, _): &Parser| *name == operation.name;
            assert!(parsers.iter().any(named), "{}", operation.name);
        }
        let Some(seeds) = seeds(&parsers) else { return };
        for (place, (name, _)) in parsers.iter().enumerate() {
            assert!(seeds.iter().any(|seed| seed.parser == place), "{name}");
        }
        for seed in &seeds {
            let parser = parsers[seed.parser];
            assert!(
                read(parser, &seed.bytes),
                "{} {}",
                parser.0,
                seed.bytes.escape_ascii()
            );
        }
    }

    /// `FUZZ_ANSWERS` sets the number of cases, and `FUZZ_FIRST` the first one. Each case depends on its
    /// number alone.
    #[test]
    fn mutated_answers_are_read_or_refused() {
        let parsers = &parsers();
        let Some(seeds) = &seeds(parsers) else { return };
        let first = setting("FUZZ_FIRST", 0);
        let cases = first..first + setting("FUZZ_ANSWERS", 20_000);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let run_share = |thread: usize| {
            let mut counts = [0_u64; 2];
            for number in cases.clone().skip(thread).step_by(threads) {
                let mut mutator = Mutator::new(number);
                let seed = &seeds[mutator.random.place(seeds.len())];
                let other = &seeds[mutator.random.place(seeds.len())].bytes;
                let bytes = mutator.mutated(&seed.bytes, other);
                for parser in [seed.parser, mutator.random.place(parsers.len())] {
                    let parser = parsers[parser];
                    let _case = Case(number, parser.0, &bytes);
                    counts[usize::from(read(parser, &bytes))] += 1;
                }
            }
            counts
        };
        let [refused, accepted] = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|n| scope.spawn(move || run_share(n)))
                .collect();
            let counts = threads.into_iter().map(|thread| thread.join().unwrap());
            counts.fold([0, 0], |sum, more| [sum[0] + more[0], sum[1] + more[1]])
        });
        eprintln!("{refused} refused, {accepted} accepted");
        // If nearly all were refused, only the first lines of each parser would be tested.
        let few = refused + accepted < 1_000;
        assert!(few || (accepted > refused / 10 && refused > accepted));
    }

    /// A quarter of Rust's default of 2 MiB for a thread. This test needs 320 KiB in a debug build, and 64
    /// KiB in release.
    const SMALL_STACK: usize = 512 << 10;

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = || {
            let parsers = parsers();
            let mut random = random::Random(1);
            for (parser, seed) in longest(&parsers) {
                for (open, close, deepest) in [
                    ("[", "]", 1_000_000),
                    ("{\"a\":", "}", 100_000),
                    ("{\"$and\":[", "]}", 100_000),
                ] {
                    // Up to serde_json's limit of 128, and beyond.
                    for depth in [64, 100, 127, 128, deepest] {
                        let nested = nested(open.as_bytes(), close.as_bytes(), depth);
                        let mut bytes = seed.clone();
                        let values = values(&bytes);
                        bytes.splice(values[random.place(values.len())].clone(), nested);
                        read(parser, &bytes);
                    }
                }
            }
        };
        let thread = thread::Builder::new().stack_size(SMALL_STACK);
        thread.spawn(deep).unwrap().join().unwrap();
    }

    /// The parser reserves memory for as many vectors as there are ids, but never more than the response can
    /// hold.
    #[test]
    fn missing_vectors_take_no_memory() {
        let [ids, vector] = ["\"\"", "0"].map(|entry| vec![entry; 20_000].join(","));
        let answer = format!(r#"{{"ids":[{ids}],"embeddings":[[{vector}]]}}"#);
        assert!(!read(parser("get"), answer.as_bytes()));
    }

    /// The values with the most memory per byte of JSON, and the limit: a multiple of the length of the
    /// response.
    #[test]
    fn memory_is_proportional_to_the_length_of_the_answer() {
        let list = |entry: &str| format!("[{}]", vec![entry; 20_000].join(","));
        let [numbers, maps] = ["0", "{\"\":0}"].map(list);
        let ids: Vec<String> = (0..20_000).map(|id| format!("\"{id:x}\"")).collect();
        let ids = format!("[{}]", ids.join(","));
        for (name, answer, times) in [
            (
                "get",
                format!(r#"{{"ids":["a"],"embeddings":[{numbers}]}}"#),
                8,
            ),
            ("get", format!(r#"{{"ids":{ids},"metadatas":{maps}}}"#), 12),
            (
                "query",
                format!(r#"{{"ids":[{ids},[]],"distances":[{numbers},[]]}}"#),
                50,
            ),
            (
                "search",
                format!(r#"{{"ids":[{ids},[]],"metadatas":[{maps},[]]}}"#),
                40,
            ),
            (
                "list_collections",
                list(r#"{"id":"6f4c0b6e9f3c4d438d0e0c1f4b0f6a11","name":"a"}"#),
                60,
            ),
            ("openapi", format!(r#"{{"components":{maps}}}"#), 120),
            ("metadata", format!(r#"{{"a":{numbers}}}"#), 14),
            (
                "where",
                format!(r#"{{"$and":{}}}"#, list(r#"{"a":{"$in":[0]}}"#)),
                80,
            ),
            ("schema", format!(r#"{{"a":{maps}}}"#), 120),
            (
                "configuration",
                format!(r#"{{"embedding_function":{{"config":{maps}}}}}"#),
                120,
            ),
        ] {
            let (_, read) = parser(name);
            let mut result = Err(String::new());
            let held = measure(|| result = read(answer.as_bytes())).bytes_max as usize;
            assert!(result.is_ok(), "{name}");
            let found = held / answer.len();
            assert!(
                (times / 2..=times).contains(&found),
                "{name}: {found} times"
            );
        }
    }
}
