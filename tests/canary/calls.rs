//! The public calls that return an error, and the check that none is missing.

use std::path::Path;
use std::{fs, io};

use chroma_blocking::embed::{EmbeddingError, RerankContext, Reranker};
use chroma_blocking::ingest::{
    BadRecords, TryIntoRecord, csv_records, jsonl_records, text_records,
};
use chroma_blocking::search::{Knn, ReadLevel};
use chroma_blocking::{Collection, Key, Record, Result, RetryPolicy, Search};

use crate::hostile::TABLE;
use crate::observers;
use crate::support::{assert_none, operations};
use crate::transfers;

pub type Call = fn(&Collection, &Path) -> Result<()>;

/// Calls in addition to those of the table of operations. They get a folder for their files.
const MORE: &[(&str, Call)] = &[
    ("get_one", |abc, _| abc.get_one("a").map(drop)),
    ("count_at", |abc, _| {
        abc.count_at(ReadLevel::IndexOnly).map(drop)
    }),
    ("peek", |abc, _| abc.peek().map(drop)),
    ("query_many", |abc, _| {
        abc.query_many([[1.0, 2.0]]).run().map(drop)
    }),
    ("query by text", |abc, _| {
        abc.query("a text").run().map(drop)
    }),
    ("reranked query", |abc, _| {
        let query = abc.query("a text").rerank(Shortest);
        observers::debug("RerankedQuery", &query);
        query.run().map(drop)
    }),
    ("index of words", |abc, folder| {
        let words = abc.word_index().file(folder.join("abc.words")).open()?;
        observers::debug("WordIndex", &words);
        words.refresh()?;
        words.rebuild()
    }),
    ("search by words", |abc, _| {
        let search = Search::new().rank(Knn::words("a text"));
        abc.search(search).run().map(drop)
    }),
    ("search_many", |abc, _| {
        abc.search_many([Search::new().limit(1)]).run().map(drop)
    }),
    ("upsert of texts", |abc, _| {
        abc.upsert([Record::new("a").document("a text")])
    }),
    ("scan", |abc, _| {
        abc.scan().collect::<Result<Vec<_>>>().map(drop)
    }),
    ("scan of pages", |abc, _| {
        abc.scan().pages().collect::<Result<Vec<_>>>().map(drop)
    }),
    ("export to a file", |abc, folder| {
        abc.export().to_file(folder.join("export.jsonl")).map(drop)
    }),
    ("export to a writer", |abc, _| {
        abc.export().write_to(io::sink()).map(drop)
    }),
    ("ingest", |abc, folder| {
        let records = (0..3).map(|n| Record::new(format!("{n}")).document("a text"));
        ingest(abc, folder, records)
    }),
    ("ingest of JSON Lines", |abc, folder| {
        let path = folder.join("in.jsonl");
        fs::write(&path, "{\"id\":\"a\",\"document\":\"b\"}\n{\"id\":7}\n").unwrap();
        ingest(abc, folder, jsonl_records(path)?)
    }),
    ("ingest of CSV", |abc, folder| {
        let path = folder.join("in.csv");
        fs::write(&path, "id,document\na,b\n").unwrap();
        ingest(abc, folder, csv_records(path)?)
    }),
    ("ingest of texts", |abc, folder| {
        let texts = folder.join("texts");
        fs::create_dir_all(&texts).unwrap();
        fs::write(texts.join("a.txt"), "a text").unwrap();
        ingest(abc, folder, text_records(texts)?)
    }),
    ("transaction", |abc, _| {
        let mut transaction = abc.transaction();
        transaction.get_filtered(Key::field("k").eq(1), 1, [])?;
        transaction.add([Record::new("a").embedding([1.0, 2.0])])?;
        transaction.update([Record::new("b").embedding([1.0, 2.0])])?;
        transaction.delete(["c"])?;
        transaction.commit().map(drop)
    }),
];

/// Puts short documents first.
struct Shortest;

impl Reranker for Shortest {
    fn name(&self) -> &'static str {
        "shortest"
    }

    fn rerank(
        &self,
        _: &str,
        documents: &[&str],
        _: &RerankContext,
    ) -> Result<Vec<f32>, EmbeddingError> {
        let score = |document: &&str| -(document.len() as f32);
        Ok(documents.iter().map(score).collect())
    }
}

/// Runs a job with a checkpoint and dead letters.
fn ingest<I>(abc: &Collection, folder: &Path, records: I) -> Result<()>
where
    I: IntoIterator<Item: TryIntoRecord>,
{
    let job = abc
        .ingest(records)
        .checkpoint(folder.join("checkpoint"))
        .bad_records(BadRecords::dead_letters(folder.join("dead")))
        .retry(RetryPolicy::none());
    observers::debug("job", &job);
    let report = job.run()?;
    observers::shown("report", &report);
    Ok(())
}

/// Returns the names of all calls.
pub fn names() -> impl Iterator<Item = &'static str> {
    let operations = TABLE.iter().map(|row| row.constant.as_str());
    operations.chain(more().map(|(name, _)| *name))
}

/// Returns the calls in addition to the operations.
fn more() -> impl Iterator<Item = &'static (&'static str, Call)> {
    MORE.iter().chain(transfers::CALLS)
}

/// Makes the call of this name, and searches its error.
pub fn make(name: &str, abc: &Collection, folder: &Path) {
    let result = match more().find(|(more, _)| *more == name) {
        Some((_, call)) => call(abc, folder),
        None => operations::call(name, abc),
    };
    if let Err(error) = result {
        observers::error(&error);
    }
}

/// The public functions that can fail and need no secret, no server and no file.
const NOT_CALLED: &[&str] = &[
    // Part of a text for an embedding function; `Gemini` calls it.
    "part",
    // They check values that the caller gives.
    "with_dimension",
    "k",
    "b",
    "avg_doc_length",
    "from_struct",
    "to_struct",
    "from_rows",
    "from_json",
    "document_from_json",
    // Its argument is the second reader of a job.
    "restart_with",
    // Pieces of texts that the caller gives.
    "split_records",
    // A download; its arguments come from the table of releases.
    "install_only",
    // Of a running `LocalServer`, which has no secret.
    "client",
    "stop",
];

/// Checks that every operation of the library was made, and that every public function that can fail is called.
pub fn assert_complete() {
    let made = observers::OPERATIONS.lock().unwrap().clone();
    let parsers = [
        include_str!("../../src/client/parsers.rs"),
        include_str!("../../src/collection/parsers.rs"),
        include_str!("../../src/embed/gemini/parsers.rs"),
    ];
    let parsed = parsers
        .iter()
        .flat_map(|source| source.split("\n    (\"").skip(1));
    let operations = parsed.map(|rest| rest.split('"').next().unwrap());
    // Those two parse errors.
    let missing =
        operations.filter(|name| !name.ends_with("error") && !made.iter().any(|one| one == name));
    assert_none("operations without a call", missing);

    let callers = [
        include_str!("calls.rs"),
        include_str!("gemini.rs"),
        include_str!("programs.rs"),
        include_str!("servers.rs"),
        include_str!("settings.rs"),
        include_str!("transfers.rs"),
        include_str!("../support/operations.rs"),
    ]
    .concat();
    let is_called = |name: &str| {
        [".", "::", " "]
            .iter()
            .any(|before| callers.contains(&format!("{before}{name}(")))
    };
    let missing = fallible(Path::new("src")).into_iter();
    let missing = missing.filter(|name| !is_called(name) && !NOT_CALLED.contains(&name.as_str()));
    assert_none("public functions without a call", missing);
}

/// Returns the names of the public functions in a folder that return a result.
fn fallible(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(fallible(&path));
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for function in source.split(" pub fn ").skip(1) {
            let signature = function.split(['{', ';']).next().unwrap();
            let name = signature.split(['(', '<']).next().unwrap();
            if signature
                .rsplit("->")
                .next()
                .is_some_and(|returned| returned.contains("Result<"))
            {
                names.push(name.to_owned());
            }
        }
    }
    assert!(!names.is_empty() || folder != Path::new("src"));
    names
}
