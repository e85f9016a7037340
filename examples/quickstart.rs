//! Starts a Chroma server, or uses yours. Fills a collection, and answers questions from it.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! It needs no settings. `.env.example` lists the optional ones; with a key of Gemini, it uses Gemini. With Chroma's
//! default model, which runs on this machine, it finds documents by meaning; the first run downloads the model:
//!
//! ```text
//! cargo run --features onnx --example quickstart -- --download
//! ```

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(feature = "onnx")]
use chroma_blocking::embed::Onnx;
use chroma_blocking::{
    Client, ClientBuilder, Collection, EmbeddingFunction, Gemini, Hashing, Hit, Key, LocalServer,
    Record,
};
use serde::Deserialize;

/// The argument that downloads Chroma's default model.
const DOWNLOAD: &str = "--download";

/// Questions that share no word with their answer. Only a function that knows meanings finds it.
const IN_OTHER_WORDS: [&str; 3] = [
    "Which athlete raced with bare feet?",
    "How were antibiotics discovered?",
    "Which politician was murdered by his colleagues?",
];

/// One line of the corpus.
#[derive(Deserialize)]
struct Document {
    id: String,
    title: String,
    text: String,
    subject: String,
    year: i64,
    place: String,
}

fn main() -> ExitCode {
    // Reads variables from .env, if that file exists. The environment takes precedence.
    if let Err(error) = dotenvy::dotenv() {
        if !error.not_found() {
            eprintln!("quickstart: .env: {error}");
            return ExitCode::FAILURE;
        }
    }
    // RUST_LOG=debug logs each request. At the level trace, ureq_proto logs whole requests, including
    // secrets.
    env_logger::Builder::from_default_env()
        .filter_module("ureq_proto", log::LevelFilter::Info)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some(unknown) = arguments.iter().find(|argument| *argument != DOWNLOAD) {
        return Err(format!("unknown argument {unknown:?}; it knows only {DOWNLOAD}").into());
    }
    if !arguments.is_empty() {
        download()?;
    }
    if is_set("GOOGLE_API_KEY") || is_set("GEMINI_API_KEY") {
        let gemini = Gemini::from_env()?;
        let model = format!("{} (to work offline, unset the API key)", gemini.model());
        return tour(gemini, &model, &IN_OTHER_WORDS);
    }
    #[cfg(feature = "onnx")]
    if let Some(onnx) = default_model() {
        let model = format!("{}, offline", onnx.model());
        return tour(onnx, &model, &IN_OTHER_WORDS);
    }
    let model =
        "Hashing, offline (to search by meaning, add --features onnx or set GEMINI_API_KEY)";
    tour(Hashing::default(), model, &[])
}

/// Downloads Chroma's default model, unless this machine has it.
#[cfg(feature = "onnx")]
fn download() -> Result<(), Box<dyn Error>> {
    let folder = Onnx::download()
        .on_progress(|progress| eprint!("\r{progress}"))
        .run()?;
    eprintln!("\rThe model is in {}.", folder.display());
    Ok(())
}

#[cfg(not(feature = "onnx"))]
fn download() -> Result<(), Box<dyn Error>> {
    Err(format!("{DOWNLOAD} needs a feature of the crate; add --features onnx").into())
}

/// Returns Chroma's default model. Without it on this machine, prints the ways to get it.
#[cfg(feature = "onnx")]
fn default_model() -> Option<Onnx> {
    let explain = |error: &chroma_blocking::Error| {
        eprintln!("{error:#}");
        eprintln!("So this run uses Hashing, which compares words.");
        if !is_set("CHROMA_ONNX_MODEL") {
            eprintln!("To download the model, run:");
            eprintln!("  cargo run --features onnx --example quickstart -- {DOWNLOAD}");
        }
    };
    Onnx::mini_lm().inspect_err(explain).ok()
}

/// Connects to the server in the environment, or starts one for this run.
fn connect() -> Result<(Client, Option<LocalServer>), Box<dyn Error>> {
    if ["CHROMA_HOST", "CHROMA_ENDPOINT", "CHROMA_API_KEY"]
        .into_iter()
        .any(is_set)
    {
        return Ok((Client::from_env()?, None));
    }
    let mut builder = LocalServer::builder()
        .install(true)
        .on_install(|plan| eprintln!("{plan}"));
    if !is_set("CHROMA_BIN") {
        builder = builder.version("1.5.9");
    }
    let server = builder.start()?;
    // All other settings are from the environment.
    let client = ClientBuilder::from_env()?.host(server.url()).build()?;
    Ok((client, Some(server)))
}

fn is_set(variable: &str) -> bool {
    env::var(variable).is_ok_and(|value| !value.trim().is_empty())
}

fn announce(client: &Client, server: Option<&LocalServer>, embedding: &str) {
    let origin = match server {
        Some(_) => "started for this run; to use your server, set CHROMA_HOST",
        None => "from the environment; to start a server, unset CHROMA_HOST",
    };
    eprintln!(
        "Chroma: {} ({origin}). Embeddings: {embedding}.",
        client.url()
    );
}

/// Runs the example in a new collection, with any embedding function.
fn tour(
    function: impl EmbeddingFunction + 'static,
    model: &str,
    more_questions: &[&str],
) -> Result<(), Box<dyn Error>> {
    // Dropping `server` stops it.
    let (client, server) = connect()?;
    announce(&client, server.as_ref(), model);
    // A unique name, because your server may have other collections.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let name = format!("quickstart-{}", now.as_nanos());
    let notes = client
        .collection(&name)
        .embedding_function(function)
        .create()?;
    let result = fill(&notes)
        .and_then(|()| ask(&notes))
        .and_then(|()| ask_in_other_words(&notes, more_questions))
        .and_then(|()| update_and_delete(&notes));
    // Cleans up even after an error.
    client.delete_collection(&name)?;
    result
}

fn fill(notes: &Collection) -> Result<(), Box<dyn Error>> {
    let corpus = include_str!("data/corpus.jsonl")
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<Vec<Document>, _>>()?;
    notes.upsert(corpus.into_iter().map(|document| {
        Record::new(document.id)
            .document(document.text)
            .metadata("title", document.title)
            .metadata("subject", document.subject)
            .metadata("year", document.year)
            .metadata("place", document.place)
    }))?;
    println!(
        "{} documents in the collection {:?}",
        notes.count()?,
        notes.name()
    );
    Ok(())
}

fn ask(notes: &Collection) -> Result<(), Box<dyn Error>> {
    let question = "Which enzyme from hot springs made the polymerase chain reaction practical?";
    heading(question);
    table(&notes.query(question).n_results(3).run()?);

    let question = "Which comet was torn into fragments and struck a planet?";
    heading(&format!("{question}  (after 1900)"));
    let after_1900 = Key::field("subject").eq("astronomy") & Key::field("year").gt(1900);
    table(
        &notes
            .query(question)
            .filter(after_1900)
            .n_results(3)
            .run()?,
    );

    let question = "Which machines were controlled by cards?";
    heading(&format!("{question}  (the text has \"punched\")"));
    let punched = Key::document().contains("punched");
    table(&notes.query(question).filter(punched).n_results(3).run()?);

    let questions = [
        "Who invented a game with peach baskets nailed to a balcony?",
        "How do Korean families salt cabbages to make kimchi for the winter?",
    ];
    let answers = notes.query_many(questions).n_results(2).run()?;
    for (question, hits) in questions.iter().zip(&answers) {
        heading(&format!("{question}  (two in one request)"));
        table(hits);
    }
    Ok(())
}

fn ask_in_other_words(notes: &Collection, questions: &[&str]) -> Result<(), Box<dyn Error>> {
    for question in questions {
        heading(&format!("{question}  (shares no word with the text)"));
        table(&notes.query(*question).n_results(1).run()?);
    }
    Ok(())
}

fn update_and_delete(notes: &Collection) -> Result<(), Box<dyn Error>> {
    let question = "Is Pluto a planet?";
    heading(&format!("{question}  (before an update)"));
    table(&notes.query(question).n_results(2).run()?);

    // A new text gets a new vector. Fields that are not named here, such as the title, stay unchanged.
    notes.update([Record::new("astronomy-01")
        .document(
            "Pluto was counted as the ninth planet from its discovery in 1930 until 2006, when \
             astronomers defined what a planet is and called it a dwarf planet.",
        )
        .metadata("year", 2006)])?;
    heading(&format!("{question}  (after the update)"));
    table(&notes.query(question).n_results(2).run()?);

    notes.delete().ids(["astronomy-01"]).run()?;
    heading(&format!("{question}  (after a delete)"));
    table(&notes.query(question).n_results(2).run()?);
    println!("\n{} documents are left", notes.count()?);
    Ok(())
}

fn heading(text: &str) {
    println!("\n{text}");
    println!("  #  distance  {:<13}  {:<31}  text", "id", "title");
}

/// Prints hits as a table of at most 100 columns.
fn table(hits: &[Hit]) {
    for (rank, hit) in hits.iter().enumerate() {
        let title = hit.metadata.get("title").and_then(|title| title.as_str());
        println!(
            "{:>3}  {:>8.3}  {:<13}  {:<31}  {}",
            rank + 1,
            hit.distance,
            hit.id,
            truncated(title.unwrap_or("-"), 31),
            truncated(hit.document.as_deref().unwrap_or("-"), 36),
        );
    }
}

/// Returns a text on one line, truncated to `width` characters.
fn truncated(text: &str, width: usize) -> String {
    let line = text.replace(char::is_whitespace, " ");
    if line.chars().count() <= width {
        return line;
    }
    let start: String = line.chars().take(width - 1).collect();
    format!("{}…", start.trim_end())
}
