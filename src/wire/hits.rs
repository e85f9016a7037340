//! Reads the responses to `query` and `search`: a list of hits for each query of a request.

use super::cursor::Cursor;
use super::read::{check_len, unread};
use crate::model::metadata::Metadata;
use crate::model::results::{Hit, QueryResult};
use crate::model::search::{SearchHit, SearchResult};

/// Reads the response to `query`. It must have one list of hits for each of the `queries`.
pub(crate) fn query(answer: &[u8], queries: usize) -> Result<Vec<QueryResult>, String> {
    let columns = Columns::read(answer, "distances", queries)?;
    let distances = columns.numbers.as_ref();
    if !distances.is_some_and(|lists| lists.iter().all(Option::is_some)) {
        return Err(unread(answer, "no distances"));
    }
    let results = columns.hits(QueryResult::new, |found| Hit {
        id: found.id,
        // JSON has no infinity, so the server writes null.
        distance: found.number.unwrap_or(f32::INFINITY),
        document: found.document,
        metadata: found.metadata.unwrap_or_default(),
        embedding: found.embedding,
        uri: found.uri,
    });
    Ok(results)
}

/// Reads the response to `search`. It must have one list of hits for each of the `searches`. Each search
/// selects its own columns, so a column may be null for one search and not for another.
pub(crate) fn search(answer: &[u8], searches: usize) -> Result<Vec<SearchResult>, String> {
    let columns = Columns::read(answer, "scores", searches)?;
    let results = columns.hits(SearchResult::new, |found| SearchHit {
        id: found.id,
        score: found.number,
        document: found.document,
        metadata: found.metadata.unwrap_or_default(),
        embedding: found.embedding,
    });
    Ok(results)
}

/// A column: for each query a list, with a value or null for each hit. The column or one of its lists is null
/// if it was not requested.
type Lists<T> = Option<Vec<Option<Vec<Option<T>>>>>;

#[derive(Default)]
struct Columns {
    ids: Vec<Vec<String>>,
    numbers: Lists<f32>,
    documents: Lists<String>,
    metadatas: Lists<Metadata>,
    embeddings: Lists<Vec<f32>>,
    uris: Lists<String>,
}

/// The values of one hit.
struct Found {
    id: String,
    number: Option<f32>,
    document: Option<String>,
    metadata: Option<Metadata>,
    embedding: Option<Vec<f32>>,
    uri: Option<String>,
}

impl Columns {
    /// Reads a response. `numbers` is the name of the column of distances or scores.
    fn read(answer: &[u8], numbers: &'static str, queries: usize) -> Result<Columns, String> {
        let mut columns = Columns::default();
        Cursor::object(answer, |at, key| {
            match key {
                "ids" => columns.ids = at.value()?,
                "documents" => columns.documents = at.value()?,
                "metadatas" => columns.metadatas = at.value()?,
                "uris" => columns.uris = at.value()?,
                "embeddings" => columns.embeddings = lists(at, &columns.ids, vector)?,
                key if key == numbers => {
                    columns.numbers = lists(at, &columns.ids, Cursor::float)?;
                }
                _ => at.skip()?,
            }
            Ok(())
        })
        .map_err(|what| unread(answer, &what))?;
        if columns.ids.len() != queries {
            let lists = columns.ids.len();
            return Err(format!("{lists} lists of ids for {queries} queries"));
        }
        let ids = &columns.ids;
        check_lists(ids, numbers, columns.numbers.as_deref())?;
        check_lists(ids, "documents", columns.documents.as_deref())?;
        check_lists(ids, "metadatas", columns.metadatas.as_deref())?;
        check_lists(ids, "embeddings", columns.embeddings.as_deref())?;
        check_lists(ids, "uris", columns.uris.as_deref())?;
        Ok(columns)
    }

    /// Turns columns into rows: makes a hit of the values of each id, and a result of the hits of each query.
    fn hits<H, R>(self, list: impl Fn(Vec<H>) -> R, hit: impl Fn(Found) -> H) -> Vec<R> {
        fn values<T>(
            lists: &mut impl Iterator<Item = Option<Vec<Option<T>>>>,
        ) -> impl Iterator<Item = Option<T>> {
            let list = lists.next().flatten().unwrap_or_default();
            list.into_iter().chain(std::iter::repeat_with(|| None))
        }

        let mut numbers = self.numbers.into_iter().flatten();
        let mut documents = self.documents.into_iter().flatten();
        let mut metadatas = self.metadatas.into_iter().flatten();
        let mut embeddings = self.embeddings.into_iter().flatten();
        let mut uris = self.uris.into_iter().flatten();
        let lists = self.ids.into_iter().map(|ids| {
            let mut numbers = values(&mut numbers);
            let mut documents = values(&mut documents);
            let mut metadatas = values(&mut metadatas);
            let mut embeddings = values(&mut embeddings);
            let mut uris = values(&mut uris);
            let found = ids.into_iter().map(|id| Found {
                id,
                number: numbers.next().flatten(),
                document: documents.next().flatten(),
                metadata: metadatas.next().flatten(),
                embedding: embeddings.next().flatten(),
                uri: uris.next().flatten(),
            });
            list(found.map(&hit).collect())
        });
        lists.collect()
    }
}

/// Reads a column, which is null if it was not requested. Servers send the ids first, so reading stops at the
/// first value without an id. This keeps a small response from taking much memory.
fn lists<'a, T>(
    at: &mut Cursor<'a>,
    ids: &[Vec<String>],
    value: fn(&mut Cursor<'a>) -> Result<T, String>,
) -> Result<Lists<T>, String> {
    let max = match ids {
        [] => usize::MAX,
        ids => ids.iter().map(Vec::len).sum(),
    };
    let mut count = 0;
    at.nullable(|at| {
        at.list(|at| {
            at.nullable(|at| {
                at.list(|at| {
                    count += 1;
                    if count > max {
                        return Err(at.error(format_args!("more values than the {max} ids")));
                    }
                    at.nullable(value)
                })
            })
        })
    })
}

fn vector(at: &mut Cursor<'_>) -> Result<Vec<f32>, String> {
    let mut floats = Vec::new();
    at.floats(&mut floats)?;
    Ok(floats)
}

/// Checks that a column, if present, has a list for each query, with an entry for each id.
fn check_lists<T>(
    ids: &[Vec<String>],
    name: &str,
    column: Option<&[Option<Vec<T>>]>,
) -> Result<(), String> {
    let Some(lists) = column else { return Ok(()) };
    if lists.len() != ids.len() {
        let (lists, queries) = (lists.len(), ids.len());
        return Err(format!("{lists} lists of {name} for {queries} queries"));
    }
    for (ids, list) in ids.iter().zip(lists) {
        check_len(ids.len(), name, list.as_ref().map(Vec::len))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_answer_to_query() {
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
    fn inconsistent_query_answers_are_errors() {
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
    fn each_search_has_its_selected_columns() {
        let found = br##"{"ids":[["a","b"],["c"],[]],
            "documents":[["x",null],null,[]],"embeddings":[null,[[1.0,2]],null],
            "metadatas":[[null,{"k":1}],null,null],"scores":[[0.5,null],[-1],null],
            "select":[["Document"],["#score"],[{"MetadataField":"k"}]],"new":1}"##;
        let results = search(found, 3).unwrap();
        assert_eq!(results[0].ids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            results[0].documents().collect::<Vec<_>>(),
            [Some("x"), None]
        );
        assert_eq!(results[0].scores().collect::<Vec<_>>(), [Some(0.5), None]);
        assert_eq!(results[0][1].metadata, Metadata::from([("k", 1)]));
        assert_eq!(results[0][0].embedding, None);
        assert_eq!(results[1][0].embedding, Some(vec![1.0, 2.0]));
        assert_eq!(results[1][0].score, Some(-1.0));
        assert!(results[2].is_empty());
        let bare = search(br#"{"ids":[["a"]],"scores":null}"#, 1).unwrap();
        assert_eq!(bare[0][0].score, None);
    }

    #[test]
    fn inconsistent_search_answers_are_errors() {
        for bad in [
            "",
            "{}",
            r#"{"ids":[]}"#,
            r#"{"ids":[[],[]]}"#,
            r#"{"ids":["a"]}"#,
            r#"{"ids":null}"#,
            r#"{"ids":[["a"]],"scores":[]}"#,
            r#"{"ids":[["a"]],"scores":[[]]}"#,
            r#"{"ids":[["a"]],"scores":[[1,2]]}"#,
            r#"{"ids":[["a"]],"scores":[["x"]]}"#,
            r#"{"ids":[[]],"documents":[["x"]]}"#,
            r#"{"ids":[["a"]],"documents":[null,null]}"#,
            r#"{"ids":[["a"]],"embeddings":[[[1.0],[2.0]]]}"#,
            r#"{"ids":[["a"]],"metadatas":[[1]]}"#,
        ] {
            assert!(search(bad.as_bytes(), 1).is_err(), "{bad}");
        }
    }
}
