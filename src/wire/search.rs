//! Searches out, and their hits in.

use serde::{Deserialize, Serialize};

use super::read::json;
use crate::model::metadata::Metadata;
use crate::model::search::{ReadLevel, Search, SearchHit, SearchResult};

/// `{"searches":[…],"read_level":"index_only"}`
pub(crate) fn request(searches: &[Search], read_level: Option<ReadLevel>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a> {
        searches: &'a [Search],
        #[serde(skip_serializing_if = "Option::is_none")]
        read_level: Option<ReadLevel>,
    }

    // As in `write`: this cannot fail.
    let written = serde_json::to_vec(&Request {
        searches,
        read_level,
    });
    debug_assert!(written.is_ok(), "{written:?}");
    written.unwrap_or_default()
}

/// Reads the answer to `search`: one list of hits for each of the `searches`.
///
/// Each search selects by itself, so a column may be null for one search and not for the other.
pub(crate) fn answer(answer: &[u8], searches: usize) -> Result<Vec<SearchResult>, String> {
    type Column<T> = Option<Vec<Option<T>>>;

    #[derive(Deserialize)]
    struct Columns {
        ids: Vec<Vec<String>>,
        #[serde(default)]
        documents: Option<Vec<Column<String>>>,
        #[serde(default)]
        embeddings: Option<Vec<Column<Vec<f32>>>>,
        #[serde(default)]
        metadatas: Option<Vec<Column<Metadata>>>,
        #[serde(default)]
        scores: Option<Vec<Column<f32>>>,
    }

    /// One column for each search, and none where none was selected.
    fn columns<T>(
        name: &str,
        lists: Option<Vec<Column<T>>>,
        searches: usize,
    ) -> Result<impl Iterator<Item = Column<T>>, String> {
        match &lists {
            Some(lists) if lists.len() != searches => Err(format!(
                "{} lists of {name} for {searches} searches",
                lists.len()
            )),
            _ => Ok(lists
                .unwrap_or_default()
                .into_iter()
                .chain(std::iter::repeat_with(|| None))),
        }
    }

    /// A value for each id, or none for any of them.
    fn values<T>(
        name: &str,
        column: Option<Column<T>>,
        ids: usize,
    ) -> Result<impl Iterator<Item = Option<T>>, String> {
        match column.flatten() {
            Some(column) if column.len() != ids => {
                Err(format!("{} {name} for {ids} ids", column.len()))
            }
            column => Ok(column
                .unwrap_or_default()
                .into_iter()
                .chain(std::iter::repeat_with(|| None))),
        }
    }

    let found: Columns = json(answer)?;
    if found.ids.len() != searches {
        return Err(format!(
            "{} lists of hits for {searches} searches",
            found.ids.len()
        ));
    }
    let mut documents = columns("documents", found.documents, searches)?;
    let mut embeddings = columns("embeddings", found.embeddings, searches)?;
    let mut metadatas = columns("metadatas", found.metadatas, searches)?;
    let mut scores = columns("scores", found.scores, searches)?;
    found
        .ids
        .into_iter()
        .map(|ids| {
            let count = ids.len();
            let mut documents = values("documents", documents.next(), count)?;
            let mut embeddings = values("embeddings", embeddings.next(), count)?;
            let mut metadatas = values("metadatas", metadatas.next(), count)?;
            let mut scores = values("scores", scores.next(), count)?;
            let hits = ids.into_iter().map(|id| SearchHit {
                id,
                score: scores.next().flatten(),
                document: documents.next().flatten(),
                metadata: metadatas.next().flatten().unwrap_or_default(),
                embedding: embeddings.next().flatten(),
            });
            Ok(SearchResult::new(hits.collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_level_is_written_where_one_is_asked_for() {
        let text = |read_level| String::from_utf8(request(&[], read_level)).unwrap();
        assert_eq!(text(None), r#"{"searches":[]}"#);
        for (read_level, name) in [
            (ReadLevel::IndexAndWal, "index_and_wal"),
            (ReadLevel::IndexOnly, "index_only"),
            (ReadLevel::IndexAndBoundedWal, "index_and_bounded_wal"),
        ] {
            let expected = format!(r#"{{"searches":[],"read_level":"{name}"}}"#);
            assert_eq!(text(Some(read_level)), expected);
        }
    }

    #[test]
    fn each_search_has_the_columns_that_it_selected() {
        let found = br##"{"ids":[["a","b"],["c"],[]],
            "documents":[["x",null],null,[]],"embeddings":[null,[[1.0,2]],null],
            "metadatas":[[null,{"k":1}],null,null],"scores":[[0.5,null],[-1],null],
            "select":[["Document"],["#score"],[{"MetadataField":"k"}]],"new":1}"##;
        let results = answer(found, 3).unwrap();
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
        let bare = answer(br#"{"ids":[["a"]],"scores":null}"#, 1).unwrap();
        assert_eq!(bare[0][0].score, None);
    }

    #[test]
    fn lies_are_errors() {
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
            assert!(answer(bad.as_bytes(), 1).is_err(), "{bad}");
        }
    }
}
