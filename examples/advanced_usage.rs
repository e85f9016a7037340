//! A support desk in one program: what larger programs use of the library, one function for each part.
//!
//! ```text
//! cargo run --example advanced_usage
//! ```
//!
//! It starts a Chroma server or uses yours (`.env.example` lists the settings), works in a database of its own there, and
//! deletes that in the end. It embeds offline, and needs Chroma 1.5, for lists in metadata.

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

/// What is known of a ticket beside its text: metadata, to be filtered by.
#[derive(Debug, Serialize, Deserialize)]
struct Ticket {
    product: String,
    priority: u8,
    open: bool,
    /// Not stored where there is none.
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
    // At the level trace, ureq_proto shows requests whole, with the secrets in them.
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
    let desk = client.with_database(&database);
    let result = tour(&desk);
    // Leaves nothing behind, whatever happened.
    result
        .and(clean_up(&desk))
        .and(client.delete_database(&database))
}

/// A client of the server that the environment names, or of one that is started for this run.
fn connect() -> Result<(Client, Option<LocalServer>)> {
    let is_set = |name| env::var(name).is_ok_and(|value| !value.trim().is_empty());
    let named = ["CHROMA_HOST", "CHROMA_ENDPOINT", "CHROMA_API_KEY"];
    // Large writes are cut into requests of a quarter of a MiB, to show what happens when one of them fails.
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

fn tour(desk: &Client) -> Result<()> {
    let (tickets, answers, customers) = collections(desk)?;
    filters(&tickets)?;
    many_queries(&tickets, &answers)?;
    changes(&tickets)?;
    threads(&customers)?;
    large_write(&customers)?;
    pages(&customers)?;
    errors(desk, &tickets, &customers)?;
    deadline(desk)?;
    println!("Metrics\n{}", desk.metrics());
    Ok(())
}

/// A single-node server forgets lists in metadata only with their records, not with a collection or a database.
fn clean_up(desk: &Client) -> Result<()> {
    let all = Key::field("priority").gte(0);
    let tickets = desk.collection("tickets").get()?;
    tickets.delete().filter(all).run().map(drop)
}

/// Each collection has an embedding function and a measure of distance of its own.
fn collections(desk: &Client) -> Result<(Collection, Collection, Collection)> {
    println!("Collections");
    let tickets = desk
        .collection("tickets")
        .embedding_function(Hashing::default())
        .create()?;
    let answers = desk
        .collection("answers")
        .embedding_function(Hashing::with_dimension(256)?)
        .space(Space::Ip)
        .create()?;
    // Vectors of the program's own: orders, returns and letters of a year.
    let customers = desk.collection("customers").space(Space::L2).create()?;

    tickets.add(jsonl_records(TICKETS)?.collect::<Result<Vec<_>>>()?)?;
    answers.add(ANSWERS.map(|(id, text)| Record::new(id).document(text)))?;
    // Whoever opens a collection gets the embedding function that it was made with.
    for name in ["tickets", "answers", "customers"] {
        let it = desk.collection(name).get()?;
        let (count, space) = (it.count()?, it.space().unwrap_or_default());
        let function = it.embedding_function().map_or("none", |f| f.name());
        println!("  {name}: {count} records, {space:?}, function: {function}");
    }
    Ok((tickets, answers, customers))
}

/// Filters are values: they can be joined, kept, printed as JSON and read from it.
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

/// Many queries in one request, and hits as structs.
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

/// What a record does not name stays as it is.
fn changes(tickets: &Collection) -> Result<()> {
    println!("Changes");
    tickets.update([Record::new("t1").metadata("open", false)])?;
    // An upsert adds what is not there, as well. A new text gets a new vector.
    tickets.upsert([
        Record::new("t2").document("Please refund the lock, I waited for two weeks"),
        Record::new("t7")
            .document("Do you repair pumps?")
            .metadata("open", true),
    ])?;
    // Of a struct, what is None goes away.
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

/// Threads share a collection, and its client's connections.
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
    println!("  four wrote {count} records while one asked 20 times");
    Ok(())
}

/// Any number of records, in bounded memory; `batch_ingest` shows what else a job can do.
fn large_write(customers: &Collection) -> Result<()> {
    println!("A large write");
    let report = customers
        .ingest((1_000..7_000).map(customer))
        .on_progress(|so_far| eprintln!("  {} written", so_far.written))
        .run()?;
    println!("  {} of {} written", report.written, report.read);
    Ok(())
}

/// A page of a collection, and a walk over all of it.
fn pages(customers: &Collection) -> Result<()> {
    println!("Pages");
    let page = customers.get().limit(3).offset(1_000).run()?;
    println!("  one page: {}", page.ids.join(" "));
    let mut swiss = 0;
    for record in customers.scan().filter(Key::field("country").eq("CH")) {
        record?;
        swiss += 1;
    }
    println!("  all pages: {swiss} customers are Swiss");
    Ok(())
}

/// What a program can do about an error goes by its kind.
fn tell<T>(what: &str, result: Result<T>) {
    let advice = match result {
        Ok(_) => "nothing, it went well".to_owned(),
        Err(Error::NotFound { .. }) => "make it first".to_owned(),
        Err(Error::AlreadyExists { .. }) => "open it instead".to_owned(),
        Err(Error::Invalid { reason, .. }) => format!("nothing was sent: {reason}"),
        Err(Error::RateLimited { retry_after, .. }) => format!("wait for {retry_after:?}"),
        Err(error) if error.is_retryable() => "try again later".to_owned(),
        Err(error) => format!("a person has to look: {error}"),
    };
    println!("  {what}: {advice}");
}

fn errors(desk: &Client, tickets: &Collection, customers: &Collection) -> Result<()> {
    println!("Errors");
    let twice = ["t8", "t8"].map(|id| Record::new(id).document("twice"));
    // Nothing listens there.
    let nobody = Client::new("127.0.0.1:1")?.with_retry(RetryPolicy::none());
    tell("no such collection", desk.collection("invoices").get());
    tell("one of this name", desk.collection("tickets").create());
    tell("an id twice", tickets.upsert(twice));
    tell("a short vector", customers.query([1.0, 2.0]).run());
    tell("no embedding", customers.query("rich").run());
    tell("no server", nobody.heartbeat());
    Ok(())
}

/// A write that has 300 ms, and the rest of it without haste.
fn deadline(desk: &Client) -> Result<()> {
    println!("A deadline");
    let pictures = desk.collection("pictures").create()?;
    let picture = |n: usize| Record::new(format!("p{n}")).embedding(vec![n as f32; 512]);
    let mut records: Vec<Record> = (0..2_000).map(picture).collect();

    let hurried = RetryPolicy::default().deadline(Duration::from_millis(300));
    match pictures.with_retry(hurried).upsert(&records) {
        // The server may still be at what is unknown: to be written twice, records must be the same both times.
        Err(Error::PartlyDone {
            done,
            unknown,
            pending,
            ..
        }) => {
            let left: HashSet<String> = unknown.into_iter().chain(pending).collect();
            println!("  {} are in, {} are sent again", done.len(), left.len());
            records.retain(|record| left.contains(&record.id));
            pictures.upsert(&records)?;
        }
        result => result?,
    }
    println!("  {} pictures in the end", pictures.count()?);
    Ok(())
}
