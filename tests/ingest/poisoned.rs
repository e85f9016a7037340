//! Bad records of every kind at random places, against a server that refuses some: what is written is exactly what is good,
//! and the report is exact.

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
use super::{Letters, Scrap, record};

const ITEMS: usize = 1_500;

/// What is wrong with an item, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    /// The reader fails.
    Unread,
    /// The client refuses it: it has no text.
    Empty,
    /// The embedding function refuses its batch.
    Poisoned,
    /// The server refuses its batch.
    Refused,
}

impl Kind {
    fn stage(self) -> Option<IngestStage> {
        match self {
            Kind::Good => None,
            Kind::Unread => Some(IngestStage::Read),
            Kind::Empty => Some(IngestStage::Check),
            Kind::Poisoned => Some(IngestStage::Embed),
            Kind::Refused => Some(IngestStage::Write),
        }
    }

    fn item(self, number: usize) -> Result<Record, &'static str> {
        match self {
            Kind::Good => Ok(record(number)),
            Kind::Unread => Err("cut off"),
            Kind::Empty => Ok(Record::new(format!("id{number}"))),
            Kind::Poisoned => Ok(record(number).document("poison")),
            Kind::Refused => Ok(Record::new(format!("refused{number}")).document("refused")),
        }
    }
}

struct Picky;

impl EmbeddingFunction for Picky {
    fn name(&self) -> &str {
        "picky"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        match documents.contains(&"poison") {
            true => Err("one of them is poisoned".into()),
            false => Letters.embed_documents(documents),
        }
    }
}

/// A server that refuses a request for one id, and the ids that it has taken, in their order.
fn server() -> (StandIn, Arc<Mutex<Vec<String>>>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let taking = taken.clone();
    let server = chroma(LIMITS, move |request| {
        let ids = ids_of(request);
        if ids.iter().any(|id| id.starts_with("refused")) {
            return Answer::new(
                400,
                r#"{"error":"InvalidArgumentError","message":"I do not like it"}"#,
            );
        }
        lock(&taking).extend(ids);
        Answer::ok("{}")
    });
    (server, taken)
}

/// About one in 30 is bad, in every way; at times several in a row.
fn input(seed: u64) -> Vec<Kind> {
    let mut random = Random(seed);
    let mut kinds = vec![Kind::Good; ITEMS];
    let bad = [Kind::Unread, Kind::Empty, Kind::Poisoned, Kind::Refused];
    for _ in 0..ITEMS / 60 {
        let (start, kind) = (random.below(ITEMS), bad[random.below(4)]);
        let end = (start + 1 + random.below(3)).min(ITEMS);
        kinds[start..end].fill(kind);
    }
    kinds
}

#[test]
fn whatever_is_bad_wherever_it_is() {
    let mut all = BTreeSet::new();
    for seed in 1..=12 {
        let kinds = input(seed);
        let bad = kinds
            .iter()
            .enumerate()
            .filter(|(_, kind)| **kind != Kind::Good);
        let bad: Vec<(u64, Kind)> = bad.map(|(item, kind)| (item as u64, *kind)).collect();
        let limit = Random(seed).below(bad.len()) as u64;
        let letters = Scrap::new();
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
            // The one that is too many, if there is one, and what is in front of it.
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
            let mut told: Vec<_> = (report.bad.iter())
                .map(|bad| (bad.item, Some(bad.stage)))
                .collect();
            told.sort_by_key(|(item, _)| *item);
            assert_eq!(told, known, "{shown}");
            assert_eq!(report.failed, known.len() as u64, "{shown}");
            all.extend(bad.iter().map(|(_, kind)| format!("{kind:?}")));
        }
        let lines = std::fs::read_to_string(&letters.0).unwrap();
        assert_eq!(lines.lines().count(), bad.len(), "seed {seed}");
    }
    assert_eq!(all.len(), 4, "every kind: {all:?}");
}
