//! Prints the spans of calls to Chroma as trees.
//!
//! ```text
//! cargo run --manifest-path examples/opentelemetry/Cargo.toml
//! ```
//!
//! It starts a Chroma server, or uses the one in `CHROMA_HOST`. A real program exports spans to a collector
//! (`opentelemetry-otlp`) instead of printing them; the rest of the code is the same.

mod print;
mod tree;

use std::env;
use std::error::Error;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, ClientBuilder, Hashing, LocalServer, Record};
use opentelemetry::global;
use opentelemetry::trace::Tracer;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("opentelemetry: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (client, _server) = connect()?;
    // From here on, each call has a span. The library needs only a tracer provider and a propagator.
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("notes").build())
        .with_batch_exporter(print::Printer::default())
        .build();
    global::set_tracer_provider(provider.clone());
    global::set_text_map_propagator(TraceContextPropagator::new());

    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let name = format!("notes-{}", now.as_nanos());
    let result = work(&client, &name);
    // Cleans up even after an error.
    client.delete_collection(&name)?;
    // Exports the remaining spans.
    provider.shutdown()?;
    result
}

/// Connects to the server in the environment, or starts one for this run.
fn connect() -> Result<(Client, Option<LocalServer>), Box<dyn Error>> {
    let is_set = |variable| env::var(variable).is_ok_and(|value: String| !value.trim().is_empty());
    if is_set("CHROMA_HOST") {
        return Ok((Client::from_env()?, None));
    }
    let mut builder = LocalServer::builder()
        .install(true)
        .on_install(|plan| eprintln!("{plan}"));
    if !is_set("CHROMA_BIN") {
        builder = builder.version("1.5.9");
    }
    let server = builder.start()?;
    Ok((server.client()?, Some(server)))
}

/// Makes three traces, each within a span of this program. (Deleting the collection at the end makes another
/// trace.)
fn work(client: &Client, name: &str) -> Result<(), Box<dyn Error>> {
    let tracer = global::tracer("notes");

    tracer.in_span("take notes", |_| -> chroma_blocking::Result<_> {
        let notes = client
            .collection(name)
            .embedding_function(Hashing::default())
            .create()?;
        notes.upsert([
            Record::new("1").document("Rust has no garbage collector"),
            Record::new("2").document("Chroma stores embeddings"),
        ])?;
        notes.query("garbage collection").n_results(1).run()?;
        Ok(())
    })?;

    // The first attempt fails, and the second goes to the replica.
    tracer.in_span("one server is down", |_| -> Result<_, Box<dyn Error>> {
        // A port that is no longer in use.
        let down = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let guarded = ClientBuilder::from_env()?
            .host(down.to_string())
            .replicas([client.url()])
            .build()?;
        guarded.collection(name).get()?.count()?;
        Ok(())
    })?;

    // The call fails, as its span and that of its attempt show.
    tracer.in_span("no such collection", |_| {
        match client.collection(format!("{name}-2")).get() {
            Err(error) if error.kind() == "not_found" => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Box::from("the collection exists")),
        }
    })
}
