//! Responses that take much memory for their size.

use crate::call::Call;

/// The collection `abc`, as the server describes it, without the brace at its end.
const COLLECTION: &str =
    r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"abc","dimension":2"#;

/// A response of any size.
pub struct Shape {
    pub name: &'static str,
    pub call: Call,
    /// Returns a response of about this many bytes.
    pub body: Box<dyn Fn(usize) -> String>,
    /// Whether the response is sent in chunks, without its length.
    pub chunked: bool,
    pub status: u16,
}

/// A column, and the value that all its rows have.
type Column = (&'static str, &'static str);
/// The name of a shape, the id of all rows or `None` for ids that are all different, and the columns.
type Rows = (&'static str, Option<&'static str>, &'static [Column]);
/// The name of a shape, the text before and after a list, and the entry that the list repeats.
type Repeated = (&'static str, [&'static str; 2], &'static str);

const NUMBER: Column = ("distances", "0.1234567");
const ZERO: Column = ("metadatas", r#"{"a":0}"#);
const LETTER: Column = ("documents", r#""b""#);

const GETS: [Rows; 20] = [
    ("get: {\"a\":0}, the same id", Some("\"a\""), &[ZERO]),
    ("get: {\"a\":0}", None, &[ZERO]),
    ("get: {\"a\":\"b\"}", None, &[("metadatas", r#"{"a":"b"}"#)]),
    ("get: {\"a\":[0]}", None, &[("metadatas", r#"{"a":[0]}"#)]),
    (
        "get: {\"a\":[\"b\"]}",
        None,
        &[("metadatas", r#"{"a":["b"]}"#)],
    ),
    ("get: {\"a\":[]}", None, &[("metadatas", r#"{"a":[]}"#)]),
    ("get: {}", None, &[("metadatas", "{}")]),
    ("get: metadata null", None, &[("metadatas", "null")]),
    (
        "get: sparse vectors",
        None,
        &[(
            "metadatas",
            r##"{"a":{"#type":"sparse_vector","indices":[1],"values":[1]}}"##,
        )],
    ),
    ("get: ids, all the same", Some("\"a\""), &[]),
    ("get: ids, empty", Some("\"\""), &[]),
    ("get: ids of four letters", None, &[]),
    ("get: documents null", None, &[("documents", "null")]),
    ("get: documents empty", None, &[("documents", "\"\"")]),
    ("get: documents of a letter", None, &[LETTER]),
    (
        "get: documents and uris",
        None,
        &[LETTER, ("uris", "\"c\"")],
    ),
    (
        "get: every column",
        None,
        &[LETTER, ("uris", "\"c\""), ZERO, ("embeddings", "[1]")],
    ),
    (
        "get: {} before documents",
        None,
        &[("metadatas", "{}"), LETTER],
    ),
    ("get: vectors [1,2]", None, &[("embeddings", "[1,2]")]),
    (
        "get: tags",
        None,
        &[("metadatas", r#"{"tags":["a","b","c","d","e","f","g","h"]}"#)],
    ),
];

const QUERIES: [Rows; 6] = [
    (
        "query: ids and distances, the same id",
        Some("\"a\""),
        &[("distances", "0")],
    ),
    ("query: ids and distances", None, &[("distances", "0.5")]),
    ("query: documents of a letter", None, &[NUMBER, LETTER]),
    ("query: {\"a\":0}", None, &[NUMBER, ZERO]),
    ("query: vectors [1]", None, &[NUMBER, ("embeddings", "[1]")]),
    (
        "query: nulls",
        None,
        &[
            ("distances", "null"),
            ("documents", "null"),
            ("metadatas", "null"),
            ("uris", "null"),
            ("embeddings", "null"),
        ],
    ),
];

const SEARCHES: [Rows; 2] = [
    ("search: ids", None, &[]),
    (
        "search: scores and {\"a\":0}",
        None,
        &[("scores", "0.1234567"), ZERO],
    ),
];

const ROW: [&str; 2] = [r#"{"ids":["a"],"metadatas":[{"#, "}]}"];
const VALUES: [&str; 2] = [r#"{"ids":["a"],"metadatas":[{"k":["#, "]}]}"];

const LISTS: [(Call, Repeated); 16] = [
    (
        Call::Get,
        (
            "get: one vector",
            [r#"{"ids":["a"],"embeddings":[["#, "]]}"],
            "0",
        ),
    ),
    (
        Call::Get,
        (
            "get: more rows than ids",
            [r#"{"ids":["a"],"metadatas":["#, "]}"],
            r#"{"a":0}"#,
        ),
    ),
    (
        Call::Get,
        (
            "get: rows before their ids",
            [r#"{"metadatas":["#, r#"],"ids":["a"]}"#],
            r#"{"a":0}"#,
        ),
    ),
    (
        Call::Get,
        (
            "get: documents before their ids",
            [r#"{"documents":["#, r#"],"ids":["a"]}"#],
            "\"\"",
        ),
    ),
    (
        Call::Get,
        (
            "get: an unknown column",
            [r#"{"ids":[],"new":["#, "]}"],
            r#"{"a":0}"#,
        ),
    ),
    (Call::Get, ("get: one row, one key", ROW, "\"a\":0")),
    (Call::Get, ("get: a list of letters", VALUES, "\"a\"")),
    (Call::Get, ("get: a list of empty texts", VALUES, "\"\"")),
    (Call::Get, ("get: a list of integers", VALUES, "0")),
    (Call::Get, ("get: a list of floats", VALUES, "0.5")),
    (Call::Get, ("get: a list of booleans", VALUES, "true")),
    (
        Call::Get,
        ("get: integers, then a float", [VALUES[0], ",0.5]}]}"], "0"),
    ),
    (
        Call::Query,
        ("query: empty lists", [r#"{"ids":["#, "]}"], "[]"),
    ),
    (
        Call::Query,
        (
            "query: columns before their ids",
            [r#"{"metadatas":[["#, r#"]],"ids":[["a"]]}"#],
            r#"{"a":0}"#,
        ),
    ),
    (
        Call::Query,
        (
            "query: more lists than queries",
            [r#"{"ids":[["a"]],"distances":["#, "]}"],
            "null",
        ),
    ),
    (
        Call::Identity,
        (
            "identity: databases",
            [r#"{"user_id":"a","tenant":"a","databases":["#, "]}"],
            "\"a\"",
        ),
    ),
];

/// Lists in the description of a collection.
const IN_COLLECTION: [Repeated; 12] = [
    (
        "configuration: zeros",
        [r#""configuration_json":{"x":["#, "]}"],
        "0",
    ),
    (
        "configuration: {\"a\":0}",
        [r#""configuration_json":{"x":["#, "]}"],
        r#"{"a":0}"#,
    ),
    (
        "configuration: [0]",
        [r#""configuration_json":{"x":["#, "]}"],
        "[0]",
    ),
    (
        "configuration: [[[[0]]]]",
        [r#""configuration_json":{"x":["#, "]}"],
        "[[[[0]]]]",
    ),
    (
        "configuration: nested objects",
        [r#""configuration_json":{"x":["#, "]}"],
        r#"{"a":{"a":{"a":{"a":0}}}}"#,
    ),
    (
        "configuration: letters",
        [r#""configuration_json":{"x":["#, "]}"],
        "\"a\"",
    ),
    (
        "configuration: in the index",
        [r#""configuration_json":{"hnsw":{"x":["#, "]}}"],
        r#"{"a":0}"#,
    ),
    (
        "configuration: of a function",
        [
            r#""configuration_json":{"embedding_function":{"type":"known","name":"x","config":{"x":["#,
            "]}}}",
        ],
        r#"{"a":"a text of some words, so that it is read"}"#,
    ),
    (
        "schema: {\"a\":0}",
        [r#""schema":{"x":["#, "]}"],
        r#"{"a":0}"#,
    ),
    ("schema: zeros", [r#""schema":{"x":["#, "]}"], "0"),
    ("metadata: lists", [r#""metadata":{"x":["#, "]}"], "\"a\""),
    ("an unknown member", [r#""new":["#, "]"], r#"{"a":0}"#),
];

#[cfg(feature = "gemini")]
const GEMINI: [Repeated; 3] = [
    (
        "gemini: values",
        [r#"{"embeddings":[{"values":["#, "]}]}"],
        "0",
    ),
    (
        "gemini: tiny vectors",
        [r#"{"embeddings":["#, "]}"],
        r#"{"values":[0]}"#,
    ),
    ("gemini: empty objects", [r#"{"embeddings":["#, "]}"], "{}"),
];

/// All shapes.
pub fn all() -> Vec<Shape> {
    let brackets = |call| {
        if call == Call::Get {
            ["[", "]"]
        } else {
            ["[[", "]]"]
        }
    };
    let of = |call, rows: &'static [Rows]| {
        rows.iter().map(move |(name, id, columns)| {
            shape(name, call, move |size| {
                columns_of(size, *id, columns, brackets(call))
            })
        })
    };
    let mut shapes: Vec<Shape> = of(Call::Get, &GETS)
        .chain(of(Call::Query, &QUERIES))
        .chain(of(Call::Search, &SEARCHES))
        .collect();
    shapes.extend(LISTS.map(|(call, list)| repeated(call, list)));
    shapes.extend(IN_COLLECTION.map(|(name, [before, after], entry)| {
        shape(name, Call::Open, move |size| {
            let before = format!("{COLLECTION},{before}");
            list(size, [&before, &format!("{after}}}")], |_| entry.to_owned())
        })
    }));
    shapes.extend(keys());
    shapes.extend(others());
    #[cfg(feature = "gemini")]
    shapes.extend(GEMINI.map(|list| repeated(Call::Gemini, list)));
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

fn repeated(call: Call, (name, around, entry): Repeated) -> Shape {
    shape(name, call, move |size| {
        list(size, around, |_| entry.to_owned())
    })
}

/// Shapes with many keys.
fn keys() -> Vec<Shape> {
    let row = |name, value: &'static str| {
        shape(name, Call::Get, move |size| {
            list(size, ROW, |index| format!("\"{}\":{value}", letters(index)))
        })
    };
    let wide = |name, count: usize, value: &'static str| {
        shape(name, Call::Get, move |size| {
            let pairs: Vec<_> = (0..count)
                .map(|key| format!("\"k{key}\":{value}"))
                .collect();
            let row = format!("{{{}}}", pairs.join(","));
            let rows = size / (row.len() + 8);
            let ids: Vec<_> = (0..rows).map(|id| format!("\"{}\"", letters(id))).collect();
            let rows = vec![row; rows].join(",");
            format!("{{\"ids\":[{}],\"metadatas\":[{rows}]}}", ids.join(","))
        })
    };
    let of_collection = |name, before: &'static str, after: &'static str| {
        shape(name, Call::Open, move |size| {
            let before = format!("{COLLECTION},{before}");
            list(size, [&before, after], |index| {
                format!("\"{}\":0", letters(index))
            })
        })
    };
    vec![
        row("get: one row, all keys different", "0"),
        row("get: one row, texts", "\"a\""),
        row("get: one row, lists", "[0]"),
        wide("get: 50 keys in a row", 50, "0"),
        wide("get: 50 texts in a row", 50, "\"a\""),
        wide("get: 5,000 keys in a row", 5_000, "0"),
        of_collection(
            "configuration: keys",
            "\"configuration_json\":{\"x\":{",
            "}}}",
        ),
        of_collection("metadata: keys", "\"metadata\":{", "}}"),
    ]
}

fn others() -> Vec<Shape> {
    let page = |name, members: &'static str| {
        let entry = format!("{COLLECTION}{members}}}");
        shape(name, Call::List, move |size| {
            list(size, ["[", "]"], |_| entry.clone())
        })
    };
    // The largest ones that are read: their values take as much memory as those of any response may.
    let opened = |name, before: &'static str, after: &'static str| {
        let before = format!(
            r#"{COLLECTION},"metadata":{{"hnsw:space":"cosine"}},"configuration_json":{{"hnsw":{{"space":"l2"}}{before}"#
        );
        shape(name, Call::Open, move |size| {
            let size = size.min(1_230_000);
            list(size, [&before, after], |_| "{\"\":0}".to_owned())
        })
    };
    vec![
        opened(
            "open: a stored function and an index in the metadata",
            r#","embedding_function":{"type":"known","name":"google_gemini","config":{"model_name":"gemini-embedding-001","x":["#,
            "]}}}}",
        ),
        opened(
            "open: a schema and an index in the metadata",
            r##"},"schema":{"keys":{"#embedding":{"float_list":{"vector_index":{"enabled":true,"config":{"x":["##,
            "]}}}}}}}",
        ),
        shape("get: a deep list", Call::Get, |size| {
            let (open, close) = ("[".repeat(size / 2), "]".repeat(size / 2));
            format!("{{\"ids\":[],\"new\":{open}{close}}}")
        }),
        Shape {
            chunked: true,
            ..shape("get: a long document, in chunks", Call::Get, |size| {
                let document = "x".repeat(size);
                format!("{{\"ids\":[\"a\"],\"documents\":[\"{document}\"]}}")
            })
        },
        page("list_collections: a long page", ""),
        page(
            "list_collections: a long page with metadata",
            r#","metadata":{"a":0},"configuration_json":{"a":{}}"#,
        ),
        shape("openapi: schemas", Call::OpenApi, |size| {
            let before = r#"{"paths":{"/api/v2/x":0},"components":{"schemas":{"HashMap":["#;
            list(size, [before, "]}}}"], |_| "{\"a\":0}".to_owned())
        }),
        shape("version: a long text", Call::Version, |size| {
            format!("\"{}\"", "x".repeat(size - 2))
        }),
        Shape {
            status: 400,
            ..repeated(Call::Version, ("an error", ["[", "]"], "{\"a\":0}"))
        },
    ]
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

/// Returns four letters, different for each index.
fn letters(index: usize) -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let letter = |shift: usize| char::from(LETTERS[(index >> shift) & 63]);
    [18, 12, 6, 0].map(letter).iter().collect()
}

/// Returns a response with rows.
fn columns_of(
    size: usize,
    id: Option<&str>,
    columns: &[Column],
    [open, close]: [&str; 2],
) -> String {
    let values: usize = columns.iter().map(|(_, value)| value.len() + 1).sum();
    let count = size / (id.map_or(6, str::len) + 1 + values);
    let column = |text: &mut String, name: &str, value: &dyn Fn(usize) -> String| {
        *text += &[",\"", name, "\":", open].concat();
        for index in 0..count {
            *text += if index == 0 { "" } else { "," };
            *text += &value(index);
        }
        *text += close;
    };
    let mut text = String::with_capacity(size + 1_000);
    column(&mut text, "ids", &|index| match id {
        Some(id) => id.to_owned(),
        None => format!("\"{}\"", letters(index)),
    });
    for (name, value) in columns {
        column(&mut text, name, &|_| (*value).to_owned());
    }
    // The comma before the first column.
    text.replace_range(0..1, "{");
    text + "}"
}
