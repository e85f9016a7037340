//! Reads responses from bytes straight into the public types.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::column::{Entry, Id, NullableMetadata, NullableText, check_count};
use super::cursor::Cursor;
use super::requested::Requested;
use super::weight;
use crate::model::budget::Budget;
use crate::model::embeddings::Embeddings;
use crate::model::metadata::Reading;
use crate::model::results::GetResult;
use crate::printable::short;

/// Reads JSON. The error names the position, and quotes the start of the response.
pub(crate) fn json<T: DeserializeOwned>(answer: &[u8]) -> Result<T, String> {
    weight::check(answer).map_err(|what| unread(answer, &what))?;
    serde_json::from_slice(answer).map_err(|error| unread(answer, &error.to_string()))
}

/// Returns about how many bytes of memory the values of a response take.
///
/// # Errors
/// If they take more memory than the values of any response may.
pub(crate) fn memory(answer: &[u8]) -> Result<usize, String> {
    let bytes = weight::estimate(answer, weight::MAX).map_err(weight::exceeded);
    bytes.map_err(|what| unread(answer, &what))
}

/// Reads a list. Stops if it has far more than `max` entries, before they take memory.
pub(crate) fn list<T: DeserializeOwned>(answer: &[u8], max: usize) -> Result<Vec<T>, String> {
    let list = weight::check(answer).and_then(|()| Cursor::whole_list(answer, max));
    list.map_err(|what| unread(answer, &what))
}

/// Checks that a response is JSON, and ignores its content. A proxy's login page is thus not mistaken for
/// success.
pub(crate) fn done(answer: &[u8]) -> Result<(), String> {
    match serde_json::from_slice(answer) {
        Ok(IgnoredAny) => Ok(()),
        Err(error) => Err(unread(answer, &error.to_string())),
    }
}

/// Returns an error message: what is wrong with a response, and the start of the response.
pub(crate) fn unread(answer: &[u8], what: &str) -> String {
    format!("{} in {}", short(what), shown(answer))
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

/// Reads the response to `get`, and checks that it holds only requested records.
pub(crate) fn get(answer: &[u8], requested: &Requested<'_>) -> Result<GetResult, String> {
    rows(answer, requested).map(|(rows, _)| rows)
}

/// Reads the response to a `get` in a transaction: the records, as [`get`] does, and the token for the next
/// read.
pub(crate) fn conditional_get(
    answer: &[u8],
    requested: &Requested<'_>,
) -> Result<(GetResult, u64), String> {
    let (rows, token) = rows(answer, requested)?;
    Ok((rows, token.ok_or("no read_token")?))
}

/// Prepares to read the rows of a response, which may take at least `requested` bytes.
pub(super) fn reading(answer: &[u8], requested: usize) -> Reading {
    /// Any response may take this many bytes.
    const FLOOR: usize = 64 << 20;

    Reading::new(Budget::new(answer.len(), FLOOR.max(requested)))
}

/// Reads a response with a column of ids. Servers send the ids first. Columns before them are read after them,
/// since no column may have more entries.
///
/// `ids` reads the ids. `column` reads any other member into what `ids` has returned, or skips it.
pub(super) fn read_columns<'a, R>(
    answer: &'a [u8],
    is_column: impl Fn(&str) -> bool,
    mut ids: impl FnMut(&mut Cursor<'a>) -> Result<R, String>,
    mut column: impl FnMut(&mut R, &mut Cursor<'a>, &str) -> Result<(), String>,
) -> Result<R, String> {
    let mut found: Option<R> = None;
    let mut later = Vec::new();
    let unread = |what: String| unread(answer, &what);
    Cursor::object(answer, |at, key| match (&mut found, key) {
        (None, "ids") => ids(at).map(|ids| found = Some(ids)),
        (Some(_), "ids") => Err(at.error("the ids occur twice")),
        (Some(found), key) => column(found, at, key),
        (None, key) => {
            if is_column(key) {
                later.push((key.to_owned(), at.clone()));
            }
            at.skip()
        }
    })
    .map_err(unread)?;
    let mut found = found.ok_or_else(|| unread("no ids".to_owned()))?;
    for (key, mut at) in later {
        column(&mut found, &mut at, &key).map_err(unread)?;
    }
    Ok(found)
}

fn rows(answer: &[u8], requested: &Requested<'_>) -> Result<(GetResult, Option<u64>), String> {
    let columns = ["documents", "embeddings", "metadatas", "read_token", "uris"];
    let Rows { found, token, .. } = read_columns(
        answer,
        |key| columns.contains(&key),
        |at| Rows::of_ids(at, requested.max(), reading(answer, 0)),
        Rows::column,
    )?;
    let ids = found.ids.len();
    let embeddings = found.embeddings.as_ref().map(Embeddings::len);
    check_len(ids, "documents", found.documents.as_ref().map(Vec::len))?;
    check_len(ids, "embeddings", embeddings)?;
    check_len(ids, "metadatas", found.metadatas.as_ref().map(Vec::len))?;
    check_len(ids, "uris", found.uris.as_ref().map(Vec::len))?;
    requested.check(found.ids.iter().map(String::as_str))?;
    Ok((found, token))
}

/// The records of a response.
struct Rows {
    /// The columns so far.
    found: GetResult,
    token: Option<u64>,
    reading: Reading,
}

impl Rows {
    /// Reads the ids, at most about `max`.
    fn of_ids(at: &mut Cursor<'_>, max: usize, mut reading: Reading) -> Result<Rows, String> {
        let mut ids = at.room_for_texts(0, &reading.budget);
        at.each::<Id>(&mut reading, |id, budget| {
            check_count(ids.len(), max)?;
            push(&mut ids, id, budget)
        })?;
        ids.shrink_to_fit();
        Ok(Rows {
            found: GetResult {
                ids,
                ..GetResult::default()
            },
            token: None,
            reading,
        })
    }

    fn column(&mut self, at: &mut Cursor<'_>, key: &str) -> Result<(), String> {
        let Rows {
            found,
            token,
            reading,
        } = self;
        let ids = found.ids.len();
        match key {
            "documents" => found.documents = entries::<NullableText>(at, ids, reading)?,
            "metadatas" => found.metadatas = entries::<NullableMetadata>(at, ids, reading)?,
            "uris" => found.uris = entries::<NullableText>(at, ids, reading)?,
            "embeddings" => found.embeddings = at.nullable(|at| matrix(at, ids))?,
            "read_token" => *token = at.value()?,
            _ => at.skip()?,
        }
        Ok(())
    }
}

/// Reads a column of at most as many entries as there are ids.
fn entries<E: Entry>(
    at: &mut Cursor<'_>,
    ids: usize,
    reading: &mut Reading,
) -> Result<Option<Vec<E::Value>>, String> {
    at.nullable(|at| {
        // An entry takes at least two bytes of text.
        let mut column = Vec::with_capacity(ids.min(at.remaining() / 2));
        at.each::<E>(reading, |entry, budget| {
            if column.len() == ids {
                return Err(format!("more values than {ids} ids"));
            }
            push(&mut column, entry, budget)
        })?;
        Ok(column)
    })
}

pub(super) fn push<T>(to: &mut Vec<T>, entry: T, budget: &mut Budget) -> Result<(), String> {
    let taken = budget.take(size_of::<T>());
    taken.map_err(|exceeded| exceeded.to_string())?;
    to.push(entry);
    Ok(())
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
    use crate::model::metadata::Metadata;

    fn at_most(max: usize) -> Requested<'static> {
        Requested::new(None, Some(max))
    }

    #[test]
    fn reads_the_answer_to_get() {
        let answer = br#"{"ids":["a","b"],"embeddings":[[1.0,2.0],[3,4e0]],"documents":["x",null],
            "uris":null,"metadatas":[null,{"k":1}],"include":["documents"],"new":{"field":[1]}}"#;
        let result = get(answer, &at_most(2)).unwrap();
        assert_eq!(
            result.embeddings.as_ref().unwrap().as_flat(),
            [1.0, 2.0, 3.0, 4.0]
        );
        assert_eq!(result.get(0).unwrap().document, Some("x"));
        assert_eq!(result.get(1).unwrap().metadata, &Metadata::from([("k", 1)]));
        assert_eq!(result.uris, None);
    }

    #[test]
    fn secure_04_columns_before_the_ids_are_read_after_them() {
        let answer = br#"{"metadatas":[{"k":1}],"documents":["x"],"embeddings":[[1]],"ids":["a"]}"#;
        let result = get(answer, &at_most(1)).unwrap();
        let row = result.get(0).unwrap();
        assert_eq!((row.id, row.document), ("a", Some("x")));
        assert_eq!(row.metadata, &Metadata::from([("k", 1)]));
        assert_eq!(row.embedding, Some(&[1.0][..]));
        for (bad, why) in [
            (
                r#"{"documents":["x","y"],"ids":["a"]}"#,
                "more values than 1 ids",
            ),
            (r#"{"documents":[],"ids":["a"]}"#, "0 documents for 1 ids"),
            (
                r#"{"ids":["a"],"metadatas":[{},{}]}"#,
                "more values than 1 ids",
            ),
            (r#"{"ids":["a"],"ids":["a"]}"#, "the ids occur twice"),
            (r#"{"documents":["x"]}"#, "no ids"),
        ] {
            let error = get(bad.as_bytes(), &at_most(1)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn secure_04_reading_stops_at_far_more_records_than_were_asked_for() {
        // The rest of the response is not read: it is not JSON.
        let ids: Vec<_> = (0..200).map(|id| format!("\"{id}\"")).collect();
        let answer = format!("{{\"ids\":[{},x", ids.join(","));
        let error = get(answer.as_bytes(), &at_most(10)).unwrap_err();
        let why = "the server returned more than 110 records; the request allows at most 10";
        assert!(error.starts_with(why), "{error}");
        let entries = format!("[{},x", ids.join(","));
        let error = list::<String>(entries.as_bytes(), 10).unwrap_err();
        assert!(error.starts_with(why), "{error}");
        // A few more are read, so that the error can name one.
        let few = format!("{{\"ids\":[{}]}}", ids[..20].join(","));
        let ten: Vec<String> = (0..10).map(|id| id.to_string()).collect();
        let error = get(few.as_bytes(), &Requested::new(Some(&ten), None)).unwrap_err();
        assert!(error.contains("\"10\", which was not requested"), "{error}");
        let error = get(few.as_bytes(), &at_most(10)).unwrap_err();
        assert!(error.contains("20 records; the request"), "{error}");
        assert_eq!(get(few.as_bytes(), &at_most(20)).unwrap().len(), 20);
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
            assert!(get(bad.as_bytes(), &at_most(2)).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_quote_the_start_of_the_answer() {
        let error = get(b"<html>not json</html>", &at_most(2)).unwrap_err();
        assert!(error.contains("<html>not json"), "{error}");
        assert!(get(&[b'x'; 10_000], &at_most(2)).unwrap_err().len() < 400);
        let text = "\u{e9}".repeat(10_000);
        for unexpected in [
            get(format!(r#"{{"ids":"{text}"}}"#).as_bytes(), &at_most(2)).unwrap_err(),
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
