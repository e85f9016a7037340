//! [`NullServer`]: a server that stores nothing. Its records are made from their numbers when they are read, and it
//! reads only the ids of records that are written.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use serde::Deserialize;

use crate::http::{Message, buffered};
use crate::numbered::{document, id, number, vector};

/// The name of the collection.
pub const COLLECTION: &str = "copied";

const DATABASE: &str = "/api/v2/tenants/default_tenant/databases/default_database/collections";
const DESCRIPTION: &str = r#"{"id":"ID","name":"copied","configuration_json":{"hnsw":{"space":"l2","ef_construction":100,"ef_search":100,"max_neighbors":16,"resize_factor":1.2,"sync_threshold":1000},"spann":null,"embedding_function":null},"schema":null,"metadata":null,"dimension":384,"tenant":"default_tenant","database":"default_database","log_position":0,"version":0}"#;
const NOT_FOUND: &str =
    r#"{"error":"NotFoundError","message":"Collection [copied] does not exist"}"#;
/// The number of different vectors.
const VECTORS: usize = 100;

/// A server with one collection, for as long as this process runs.
pub struct NullServer {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// Whether the collection exists.
    exists: AtomicBool,
    /// The number of records in the collection.
    records: AtomicUsize,
    /// The description of the collection.
    description: String,
    /// The vectors as JSON.
    vectors: Vec<String>,
}

impl NullServer {
    /// Starts a server whose collection has this many records; with `None`, it has no collection.
    pub fn start(records: Option<usize>) -> Result<NullServer, Box<dyn Error>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        // A UUID that no other server has.
        let uuid = format!("6f4c0b6e-9f3c-4d43-8d0e-{:012}", address.port());
        let vectors = (0..VECTORS).map(|number| serde_json::to_string(&vector(number)));
        let shared = Arc::new(Shared {
            exists: AtomicBool::new(records.is_some()),
            records: AtomicUsize::new(records.unwrap_or(0)),
            description: DESCRIPTION.replacen("ID", &uuid, 1),
            vectors: vectors.collect::<Result<_, _>>()?,
        });
        let for_connections = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = for_connections.clone();
                thread::spawn(move || serve(stream, &shared));
            }
        });
        let url = format!("http://{address}");
        Ok(NullServer { url, shared })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the number of records in the collection.
    pub fn records(&self) -> usize {
        self.shared.records.load(SeqCst)
    }
}

/// Answers the requests of a connection.
fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = buffered(stream)?;
    let mut request = Message::default();
    while request.read(&mut stream)? {
        let line = request.method_and_path();
        let (status, body) = shared.answer(&line, &request.body).unwrap_or_else(|error| {
            eprintln!("null server: {line}: {error}");
            (400, String::new())
        });
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream
            .get_mut()
            .write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
    Ok(())
}

impl Shared {
    /// Returns the status and the body of the answer.
    fn answer(&self, line: &str, body: &[u8]) -> Result<(u16, String), Box<dyn Error>> {
        let (line, _query) = line.split_once('?').unwrap_or((line, ""));
        let (method, path) = line.split_once(' ').ok_or("no path")?;
        let Some(within) = path.strip_prefix(DATABASE) else {
            return Ok(match path {
                "/api/v2/pre-flight-checks" => {
                    let limits = r#"{"max_batch_size":5461,"supports_base64_encoding":true}"#;
                    (200, limits.to_owned())
                }
                "/api/v2/heartbeat" => (200, r#"{"nanosecond heartbeat":1}"#.to_owned()),
                // A server that supports everything.
                "/openapi.json" => (200, r#"{"components":{"schemas":{}}}"#.to_owned()),
                "/api/v2/version" => (200, r#""1.0.0""#.to_owned()),
                _ => (404, String::new()),
            });
        };
        let exists = self.exists.load(SeqCst);
        // The part after the collection.
        let call = within.get(1..).and_then(|rest| rest.split_once('/'));
        Ok(match (method, call.map(|(_, call)| call)) {
            ("GET", None) if within.is_empty() && exists => {
                (200, format!("[{}]", self.description))
            }
            ("GET", None) if within.is_empty() => (200, "[]".to_owned()),
            ("GET", None) if exists => (200, self.description.clone()),
            ("GET", None) => (404, NOT_FOUND.to_owned()),
            ("POST", None) => {
                self.exists.store(true, SeqCst);
                (200, self.description.clone())
            }
            ("GET", Some("count")) => (200, self.records.load(SeqCst).to_string()),
            ("POST", Some("get")) => (200, self.get(body)?),
            ("POST", Some("add" | "upsert")) => {
                self.write(body)?;
                (201, "{}".to_owned())
            }
            _ => return Err("not expected".into()),
        })
    }

    /// Reads the ids, which come first.
    fn write(&self, body: &[u8]) -> Result<(), Box<dyn Error>> {
        let ids = body.strip_prefix(br#"{"ids":"#).ok_or("no ids")?;
        let end = ids.iter().position(|byte| *byte == b']').ok_or("no list")?;
        let ids: Vec<&str> = serde_json::from_slice(&ids[..=end])?;
        let last = ids.iter().filter_map(|id| number(id)).max();
        self.records
            .fetch_max(last.map_or(0, |last| last + 1), SeqCst);
        Ok(())
    }

    fn get(&self, body: &[u8]) -> Result<String, Box<dyn Error>> {
        #[derive(Deserialize)]
        struct Get<'a> {
            #[serde(borrow)]
            ids: Option<Vec<&'a str>>,
            limit: Option<usize>,
            offset: Option<usize>,
            include: Vec<&'a str>,
        }
        let get: Get<'_> = serde_json::from_slice(body)?;
        let records = self.records.load(SeqCst);
        let numbers: Vec<usize> = if let Some(ids) = get.ids {
            let numbers = ids.into_iter().filter_map(number);
            numbers.filter(|number| *number < records).collect()
        } else {
            let Range { start, end } = 0..records;
            let start = start + get.offset.unwrap_or(0);
            let end = get.limit.map_or(end, |limit| end.min(start + limit));
            (start..end).collect()
        };
        Ok(self.rows(&numbers, &get.include))
    }

    fn rows(&self, numbers: &[usize], include: &[&str]) -> String {
        let mut json = String::with_capacity(numbers.len() * 5_000);
        column(&mut json, "{\"ids\":", numbers, |json, number| {
            let _ = write!(json, "\"{}\"", id(number));
        });
        for name in include {
            let name_in_json = format!(",\"{name}\":");
            column(&mut json, &name_in_json, numbers, |json, number| {
                let _ = match *name {
                    "embeddings" => write!(json, "{}", self.vectors[number % VECTORS]),
                    "documents" => write!(json, "\"{}\"", document(number)),
                    "metadatas" => write!(
                        json,
                        r#"{{"number":{number},"part":"part {}"}}"#,
                        number % 10
                    ),
                    _ => write!(json, "null"),
                };
            });
        }
        let _ = write!(json, ",\"include\":{}}}", serde_json::json!(include));
        json
    }
}

/// Appends a list with an entry for each record.
fn column(
    json: &mut String,
    name: &str,
    numbers: &[usize],
    mut entry: impl FnMut(&mut String, usize),
) {
    json.push_str(name);
    let mut before = '[';
    for number in numbers {
        json.push(before);
        entry(json, *number);
        before = ',';
    }
    json.push_str(if numbers.is_empty() { "[]" } else { "]" });
}
