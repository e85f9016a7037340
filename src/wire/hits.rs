//! Reads the responses to `query` and `search`: a list of hits for each query of a request.

use super::column::{Entry, Id, NullableMetadata, NullableText, check_count};
use super::cursor::Cursor;
use super::read::{self, unread};
use super::requested::Requested;
use crate::model::metadata::{Metadata, Reading};
use crate::model::results::{Hit, QueryResult};
use crate::model::search::{SearchHit, SearchResult};

/// Reads the response to `query`. It must have one list of requested hits for each of the `queries`.
pub(crate) fn query(
    answer: &[u8],
    queries: usize,
    requested: &Requested<'_>,
) -> Result<Vec<QueryResult>, String> {
    let expected = Expected {
        queries,
        max_hits: requested.max(),
        numbers: "distances",
    };
    let found: Lists<Hit> = expected.read(answer)?;
    if !found.has_numbers {
        return Err(unread(answer, "no distances"));
    }
    for hits in &found.queries {
        requested.check(hits.iter().map(|hit| hit.id.as_str()))?;
    }
    Ok(found.queries.into_iter().map(QueryResult::new).collect())
}

/// Reads the response to `search`. It must have one list of hits for each search, with the hits that this search
/// requested. Each search selects its own columns, so a column may be null for one search and not for another.
pub(crate) fn search(
    answer: &[u8],
    requested: &[Requested<'_>],
) -> Result<Vec<SearchResult>, String> {
    let expected = Expected {
        queries: requested.len(),
        max_hits: requested.iter().map(Requested::max).max().unwrap_or(0),
        numbers: "scores",
    };
    let found: Lists<SearchHit> = expected.read(answer)?;
    for (hits, requested) in found.queries.iter().zip(requested) {
        requested.check(hits.iter().map(|hit| hit.id.as_str()))?;
    }
    Ok(found.queries.into_iter().map(SearchResult::new).collect())
}

/// A hit that is filled column by column.
trait Fill {
    fn new(id: String) -> Self;
    fn number(&mut self, number: Option<f32>);
    fn document(&mut self, document: Option<String>);
    fn metadata(&mut self, metadata: Metadata);
    fn embedding(&mut self, embedding: Option<Vec<f32>>);
    fn uri(&mut self, uri: Option<String>);
}

impl Fill for Hit {
    fn new(id: String) -> Hit {
        Hit {
            id,
            distance: f32::INFINITY,
            document: None,
            uri: None,
            metadata: Metadata::new(),
            embedding: None,
        }
    }

    fn number(&mut self, number: Option<f32>) {
        // JSON has no infinity, so the server writes null.
        self.distance = number.unwrap_or(f32::INFINITY);
    }

    fn document(&mut self, document: Option<String>) {
        self.document = document;
    }

    fn metadata(&mut self, metadata: Metadata) {
        self.metadata = metadata;
    }

    fn embedding(&mut self, embedding: Option<Vec<f32>>) {
        self.embedding = embedding;
    }

    fn uri(&mut self, uri: Option<String>) {
        self.uri = uri;
    }
}

impl Fill for SearchHit {
    fn new(id: String) -> SearchHit {
        SearchHit {
            id,
            score: None,
            document: None,
            metadata: Metadata::new(),
            embedding: None,
        }
    }

    fn number(&mut self, number: Option<f32>) {
        self.score = number;
    }

    fn document(&mut self, document: Option<String>) {
        self.document = document;
    }

    fn metadata(&mut self, metadata: Metadata) {
        self.metadata = metadata;
    }

    fn embedding(&mut self, embedding: Option<Vec<f32>>) {
        self.embedding = embedding;
    }

    fn uri(&mut self, _: Option<String>) {}
}

/// The expected shape of a response.
struct Expected {
    queries: usize,
    /// The maximum number of hits of a query.
    max_hits: usize,
    /// The name of the column of distances or scores.
    numbers: &'static str,
}

/// The hits of each query.
struct Lists<H> {
    queries: Vec<Vec<H>>,
    /// Whether there is a list of numbers for each query.
    has_numbers: bool,
    reading: Reading,
}

impl Expected {
    fn read<H: Fill>(&self, answer: &[u8]) -> Result<Lists<H>, String> {
        let found: Lists<H> = read::read_columns(
            answer,
            |key| key == self.numbers || COLUMNS.contains(&key),
            |at| self.ids(at, read::reading(answer, self.requested_bytes::<H>())),
            |found: &mut Lists<H>, at, key| found.column(at, key, self.numbers),
        )?;
        if found.queries.len() != self.queries {
            let lists = found.queries.len();
            return Err(format!("{lists} lists of ids for {} queries", self.queries));
        }
        Ok(found)
    }

    /// Returns the memory that the requested hits take without any column. A caller who asks for a million hits
    /// may have it, even if their ids and distances are short. A number that stands for all hits has no meaning
    /// here.
    fn requested_bytes<H>(&self) -> usize {
        const MAX_HITS: usize = 2_000_000;
        /// The bytes of an id, with its allocation.
        const ID: usize = 64;

        match self.queries.saturating_mul(self.max_hits) {
            hits @ ..=MAX_HITS => hits * (size_of::<H>() + ID),
            _ => 0,
        }
    }

    /// Reads the ids, and makes a hit of each.
    fn ids<H: Fill>(&self, at: &mut Cursor<'_>, mut reading: Reading) -> Result<Lists<H>, String> {
        /// The number of hits to reserve memory for in a short response.
        const FEW: usize = 16;

        let mut count = 0;
        let lists = at.list(|at| {
            count += 1;
            if count > self.queries {
                let expected = self.queries;
                return Err(at.error(format_args!("more lists of ids than {expected} queries")));
            }
            let mut hits = at.room_for_texts(self.max_hits.min(FEW), &reading.budget);
            at.each::<Id>(&mut reading, |id, budget| {
                check_count(hits.len(), self.max_hits)?;
                read::push(&mut hits, H::new(id), budget)
            })?;
            hits.shrink_to_fit();
            Ok(hits)
        })?;
        Ok(Lists {
            queries: lists,
            has_numbers: false,
            reading,
        })
    }
}

/// The columns, except that of the numbers.
const COLUMNS: [&str; 4] = ["documents", "metadatas", "embeddings", "uris"];

impl<H: Fill> Lists<H> {
    /// Reads a column.
    fn column(&mut self, at: &mut Cursor<'_>, key: &str, numbers: &str) -> Result<(), String> {
        match key {
            "documents" => self.fill::<NullableText>(at, key, H::document),
            "metadatas" => self.fill::<NullableMetadata>(at, key, H::metadata),
            "uris" => self.fill::<NullableText>(at, key, H::uri),
            "embeddings" => self.embeddings(at, key),
            key if key == numbers => {
                self.has_numbers = self.each_list(at, key, |at, _, hits| {
                    fill(at, key, hits, |at, hit| {
                        hit.number(at.nullable(Cursor::float)?);
                        Ok(())
                    })
                })?;
                Ok(())
            }
            _ => at.skip(),
        }
    }

    /// Reads a column with `serde_json`.
    fn fill<E: Entry>(
        &mut self,
        at: &mut Cursor<'_>,
        name: &str,
        set: fn(&mut H, E::Value),
    ) -> Result<(), String> {
        self.each_list(at, name, |at, reading, hits| {
            let ids = hits.len();
            let mut hits = hits.iter_mut();
            at.each::<E>(reading, |value, _| match hits.next() {
                Some(hit) => {
                    set(hit, value);
                    Ok(())
                }
                None => Err(format!("more {name} than {ids} ids")),
            })?;
            read::check_len(ids, name, Some(ids - hits.len()))
        })
        .map(drop)
    }

    fn embeddings(&mut self, at: &mut Cursor<'_>, name: &str) -> Result<(), String> {
        /// A longer vector is not expected to have more like it.
        const MAX_DIMENSION: usize = 16_384;

        let mut dimension = 0;
        self.each_list(at, name, |at, reading, hits| {
            fill(at, name, hits, |at, hit| {
                let vector = at.nullable(|at| {
                    let mut floats = Vec::with_capacity(dimension);
                    at.floats(&mut floats)?;
                    floats.shrink_to_fit();
                    Ok(floats)
                })?;
                if let Some(floats) = &vector {
                    dimension = floats.len().min(MAX_DIMENSION);
                    let taken = reading.budget.take_block(size_of_val(floats.as_slice()));
                    taken.map_err(|exceeded| at.error(exceeded))?;
                }
                hit.embedding(vector);
                Ok(())
            })
        })
        .map(drop)
    }

    /// Reads a list for each query, with `read`. The column or one of its lists is null if it was not
    /// requested. Returns whether each query has a list.
    fn each_list<'a>(
        &mut self,
        at: &mut Cursor<'a>,
        name: &str,
        mut read: impl FnMut(&mut Cursor<'a>, &mut Reading, &mut [H]) -> Result<(), String>,
    ) -> Result<bool, String> {
        let queries = self.queries.len();
        let mut lists = self.queries.iter_mut();
        let mut is_complete = true;
        let reading = &mut self.reading;
        let column = at.nullable(|at| {
            at.list(|at| {
                let Some(hits) = lists.next() else {
                    let more = format!("more lists of {name} than {queries} queries");
                    return Err(at.error(more));
                };
                let list = at.nullable(|at| read(at, reading, hits))?;
                is_complete &= list.is_some();
                Ok(())
            })
        })?;
        let left = lists.len();
        match column {
            Some(_) if left > 0 => {
                let found = queries - left;
                Err(format!("{found} lists of {name} for {queries} queries"))
            }
            Some(_) => Ok(is_complete),
            None => Ok(false),
        }
    }
}

/// Reads a value for each hit.
fn fill<'a, H>(
    at: &mut Cursor<'a>,
    name: &str,
    hits: &mut [H],
    mut value: impl FnMut(&mut Cursor<'a>, &mut H) -> Result<(), String>,
) -> Result<(), String> {
    let ids = hits.len();
    let mut hits = hits.iter_mut();
    at.list(|at| match hits.next() {
        Some(hit) => value(at, hit),
        None => Err(at.error(format_args!("more {name} than {ids} ids"))),
    })?;
    read::check_len(ids, name, Some(ids - hits.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_most(max: usize) -> Requested<'static> {
        Requested::new(None, Some(max))
    }

    #[test]
    fn reads_the_answer_to_query() {
        let answer =
            br#"{"ids":[["a","b"],[]],"distances":[[0.5,1],[]],"documents":[["x",null],[]],
            "metadatas":null,"embeddings":[[[1.0],null],[]],"uris":null,"include":[]}"#;
        let results = query(answer, 2, &at_most(10)).unwrap();
        assert_eq!(results[0].ids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(results[0].distances().collect::<Vec<_>>(), [0.5, 1.0]);
        assert_eq!(results[0][0].document.as_deref(), Some("x"));
        assert_eq!(results[0][0].embedding, Some(vec![1.0]));
        assert!(results[1].is_empty());
        let far = query(br#"{"ids":[["a"]],"distances":[[null]]}"#, 1, &at_most(10)).unwrap();
        assert_eq!(far[0][0].distance, f32::INFINITY);
    }

    #[test]
    fn secure_04_columns_before_the_ids_are_read_after_them() {
        let answer = br#"{"distances":[[0.5]],"documents":[["x"]],"new":[],"ids":[["a"]]}"#;
        let results = query(answer, 1, &at_most(1)).unwrap();
        assert_eq!(results[0][0].document.as_deref(), Some("x"));
        assert_eq!(results[0][0].distance, 0.5);
        for (bad, why) in [
            (
                r#"{"ids":[["a"],["b"]],"distances":[]}"#,
                "more lists of ids than 1 queries",
            ),
            (
                r#"{"distances":[[1,2]],"ids":[["a"]]}"#,
                "more distances than 1 ids",
            ),
            (
                r#"{"ids":[["a"]],"distances":[[1],[1]]}"#,
                "more lists of distances than 1 queries",
            ),
            (r#"{"ids":[["a"]],"uris":[[]]}"#, "0 uris for 1 ids"),
            (r#"{"ids":[["a"]],"ids":[["a"]]}"#, "the ids occur twice"),
        ] {
            let error = query(bad.as_bytes(), 1, &at_most(1)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let ids = vec!["\"a\""; 200].join(",");
        let error = query(format!("{{\"ids\":[[{ids},x").as_bytes(), 1, &at_most(10)).unwrap_err();
        assert!(error.contains("more than 110 records"), "{error}");
    }

    #[test]
    fn secure_04_as_many_hits_as_were_requested_are_read_even_if_they_are_short() {
        const HITS: usize = 450_000;

        let ids: Vec<String> = (0..HITS).map(|id| format!("\"{id}\"")).collect();
        let distances = vec!["2.0"; HITS].join(",");
        let answer = format!(
            "{{\"ids\":[[{}]],\"distances\":[[{distances}]]}}",
            ids.join(",")
        );
        assert_eq!(
            query(answer.as_bytes(), 1, &at_most(HITS)).unwrap()[0].len(),
            HITS
        );
        let error = query(answer.as_bytes(), 1, &Requested::default()).unwrap_err();
        assert!(
            error.contains("the records would take more than 11 times"),
            "{error}"
        );
    }

    #[test]
    fn inconsistent_query_answers_are_errors() {
        for bad in [
            r#"{"ids":[["a"]],"distances":[[]]}"#,
            r#"{"ids":[["a"]],"distances":[]}"#,
            r#"{"ids":[],"distances":[]}"#,
            r#"{"ids":[["a"]],"distances":[[1.0]],"documents":[["x","y"]]}"#,
        ] {
            assert!(query(bad.as_bytes(), 1, &at_most(10)).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_search_has_its_selected_columns() {
        let found = br##"{"ids":[["a","b"],["c"],[]],
            "documents":[["x",null],null,[]],"embeddings":[null,[[1.0,2]],null],
            "metadatas":[[null,{"k":1}],null,null],"scores":[[0.5,null],[-1],null],
            "select":[["Document"],["#score"],[{"MetadataField":"k"}]],"new":1}"##;
        let results = search(found, &[at_most(2), at_most(2), at_most(2)]).unwrap();
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
        let bare = search(br#"{"ids":[["a"]],"scores":null}"#, &[at_most(1)]).unwrap();
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
            assert!(search(bad.as_bytes(), &[at_most(2)]).is_err(), "{bad}");
        }
    }
}
