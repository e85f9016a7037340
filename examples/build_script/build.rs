//! Embeds `docs/` into a Chroma of this crate's own, whose data stays in the build folder. What is unchanged since the
//! last build is neither embedded nor written again, and what is there no more is deleted.

#[path = "src/server.rs"]
mod server;

use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use chroma_blocking::{Hashing, Key, RetryPolicy, ingest::{IngestReport, TextSplitter, text_records}};

/// A build must end, whatever hangs. Without a download (23 MB, once on a machine) it takes a second.
const LIMIT: Duration = Duration::from_secs(300);

fn main() {
    // A folder stands for all that is in it. Without any such line, every changed file would count.
    println!("cargo::rerun-if-changed=docs");
    println!("cargo::rerun-if-env-changed=CHROMA_BIN");

    // The end of this process is also the end of the thread, of an install, and of the server.
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(embed().map_err(|error| error.to_string())));
    match result.recv_timeout(LIMIT) {
        Ok(Ok(report)) => println!("cargo::warning=docs: {report}"),
        Ok(Err(error)) => fail(&error),
        Err(RecvTimeoutError::Timeout) => fail(&format!("not done after {LIMIT:?}")),
        // Its words are on standard error, which Cargo shows then.
        Err(RecvTimeoutError::Disconnected) => fail("the build script panicked"),
    }
}

fn embed() -> Result<IngestReport, Box<dyn Error + Send + Sync>> {
    // Each target folder and profile has its own, and Cargo lets one build at a time into it.
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
    let pieces = TextSplitter::new(500).split_records(text_records("docs")?);
    let report = docs
        .ingest(pieces)
        .content_hash("content_hash")
        // All that is stored has a source, so all of it is compared with the folder.
        .sync(Key::field("source").ne(""))
        // Nobody mends a server on this machine while the build waits.
        .retry(RetryPolicy::none())
        .run()?;
    server.stop()?;
    Ok(report)
}

/// Cargo shows these lines and fails the build.
fn fail(why: &str) {
    println!("cargo::error=the docs are not embedded; README.md says what that takes");
    for line in why.lines() {
        println!("cargo::error={line}");
    }
}
