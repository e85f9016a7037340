//! A stand-in for Chroma Cloud: an HTTP server on loopback, inside this program.
//!
//! It stores records in memory, and searches them by comparing each one (`evaluate.rs`). It has no index, no
//! disk and no limits. It supports only the requests of this example; all others are errors.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use base64_simd::STANDARD as BASE64;
use chroma_blocking::{Metadata, MetadataValue, record::SparseVector};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::evaluate::Search;

/// The only valid key.
pub const KEY: &str = "key-of-the-stand-in";
/// The only database.
const DATABASE: &str = "/api/v2/tenants/you/databases/stand-in/collections";
const ID: &str = "00000000-0000-4000-8000-000000000001";

/// An error answer: the HTTP status and the message.
pub struct Refusal(u16, String);

/// An error answer to an invalid request.
#[allow(
    clippy::needless_pass_by_value,
    reason = "callers give a text or an error"
)]
pub fn bad(why: impl ToString) -> Refusal {
    Refusal(400, why.to_string())
}

/// The answer to requests that Chroma Cloud may support.
pub fn unsupported(what: &str) -> Refusal {
    Refusal(501, format!("the stand-in does not support {what}"))
}

/// The only collection, with its records in the order of arrival.
pub struct Collection {
    name: String,
    pub schema: Value,
    pub records: Vec<Record>,
}

pub struct Record {
    pub id: String,
    pub embedding: Vec<f32>,
    pub metadata: Metadata,
}

/// Starts the stand-in, which runs until the program ends. Returns its address.
pub fn start() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let collection = Arc::new(Mutex::new(None));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let collection = collection.clone();
            thread::spawn(move || serve(&stream, &collection));
        }
    });
    Ok(url)
}

struct Request {
    /// Method, path and version.
    line: String,
    key: String,
    body: Vec<u8>,
}

/// Reads a request, or returns `None` at the end of the connection.
fn receive(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let (mut line, mut key, mut length) = (String::new(), String::new(), 0);
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("x-chroma-token", value)) => value.clone_into(&mut key),
            _ if header.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { line, key, body }))
}

/// Answers the requests of a connection, until it is closed.
fn serve(mut stream: &TcpStream, collection: &Mutex<Option<Collection>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(Request { line, key, body }) = receive(&mut reader)? {
        let mut collection = collection.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<_> = line.split(' ').collect();
        let answer = match words[..] {
            [method, path, _] if key == KEY => answer(method, path, &body, &mut collection),
            _ => Err(Refusal(401, "the key is wrong".to_owned())),
        };
        let (status, body) = answer.map_or_else(
            |Refusal(status, why)| (status, json!({ "error": "ChromaError", "message": why })),
            |body| (200, body),
        );
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
    }
    Ok(())
}

fn answer(
    method: &str,
    path: &str,
    body: &[u8],
    stored: &mut Option<Collection>,
) -> Result<Value, Refusal> {
    let in_database = path
        .strip_prefix(DATABASE)
        .map(|rest| rest.split('/').collect::<Vec<_>>());
    match (method, path, in_database.as_deref(), &mut *stored) {
        ("GET", "/api/v2/auth/identity", ..) => {
            Ok(json!({ "user_id": "", "tenant": "you", "databases": ["stand-in"] }))
        }
        ("GET", "/api/v2/pre-flight-checks", ..) => {
            Ok(json!({ "max_batch_size": 300, "supports_base64_encoding": true }))
        }
        // An empty description, as newer servers have.
        ("GET", "/openapi.json", ..) => Ok(json!({ "components": { "schemas": {} } })),
        ("POST", _, Some([""]), None) => create(read(body)?, stored),
        ("POST", _, Some(["", ID, "upsert"]), Some(collection)) => upsert(read(body)?, collection),
        ("POST", _, Some(["", ID, "search"]), Some(collection)) => search(read(body)?, collection),
        ("DELETE", _, Some(["", name]), Some(collection)) if collection.name == *name => {
            *stored = None;
            Ok(json!({}))
        }
        _ => Err(unsupported(&format!("{method} {path}"))),
    }
}

/// Reads a body. Missing and unknown members are errors.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(bad)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "the names in the request")]
struct Create {
    name: String,
    get_or_create: bool,
    schema: Value,
}

fn create(request: Create, stored: &mut Option<Collection>) -> Result<Value, Refusal> {
    let vectors = &request.schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"];
    if request.get_or_create || vectors["space"] != "cosine" {
        return Err(unsupported("get_or_create, or spaces other than cosine"));
    }
    let answer = json!({
        "id": ID, "name": request.name, "tenant": "you", "database": "stand-in", "schema": request.schema,
        "configuration_json": {}, "metadata": null, "dimension": null, "log_position": 0, "version": 0
    });
    *stored = Some(Collection {
        name: request.name,
        schema: request.schema,
        records: Vec::new(),
    });
    Ok(answer)
}

/// Documents are accepted but not stored, because no search in this example returns them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upsert {
    ids: Vec<String>,
    embeddings: Vec<String>,
    documents: Vec<String>,
    metadatas: Vec<Metadata>,
}

fn upsert(request: Upsert, collection: &mut Collection) -> Result<Value, Refusal> {
    let count = request.ids.len();
    if [
        request.embeddings.len(),
        request.documents.len(),
        request.metadatas.len(),
    ] != [count; 3]
    {
        return Err(bad("columns of different lengths"));
    }
    let columns = request.embeddings.iter().zip(request.metadatas);
    for (id, (base64, metadata)) in request.ids.into_iter().zip(columns) {
        let bytes = BASE64.decode_to_vec(base64).map_err(bad)?;
        let float = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let embedding: Vec<f32> = bytes.chunks_exact(4).map(float).collect();
        let mut others = collection.records.iter();
        if bytes.len() % 4 != 0 || others.any(|other| other.embedding.len() != embedding.len()) {
            return Err(bad("vectors of different dimensions"));
        }
        for (_, value) in &metadata {
            if let MetadataValue::SparseVector(vector) = value {
                validate(vector)?;
            }
        }
        if collection.records.iter().any(|other| other.id == id) {
            return Err(unsupported("repeated ids"));
        }
        collection.records.push(Record {
            id,
            embedding,
            metadata,
        });
    }
    Ok(json!({}))
}

/// Checks that the indices of a sparse vector ascend, and that each has a value.
pub fn validate(vector: &SparseVector) -> Result<(), Refusal> {
    let ascend = vector.indices.windows(2).all(|pair| pair[0] < pair[1]);
    if ascend && vector.indices.len() == vector.values.len() {
        return Ok(());
    }
    Err(bad("the indices of a sparse vector must ascend"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Searches {
    searches: Vec<Search>,
}

/// Returns the columns of the answer, each with a list for each search.
fn search(request: Searches, collection: &Collection) -> Result<Value, Refusal> {
    let results = request
        .searches
        .into_iter()
        .map(|search| search.run(collection));
    let results = results.collect::<Result<Vec<Value>, _>>()?;
    let column = |name: &str| {
        let lists = results.iter().map(|result| result[name].clone());
        lists.collect::<Value>()
    };
    let names = [
        "ids",
        "documents",
        "embeddings",
        "metadatas",
        "scores",
        "select",
    ];
    Ok(names.into_iter().map(|name| (name, column(name))).collect())
}
