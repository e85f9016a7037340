//! Reads responses from bytes straight into the public types.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::cursor::Cursor;
use crate::model::embeddings::Embeddings;
use crate::model::metadata::Metadata;
use crate::model::results::GetResult;

/// Reads JSON. The error names the position, and quotes the start of the response.
pub(crate) fn json<T: DeserializeOwned>(answer: &[u8]) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| unread(answer, &error.to_string()))
}

/// Checks that a response is JSON, and ignores its content. A proxy's login page is thus not mistaken for
/// success.
pub(crate) fn done(answer: &[u8]) -> Result<(), String> {
    json::<IgnoredAny>(answer).map(drop)
}

/// Returns an error message: what is wrong with a response, and the start of the response.
pub(crate) fn unread(answer: &[u8], what: &str) -> String {
    format!("{} in {}", short(what), shown(answer))
}

/// Shortens a long message to its start and its end. `serde_json` quotes an unexpected string in full, and
/// then names the position.
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

/// Returns the start of a response, as one line of text.
pub(crate) fn shown(answer: &[u8]) -> String {
    const SHOWN: usize = 200;
    if answer.is_empty() {
        return "an empty response".to_owned();
    }
    let start = String::from_utf8_lossy(&answer[..answer.len().min(SHOWN)]);
    let dots = if answer.len() > SHOWN { "…" } else { "" };
    format!("{start:?}{dots}")
}

/// Reads the response to `get`.
pub(crate) fn get(answer: &[u8]) -> Result<GetResult, String> {
    rows(answer).map(|(rows, _)| rows)
}

/// Reads the response to a `get` in a transaction: the records, and the token for the next read.
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
    let embeddings = found.embeddings.as_ref().map(Embeddings::len);
    check_len(ids, "documents", found.documents.as_ref().map(Vec::len))?;
    check_len(ids, "embeddings", embeddings)?;
    check_len(ids, "metadatas", found.metadatas.as_ref().map(Vec::len))?;
    check_len(ids, "uris", found.uris.as_ref().map(Vec::len))?;
    Ok((found, token))
}

/// Checks that a column, if present, has an entry for each id.
pub(super) fn check_len(ids: usize, column: &str, len: Option<usize>) -> Result<(), String> {
    match len {
        Some(len) if len != ids => Err(format!("{len} {column} for {ids} ids")),
        _ => Ok(()),
    }
}

/// Reads a list of vectors into one flat matrix. `rows` is the expected number of vectors.
fn matrix(at: &mut Cursor<'_>, rows: usize) -> Result<Embeddings, String> {
    let mut floats = Vec::new();
    let mut dimension = 0;
    at.list(|at| {
        let row = at.floats(&mut floats)?;
        if dimension == 0 {
            dimension = row;
            // A float takes at least two bytes of text. So a response with too many ids reserves at most
            // twice its own size.
            let likely = rows.saturating_mul(row).min(at.remaining() / 2);
            floats.reserve_exact(likely.saturating_sub(row));
        }
        if row == 0 || row != dimension {
            return Err(at.error("vectors of different dimensions"));
        }
        Ok(())
    })?;
    Embeddings::new(floats, dimension).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_answer_to_get() {
        let answer = br#"{"ids":["a","b"],"embeddings":[[1.0,2.0],[3,4e0]],"documents":["x",null],
            "uris":null,"metadatas":[null,{"k":1}],"include":["documents"],"new":{"field":[1]}}"#;
        let result = get(answer).unwrap();
        assert_eq!(
            result.embeddings.as_ref().unwrap().as_flat(),
            [1.0, 2.0, 3.0, 4.0]
        );
        assert_eq!(result.get(0).unwrap().document, Some("x"));
        assert_eq!(result.get(1).unwrap().metadata, &Metadata::from([("k", 1)]));
        assert_eq!(result.uris, None);
    }

    #[test]
    fn inconsistent_answers_are_errors() {
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
    fn errors_quote_the_start_of_the_answer() {
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
