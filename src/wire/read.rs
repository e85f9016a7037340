//! Answers, read once from bytes to what users hold.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::cursor::Cursor;
use crate::model::embeddings::Embeddings;
use crate::model::metadata::Metadata;
use crate::model::results::GetResult;

/// Reads JSON; the error says where it stopped being what was expected.
pub(crate) fn json<T: DeserializeOwned>(answer: &[u8]) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| unread(answer, &error.to_string()))
}

/// Reads an answer of which nothing is of use but that it is JSON: a login page is not the server's word.
pub(crate) fn done(answer: &[u8]) -> Result<(), String> {
    json::<IgnoredAny>(answer).map(drop)
}

/// What is wrong with an answer, and how it starts.
pub(crate) fn unread(answer: &[u8], what: &str) -> String {
    format!("{} in {}", short(what), shown(answer))
}

/// The start and the end of what is long: `serde_json` says all of a text that it did not expect, and then where.
pub(crate) fn short(what: &str) -> Cow<'_, str> {
    const START: usize = 200;
    const END: usize = 100;
    let start = what.char_indices().nth(START);
    let end = what.char_indices().nth_back(END);
    match (start, end) {
        (Some((start, _)), Some((end, _))) if start < end => {
            format!("{}…{}", &what[..start], &what[end..]).into()
        }
        _ => what.into(),
    }
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

/// Reads the answer to `get`.
pub(crate) fn get(answer: &[u8]) -> Result<GetResult, String> {
    rows(answer).map(|(rows, _)| rows)
}

/// Reads the answer to a `get` in a transaction: the records, and the token for the next one.
pub(crate) fn conditional_get(answer: &[u8]) -> Result<(GetResult, u64), String> {
    let (rows, token) = rows(answer)?;
    Ok((rows, token.ok_or("no read_token")?))
}

fn rows(answer: &[u8]) -> Result<(GetResult, Option<u64>), String> {
    let mut ids: Option<Vec<String>> = None;
    let mut found = GetResult::default();
    let mut token = None;
    Cursor::object(answer, |at, key| {
        match key {
            "ids" => ids = Some(at.value()?),
            "documents" => found.documents = at.value()?,
            "embeddings" => {
                let rows = ids.as_ref().map_or(0, Vec::len);
                found.embeddings = at.nullable(|at| matrix(at, rows))?;
            }
            "metadatas" => {
                let column: Option<Vec<Option<Metadata>>> = at.value()?;
                found.metadatas = column.map(|rows| {
                    let rows = rows.into_iter();
                    rows.map(Option::unwrap_or_default).collect()
                });
            }
            "uris" => found.uris = at.value()?,
            "read_token" => token = at.value()?,
            _ => at.skip()?,
        }
        Ok(())
    })
    .map_err(|what| unread(answer, &what))?;
    found.ids = ids.ok_or_else(|| unread(answer, "no ids"))?;
    let ids = found.ids.len();
    even(ids, "documents", found.documents.as_ref().map(Vec::len))?;
    even(
        ids,
        "embeddings",
        found.embeddings.as_ref().map(Embeddings::len),
    )?;
    even(ids, "metadatas", found.metadatas.as_ref().map(Vec::len))?;
    even(ids, "uris", found.uris.as_ref().map(Vec::len))?;
    Ok((found, token))
}

/// A column is as long as the ids, or the rows would not belong together.
pub(super) fn even(ids: usize, column: &str, len: Option<usize>) -> Result<(), String> {
    match len {
        Some(len) if len != ids => Err(format!("{len} {column} for {ids} ids")),
        _ => Ok(()),
    }
}

/// A list of vectors, read into one flat matrix; about `rows` of them.
fn matrix(at: &mut Cursor<'_>, rows: usize) -> Result<Embeddings, String> {
    let mut floats = Vec::new();
    let mut dimension = 0;
    at.list(|at| {
        let row = at.floats(&mut floats)?;
        if dimension == 0 {
            dimension = row;
            // A float takes two bytes at least, so an answer that lies about its ids costs no more than twice its own size.
            let likely = rows.saturating_mul(row).min(at.left() / 2);
            floats.reserve_exact(likely.saturating_sub(row));
        }
        match row == 0 || row != dimension {
            true => Err(at.fault("vectors of different dimensions")),
            false => Ok(()),
        }
    })?;
    Embeddings::new(floats, dimension).map_err(|error| error.to_string())
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
        assert_eq!(result.row(1).unwrap().metadata, &Metadata::from([("k", 1)]));
        assert_eq!(result.uris, None);
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
    }

    #[test]
    fn an_error_shows_the_start_of_the_answer() {
        let error = get(b"<html>not json</html>").unwrap_err();
        assert!(error.contains("<html>not json"), "{error}");
        assert!(get(&[b'x'; 10_000]).unwrap_err().len() < 400);
        let text = "\u{e9}".repeat(10_000);
        for unexpected in [
            get(format!(r#"{{"ids":"{text}"}}"#).as_bytes()).unwrap_err(),
            json::<bool>(format!("{text:?}").as_bytes()).unwrap_err(),
        ] {
            let known = ["invalid type: string", "…", "expected a", " at "];
            assert!(
                known.iter().all(|part| unexpected.contains(part)),
                "{unexpected}"
            );
            assert!(unexpected.len() < 1_000, "{unexpected}");
        }
    }
}
