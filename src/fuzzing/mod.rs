//! Every parser of answers, and of JSON that users bring, by name: for the fuzz test below, and for `fuzz/`. It is there
//! in tests and under `--cfg fuzzing` only, and no part of the API.

#[cfg(test)]
mod mutate;
#[cfg(test)]
pub(crate) mod random;

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

/// The name of an operation or of a type, and what reads it.
pub(crate) type Parser = (&'static str, fn(&[u8]) -> Result<Check, String>);

/// What is to hold of something that was read. It panics where that does not hold.
pub(crate) type Check = Box<dyn FnOnce()>;

/// The check of what has nothing to check.
pub(crate) fn anything<T>(_: T) -> Check {
    Box::new(|| ())
}

/// That a value is the same after it was written and read.
pub(crate) fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap_or_default();
    let again = serde_json::from_str(&json);
    assert_eq!(again.as_ref().ok(), Some(value), "{json} {again:?}");
}

/// That metadata survives, and that each place in a sparse vector has its value.
pub(crate) fn sound(metadata: &Metadata) {
    survives(metadata);
    for (_, value) in metadata.iter() {
        if let MetadataValue::SparseVector(vector) = value {
            assert_eq!(vector.indices.len(), vector.values.len());
        }
    }
}

/// The parsers of JSON that users bring.
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
            let again: Result<Vec<Record>> = JsonLines::from_reader(&*lines).collect();
            assert_eq!(again.ok().as_ref(), Some(&records));
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
        // A request takes what was read, in its three places, or says why not.
        let _ = filter.split(&|_| true);
    }))
}

/// The parsers of what servers answer.
fn answers() -> impl Iterator<Item = &'static Parser> {
    [
        client::PARSERS,
        collection::PARSERS,
        #[cfg(feature = "gemini")]
        crate::embed::PARSERS,
    ]
    .into_iter()
    .flatten()
}

fn run<'a>(parsers: impl IntoIterator<Item = &'a Parser>, bytes: &[u8]) {
    for (_, read) in parsers {
        if let Ok(check) = read(bytes) {
            check();
        }
    }
}

/// Gives the bytes to every parser of answers.
pub fn read_answers(bytes: &[u8]) {
    run(answers(), bytes);
}

/// Gives the bytes to every parser of JSON that users bring.
pub fn read_values(bytes: &[u8]) {
    run(VALUES, bytes);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::thread;

    use allocation_counter::measure;

    use super::mutate::{Mutator, nested, values};
    use super::*;
    use crate::client::operations;

    /// What a parser may hold of an answer at most: so many bytes for each byte of it, and for any answer.
    const HELD: [usize; 2] = [400, 8 << 10];
    /// An error says what is wrong, and not the whole of a long answer. What users bring, they have at hand.
    const LONGEST_ERROR: usize = 2_000;

    /// An answer as it is in `tests/data`, and the place of its parser.
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

    /// `None` in the published package, which has no tests but those in `src`, and no data for them.
    fn seeds(parsers: &[Parser]) -> Option<Vec<Seed>> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        if !tests.exists() {
            eprintln!("there are no answers to read");
            return None;
        }
        let data = tests.join("data");
        let mut seeds = Vec::new();
        let mut seed = |name: &str, bytes: Vec<u8>| {
            if let Some(parser) = parsers.iter().position(|(parser, _)| *parser == name) {
                seeds.push(Seed { parser, bytes });
            } else if cfg!(feature = "gemini") {
                panic!("there is no parser {name}");
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

    /// The longest answer of each parser.
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

    /// Reads it, and says whether it could be read.
    fn read((name, read): Parser, bytes: &[u8]) -> bool {
        let mut result = Err(String::new());
        let most = measure(|| result = read(bytes)).bytes_max;
        let bound = HELD[0] * bytes.len() + HELD[1];
        assert!(
            most <= bound as u64,
            "{name} held {most} bytes for {}",
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

    /// Says what it was that a test has failed with.
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

    /// A number in the environment.
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

    /// `FUZZ_ANSWERS` says how many, and `FUZZ_FIRST` which is the first: a number is always the same answer.
    #[test]
    fn mutated_answers_are_read_or_refused() {
        let parsers = &parsers();
        let Some(seeds) = &seeds(parsers) else { return };
        let first = setting("FUZZ_FIRST", 0);
        let cases = first..first + setting("FUZZ_ANSWERS", 20_000);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let some = |thread: usize| {
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
            let threads: Vec<_> = (0..threads).map(|n| scope.spawn(move || some(n))).collect();
            let counts = threads.into_iter().map(|thread| thread.join().unwrap());
            counts.fold([0, 0], |all, some| [all[0] + some[0], all[1] + some[1]])
        });
        eprintln!("{refused} refused, {accepted} accepted");
        // Or else nothing but the first lines of each parser would be seen.
        let few = refused + accepted < 1_000;
        assert!(few || (accepted > refused / 10 && refused > accepted));
    }

    /// What a program's threads have is 2 MiB, where it asks for no less. A build without optimization takes 320 KiB for
    /// this test, one with it 64.
    const SMALL_STACK: usize = 512 << 10;

    #[test]
    fn deep_nesting_overflows_no_stack() {
        let deep = || {
            let parsers = parsers();
            let mut random = random::Random(1);
            for (parser, seed) in longest(&parsers) {
                for (open, close, deepest) in [
                    ("[", "]", 1_000_000),
                    ("{\"a\":", "}", 100_000),
                    ("{\"$and\":[", "]}", 100_000),
                ] {
                    // As deep as can be read, and deeper.
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

    /// Room is made for as many vectors as there are ids.
    #[test]
    fn an_answer_that_lies_about_its_vectors_takes_no_room_for_them() {
        let [ids, vector] = ["\"\"", "0"].map(|entry| vec![entry; 20_000].join(","));
        let lie = format!(r#"{{"ids":[{ids}],"embeddings":[[{vector}]]}}"#);
        assert!(!read(parser("get"), lie.as_bytes()));
    }

    /// Lists of what takes most memory for its length, with how many times the length that may be.
    #[test]
    fn what_is_held_goes_by_the_length_of_the_answer() {
        let list = |entry: &str| format!("[{}]", vec![entry; 20_000].join(","));
        let [texts, numbers, maps] = ["\"\"", "0", "{\"\":0}"].map(list);
        for (name, answer, times) in [
            (
                "get",
                format!(r#"{{"ids":["a"],"embeddings":[{numbers}]}}"#),
                8,
            ),
            (
                "get",
                format!(r#"{{"ids":{texts},"metadatas":{maps}}}"#),
                120,
            ),
            (
                "query",
                format!(r#"{{"ids":[{texts},[]],"distances":[{numbers},[]]}}"#),
                60,
            ),
            (
                "search",
                format!(r#"{{"ids":[{texts},[]],"metadatas":[{maps},[]]}}"#),
                120,
            ),
            ("list_collections", list(r#"{"id":"","name":""}"#), 130),
            ("openapi", format!(r#"{{"components":{maps}}}"#), 120),
            ("metadata", format!(r#"{{"a":{texts}}}"#), 80),
            (
                "where",
                format!(r#"{{"$and":{}}}"#, list(r#"{"a":{"$in":[0]}}"#)),
                80,
            ),
            ("schema", format!(r#"{{"a":{maps}}}"#), 120),
            (
                "configuration",
                format!(r#"{{"embedding_function":{{"config":{maps}}}}}"#),
                400,
            ),
        ] {
            let (_, read) = parser(name);
            let mut result = Err(String::new());
            let most = measure(|| result = read(answer.as_bytes())).bytes_max as usize;
            assert!(result.is_ok(), "{name}");
            let found = most / answer.len();
            assert!(
                (times / 2..=times).contains(&found),
                "{name}: {found} times"
            );
        }
    }
}
