//! A stand-in for Chroma Cloud: an HTTP server on loopback, inside of this program.
//!
//! It really holds the records that it is sent, and really searches them, by comparing with every one (`evaluate.rs`). It
//! has no index, no disk and no limits, and it knows only what this example asks: anything else is an error.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use base64_simd::STANDARD as BASE64;
use chroma_blocking::{Metadata, MetadataValue, record::SparseVector};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::evaluate::Search;

/// The key that it takes, and what that is good for.
pub const KEY: &str = "key-of-the-stand-in";
const DATABASE: &str = "/api/v2/tenants/you/databases/stand-in/collections";
const ID: &str = "00000000-0000-4000-8000-000000000001";

/// Why it does not do what it is asked: the HTTP status, and the words.
pub struct Refusal(u16, String);

pub fn bad(why: impl ToString) -> Refusal {
    Refusal(400, why.to_string())
}

/// For what Chroma Cloud may be able to do.
pub fn unknown(what: &str) -> Refusal {
    Refusal(501, format!("the stand-in does not know {what}"))
}

/// The only collection, with its records in the order in which they came.
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

/// Starts it, for as long as this program runs; its address.
pub fn start() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let held = Arc::new(Mutex::new(None));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let held = held.clone();
            thread::spawn(move || serve(&stream, &held));
        }
    });
    Ok(url)
}

/// Answers the requests of a connection, until it is closed.
fn serve(mut stream: &TcpStream, held: &Mutex<Option<Collection>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let (mut length, mut key) = (0, String::new());
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                Some(("x-chroma-token", value)) => value.clone_into(&mut key),
                _ if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match (
            key.as_str(),
            request.split(' ').collect::<Vec<_>>().as_slice(),
        ) {
            (KEY, [method, path, _]) => answer(method, path, &body, &mut held),
            _ => Err(Refusal(401, "this is not the key".to_owned())),
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
}

fn answer(
    method: &str,
    path: &str,
    body: &[u8],
    held: &mut Option<Collection>,
) -> Result<Value, Refusal> {
    let in_database = path
        .strip_prefix(DATABASE)
        .map(|rest| rest.split('/').collect::<Vec<_>>());
    match (method, path, in_database.as_deref(), &mut *held) {
        ("GET", "/api/v2/auth/identity", ..) => {
            Ok(json!({ "user_id": "", "tenant": "you", "databases": ["stand-in"] }))
        }
        ("GET", "/api/v2/pre-flight-checks", ..) => {
            Ok(json!({ "max_batch_size": 300, "supports_base64_encoding": true }))
        }
        // The description of what it can do: as much as newer servers.
        ("GET", "/openapi.json", ..) => Ok(json!({ "components": { "schemas": {} } })),
        ("POST", _, Some([""]), None) => create(read(body)?, held),
        ("POST", _, Some(["", ID, "upsert"]), Some(collection)) => upsert(read(body)?, collection),
        ("POST", _, Some(["", ID, "search"]), Some(collection)) => search(read(body)?, collection),
        ("DELETE", _, Some(["", name]), Some(collection)) if collection.name == *name => {
            *held = None;
            Ok(json!({}))
        }
        _ => Err(unknown(&format!("{method} {path}"))),
    }
}

/// A body that has all members that it must have, and no other.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(bad)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    get_or_create: bool,
    schema: Value,
}

fn create(asked: Create, held: &mut Option<Collection>) -> Result<Value, Refusal> {
    let vectors = &asked.schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"];
    if asked.get_or_create || vectors["space"] != "cosine" {
        return Err(unknown("get_or_create, nor another space than cosine"));
    }
    let answer = json!({
        "id": ID, "name": asked.name, "tenant": "you", "database": "stand-in", "schema": asked.schema,
        "configuration_json": {}, "metadata": null, "dimension": null, "log_position": 0, "version": 0
    });
    *held = Some(Collection {
        name: asked.name,
        schema: asked.schema,
        records: Vec::new(),
    });
    Ok(answer)
}

/// Documents are taken and not kept, since no search here brings them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upsert {
    ids: Vec<String>,
    embeddings: Vec<String>,
    documents: Vec<String>,
    metadatas: Vec<Metadata>,
}

fn upsert(asked: Upsert, collection: &mut Collection) -> Result<Value, Refusal> {
    let count = asked.ids.len();
    if [
        asked.embeddings.len(),
        asked.documents.len(),
        asked.metadatas.len(),
    ] != [count; 3]
    {
        return Err(bad("columns of different lengths"));
    }
    let columns = asked.embeddings.iter().zip(asked.metadatas);
    for (id, (base64, metadata)) in asked.ids.into_iter().zip(columns) {
        let bytes = BASE64.decode_to_vec(base64).map_err(bad)?;
        let float = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let embedding: Vec<f32> = bytes.chunks_exact(4).map(float).collect();
        let mut others = collection.records.iter();
        if bytes.len() % 4 != 0 || others.any(|other| other.embedding.len() != embedding.len()) {
            return Err(bad("vectors of different dimensions"));
        }
        for (_, value) in metadata.iter() {
            if let MetadataValue::SparseVector(vector) = value {
                ascends(vector)?;
            }
        }
        if collection.records.iter().any(|other| other.id == id) {
            return Err(unknown("how to write an id twice"));
        }
        collection.records.push(Record {
            id,
            embedding,
            metadata,
        });
    }
    Ok(json!({}))
}

/// Whether a sparse vector is one: its places ascend, and each has a value.
pub fn ascends(vector: &SparseVector) -> Result<(), Refusal> {
    let ascend = vector.indices.windows(2).all(|pair| pair[0] < pair[1]);
    match ascend && vector.indices.len() == vector.values.len() {
        true => Ok(()),
        false => Err(bad("the places of a sparse vector do not ascend")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Searches {
    searches: Vec<Search>,
}

/// A column for each thing that can be selected, and in it a list for each search.
fn search(asked: Searches, collection: &Collection) -> Result<Value, Refusal> {
    let found = asked
        .searches
        .into_iter()
        .map(|search| search.run(collection));
    let found = found.collect::<Result<Vec<Value>, _>>()?;
    let column = |name: &str| found.iter().map(|of| of[name].clone()).collect::<Value>();
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
