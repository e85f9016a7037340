//! Finds texts by two kinds of vectors at once: dense ones, which know parts of words, and sparse ones, which know whole
//! words and how rare they are. Each finds what the other misses.
//!
//! ```text
//! cargo run --example hybrid_search
//! ```
//!
//! Only Chroma Cloud and distributed Chroma have such searches. With `CHROMA_API_KEY` this runs there (`CHROMA_HOST`,
//! `CHROMA_TENANT` and `CHROMA_DATABASE` as usual). Without, it runs on a **stand-in** inside of this program
//! (`stand_in.rs`), which holds the records and computes the searches in earnest, but is no database, and knows only what
//! is asked here.

mod evaluate;
mod stand_in;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::{
    Client, Collection, Hashing, Key, Record, Search,
    record::SparseVector,
    schema::{Schema, SparseVectorIndexConfig},
    search::{GroupBy, Knn, Rank, Rrf},
};
use serde::Deserialize;

/// The metadata field with the sparse vectors.
const WORDS: &str = "words";

/// What people type in a hurry, and which text they want. Chosen to be hard: word forms and misspellings, which sparse
/// vectors do not know; short names and numbers, which dense ones hardly see; and one that neither finds.
const QUESTIONS: [(&str, &str); 16] = [
    ("gutenbergs bibles", "history-07"),
    ("weavers' looms and punchcards", "computing-02"),
    ("diabetics and insuline", "biology-21"),
    ("microwaves melting chocolat", "cooking-13"),
    ("coelacanths in trawlers' nets", "biology-11"),
    ("tombough plates blinking comparater", "astronomy-01"),
    ("hieroglyphics deciphered by Champolion", "history-12"),
    ("saxophones of Sax", "music-07"),
    ("LGM-1", "astronomy-10"),
    ("Z3", "computing-05"),
    ("Pele 5-2", "sports-20"),
    ("MIDI 1983", "music-21"),
    ("1983 cup lost", "sports-13"),
    ("berlin wall, Nov 9", "history-20"),
    ("61 Cygni", "astronomy-14"),
    ("cloning sheep", "biology-12"),
];

/// One line of the corpus.
#[derive(Deserialize)]
struct Document {
    id: String,
    title: String,
    text: String,
    subject: String,
    year: i64,
}

fn main() -> ExitCode {
    if let Err(error) = dotenvy::dotenv() {
        if !error.not_found() {
            eprintln!("hybrid_search: .env: {error}");
            return ExitCode::FAILURE;
        }
    }
    // At the level trace, ureq_proto shows requests whole, with the secrets in them.
    env_logger::Builder::from_default_env()
        .filter_module("ureq_proto", log::LevelFilter::Info)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hybrid_search: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let client = connect()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let name = format!("hybrid-search-{}", now.as_nanos());
    // The server has an index of the sparse vectors, and weighs the words of a query by how rare they are (BM25).
    let words = SparseVectorIndexConfig::new().bm25(true);
    let texts = client
        .collection(&name)
        .embedding_function(Hashing::default())
        .schema(Schema::new().create_sparse_vector_index(WORDS, words))
        .create()?;
    let result = show(&texts);
    // Leaves nothing behind, whatever happened.
    client.delete_collection(&name)?;
    result
}

/// A client of Chroma Cloud, if there is a key, or else of the stand-in, which is used in the same way.
fn connect() -> Result<Client, Box<dyn Error>> {
    if env::var("CHROMA_API_KEY").is_ok_and(|key| !key.trim().is_empty()) {
        let client = Client::cloud_from_env()?;
        println!("Chroma: {}", client.url());
        return Ok(client);
    }
    let stand_in = Client::builder()
        .cloud()
        .host(stand_in::start()?)
        .api_key(stand_in::KEY);
    println!(
        "Chroma: none. A stand-in inside of this program computes the searches; it knows only these."
    );
    println!("(For Chroma Cloud set CHROMA_API_KEY.)");
    Ok(stand_in.build()?)
}

fn show(texts: &Collection) -> Result<(), Box<dyn Error>> {
    let corpus = include_str!("../data/corpus.jsonl")
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Document>, _>>()?;
    println!(
        "{} texts, each with two vectors. Of scores, the lower one is nearer.",
        corpus.len()
    );
    // The dense vectors are made by the collection's embedding function, the sparse ones here.
    texts.upsert(corpus.into_iter().map(|document| {
        Record::new(document.id)
            .metadata(WORDS, words_of_text(&document.text))
            .document(document.text)
            .metadata("title", document.title)
            .metadata("subject", document.subject)
            .metadata("year", document.year)
    }))?;
    hits(texts, "gutenbergs bibles")?;
    hits(texts, "Pele 5-2")?;
    places(texts)?;
    groups(texts)
}

/// The four ways to search.
const WAYS: [&str; 4] = ["dense", "sparse", "rrf", "sum"];

fn ways(question: &str) -> [Rank; 4] {
    let dense = || Knn::text(question).limit(20);
    let sparse = || Knn::sparse(WORDS, words_of_query(question)).limit(20);
    // By the places on both lists. What is on one list alone is found, too, as if it were far down on the other.
    let rrf = Rrf::new([dense().default(1000), sparse().default(1000)]);
    // By the distances. Dense ones go from 0 to 2, sparse ones from 1 down to about -20, so they are scaled. What is not on
    // a list has 1: nothing in common.
    let sum = dense().default(1) + 0.05 * sparse().default(1);
    [dense().into(), sparse().into(), rrf.into(), sum]
}

/// What each way finds first.
fn hits(texts: &Collection, question: &str) -> Result<(), Box<dyn Error>> {
    println!("\n{question}");
    let searches = ways(question).map(|rank| Search::new().rank(rank).limit(2).select(shown()));
    for (way, hits) in WAYS.iter().zip(texts.search_many(searches).run()?) {
        for hit in &hits {
            let Topic { title, .. } = hit.metadata.to_struct()?;
            println!(
                "  {way:<6}  {:>7.3}  {title}",
                hit.score.unwrap_or(f32::NAN)
            );
        }
        if hits.is_empty() {
            println!("  {way:<6}  nothing");
        }
    }
    Ok(())
}

/// For each question, at which place each way has the text that is wanted.
fn places(texts: &Collection) -> Result<(), Box<dyn Error>> {
    println!("\nWhere is the text that is wanted? (-: not among the first ten)");
    println!("  {:<40}{}", "", row(WAYS));
    let (mut first, mut first_three) = ([0; 4], [0; 4]);
    for (question, wanted) in QUESTIONS {
        // All four in one request.
        let searches = ways(question).map(|rank| Search::new().rank(rank).limit(10));
        let results = texts.search_many(searches).run()?;
        let mut places = ["-"; 4].map(str::to_owned);
        for (way, hits) in results.iter().enumerate() {
            if let Some(before) = hits.ids().position(|id| id == wanted) {
                places[way] = (before + 1).to_string();
                first[way] += usize::from(before == 0);
                first_three[way] += usize::from(before < 3);
            }
        }
        println!("  {question:<40}{}", row(places));
    }
    println!("\nOf {} questions", QUESTIONS.len());
    println!("  {:<40}{}", "in the first place", row(first));
    println!("  {:<40}{}", "among the first three", row(first_three));
    Ok(())
}

fn row(cells: [impl Display; 4]) -> String {
    cells.map(|cell| format!("{cell:>8}")).concat()
}

/// The best text of each subject, for one question and within a filter.
fn groups(texts: &Collection) -> Result<(), Box<dyn Error>> {
    let question = "won the gold medal";
    let [_, _, _, sum] = ways(question);
    let search = Search::new()
        .filter(Key::field("year").gte(1900) & Key::field("subject").ne("history"))
        .rank(sum)
        .group_by(GroupBy::new(["subject"]).min_k(1, [Key::score()]))
        .limit(4)
        .select(shown());
    println!("\n{question}  (sum; since 1900, no history, the best of each subject)");
    for hit in texts.search(search).run()? {
        let Topic { subject, title } = hit.metadata.to_struct()?;
        println!(
            "  {subject:<9}  {:>7.3}  {title}",
            hit.score.unwrap_or(f32::NAN)
        );
    }
    Ok(())
}

/// What is brought of each hit, beside its id.
fn shown() -> [Key; 3] {
    [Key::score(), Key::field("title"), Key::field("subject")]
}

#[derive(Deserialize)]
struct Topic {
    subject: String,
    title: String,
}

/// A text as BM25 sees it: a place for each of its words. A word that is there twice counts more, but not twice as much,
/// and less in a long text.
fn words_of_text(text: &str) -> SparseVector {
    const USUAL_LENGTH: f32 = 50.0;
    let counts = count(text);
    let length: f32 = counts.values().sum();
    let weight = |count: f32| count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / USUAL_LENGTH));
    counts
        .into_iter()
        .map(|(word, n)| (word, weight(n)))
        .collect()
}

/// Of a query each word counts once; the server weighs them.
fn words_of_query(query: &str) -> SparseVector {
    count(query).into_keys().map(|word| (word, 1.0)).collect()
}

/// How often each word is there. A word's place is its hash: of the few thousand words of these texts, no two share one.
fn count(text: &str) -> BTreeMap<u32, f32> {
    let mut counts = BTreeMap::new();
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        // FNV-1a.
        let hash = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let place = word.bytes().fold(0x811c_9dc5, hash);
        *counts.entry(place).or_default() += 1.0;
    }
    counts
}
