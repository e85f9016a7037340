//! A support database: the features that larger programs use, one function for each.
//!
//! ```text
//! cargo run --example advanced_usage
//! ```
//!
//! It starts a Chroma server, or uses yours (see `.env.example`). It works in a new database, which it
//! deletes at the end. It embeds offline. It needs Chroma 1.5, for lists in metadata.

use std::collections::HashSet;
use std::env;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chroma_blocking::{
    Client, ClientBuilder, Collection, Error, Hashing, Key, LocalServer, Metadata, Record, Result,
    RetryPolicy, Space, Where, ingest::jsonl_records,
};
use serde::{Deserialize, Serialize};

const TICKETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/tickets.jsonl");

const ANSWERS: [(&str, &str); 4] = [
    ("flicker", "When a lamp flickers, clean its contacts"),
    ("refund", "A refund arrives within five days"),
    ("stuck", "A stuck lock opens after a drop of oil"),
    ("bulb", "All of our lamps take the same bulb"),
];

/// The metadata of a ticket, for filters.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    product: String,
    priority: u8,
    open: bool,
    /// An empty list is not stored.
    #[serde(default)]
    tags: Vec<String>,
    customer: Option<String>,
}

fn main() -> ExitCode {
    if let Err(error) = dotenvy::dotenv() {
        if !error.not_found() {
            eprintln!("advanced_usage: .env: {error}");
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
            eprintln!("advanced_usage: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (client, _server) = connect()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let database = format!("advanced-usage-{}", now.unwrap_or_default().as_nanos());
    client.create_database(&database)?;
    let support = client.with_database(&database);
    let result = tour(&support);
    // Cleans up even after an error.
    result
        .and(clean_up(&support))
        .and(client.delete_database(&database))
}

/// Connects to the server in the environment, or starts one for this run.
fn connect() -> Result<(Client, Option<LocalServer>)> {
    let is_set = |name| env::var(name).is_ok_and(|value| !value.trim().is_empty());
    let named = ["CHROMA_HOST", "CHROMA_ENDPOINT", "CHROMA_API_KEY"];
    // Splits large writes into requests of a quarter of a MiB, to show what happens if one of them fails.
    let builder = ClientBuilder::from_env()?.max_payload_size(256 << 10);
    if named.into_iter().any(is_set) {
        return Ok((builder.build()?, None));
    }
    let mut server = LocalServer::builder()
        .install(true)
        .on_install(|plan| eprintln!("{plan}"));
    if !is_set("CHROMA_BIN") {
        server = server.version("1.5.9");
    }
    let server = server.start()?;
    Ok((builder.host(server.url()).build()?, Some(server)))
}

fn tour(support: &Client) -> Result<()> {
    let (tickets, answers, customers) = collections(support)?;
    filters(&tickets)?;
    many_queries(&tickets, &answers)?;
    changes(&tickets)?;
    threads(&customers)?;
    large_write(&customers)?;
    pages(&customers)?;
    errors(support, &tickets, &customers)?;
    deadline(support)?;
    println!("Metrics\n{}", support.metrics());
    Ok(())
}

/// Deletes the records of tickets. A single-node server does not delete lists in metadata with a collection
/// or a database, only with their records.
fn clean_up(support: &Client) -> Result<()> {
    let all = Key::field("priority").gte(0);
    let tickets = support.collection("tickets").get()?;
    tickets.delete().filter(all).run().map(drop)
}

/// Creates three collections, with different embedding functions and distances.
fn collections(support: &Client) -> Result<(Collection, Collection, Collection)> {
    println!("Collections");
    let tickets = support
        .collection("tickets")
        .embedding_function(Hashing::default())
        .create()?;
    let answers = support
        .collection("answers")
        .embedding_function(Hashing::with_dimension(256)?)
        .space(Space::Ip)
        .create()?;
    // The program's own vectors: numbers of orders, returns and letters in a year.
    let customers = support.collection("customers").space(Space::L2).create()?;

    tickets.add(jsonl_records(TICKETS)?.collect::<Result<Vec<_>>>()?)?;
    answers.add(ANSWERS.map(|(id, text)| Record::new(id).document(text)))?;
    // The server stores which embedding function a collection has.
    for name in ["tickets", "answers", "customers"] {
        let collection = support.collection(name).get()?;
        let (count, space) = (collection.count()?, collection.space().unwrap_or_default());
        let function = collection.embedding_function().map_or("none", |f| f.name());
        println!("  {name}: {count} records, {space:?}, function: {function}");
    }
    Ok((tickets, answers, customers))
}

/// Filters are values: combine them, store them, print them as JSON, and read them from JSON.
fn filters(tickets: &Collection) -> Result<()> {
    println!("Filters");
    let open = || Key::field("open").eq(true);
    let setting = Where::from_json(r#"{"customer": {"$ne": "Ada"}}"#)?;
    for filter in [
        open() & Key::field("priority").gte(2),
        Key::field("product").is_in(["lamp", "pump"]) & Key::field("open").ne(true),
        Key::field("product").eq("lamp") | Key::field("tags").contains("urgent"),
        open() & setting & Key::field("tags").not_contains("late"),
        open() & Key::document().contains("refund"),
        open() & Key::document().regex("(?i)refund.*#[0-9]{4}"),
        open() & Key::id().is_in(["t1", "t2", "t3"]),
    ] {
        let found = tickets.get().filter(filter.clone()).include([]).run()?;
        println!("  {:<8} {filter}", found.ids.join(" "));
    }
    Ok(())
}

/// Sends many queries in one request, and converts hits to structs.
fn many_queries(tickets: &Collection, answers: &Collection) -> Result<()> {
    println!("Queries");
    let open = tickets.get().filter(Key::field("open").eq(true)).run()?;
    let texts: Vec<&str> = open.iter().filter_map(|row| row.document).collect();
    let found = answers.query_many(texts).n_results(1).run()?;
    for (ticket, hits) in open.iter().zip(&found) {
        for hit in hits {
            let answer = hit.document.as_deref().unwrap_or_default();
            println!("  {}: {answer} ({:.3})", ticket.id, hit.distance);
        }
    }
    for hit in tickets.query("My lamp flickers, too").n_results(1).run()? {
        println!("  {}: {:?}", hit.id, hit.metadata.to_struct::<Ticket>()?);
    }
    Ok(())
}

/// Updates, upserts and deletes. Fields that a record does not name stay unchanged.
fn changes(tickets: &Collection) -> Result<()> {
    println!("Changes");
    tickets.update([Record::new("t1").metadata("open", false)])?;
    // An upsert also adds new records. A new text gets a new vector.
    tickets.upsert([
        Record::new("t2").document("Please refund the lock, I waited for two weeks"),
        Record::new("t7")
            .document("Do you repair pumps?")
            .metadata("open", true),
    ])?;
    // Fields of a struct that are None are removed.
    for record in tickets.get().ids(["t5"]).run()? {
        let mut ticket: Ticket = record.metadata.to_struct()?;
        (ticket.priority, ticket.customer) = (3, None);
        let metadata = Metadata::from_struct(&ticket)?;
        tickets.update([Record::new(record.id).metadatas(metadata)])?;
    }
    for record in tickets.get().ids(["t1", "t2", "t5", "t7"]).run()? {
        println!("  {}: {}", record.id, record.metadata);
    }
    let closed = Key::field("open").eq(false);
    let deleted = tickets.delete().filter(closed).run()?.unwrap_or(0);
    println!("  {deleted} deleted, {} left", tickets.count()?);
    Ok(())
}

fn customer(number: usize) -> Record {
    let [orders, returns, letters] = [number % 50, number % 7, number % 3].map(|n| n as f32);
    Record::new(format!("c{number}"))
        .embedding([orders, returns, letters])
        .metadata("country", ["CH", "DE", "FR"][number % 3])
}

/// Threads share a collection, and the connections of its client.
fn threads(customers: &Collection) -> Result<()> {
    println!("Threads");
    let (done, all) = mpsc::channel();
    thread::scope(|scope| {
        for first in [0, 250, 500, 750] {
            let done = done.clone();
            let records = (first..first + 250).map(customer);
            scope.spawn(move || done.send(customers.upsert(records)));
        }
        let nearest = || customers.query([40.0, 0.0, 1.0]).run().map(drop);
        scope.spawn(move || done.send((0..20).try_for_each(|_| nearest())));
    });
    all.into_iter().collect::<Result<()>>()?;
    let count = customers.count()?;
    println!("  four threads wrote {count} records, and one sent 20 queries");
    Ok(())
}

/// Writes any number of records in bounded memory. `batch_ingest` shows more options.
fn large_write(customers: &Collection) -> Result<()> {
    println!("A large write");
    let report = customers
        .ingest((1_000..7_000).map(customer))
        .on_progress(|progress| eprintln!("  {} written", progress.written))
        .run()?;
    println!("  {} of {} written", report.written, report.read);
    Ok(())
}

/// Reads one page of a collection, and then all records.
fn pages(customers: &Collection) -> Result<()> {
    println!("Pages");
    let page = customers.get().limit(3).offset(1_000).run()?;
    println!("  one page: {}", page.ids.join(" "));
    let mut swiss = 0;
    for record in customers.scan().filter(Key::field("country").eq("CH")) {
        record?;
        swiss += 1;
    }
    println!("  all pages: {swiss} Swiss customers");
    Ok(())
}

/// Prints what a program can do about an error. The variant decides.
fn advise<T>(case: &str, result: Result<T>) {
    let advice = match result {
        Ok(_) => "nothing to do, the call succeeded".to_owned(),
        Err(Error::NotFound { .. }) => "create it first".to_owned(),
        Err(Error::AlreadyExists { .. }) => "open it instead".to_owned(),
        Err(Error::Invalid { reason, .. }) => format!("nothing was sent: {reason}"),
        Err(Error::RateLimited { retry_after, .. }) => format!("wait for {retry_after:?}"),
        Err(error) if error.is_retryable() => "try again later".to_owned(),
        Err(error) => format!("ask a person: {error:#}"),
    };
    println!("  {case}: {advice}");
}

fn errors(support: &Client, tickets: &Collection, customers: &Collection) -> Result<()> {
    println!("Errors");
    let twice = ["t8", "t8"].map(|id| Record::new(id).document("twice"));
    // Nothing listens on this port.
    let offline = Client::new("127.0.0.1:1")?.with_retry(RetryPolicy::none());
    advise("missing collection", support.collection("invoices").get());
    advise(
        "existing collection",
        support.collection("tickets").create(),
    );
    advise("repeated id", tickets.upsert(twice));
    advise("short vector", customers.query([1.0, 2.0]).run());
    advise("no embedding function", customers.query("rich").run());
    advise("no server", offline.heartbeat());
    Ok(())
}

/// Writes with a deadline of 300 ms, and then the remaining records without a deadline.
fn deadline(support: &Client) -> Result<()> {
    println!("A deadline");
    let pictures = support.collection("pictures").create()?;
    let picture = |n: usize| Record::new(format!("p{n}")).embedding(vec![n as f32; 512]);
    let mut records: Vec<Record> = (0..2_000).map(picture).collect();

    let hurried = RetryPolicy::default().deadline(Duration::from_millis(300));
    match pictures.with_retry(hurried).upsert(&records) {
        // The server may still be writing the unknown records. To write them again is safe, because they are
        // the same.
        Err(Error::PartlyDone {
            done,
            unknown,
            pending,
            ..
        }) => {
            let left: HashSet<String> = unknown.into_iter().chain(pending).collect();
            println!("  {} written, {} sent again", done.len(), left.len());
            records.retain(|record| left.contains(&record.id));
            pictures.upsert(&records)?;
        }
        // The deadline passed during the first request or before it.
        Err(Error::Timeout { .. }) => {
            println!("  0 written, {} sent again", records.len());
            pictures.upsert(&records)?;
        }
        result => result?,
    }
    println!("  {} pictures in the end", pictures.count()?);
    Ok(())
}
