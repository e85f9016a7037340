//! Answers a question from the docs that the build script embedded.
//!
//! ```text
//! cargo run -- "How do I filter by year?"
//! ```

mod server;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use chroma_blocking::Result;

/// The folder with the data from build.rs, on the machine that built this program.
const DATA: &str = env!("DOCS_DATA");

fn main() -> ExitCode {
    let question = env::args().skip(1).collect::<Vec<_>>().join(" ");
    let question = match question.trim() {
        "" => "What happens when a batch job is killed?",
        question => question,
    };
    if !Path::new(DATA).is_dir() {
        eprintln!("build-script: {DATA} is missing; build this program again, on this machine");
        return ExitCode::FAILURE;
    }
    match answer(question) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("build-script: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn answer(question: &str) -> Result<()> {
    let server = server::builder().data(DATA).start()?;
    // The collection stores the name of its embedding function.
    let docs = server.client()?.collection(server::COLLECTION).get()?;
    println!("{question}");
    for hit in docs.query(question).n_results(3).run()? {
        println!("\n{:.3}  {}", hit.distance, hit.id);
        for line in hit.document.unwrap_or_default().lines() {
            println!("       {line}");
        }
    }
    server.stop()
}
