//! [`NullServer`]: answers like Chroma, but stores nothing. A real server takes a minute and a half to write
//! 100,000 records.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use peers::{Data, Result};

const COLLECTION: &str = r#"{"id":"00000000-0000-4000-8000-000000000000","name":"memory",
    "tenant":"default_tenant","database":"default_database","dimension":null,"configuration_json":{}}"#;
const LIMITS: &str = r#"{"max_batch_size":5461,"supports_base64_encoding":true}"#;

/// A collection with a fixed number of records, whatever is written to it.
pub struct NullServer {
    url: String,
}

/// The values that all records share, as JSON.
struct Canned {
    records: usize,
    vector: String,
    document: String,
    metadata: String,
}

impl NullServer {
    /// Starts the server, which runs until this process ends.
    pub fn start(records: usize) -> Result<NullServer> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let data = Data::new(1, 0);
        let canned = Arc::new(Canned {
            records,
            // Like servers, Rust prints the shortest digits that identify the float.
            vector: format!("{:?}", data.floats(0..1)).replace(' ', ""),
            // This is JSON, because the text has no control characters.
            document: format!("{:?}", data.documents[0]),
            metadata: format!(
                r#"{{"topic":"{}","year":{}}}"#,
                data.topics[0], data.years[0]
            ),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let canned = Arc::clone(&canned);
                thread::spawn(move || serve(&stream, &canned));
            }
        });
        Ok(NullServer { url })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Answers until the client disconnects.
fn serve(stream: &TcpStream, canned: &Canned) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().map_err(io::Error::other)?;
                }
                Some(_) => {}
                None => break,
            }
        }
        line.clear();
        let mut body = reader.by_ref().take(length);
        let (status, answer) = match path.rsplit('/').next() {
            Some("get") => ("200 OK", canned.page(&io::read_to_string(body)?)),
            Some(name) => {
                io::copy(&mut body, &mut io::sink())?;
                match name {
                    "upsert" => ("200 OK", "{}".to_owned()),
                    "collections" => ("200 OK", COLLECTION.to_owned()),
                    "count" => ("200 OK", canned.records.to_string()),
                    "pre-flight-checks" => ("200 OK", LIMITS.to_owned()),
                    _ => ("404 Not Found", String::new()),
                }
            }
            None => ("404 Not Found", String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let mut stream = stream;
        stream.write_all(head.as_bytes())?;
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

impl Canned {
    /// Returns the answer to a `get` by ids, or by `limit` and `offset`.
    fn page(&self, request: &str) -> String {
        let ids = ids(request).map_or_else(|| self.some(request), str::to_owned);
        if request.contains("\"include\":[]") {
            return format!(r#"{{"ids":[{ids}],"include":[]}}"#);
        }
        let count = ids.split_terminator(',').count();
        let column = |json: &str| vec![json; count].join(",");
        format!(
            r#"{{"ids":[{ids}],"embeddings":[{}],"documents":[{}],"uris":null,"metadatas":[{}],"include":["embeddings","documents","metadatas"]}}"#,
            column(&self.vector),
            column(&self.document),
            column(&self.metadata),
        )
    }

    /// Returns ids by `limit` and `offset`, as JSON.
    fn some(&self, request: &str) -> String {
        let start = number(request, "\"offset\":").unwrap_or(0);
        let start = start.min(self.records);
        let limit = number(request, "\"limit\":").unwrap_or(self.records);
        let range = start..self.records.min(start.saturating_add(limit));
        let ids: Vec<String> = range
            .map(|index| format!("{:?}", Data::id(index)))
            .collect();
        ids.join(",")
    }
}

/// Returns the list of ids in a request, as JSON. No id contains a comma or a bracket.
fn ids(json: &str) -> Option<&str> {
    let (_, rest) = json.split_once("\"ids\":[")?;
    rest.split_once(']').map(|(ids, _)| ids)
}

/// Returns the number after a key.
fn number(json: &str, key: &str) -> Option<usize> {
    let (_, rest) = json.split_once(key)?;
    let rest = rest.trim_start();
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use peers::DIMENSION;

    use super::*;

    #[test]
    fn finds_numbers() {
        let request = r#"{"limit": 10,"offset":0,"include":[]}"#;
        assert_eq!(number(request, "\"limit\":"), Some(10));
        assert_eq!(number(request, "\"offset\":"), Some(0));
        assert_eq!(number(request, "\"ids\":"), None);
        assert_eq!(ids(request), None);
        assert_eq!(ids(r#"{"ids":["a","b"],"include":[]}"#), Some(r#""a","b""#));
        assert_eq!(number(r#"{"limit":null}"#, "\"limit\":"), None);
    }

    #[test]
    fn vectors_are_whole() {
        let vector = format!("{:?}", Data::new(1, 0).floats(0..1));
        assert_eq!(vector.split(',').count(), DIMENSION);
    }
}
