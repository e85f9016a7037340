//! Bad records of every kind at random positions, with a server that refuses some of them: exactly the good
//! records are written, and the report is exact.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chroma_blocking::{
    EmbeddingFunction, Embeddings, Error, Record,
    embed::EmbeddingError,
    ingest::{BadRecords, IngestStage},
};

use super::support::random::Random;
use super::support::stand_in::{Answer, StandIn, lock};
use super::support::{LIMITS, chroma, client, ids_of};
use super::{Letters, TempFile, record};

const ITEMS: usize = 1_500;

/// How an item is bad, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    /// The reader fails.
    Unreadable,
    /// The client refuses the record, because it has no text.
    Empty,
    /// The embedding function refuses the record's batch.
    Poisoned,
    /// The server refuses the record's batch.
    Refused,
}

impl Kind {
    fn stage(self) -> Option<IngestStage> {
        match self {
            Kind::Good => None,
            Kind::Unreadable => Some(IngestStage::Read),
            Kind::Empty => Some(IngestStage::Check),
            Kind::Poisoned => Some(IngestStage::Embed),
            Kind::Refused => Some(IngestStage::Write),
        }
    }

    fn item(self, number: usize) -> Result<Record, &'static str> {
        match self {
            Kind::Good => Ok(record(number)),
            Kind::Unreadable => Err("cut off"),
            Kind::Empty => Ok(Record::new(format!("id{number}"))),
            Kind::Poisoned => Ok(record(number).document("poison")),
            Kind::Refused => Ok(Record::new(format!("refused{number}")).document("refused")),
        }
    }
}

struct Picky;

impl EmbeddingFunction for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        if documents.contains(&"poison") {
            return Err("one of them is poisoned".into());
        }
        Letters.embed_documents(documents)
    }
}

/// Starts a server that refuses requests with certain ids. Returns it with the ids that it accepted, in
/// order.
fn server() -> (StandIn, Arc<Mutex<Vec<String>>>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let taking = taken.clone();
    let server = chroma(LIMITS, move |request| {
        let ids = ids_of(request);
        if ids.iter().any(|id| id.starts_with("refused")) {
            return Answer::new(
                400,
                r#"{"error":"InvalidArgumentError","message":"refused"}"#,
            );
        }
        lock(&taking).extend(ids);
        Answer::ok("{}")
    });
    (server, taken)
}

/// About one item in 30 is bad, in all ways, sometimes several in a row.
fn input(seed: u64) -> Vec<Kind> {
    let mut random = Random(seed);
    let mut kinds = vec![Kind::Good; ITEMS];
    let bad = [Kind::Unreadable, Kind::Empty, Kind::Poisoned, Kind::Refused];
    for _ in 0..ITEMS / 60 {
        let (start, kind) = (random.below(ITEMS), bad[random.below(4)]);
        let end = (start + 1 + random.below(3)).min(ITEMS);
        kinds[start..end].fill(kind);
    }
    kinds
}

#[test]
fn exactly_the_good_records_are_written_and_the_bad_ones_reported() {
    let mut all = BTreeSet::new();
    for seed in 1..=12 {
        let kinds = input(seed);
        let bad = kinds
            .iter()
            .enumerate()
            .filter(|(_, kind)| **kind != Kind::Good);
        let bad: Vec<(u64, Kind)> = bad.map(|(item, kind)| (item as u64, *kind)).collect();
        let limit = Random(seed).below(bad.len()) as u64;
        let letters = TempFile::new();
        for policy in [
            BadRecords::skip(),
            BadRecords::dead_letters(&letters.0),
            BadRecords::stop(),
            BadRecords::skip().at_most(limit),
        ] {
            let shown = format!("seed {seed}, {policy:?}");
            let (server, taken) = server();
            let notes = client(&server).collection("abc").embedding_function(Picky);
            let notes = notes.get().unwrap();
            let items = kinds
                .iter()
                .enumerate()
                .map(|(number, kind)| kind.item(number));
            let job = notes.ingest(items).concurrency(3).batch_size(300);
            let result = job.bad_records(policy.clone()).run();
            let most = match &policy {
                stop if *stop == BadRecords::stop() => 0,
                limited if *limited == BadRecords::skip().at_most(limit) => limit,
                _ => u64::MAX,
            };
            // The first bad item beyond the limit. Only records before it are written.
            let end = bad.get(usize::try_from(most).unwrap_or(usize::MAX));
            let end = end.map_or(ITEMS as u64, |(item, _)| *item);
            let (report, stopped) = match result {
                Ok(report) => (report, false),
                Err(Error::Ingest { report, .. }) => (*report, true),
                Err(error) => panic!("{shown}: {error}"),
            };
            assert_eq!(stopped, end < ITEMS as u64, "{shown}");
            let good = (0..end).filter(|item| kinds[*item as usize] == Kind::Good);
            let expected: Vec<String> = good.map(|item| format!("id{item}")).collect();
            assert_eq!(*lock(&taken), expected, "{shown}: in order, each once");
            assert_eq!(report.written, expected.len() as u64, "{shown}");
            let known = bad.iter().filter(|(item, _)| *item <= end);
            let known: Vec<(u64, Option<IngestStage>)> =
                known.map(|(item, kind)| (*item, kind.stage())).collect();
            let mut reported: Vec<_> = (report.bad.iter())
                .map(|bad| (bad.item, Some(bad.stage)))
                .collect();
            reported.sort_by_key(|(item, _)| *item);
            assert_eq!(reported, known, "{shown}");
            assert_eq!(report.failed, known.len() as u64, "{shown}");
            all.extend(bad.iter().map(|(_, kind)| format!("{kind:?}")));
        }
        let lines = std::fs::read_to_string(&letters.0).unwrap();
        assert_eq!(lines.lines().count(), bad.len(), "seed {seed}");
    }
    assert_eq!(all.len(), 4, "every kind: {all:?}");
}
