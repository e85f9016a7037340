//! `chroma_client demo`: a server, a collection, a question and a filter.

use std::error::Error;

use chroma_blocking::{Collection, EmbeddingFunction, Gemini, Hashing, Key, LocalServer, Record};

use super::args::{Global, Outcome};
use super::columns::Columns;
use super::exit::Exit;
use super::output::note;

/// Show a collection, a question and a filter on a temporary server
///
/// Uses Gemini if GEMINI_API_KEY or GOOGLE_API_KEY is set, or else a function that compares words, offline.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  chroma_client demo")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: &Args) -> Outcome {
    let server = LocalServer::builder()
        .install(true)
        .on_install(|plan| note(&plan.to_string()))
        .start()?;
    let notes = server.client()?.collection("demo");
    let function = function();
    note(&format!("embedded with {}:", function.name()));
    let notes = notes.embedding_function(function).create()?;
    let texts = [
        ("rust", 2015, "Rust has no garbage collector"),
        ("go", 2009, "Go has a garbage collector and goroutines"),
        (
            "chroma",
            2023,
            "Chroma stores embeddings and finds similar ones",
        ),
    ];
    let record = |(id, year, text)| Record::new(id).document(text).metadata("year", year);
    notes.upsert(texts.map(record))?;
    ask(global, &notes)?;
    server.stop()?;
    Ok(Exit::Done)
}

fn function() -> Box<dyn EmbeddingFunction> {
    match Gemini::from_env() {
        Ok(gemini) => Box::new(gemini),
        Err(_) => Box::new(Hashing::default()),
    }
}

fn ask(global: &Global, notes: &Collection) -> Result<(), Box<dyn Error>> {
    let question = "languages without a garbage collector";
    let table = || Columns::default().hits(global);
    note(&format!("{question}?"));
    table().print(notes.query(question).run()?)?;
    note("The same, since 2010:");
    let recent = notes.query(question).filter(Key::field("year").gte(2010));
    table().print(recent.run()?)?;
    Ok(())
}
