//! Random searches of random collections, while records change: each result equals that of the
//! [oracle](super::oracle).

use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};
use chroma_blocking::hybrid::{Freshness, WordIndex};
use chroma_blocking::schema::HnswConfig;
use chroma_blocking::search::{EvaluatedBy, GroupBy, Knn, Rank, Rrf};
use chroma_blocking::{Collection, Key, Record, Search, Space, Where};

use super::oracle::Oracle;
use super::support::random::Random;
use super::support::server::{client, unique_name};

const WORDS: [&str; 9] = [
    "apple", "river", "stone", "cloud", "tiger", "garden", "music", "winter", "the",
];

fn text(random: &mut Random) -> String {
    random.list(7, |random| random.choose(&WORDS)).join(" ")
}

/// Small whole numbers, so that distances are exact and often equal.
fn vector(random: &mut Random) -> Vec<f32> {
    (0..3).map(|_| random.below(4) as f32).collect()
}

fn record(random: &mut Random, id: usize) -> Record {
    let mut record = Record::new(format!("id {id}")).embedding(vector(random));
    if random.below(8) > 0 {
        record = record.document(text(random));
    }
    if random.below(4) > 0 {
        record = record.metadata("kind", random.choose(&["a", "b", "c"]));
    }
    match random.below(3) {
        0 => record,
        1 => record.metadata("year", 2000 + random.below(6) as i64),
        _ => record.metadata("year", 2000.5 + random.below(6) as f64),
    }
}

fn condition(random: &mut Random) -> Where {
    let id = |random: &mut Random| format!("id {}", random.below(60));
    match random.below(8) {
        0 => Key::field("kind").eq("a"),
        1 => Key::field("kind").ne("b"),
        2 => Key::field("year").gte(2003),
        3 => Key::field("kind").is_in(["a", "c"]),
        4 => Key::document().contains(random.choose(&WORDS)),
        5 => Key::id().ne(id(random)),
        6 => Key::id().not_in([id(random), id(random)]),
        _ => Key::field("year").lt(2004),
    }
}

fn filter(random: &mut Random) -> Where {
    match random.below(4) {
        0 => condition(random) & condition(random),
        1 => condition(random) | condition(random),
        2 => Key::id().is_in((0..40).map(|id| format!("id {id}"))) & condition(random),
        _ => condition(random),
    }
}

fn knn(random: &mut Random) -> Knn {
    let knn = match random.below(5) {
        0 | 1 => Knn::dense(vector(random)),
        2 => Knn::words(text(random)),
        3 => Knn::text(text(random)).key("bm25"),
        _ => {
            let vectors = Bm25::default().embed_queries(&["tiger garden"]).unwrap();
            Knn::sparse("bm25", vectors[0].clone())
        }
    };
    let knn = knn.limit(random.choose(&[1, 3, 10, 16, 200]));
    let knn = knn.return_rank(random.below(3) == 0);
    if random.below(2) == 0 {
        knn.default(random.choose(&[0.5, 3.0, 100.0]))
    } else {
        knn
    }
}

fn rank(random: &mut Random, depth: usize) -> Rank {
    if depth == 0 {
        return knn(random).into();
    }
    let inner = |random: &mut Random| rank(random, depth - 1);
    match random.below(12) {
        0 => inner(random) + inner(random),
        1 => inner(random) * 0.25,
        2 => inner(random) - inner(random),
        3 => inner(random).max(inner(random)),
        4 => inner(random).min(2.5),
        5 => (-inner(random)).exp(),
        6 => (inner(random) + 1.0).log().abs(),
        7 => inner(random) / 3,
        8 => inner(random) * inner(random),
        9 => Rrf::new([knn(random), knn(random), knn(random)])
            .weights([2, 1, 1])
            .into(),
        10 => Rrf::new([inner(random), inner(random)])
            .k(7)
            .normalize(true)
            .into(),
        _ => inner(random),
    }
}

fn search(random: &mut Random) -> Search {
    let mut search = Search::new();
    if random.below(2) == 0 {
        search = search.filter(filter(random));
    }
    if random.below(10) > 0 {
        let depth = random.below(3);
        search = search.rank(rank(random, depth));
        if random.below(3) == 0 {
            let keys = random.choose(&[&["kind"][..], &["year"], &["kind", "year"]]);
            let group_by = GroupBy::new(keys.iter().copied());
            let (k, by_year) = (1 + random.below(3), [Key::field("year"), Key::score()]);
            search = search.group_by(match random.below(3) {
                0 => group_by,
                1 => group_by.min_k(k, by_year),
                _ => group_by.max_k(k, by_year),
            });
        }
    }
    if random.below(3) > 0 {
        search = search.limit(1 + random.below(20));
    }
    if random.below(3) == 0 {
        search = search.offset(random.below(5));
    }
    search
}

/// Writes or deletes some records, through either handle.
fn change(random: &mut Random, handles: [&Collection; 2], oracle: &mut Oracle, next: &mut usize) {
    let handle = random.choose(&handles);
    for _ in 0..random.below(4) {
        let ids: Vec<String> = oracle
            .records()
            .iter()
            .map(|record| record.id.clone())
            .collect();
        match random.below(3) {
            0 if ids.len() > 5 => {
                let id = random.choose(&ids);
                handle.delete().ids(&id).run().unwrap();
                oracle.delete(&id);
            }
            1 if !ids.is_empty() => {
                let mut record = Record::new(random.choose(&ids)).embedding(vector(random));
                record.document = Some(text(random));
                handle.upsert([record.clone()]).unwrap();
                oracle.upsert(record);
            }
            _ => {
                *next += 1;
                let record = record(random, *next);
                handle.add([record.clone()]).unwrap();
                oracle.upsert(record);
            }
        }
    }
}

fn check(seed: u64, notes: &Collection, words: &WordIndex, oracle: &Oracle, search: Search) {
    let json = serde_json::from_str(&search.to_string()).unwrap();
    let expected = oracle.search(&json);
    let run = notes.search(search.select_all()).words(words);
    let result = run.freshness(Freshness::Checked).run().unwrap();
    assert_eq!(result.evaluated_by(), EvaluatedBy::Client);
    let found = result.iter().map(|hit| (hit.id.clone(), hit.score));
    let expected = expected
        .into_iter()
        .map(|(id, score)| (id, score.filter(|score| score.is_finite())));
    let (found, expected): (Vec<_>, Vec<_>) = (found.collect(), expected.collect());
    assert_eq!(found, expected, "seed {seed}: {json}");
    for hit in &result {
        let mut records = oracle.records().iter();
        let record = records.find(|record| record.id == hit.id).unwrap();
        assert_eq!(hit.document, record.document);
        assert_eq!(hit.metadata, record.metadata);
        assert_eq!(hit.embedding, record.embedding);
    }
}

/// `HYBRID_SEARCHES` is the number of searches.
#[test]
fn random_searches_give_what_chromas_rules_give() {
    let searches = std::env::var("HYBRID_SEARCHES").map_or(240, |count| count.parse().unwrap());
    for seed in 0..searches / 40 {
        let mut random = Random(seed);
        let builder = client().collection(unique_name()).space(Space::L2);
        // The index of vectors finds all neighbours.
        let builder = builder.hnsw(HnswConfig::new().ef_search(1_000).ef_construction(1_000));
        let notes = builder.stamp_writes(true).create().unwrap();
        let other = client().collection(notes.name()).get().unwrap();
        assert!(other.stamps_writes());
        let mut oracle = Oracle::default();
        let mut next = random.choose(&[1, 20, 60, 150]);
        let records: Vec<Record> = (0..next).map(|id| record(&mut random, id)).collect();
        // At least one document.
        let records: Vec<Record> = records
            .into_iter()
            .chain([Record::new("first")
                .document("apple")
                .embedding([1.0, 1.0, 1.0])])
            .collect();
        notes.add(&records).unwrap();
        for record in records {
            oracle.upsert(record);
        }
        let words = notes.word_index().key("bm25").open().unwrap();
        for _ in 0..40 {
            change(&mut random, [&notes, &other], &mut oracle, &mut next);
            check(seed, &notes, &words, &oracle, search(&mut random));
        }
        words.refresh().unwrap();
        assert_eq!(words.len(), oracle.records().len());
        client().delete_collection(notes.name()).unwrap();
    }
    println!("{searches} searches with another result than Chroma's rules: 0");
}
