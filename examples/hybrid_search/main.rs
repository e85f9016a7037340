//! Hybrid search: finds texts by two kinds of vectors at once. Dense vectors represent parts of words. Sparse
//! vectors represent whole words, weighted by how rare they are. Each kind finds texts that the other misses.
//!
//! ```text
//! cargo run --example hybrid_search
//! ```
//!
//! Only Chroma Cloud and distributed Chroma support such searches. If `CHROMA_API_KEY` is set, this example
//! uses Chroma Cloud (with `CHROMA_HOST`, `CHROMA_TENANT` and `CHROMA_DATABASE` as usual). Otherwise it uses
//! a **stand-in** inside this program (`stand_in.rs`). The stand-in stores the records and computes the
//! searches, but it is not a database: it supports only the requests of this example.

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

/// Hasty queries, and the id of the text that each should find. They are difficult on purpose: sparse vectors
/// miss word forms and misspellings, dense vectors miss short names and numbers, and both miss one of the
/// queries.
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
    // At the level trace, ureq_proto logs whole requests, including secrets.
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
    // The server indexes the sparse vectors, and weights the words of a query by how rare they are (BM25).
    let words = SparseVectorIndexConfig::new().bm25(true);
    let texts = client
        .collection(&name)
        .embedding_function(Hashing::default())
        .schema(Schema::new().create_sparse_vector_index(WORDS, words))
        .create()?;
    let result = show(&texts);
    // Cleans up even after an error.
    client.delete_collection(&name)?;
    result
}

/// Connects to Chroma Cloud if a key is set, otherwise to the stand-in. Both are used in the same way.
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
        "Chroma: none. A stand-in inside this program computes the searches; it supports no others."
    );
    println!("(For Chroma Cloud, set CHROMA_API_KEY.)");
    Ok(stand_in.build()?)
}

fn show(texts: &Collection) -> Result<(), Box<dyn Error>> {
    let corpus = include_str!("../data/corpus.jsonl")
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Document>, _>>()?;
    println!(
        "{} texts, each with two vectors. A lower score means nearer.",
        corpus.len()
    );
    // The collection's embedding function makes the dense vectors; this program makes the sparse ones.
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
    compare(texts)?;
    groups(texts)
}

/// The names of the four ranks.
const RANKS: [&str; 4] = ["dense", "sparse", "rrf", "sum"];

/// Returns four ranks for a question.
fn ranks(question: &str) -> [Rank; 4] {
    let dense = || Knn::text(question).limit(20);
    let sparse = || Knn::sparse(WORDS, words_of_query(question)).limit(20);
    // Reciprocal rank fusion combines the positions in both lists. A text that is in only one list counts as
    // if it were at position 1000 in the other.
    let rrf = Rrf::new([dense().default(1000), sparse().default(1000)]);
    // A sum of distances. Dense distances range from 0 to 2, sparse ones from 1 down to about -20, so they
    // are scaled. A text that is not in a list has the distance 1: nothing in common.
    let sum = dense().default(1) + 0.05 * sparse().default(1);
    [dense().into(), sparse().into(), rrf.into(), sum]
}

/// Prints the best two texts of each rank.
fn hits(texts: &Collection, question: &str) -> Result<(), Box<dyn Error>> {
    println!("\n{question}");
    let searches = ranks(question).map(|rank| Search::new().rank(rank).limit(2).select(selected()));
    for (name, hits) in RANKS.iter().zip(texts.search_many(searches).run()?) {
        for hit in &hits {
            let Topic { title, .. } = hit.metadata.to_struct()?;
            println!(
                "  {name:<6}  {:>7.3}  {title}",
                hit.score.unwrap_or(f32::NAN)
            );
        }
        if hits.is_empty() {
            println!("  {name:<6}  nothing");
        }
    }
    Ok(())
}

/// Prints for each question the position of the expected text, by each rank.
fn compare(texts: &Collection) -> Result<(), Box<dyn Error>> {
    println!("\nPosition of the expected text (-: not among the first ten)");
    println!("  {:<40}{}", "", row(RANKS));
    let (mut first, mut first_three) = ([0; 4], [0; 4]);
    for (question, expected) in QUESTIONS {
        // All four searches in one request.
        let searches = ranks(question).map(|rank| Search::new().rank(rank).limit(10));
        let results = texts.search_many(searches).run()?;
        let mut positions = ["-"; 4].map(str::to_owned);
        for (rank, hits) in results.iter().enumerate() {
            if let Some(index) = hits.ids().position(|id| id == expected) {
                positions[rank] = (index + 1).to_string();
                first[rank] += usize::from(index == 0);
                first_three[rank] += usize::from(index < 3);
            }
        }
        println!("  {question:<40}{}", row(positions));
    }
    println!("\nOut of {} questions", QUESTIONS.len());
    println!("  {:<40}{}", "first", row(first));
    println!("  {:<40}{}", "among the first three", row(first_three));
    Ok(())
}

fn row(cells: [impl Display; 4]) -> String {
    cells.map(|cell| format!("{cell:>8}")).concat()
}

/// Prints the best text of each subject, for one question and with a filter.
fn groups(texts: &Collection) -> Result<(), Box<dyn Error>> {
    let question = "won the gold medal";
    let [_, _, _, sum] = ranks(question);
    let search = Search::new()
        .filter(Key::field("year").gte(1900) & Key::field("subject").ne("history"))
        .rank(sum)
        .group_by(GroupBy::new(["subject"]).min_k(1, [Key::score()]))
        .limit(4)
        .select(selected());
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

/// The fields of each hit that the server returns in addition to its id.
fn selected() -> [Key; 3] {
    [Key::score(), Key::field("title"), Key::field("subject")]
}

#[derive(Deserialize)]
struct Topic {
    subject: String,
    title: String,
}

/// Returns the BM25 vector of a text, with an index for each word. A word that occurs twice has a higher
/// value, but less than twice as high. In a long text, each word has a lower value.
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

/// Returns the vector of a query: 1 for each word. The server weights the words.
fn words_of_query(query: &str) -> SparseVector {
    count(query).into_keys().map(|word| (word, 1.0)).collect()
}

/// Counts the words of a text, by their index. The index is a hash of the word; the few thousand words of
/// these texts have no collisions.
fn count(text: &str) -> BTreeMap<u32, f32> {
    let mut counts = BTreeMap::new();
    let text = text.to_lowercase();
    let words = text.split(|c: char| !c.is_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        // FNV-1a.
        let hash = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let index = word.bytes().fold(0x811c_9dc5, hash);
        *counts.entry(index).or_default() += 1.0;
    }
    counts
}
