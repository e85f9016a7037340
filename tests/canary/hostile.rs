//! [`Hostile`]: a server that answers well, or repeats secrets in its answer.

use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};

use crate::secrets::{Form, Secret};
use crate::support::operations::{ID, Row, good, table};
use crate::support::stand_in::{Answer, Request, StandIn, lock};

/// The rows of the table of operations.
pub static TABLE: LazyLock<Vec<Row>> = LazyLock::new(table);

/// The place in an answer where a server repeats a secret.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Message,
    Name,
    /// The name of a field.
    Field,
    Nested,
    /// JSON within a string of JSON.
    Twice,
    /// An error of Google's, with a secret in every field.
    Google,
    List,
    Plain,
    Page,
    /// Between bytes that are not UTF-8.
    BadBytes,
    /// In JSON with a byte that is not UTF-8.
    BadJson,
    Headers,
    Reason,
    /// Instead of HTTP.
    NoHttp,
    /// In a line without a colon.
    BadHeader,
    BadChunk,
}

impl Shape {
    pub const ALL: [Shape; 16] = [
        Shape::Message,
        Shape::Name,
        Shape::Field,
        Shape::Nested,
        Shape::Twice,
        Shape::Google,
        Shape::List,
        Shape::Plain,
        Shape::Page,
        Shape::BadBytes,
        Shape::BadJson,
        Shape::Headers,
        Shape::Reason,
        Shape::NoHttp,
        Shape::BadHeader,
        Shape::BadChunk,
    ];
}

/// The secrets that a server repeats, and the form.
#[derive(Debug, Clone)]
pub struct Echo {
    pub status: u16,
    pub shape: Shape,
    pub form: Form,
    pub secrets: Vec<Secret>,
    /// The number of bytes before the secrets.
    pub before: usize,
}

impl Echo {
    /// Returns the answer.
    pub fn answer(&self) -> Answer {
        let texts = self.secrets.iter().flat_map(|one| one.written(self.form));
        let texts = texts.collect::<Vec<_>>().join(" | ");
        // A short secret is looked for as a word.
        let filler = "x".repeat(self.before) + " ";
        let (status, said) = (self.status, format!("{filler}{texts} said"));
        let json = |value: Value| Answer::new(status, self.in_json(&value, &said));
        const HERE: &str = "HERE";
        match self.shape {
            Shape::Message => json(json!({ "error": "InternalError", "message": HERE })),
            Shape::Name => json(json!({ "error": HERE, "message": "no" })),
            Shape::Field => json(json!({ HERE: 7 })),
            Shape::Nested => {
                json(json!({ "detail": [{ "loc": [HERE], "msg": { HERE: [HERE] } }] }))
            }
            Shape::Twice => {
                let inner = self.in_json(&json!({ "key": HERE }), &said);
                Answer::new(
                    status,
                    json!({ "error": "E", "message": inner }).to_string(),
                )
            }
            Shape::Google => json(
                json!({ "error": { "code": HERE, "message": HERE, "status": HERE,
                "details": [{ "reason": HERE, "retryDelay": HERE, "metadata": { HERE: HERE },
                    "violations": [{ "quotaId": format!("PerDay {HERE}") }] }] } }),
            ),
            Shape::List => json(json!([HERE])),
            Shape::Plain => Answer::new(status, said),
            Shape::Page => Answer::new(status, format!("<html><body><p>{said}</p></body></html>")),
            Shape::BadBytes => Answer::new(status, around(&[b"\xff", said.as_bytes(), b"\xfe"])),
            Shape::BadJson => {
                let body = self.in_json(&json!({ "message": HERE }), &said);
                Answer::new(status, around(&[body.as_bytes(), b"\"\xc3\x28\""]))
            }
            Shape::Headers => [
                "location",
                "retry-after",
                "server",
                "www-authenticate",
                "set-cookie",
            ]
            .into_iter()
            .fold(Answer::new(status, ""), |answer, name| {
                answer.header(name, in_header(&said))
            }),
            _ => self.broken(&in_header(&said)),
        }
    }

    /// Returns an answer that breaks the rules of HTTP, or has an unusual reason.
    fn broken(&self, said: &str) -> Answer {
        let status = self.status;
        Answer::raw(match self.shape {
            Shape::Reason => format!("HTTP/1.1 {status} {said}\r\ncontent-length: 2\r\n\r\n{{}}"),
            Shape::BadHeader => format!("HTTP/1.1 {status} No\r\n{said} {said}\r\n\r\n{{}}"),
            Shape::BadChunk => {
                format!(
                    "HTTP/1.1 {status} No\r\ntransfer-encoding: chunked\r\n\r\n{said}\r\n{{}}\r\n"
                )
            }
            _ => format!("{said}\r\n\r\n{said}"),
        })
    }

    /// Writes JSON with `said` wherever it says `HERE`.
    fn in_json(&self, value: &Value, said: &str) -> String {
        let escaped = if self.form.is_json() {
            said.to_owned()
        } else {
            let quoted = json!(said).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        value.to_string().replace("HERE", &escaped)
    }
}

/// Returns a text without the characters that no header can have.
fn in_header(text: &str) -> String {
    text.replace(|c: char| !c.is_ascii_graphic() && c != ' ', "?")
}

fn around(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The server, or the proxy.
pub struct Hostile {
    pub server: StandIn,
    echo: Arc<Mutex<Option<Echo>>>,
}

impl Hostile {
    pub fn start() -> Hostile {
        let echo = Arc::new(Mutex::new(None::<Echo>));
        let answering = echo.clone();
        let server = StandIn::start(move |request| match &*lock(&answering) {
            Some(echo) => echo.answer(),
            None => well(request),
        });
        Hostile { server, echo }
    }

    /// Answers all requests like this from now on; well if `None`.
    pub fn answer(&self, echo: Option<Echo>) {
        *lock(&self.echo) = echo;
    }
}

/// Answers a request as Chroma does.
pub fn well(request: &Request) -> Answer {
    if request.path.ends_with(":batchEmbedContents") {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let count = asked["requests"].as_array().map_or(0, Vec::len);
        let vector = json!({ "values": vec![0.5; 128] });
        return Answer::ok(json!({ "embeddings": vec![vector; count] }).to_string());
    }
    // A proxy gets the whole URL.
    let mut request = request.clone();
    if let Some(at) = request.path.find("/api/v2") {
        request.path.drain(..at);
    }
    match TABLE.iter().find(|row| row.is(&request)) {
        Some(row) => Answer::ok(good(&row.constant, "abc", true).to_string()),
        None => Answer::ok(DESCRIPTION),
    }
}

/// Answers as Chroma does, with a secret in each field that holds a text. Names stay as they are: those are
/// shown wherever the collection is named.
pub fn well_with(request: &Request, secret: &str) -> Answer {
    let Some(row) = TABLE.iter().find(|row| row.is(request)) else {
        return well(request);
    };
    let mut answer = good(&row.constant, "abc", true);
    match row.constant.as_str() {
        "LIST_COLLECTIONS" => answer = json!([good("GET_COLLECTION", "abc", true)]),
        "LIST_DATABASES" => answer = json!([good("GET_DATABASE", "abc", true)]),
        "GET" | "CONDITIONAL_GET" => {
            answer = json!({ "ids": ["a"], "documents": ["d"], "metadatas": [{ "k": "v" }], "read_token": 1 });
        }
        "GET_COLLECTION" => answer["metadata"] = json!({ "k": "v" }),
        _ => {}
    }
    fill(&mut answer, secret);
    Answer::ok(answer.to_string())
}

/// Replaces the texts by a secret.
fn fill(json: &mut Value, secret: &str) {
    match json {
        Value::String(text) if text != ID => secret.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, secret)),
        Value::Object(fields) => {
            let named = |name: &str| ["name", "tenant", "resource_name"].contains(&name);
            let others = fields.iter_mut().filter(|(name, _)| !named(name));
            others.for_each(|(_, field)| fill(field, secret));
        }
        _ => {}
    }
}

/// The OpenAPI description of a server that supports a limit in a delete.
const DESCRIPTION: &str = r#"{"openapi":"3.1.0","paths":{},"components":{"schemas":{"DeleteCollectionRecordsPayload":
    {"allOf":[{"type":"object","properties":{"limit":{"type":"integer"}}}]}}}}"#;
