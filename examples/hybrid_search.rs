//! Hybrid search on a self-hosted server: finds texts by their words and by their vectors at once. Each side finds
//! texts that the other misses.
//!
//! ```text
//! cargo run --features hybrid --example hybrid_search
//! ```
//!
//! It needs no settings: it starts a Chroma server. If `CHROMA_API_KEY` is set, it uses Chroma Cloud instead, which
//! evaluates the same searches itself.

use std::env;
use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::embed::Bm25;
use chroma_blocking::hybrid::WordIndex;
use chroma_blocking::schema::{Schema, SparseVectorIndexConfig};
use chroma_blocking::search::{EvaluatedBy, GroupBy, Knn, Rank, Rrf, RunSearch};
use chroma_blocking::{Client, Collection, Hashing, Key, LocalServer, Record, Search};
use serde::Deserialize;

/// Hasty queries, and the id of the text that each should find. They are difficult on purpose: words miss
/// misspellings, vectors of parts of words miss short names and numbers.
const QUESTIONS: [(&str, &str); 16] = [
    ("guttenburgs bibels", "history-07"),
    ("shone gust", "astronomy-09"),
    ("diabetics and insuline", "biology-21"),
    ("microwaive meltin chocolat", "cooking-13"),
    ("coelacanths in trawlers' nets", "biology-11"),
    ("tombough plates blinking comparater", "astronomy-01"),
    ("hieroglyphics deciphered by Champolion", "history-12"),
    ("clarinettes and a saxofone", "music-07"),
    ("LGM-1", "astronomy-10"),
    ("Z3", "computing-05"),
    ("Pele 5-2", "sports-20"),
    ("MIDI 1983", "music-21"),
    ("1983 cup lost", "sports-13"),
    ("the wall of Berlinn fell", "history-20"),
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
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hybrid_search: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let cloud = env::var("CHROMA_API_KEY").is_ok_and(|key| !key.trim().is_empty());
    if cloud {
        return in_new_collection(&Client::cloud_from_env()?, cloud);
    }
    let server = LocalServer::builder().install(true).start()?;
    in_new_collection(&server.client()?, cloud)
}

fn in_new_collection(client: &Client, cloud: bool) -> Result<(), Box<dyn Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let name = format!("hybrid-search-{}", now.as_nanos());
    let mut builder = client
        .collection(&name)
        .embedding_function(Hashing::default());
    if cloud {
        // Chroma Cloud keeps the index of words itself.
        let words = SparseVectorIndexConfig::new().embedding_function(Bm25::default());
        let words = words.source_key("#document").bm25(true);
        builder = builder.schema(Schema::new().create_sparse_vector_index("words", words));
    }
    let texts = builder.create()?;
    let result = show(&texts);
    // Cleans up even after an error.
    client.delete_collection(&name)?;
    result
}

fn show(texts: &Collection) -> Result<(), Box<dyn Error>> {
    let corpus = include_str!("data/corpus.jsonl")
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Document>, _>>()?;
    println!("{} texts", corpus.len());
    texts.upsert(corpus.into_iter().map(|document| {
        Record::new(document.id)
            .document(document.text)
            .metadata("title", document.title)
            .metadata("subject", document.subject)
            .metadata("year", document.year)
    }))?;
    // Reads the documents once. With .file("texts.words"), the next run would read only what has changed. Chroma
    // Cloud does not use it.
    let words = texts.word_index().open()?;
    let notes = Notes { texts, words };
    notes.compare()?;
    notes.hits("Z3", "only the words find it")?;
    notes.hits("microwaive meltin chocolat", "only the vectors find it")?;
    notes.hits("shone gust", "only both together put the guest star first")?;
    notes.groups()
}

/// A collection with an index of its words.
struct Notes<'a> {
    texts: &'a Collection,
    words: WordIndex,
}

/// The names of the ranks.
const RANKS: [&str; 3] = ["vectors", "words", "hybrid"];

/// Returns three ranks for a question.
fn ranks(question: &str) -> [Rank; 3] {
    [
        Knn::text(question).into(),
        Knn::words(question).into(),
        Rrf::hybrid(question).into(),
    ]
}

impl Notes<'_> {
    fn search(&self, search: Search) -> RunSearch {
        self.texts.search(search).words(&self.words)
    }

    /// Prints for each question the position of the expected text, by each rank.
    fn compare(&self) -> Result<(), Box<dyn Error>> {
        println!("\nPosition of the expected text (-: not among the first ten)");
        println!("  {:<40}{}", "", row(RANKS));
        let (mut first, mut first_three) = ([0; 3], [0; 3]);
        for (question, expected) in QUESTIONS {
            let searches = ranks(question).map(|rank| Search::new().rank(rank).limit(10));
            let results = self.texts.search_many(searches).words(&self.words).run()?;
            let mut positions = ["-"; 3].map(str::to_owned);
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

    /// Prints the best two texts of each rank.
    fn hits(&self, question: &str, why: &str) -> Result<(), Box<dyn Error>> {
        println!("\n{question}: {why}");
        for (name, rank) in RANKS.iter().zip(ranks(question)) {
            let search = Search::new().rank(rank).limit(2).select(selected());
            let titles = self.search(search).run()?.into_iter();
            let titles = titles.map(|hit| Ok(hit.metadata.to_struct::<Topic>()?.title));
            let titles: Vec<String> = titles.collect::<Result<_, Box<dyn Error>>>()?;
            let found = if titles.is_empty() {
                "nothing".to_owned()
            } else {
                titles.join("; ")
            };
            println!("  {name:<8} {found}");
        }
        Ok(())
    }

    /// Prints the best text of each subject, for one question and with a filter.
    fn groups(&self) -> Result<(), Box<dyn Error>> {
        let question = "won the gold medal";
        let search = Search::new()
            .filter(Key::field("year").gte(1900) & Key::field("subject").ne("history"))
            .rank(Rrf::hybrid(question))
            .group_by(GroupBy::new(["subject"]))
            .limit(4)
            .select(selected());
        let hits = self.search(search).run()?;
        println!("\n{question}  (since 1900, no history, the best of each subject)");
        for hit in &hits {
            let Topic { subject, title } = hit.metadata.to_struct()?;
            println!("  {subject:<9}  {title}");
        }
        println!(
            "\nThe {} evaluated the searches.",
            match hits.evaluated_by() {
                EvaluatedBy::Client => "client",
                _ => "server",
            }
        );
        Ok(())
    }
}

fn row(cells: [impl Display; 3]) -> String {
    cells.map(|cell| format!("{cell:>9}")).concat()
}

/// The fields of each hit that are read in addition to its id.
fn selected() -> [Key; 2] {
    [Key::field("title"), Key::field("subject")]
}

#[derive(Deserialize)]
struct Topic {
    subject: String,
    title: String,
}
