//! Embeds `docs/` into a Chroma whose data stays in the build folder. Skips passages that are unchanged since
//! the last build, and deletes those that no longer exist.

#[path = "src/server.rs"]
mod server;

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use chroma_blocking::{
    Hashing, Key, RetryPolicy,
    ingest::{IngestReport, TextSplitter, text_records},
};

/// The time limit, so that a build always ends. Without a download (23 MB, once on a machine), it takes a
/// second.
const LIMIT: Duration = Duration::from_secs(300);

fn main() {
    // A folder includes all its files. Without such a line, Cargo would watch all files of the package.
    println!("cargo::rerun-if-changed=docs");
    println!("cargo::rerun-if-env-changed=CHROMA_BIN");

    // The thread, the installation and the server end with this process.
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        let result = embed().map_err(|error| format!("{error:#}"));
        // The receiver is gone only if the time is over.
        let _ = done.send(result);
    });
    match result.recv_timeout(LIMIT) {
        Ok(Ok(report)) => println!("cargo::warning=docs: {report}"),
        Ok(Err(error)) => fail(&error),
        Err(RecvTimeoutError::Timeout) => fail(&format!("not complete after {LIMIT:?}")),
        // Cargo shows standard error, with the message of the panic.
        Err(RecvTimeoutError::Disconnected) => fail("the build script panicked"),
    }
}

fn embed() -> Result<IngestReport, Box<dyn Error + Send + Sync>> {
    // Each target folder and profile has a separate OUT_DIR, and Cargo runs one build at a time in it.
    let data = Path::new(&env::var("OUT_DIR")?).join("chroma");
    println!("cargo::rustc-env=DOCS_DATA={}", data.display());

    let server = server::builder()
        .data(data)
        .install(true)
        .on_install(|plan| println!("cargo::warning={plan}"))
        .start_timeout(Duration::from_secs(30))
        .start()?;
    let docs = server
        .client()?
        .collection(server::COLLECTION)
        .embedding_function(Hashing::default())
        .get_or_create()?;
    let passages = TextSplitter::new(500).split_records(text_records("docs")?);
    let report = docs
        .ingest(passages)
        .content_hash("content_hash")
        // Every record has a source, so this filter matches all of them.
        .sync(Key::field("source").ne(""))
        // A retry would not help: the server is local, and a broken one stays broken.
        .retry(RetryPolicy::none())
        .run()?;
    server.stop()?;
    Ok(report)
}

/// Prints lines that Cargo shows, and that fail the build.
fn fail(why: &str) {
    println!("cargo::error=the docs are not embedded; see the requirements in README.md");
    for line in why.lines() {
        println!("cargo::error={line}");
    }
}
