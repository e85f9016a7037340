//! Answers that take much memory for their size, and the calls that read them.

use std::any::Any;

use chroma_blocking::{Client, Error, Include, Key, Search};

/// The collection `abc`, as the server describes it, up to its last member.
const COLLECTION: &str =
    r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"abc","dimension":2"#;

/// The call that reads an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Get,
    Query,
    Search,
    List,
    Open,
    Identity,
    OpenApi,
    Version,
    #[cfg(feature = "gemini")]
    Gemini,
}

/// An answer of any size.
pub struct Shape {
    pub name: &'static str,
    pub call: Call,
    /// Returns an answer of about this many bytes.
    pub body: Box<dyn Fn(usize) -> String>,
    /// Whether the answer is sent in chunks, without its length.
    pub chunked: bool,
    /// The status of the answer.
    pub status: u16,
}

impl Call {
    /// Returns whether the answer has rows, which may be long. Others have at most 16 MiB.
    pub fn reads_rows(self) -> bool {
        matches!(self, Call::Get | Call::Query | Call::Search)
    }

    /// Returns the end of the path of the request whose answer is measured.
    pub fn path(self) -> &'static str {
        match self {
            Call::Get => "/get",
            Call::Query => "/query",
            Call::Search => "/search",
            Call::List => "/collections",
            Call::Open => "/collections/abc",
            Call::Identity => "/auth/identity",
            Call::OpenApi => "/openapi.json",
            Call::Version => "/version",
            #[cfg(feature = "gemini")]
            Call::Gemini => ":batchEmbedContents",
        }
    }

    /// Opens the collection. The result makes the call, whose result holds what was read.
    pub fn prepare(
        self,
        url: &str,
    ) -> Result<Box<dyn FnOnce() -> Result<Box<dyn Any>, Error>>, Error> {
        // With metadata or URIs, the client asks for at most 30,000 records. A server may return more, and
        // columns that were not asked for.
        const COLUMNS: [Include; 2] = [Include::Documents, Include::Embeddings];
        #[cfg(feature = "gemini")]
        if self == Call::Gemini {
            use chroma_blocking::Gemini;
            let google = Gemini::builder().api_key("key").base_url(url);
            let google = google.dimension(768).build()?;
            return Ok(Box::new(move || {
                boxed(
                    google
                        .embed((0..100).map(|index| format!("a{index}")))
                        .run(),
                )
            }));
        }
        let client = Client::builder().host(url).build()?;
        if matches!(
            self,
            Call::List | Call::Open | Call::Identity | Call::Version
        ) {
            let _ = client.heartbeat()?;
            return Ok(match self {
                Call::List => Box::new(move || boxed(client.list_collections().run())),
                Call::Open => Box::new(move || boxed(client.collection("abc").get())),
                Call::Identity => Box::new(move || boxed(client.identity())),
                _ => Box::new(move || boxed(client.version())),
            });
        }
        let notes = client.collection("abc").get()?;
        Ok(match self {
            Call::Query => Box::new(move || {
                let query = notes.query([0.5, 0.5]).n_results(usize::MAX);
                boxed(query.include([Include::Embeddings]).run())
            }),
            Call::Search => {
                Box::new(move || boxed(notes.search(Search::new().limit(u32::MAX as usize)).run()))
            }
            Call::OpenApi => {
                Box::new(move || boxed(notes.delete().filter(Key::field("a").eq(1)).limit(1).run()))
            }
            _ => Box::new(move || boxed(notes.get().include(COLUMNS).run())),
        })
    }
}

fn boxed<T: 'static, E>(result: Result<T, E>) -> Result<Box<dyn Any>, E> {
    result.map(|found| Box::new(found) as Box<dyn Any>)
}

/// All shapes.
pub fn all() -> Vec<Shape> {
    let mut shapes = gets();
    shapes.extend(hits());
    shapes.extend(small());
    shapes
}

fn shape(name: &'static str, call: Call, body: impl Fn(usize) -> String + 'static) -> Shape {
    Shape {
        name,
        call,
        body: Box::new(body),
        chunked: false,
        status: 200,
    }
}

/// Returns `before`, entries with commas between them, and `after`.
fn list(size: usize, [before, after]: [&str; 2], entry: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(size + 64);
    text += before;
    let mut index = 0;
    while text.len() + after.len() < size {
        text += if index == 0 { "" } else { "," };
        text += &entry(index);
        index += 1;
    }
    text + after
}

/// A list that repeats one entry.
fn repeated(size: usize, around: [&str; 2], entry: &str) -> String {
    let entry = entry.to_owned();
    list(size, around, |_| entry.clone())
}

/// Four letters, different for each index.
fn name(index: usize) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let letter = |shift: usize| char::from(LETTERS[(index >> shift) & 63]);
    [18, 12, 6, 0].map(letter).iter().collect()
}

/// Rows with the same values in each column. An id of `None` stands for ids that are all different.
fn rows(
    name_of: &'static str,
    id: Option<&'static str>,
    columns: &'static [(&'static str, &'static str)],
) -> Shape {
    shape(name_of, Call::Get, move |size| {
        columns_of(size, id, columns, ["[", "]"])
    })
}

fn columns_of(
    size: usize,
    id: Option<&str>,
    columns: &[(&str, &str)],
    [open, close]: [&str; 2],
) -> String {
    let values: usize = columns.iter().map(|(_, value)| value.len() + 1).sum();
    let count = size / (id.map_or(6, str::len) + 1 + values);
    let mut text = String::with_capacity(size + 1_000);
    text += "{\"ids\":";
    text += open;
    for index in 0..count {
        text += if index == 0 { "" } else { "," };
        match id {
            Some(id) => text += id,
            None => text += &format!("\"{}\"", name(index)),
        }
    }
    text += close;
    for (column, value) in columns {
        text += &format!(",\"{column}\":{open}");
        for index in 0..count {
            text += if index == 0 { "" } else { "," };
            text += value;
        }
        text += close;
    }
    text + "}"
}

fn gets() -> Vec<Shape> {
    const ONE: &str = r#"{"ids":["a"],"metadatas":[{"#;
    let one = |name, entry: fn(usize) -> String| {
        shape(name, Call::Get, move |size| list(size, [ONE, "}]}"], entry))
    };
    let values = |name, value: &'static str| {
        let before = r#"{"ids":["a"],"metadatas":[{"k":["#;
        shape(name, Call::Get, move |size| {
            repeated(size, [before, "]}]}"], value)
        })
    };
    let wide = |name, keys: usize, value: &'static str| {
        shape(name, Call::Get, move |size| {
            let pairs: Vec<_> = (0..keys).map(|key| format!("\"k{key}\":{value}")).collect();
            let row = format!("{{{}}}", pairs.join(","));
            let count = size / (row.len() + 8);
            let id = |index: usize| format!("\"{}\"", name_of(index));
            let ids: Vec<_> = (0..count).map(id).collect();
            let rows = vec![row; count].join(",");
            format!("{{\"ids\":[{}],\"metadatas\":[{rows}]}}", ids.join(","))
        })
    };
    fn name_of(index: usize) -> String {
        name(index)
    }
    let mut shapes = vec![
        rows(
            "get: {\"a\":0}, the same id",
            Some("\"a\""),
            &[("metadatas", "{\"a\":0}")],
        ),
        rows("get: {\"a\":0}", None, &[("metadatas", "{\"a\":0}")]),
        rows(
            "get: {\"a\":\"b\"}",
            None,
            &[("metadatas", "{\"a\":\"b\"}")],
        ),
        rows("get: {\"a\":[0]}", None, &[("metadatas", "{\"a\":[0]}")]),
        rows(
            "get: {\"a\":[\"b\"]}",
            None,
            &[("metadatas", "{\"a\":[\"b\"]}")],
        ),
        rows("get: {\"a\":[]}", None, &[("metadatas", "{\"a\":[]}")]),
        rows("get: {}", None, &[("metadatas", "{}")]),
        rows("get: metadata null", None, &[("metadatas", "null")]),
        rows(
            "get: sparse vectors",
            None,
            &[(
                "metadatas",
                r##"{"a":{"#type":"sparse_vector","indices":[1],"values":[1]}}"##,
            )],
        ),
        rows("get: ids, all the same", Some("\"a\""), &[]),
        rows("get: ids, empty", Some("\"\""), &[]),
        rows("get: ids of four letters", None, &[]),
        rows("get: documents null", None, &[("documents", "null")]),
        rows("get: documents empty", None, &[("documents", "\"\"")]),
        rows(
            "get: documents of a letter",
            None,
            &[("documents", "\"b\"")],
        ),
        rows(
            "get: documents and uris",
            None,
            &[("documents", "\"b\""), ("uris", "\"c\"")],
        ),
        rows(
            "get: every column",
            None,
            &[
                ("documents", "\"b\""),
                ("uris", "\"c\""),
                ("metadatas", "{\"a\":0}"),
                ("embeddings", "[1]"),
            ],
        ),
        rows(
            "get: metadata before documents",
            None,
            &[("metadatas", "{}"), ("documents", "\"b\"")],
        ),
        rows("get: vectors [1,2]", None, &[("embeddings", "[1,2]")]),
        shape("get: one vector", Call::Get, |size| {
            repeated(size, ["{\"ids\":[\"a\"],\"embeddings\":[[", "]]}"], "0")
        }),
        shape("get: more rows than ids", Call::Get, |size| {
            repeated(
                size,
                ["{\"ids\":[\"a\"],\"metadatas\":[", "]}"],
                "{\"a\":0}",
            )
        }),
        shape("get: rows before their ids", Call::Get, |size| {
            repeated(
                size,
                ["{\"metadatas\":[", "],\"ids\":[\"a\"]}"],
                "{\"a\":0}",
            )
        }),
        shape("get: documents before their ids", Call::Get, |size| {
            repeated(size, ["{\"documents\":[", "],\"ids\":[\"a\"]}"], "\"\"")
        }),
        shape("get: an unknown column", Call::Get, |size| {
            repeated(size, ["{\"ids\":[],\"new\":[", "]}"], "{\"a\":0}")
        }),
        one("get: one row, one key", |_| "\"a\":0".to_owned()),
        one("get: one row, all keys different", |index| {
            format!("\"{}\":0", name(index))
        }),
        one("get: one row, texts", |index| {
            format!("\"{}\":\"a\"", name(index))
        }),
        one("get: one row, lists", |index| {
            format!("\"{}\":[0]", name(index))
        }),
        values("get: a list of letters", "\"a\""),
        values("get: a list of empty texts", "\"\""),
        values("get: a list of integers", "0"),
        values("get: a list of floats", "0.5"),
        values("get: a list of booleans", "true"),
        wide("get: 50 keys in a row", 50, "0"),
        wide("get: 50 texts in a row", 50, "\"a\""),
        wide("get: 5,000 keys in a row", 5_000, "0"),
        shape("get: keys that differ in each row", Call::Get, |size| {
            list(size, ["{\"ids\":[],\"metadatas\":[", "]}"], |index| {
                format!("{{\"{}\":0}}", name(index))
            })
        }),
        shape("get: integers, then a float", Call::Get, |size| {
            repeated(
                size,
                ["{\"ids\":[\"a\"],\"metadatas\":[{\"k\":[", ",0.5]}]}"],
                "0",
            )
        }),
        shape("get: a deep list", Call::Get, |size| {
            let deep = "[".repeat(size / 2);
            format!("{{\"ids\":[],\"new\":{deep}{}}}", "]".repeat(size / 2))
        }),
    ];
    shapes.push(Shape {
        chunked: true,
        ..rows("get: a long document, in chunks", Some("\"a\""), &[])
    });
    if let Some(last) = shapes.last_mut() {
        last.body = Box::new(|size| {
            format!(
                "{{\"ids\":[\"a\"],\"documents\":[\"{}\"]}}",
                "x".repeat(size)
            )
        });
    }
    shapes
}

fn hits() -> Vec<Shape> {
    let hit = |name, call, id, columns: &'static [(&'static str, &'static str)]| {
        shape(name, call, move |size| {
            columns_of(size, id, columns, ["[[", "]]"])
        })
    };
    vec![
        hit(
            "query: ids and distances, the same id",
            Call::Query,
            Some("\"a\""),
            &[("distances", "0")],
        ),
        hit(
            "query: ids and distances",
            Call::Query,
            None,
            &[("distances", "0.5")],
        ),
        hit(
            "query: documents of a letter",
            Call::Query,
            None,
            &[("distances", "0.1234567"), ("documents", "\"b\"")],
        ),
        hit(
            "query: {\"a\":0}",
            Call::Query,
            None,
            &[("distances", "0.1234567"), ("metadatas", "{\"a\":0}")],
        ),
        hit(
            "query: vectors [1]",
            Call::Query,
            None,
            &[("distances", "0.1234567"), ("embeddings", "[1]")],
        ),
        hit(
            "query: nulls",
            Call::Query,
            None,
            &[
                ("distances", "null"),
                ("documents", "null"),
                ("metadatas", "null"),
                ("uris", "null"),
                ("embeddings", "null"),
            ],
        ),
        shape("query: empty lists", Call::Query, |size| {
            repeated(size, ["{\"ids\":[", "]}"], "[]")
        }),
        shape("query: columns before their ids", Call::Query, |size| {
            repeated(
                size,
                ["{\"metadatas\":[[", "]],\"ids\":[[\"a\"]]}"],
                "{\"a\":0}",
            )
        }),
        shape("query: more lists than queries", Call::Query, |size| {
            repeated(size, ["{\"ids\":[[\"a\"]],\"distances\":[", "]}"], "null")
        }),
        hit("search: ids", Call::Search, None, &[]),
        hit(
            "search: scores and {\"a\":0}",
            Call::Search,
            None,
            &[("scores", "0.1234567"), ("metadatas", "{\"a\":0}")],
        ),
    ]
}

fn small() -> Vec<Shape> {
    let open =
        |name, member: &'static str, [before, after]: [&'static str; 2], entry: &'static str| {
            shape(name, Call::Open, move |size| {
                let before = format!("{COLLECTION},\"{member}\":{before}");
                repeated(size, [&before, &format!("{after}}}")], entry)
            })
        };
    let mut shapes = vec![
        open(
            "configuration: zeros",
            "configuration_json",
            ["{\"x\":[", "]}"],
            "0",
        ),
        open(
            "configuration: {\"a\":0}",
            "configuration_json",
            ["{\"x\":[", "]}"],
            "{\"a\":0}",
        ),
        open(
            "configuration: [0]",
            "configuration_json",
            ["{\"x\":[", "]}"],
            "[0]",
        ),
        open(
            "configuration: [[[[0]]]]",
            "configuration_json",
            ["{\"x\":[", "]}"],
            "[[[[0]]]]",
        ),
        open(
            "configuration: nested objects",
            "configuration_json",
            ["{\"x\":[", "]}"],
            r#"{"a":{"a":{"a":{"a":{"a":0}}}}}"#,
        ),
        open(
            "configuration: letters",
            "configuration_json",
            ["{\"x\":[", "]}"],
            "\"a\"",
        ),
        open(
            "configuration: in the index",
            "configuration_json",
            ["{\"hnsw\":{\"x\":[", "]}}"],
            "{\"a\":0}",
        ),
        open(
            "configuration: of a function",
            "configuration_json",
            [
                "{\"embedding_function\":{\"type\":\"known\",\"name\":\"x\",\"config\":{\"x\":[",
                "]}}}",
            ],
            "{\"a\":0}",
        ),
        open(
            "schema: {\"a\":0}",
            "schema",
            ["{\"x\":[", "]}"],
            "{\"a\":0}",
        ),
        open("schema: zeros", "schema", ["{\"x\":[", "]}"], "0"),
        open("metadata: lists", "metadata", ["{\"x\":[", "]}"], "\"a\""),
        open("an unknown member", "new", ["[", "]"], "{\"a\":0}"),
        shape("configuration: keys", Call::Open, |size| {
            let before = format!("{COLLECTION},\"configuration_json\":{{\"x\":{{");
            list(size, [&before, "}}}"], |index| {
                format!("\"{}\":0", name(index))
            })
        }),
        shape("metadata: keys", Call::Open, |size| {
            let before = format!("{COLLECTION},\"metadata\":{{");
            list(size, [&before, "}}"], |index| {
                format!("\"{}\":0", name(index))
            })
        }),
        shape("list_collections: a long page", Call::List, |size| {
            repeated(size, ["[", "]"], &format!("{COLLECTION}}}"))
        }),
        shape(
            "list_collections: a long page with metadata",
            Call::List,
            |size| {
                repeated(
                    size,
                    ["[", "]"],
                    &format!(
                        "{COLLECTION},\"metadata\":{{\"a\":0}},\"configuration_json\":{{\"a\":{{}}}}}}"
                    ),
                )
            },
        ),
        shape("identity: databases", Call::Identity, |size| {
            repeated(
                size,
                ["{\"user_id\":\"a\",\"tenant\":\"a\",\"databases\":[", "]}"],
                "\"a\"",
            )
        }),
        shape("openapi: schemas", Call::OpenApi, |size| {
            repeated(
                size,
                [
                    "{\"paths\":{\"/api/v2/x\":0},\"components\":{\"schemas\":{\"HashMap\":[",
                    "]}}}",
                ],
                "{\"a\":0}",
            )
        }),
        shape("version: a long text", Call::Version, |size| {
            format!("\"{}\"", "x".repeat(size - 2))
        }),
        Shape {
            status: 400,
            ..shape("an error", Call::Version, |size| {
                repeated(size, ["[", "]"], "{\"a\":0}")
            })
        },
    ];
    #[cfg(feature = "gemini")]
    shapes.extend([
        shape("gemini: values", Call::Gemini, |size| {
            repeated(size, ["{\"embeddings\":[{\"values\":[", "]}]}"], "0")
        }),
        shape("gemini: tiny vectors", Call::Gemini, |size| {
            repeated(size, ["{\"embeddings\":[", "]}"], "{\"values\":[0]}")
        }),
        shape("gemini: empty objects", Call::Gemini, |size| {
            repeated(size, ["{\"embeddings\":[", "]}"], "{}")
        }),
    ]);
    shapes
}
