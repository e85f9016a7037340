//! Answers, read once from bytes to what users hold.

use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor,
};

use crate::model::embeddings::Embeddings;
use crate::model::metadata::Metadata;
use crate::model::results::{GetResult, Hit, QueryResult};

/// Reads JSON; the error says where it stopped being what was expected.
pub(crate) fn json<T: DeserializeOwned>(answer: &[u8]) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| format!("{error} in {}", shown(answer)))
}

/// Reads an answer of which nothing is of use but that it is JSON: a login page is not the server's word.
pub(crate) fn done(answer: &[u8]) -> Result<(), String> {
    json::<IgnoredAny>(answer).map(drop)
}

/// The start of an answer, as text on one line.
pub(crate) fn shown(answer: &[u8]) -> String {
    const SHOWN: usize = 200;
    if answer.is_empty() {
        return "an empty answer".to_owned();
    }
    let start = String::from_utf8_lossy(&answer[..answer.len().min(SHOWN)]);
    let dots = if answer.len() > SHOWN { "…" } else { "" };
    format!("{start:?}{dots}")
}

#[derive(Deserialize)]
struct GetColumns {
    ids: Vec<String>,
    #[serde(default)]
    documents: Option<Vec<Option<String>>>,
    #[serde(default)]
    embeddings: Option<Flat>,
    #[serde(default)]
    metadatas: Option<Vec<Option<Metadata>>>,
    #[serde(default)]
    uris: Option<Vec<Option<String>>>,
    #[serde(default)]
    read_token: Option<u64>,
}

/// Reads the answer to `get`.
pub(crate) fn get(answer: &[u8]) -> Result<GetResult, String> {
    json(answer).and_then(rows)
}

/// Reads the answer to a `get` in a transaction: the records, and the token for the next one.
pub(crate) fn conditional_get(answer: &[u8]) -> Result<(GetResult, u64), String> {
    let columns: GetColumns = json(answer)?;
    let token = columns.read_token.ok_or("no read_token")?;
    Ok((rows(columns)?, token))
}

fn rows(columns: GetColumns) -> Result<GetResult, String> {
    let ids = columns.ids.len();
    let embeddings = columns.embeddings.map(|flat| flat.0);
    even(ids, "documents", columns.documents.as_ref().map(Vec::len))?;
    even(ids, "embeddings", embeddings.as_ref().map(Embeddings::len))?;
    even(ids, "metadatas", columns.metadatas.as_ref().map(Vec::len))?;
    even(ids, "uris", columns.uris.as_ref().map(Vec::len))?;
    Ok(GetResult {
        ids: columns.ids,
        documents: columns.documents,
        embeddings,
        metadatas: columns.metadatas,
        uris: columns.uris,
    })
}

/// A column is as long as the ids, or the rows would not belong together.
fn even(ids: usize, column: &str, len: Option<usize>) -> Result<(), String> {
    match len {
        Some(len) if len != ids => Err(format!("{len} {column} for {ids} ids")),
        _ => Ok(()),
    }
}

/// Reads the answer to `query`: one list of hits for each of the `queries`.
pub(crate) fn query(answer: &[u8], queries: usize) -> Result<Vec<QueryResult>, String> {
    type Lists<T> = Option<Vec<Vec<Option<T>>>>;

    #[derive(Deserialize)]
    struct Columns {
        ids: Vec<Vec<String>>,
        distances: Vec<Vec<Option<Distance>>>,
        #[serde(default)]
        documents: Lists<String>,
        #[serde(default)]
        metadatas: Lists<Metadata>,
        #[serde(default)]
        embeddings: Lists<Vector>,
        #[serde(default)]
        uris: Lists<String>,
    }

    /// The lists of one query after the other; of a column that was not asked for, empty ones.
    fn lists<T>(
        name: &'static str,
        column: Lists<T>,
    ) -> impl FnMut(usize) -> Result<std::vec::IntoIter<Option<T>>, String> {
        let mut column = column.map(Vec::into_iter);
        move |ids| match &mut column {
            None => Ok(Vec::new().into_iter()),
            Some(lists) => {
                let list = lists.next().unwrap_or_default();
                even(ids, name, Some(list.len()))?;
                Ok(list.into_iter())
            }
        }
    }

    let columns: Columns = json(answer)?;
    for (name, len) in [
        ("ids", Some(columns.ids.len())),
        ("distances", Some(columns.distances.len())),
        ("documents", columns.documents.as_ref().map(Vec::len)),
        ("metadatas", columns.metadatas.as_ref().map(Vec::len)),
        ("embeddings", columns.embeddings.as_ref().map(Vec::len)),
        ("uris", columns.uris.as_ref().map(Vec::len)),
    ] {
        if len.is_some_and(|len| len != queries) {
            return Err(format!(
                "{} lists of {name} for {queries} queries",
                len.unwrap_or(0)
            ));
        }
    }
    let mut distances = lists("distances", Some(columns.distances));
    let mut documents = lists("documents", columns.documents);
    let mut metadatas = lists("metadatas", columns.metadatas);
    let mut embeddings = lists("embeddings", columns.embeddings);
    let mut uris = lists("uris", columns.uris);
    columns
        .ids
        .into_iter()
        .map(|ids| {
            let count = ids.len();
            let mut distances = distances(count)?;
            let mut documents = documents(count)?;
            let mut metadatas = metadatas(count)?;
            let mut embeddings = embeddings(count)?;
            let mut uris = uris(count)?;
            ids.into_iter()
                .map(|id| {
                    Ok(Hit {
                        distance: distances
                            .next()
                            // JSON knows no infinity, so the server writes null.
                            .map(|distance| distance.map_or(f32::INFINITY, |d| d.0))
                            .ok_or_else(|| format!("no distance for id {id:?}"))?,
                        id,
                        document: documents.next().flatten(),
                        metadata: metadatas.next().flatten().unwrap_or_default(),
                        embedding: embeddings.next().flatten().map(|vector| vector.0),
                        uri: uris.next().flatten(),
                    })
                })
                .collect::<Result<_, String>>()
                .map(QueryResult::new)
        })
        .collect()
}

/// A list of vectors, read into one flat matrix.
pub(crate) struct Flat(pub(crate) Embeddings);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flat, D::Error> {
        struct Matrix;

        impl<'de> Visitor<'de> for Matrix {
            type Value = Flat;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of vectors")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Flat, A::Error> {
                let mut floats = Vec::new();
                let (mut dimension, mut start) = (None, 0);
                while rows.next_element_seed(Append(&mut floats))?.is_some() {
                    let row = floats.len() - start;
                    if row == 0 || row != *dimension.get_or_insert(row) {
                        return Err(A::Error::custom("vectors of different dimensions"));
                    }
                    start = floats.len();
                }
                Embeddings::new(floats, dimension.unwrap_or(0))
                    .map(Flat)
                    .map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_seq(Matrix)
    }
}

/// A finite number.
struct Distance(f32);

impl<'de> Deserialize<'de> for Distance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Distance, D::Error> {
        let value = f32::deserialize(deserializer)?;
        match value.is_finite() {
            true => Ok(Distance(value)),
            false => Err(D::Error::custom("a number too large for a float")),
        }
    }
}

/// One vector.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Vector, D::Error> {
        let mut floats = Vec::new();
        Append(&mut floats).deserialize(deserializer)?;
        Ok(Vector(floats))
    }
}

/// Reads a list of floats onto the end of a vector.
struct Append<'a>(&'a mut Vec<f32>);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element::<f32>()? {
            if !value.is_finite() {
                return Err(A::Error::custom("a number too large for a float"));
            }
            self.0.push(value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_get_answers() {
        let answer = br#"{"ids":["a","b"],"embeddings":[[1.0,2.0],[3,4e0]],"documents":["x",null],
            "uris":null,"metadatas":[null,{"k":1}],"include":["documents"],"new":{"field":[1]}}"#;
        let result = get(answer).unwrap();
        assert_eq!(
            result.embeddings.as_ref().unwrap().as_flat(),
            [1.0, 2.0, 3.0, 4.0]
        );
        assert_eq!(result.row(0).unwrap().document, Some("x"));
        assert_eq!(
            result.row(1).unwrap().metadata,
            Some(&Metadata::from([("k", 1)]))
        );
        assert_eq!(result.uris, None);
    }

    #[test]
    fn reads_what_query_answers() {
        let answer =
            br#"{"ids":[["a","b"],[]],"distances":[[0.5,1],[]],"documents":[["x",null],[]],
            "metadatas":null,"embeddings":[[[1.0],null],[]],"uris":null,"include":[]}"#;
        let results = query(answer, 2).unwrap();
        assert_eq!(results[0].ids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(results[0].distances().collect::<Vec<_>>(), [0.5, 1.0]);
        assert_eq!(results[0][0].document.as_deref(), Some("x"));
        assert_eq!(results[0][0].embedding, Some(vec![1.0]));
        assert!(results[1].is_empty());
        let far = query(br#"{"ids":[["a"]],"distances":[[null]]}"#, 1).unwrap();
        assert_eq!(far[0][0].distance, f32::INFINITY);
    }

    #[test]
    fn lies_are_errors() {
        for bad in [
            "",
            "<html>",
            "{}",
            r#"{"ids":["a"],"documents":[]}"#,
            r#"{"ids":["a"],"embeddings":[]}"#,
            r#"{"ids":["a","b"],"embeddings":[[1.0],[1.0,2.0]]}"#,
            r#"{"ids":["a"],"embeddings":[[]]}"#,
            r#"{"ids":["a"],"embeddings":[["x"]]}"#,
            r#"{"ids":[1]}"#,
        ] {
            assert!(get(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in [
            r#"{"ids":[["a"]],"distances":[[]]}"#,
            r#"{"ids":[["a"]],"distances":[]}"#,
            r#"{"ids":[],"distances":[]}"#,
            r#"{"ids":[["a"]],"distances":[[1.0]],"documents":[["x","y"]]}"#,
        ] {
            assert!(query(bad.as_bytes(), 1).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_shows_the_start_of_the_answer() {
        let error = get(b"<html>not json</html>").unwrap_err();
        assert!(error.contains("<html>not json"), "{error}");
        assert!(get(&[b'x'; 10_000]).unwrap_err().len() < 400);
    }
}
