//! [`Search`]: the request of a search.

use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::check::check_count;
use super::group_by::GroupBy;
use super::knn::Knn;
use super::print::as_json;
use super::rank::Rank;
use crate::invalid::InvalidInput;
use crate::model::filter::{Key, Where, restrict};

/// A search: a filter, a rank, a page, and the fields to return. It prints as Chroma's JSON.
///
/// Pass it to [`Collection::search`](crate::Collection::search), or several to
/// [`search_many`](crate::Collection::search_many). Chroma Cloud and distributed Chroma evaluate it. For a
/// single-node server, the client does, with the feature `hybrid`.
///
/// ```
/// use chroma_blocking::{Key, Search};
/// use chroma_blocking::record::SparseVector;
/// use chroma_blocking::search::{GroupBy, Knn};
///
/// let words = SparseVector::new([3, 17], [0.5, 0.25]);
/// let by_meaning = Knn::text("memory safety");
/// let by_words = Knn::sparse("words", words).default(10);
/// let search = Search::new()
///     .filter(Key::field("year").gte(2020))
///     .rank(0.7 * by_meaning + 0.3 * by_words)
///     .group_by(GroupBy::new(["category"]).min_k(3, [Key::score()]))
///     .limit(10)
///     .select([Key::document(), Key::score(), Key::field("title")]);
/// let json = search.to_string();
/// let start = r#"{"filter":{"year":{"$gte":2020}},"rank":{"$sum":["#;
/// assert!(json.starts_with(start));
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "a search does nothing until it is given to a collection"]
pub struct Search {
    pub(crate) filter: Option<Where>,
    pub(crate) rank: Option<Rank>,
    pub(crate) group_by: Option<GroupBy>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
    pub(crate) select: Vec<Key>,
}

impl Search {
    /// Creates a search that finds all records, in the server's order, and returns only their ids.
    pub fn new() -> Search {
        Search::default()
    }

    /// Restricts the search to records that pass the filter, which can be on metadata, documents and ids. If
    /// it is called again, records must pass both filters.
    pub fn filter(mut self, filter: Where) -> Search {
        restrict(&mut self.filter, filter);
        self
    }

    /// Sets the score of the records: a [`Knn`](super::Knn), an [`Rrf`](super::Rrf), or arithmetic with them.
    /// The smallest score comes first. Default: no scores.
    pub fn rank(mut self, rank: impl Into<Rank>) -> Search {
        self.rank = Some(rank.into());
        self
    }

    /// Keeps only the best hits of each group, before limit and offset apply. Needs a [`rank`](Search::rank).
    pub fn group_by(mut self, group_by: GroupBy) -> Search {
        self.group_by = Some(group_by);
        self
    }

    /// Sets the maximum number of hits. Must be at least 1. Default: all that the rank finds, up to the
    /// server's limit.
    pub fn limit(mut self, limit: usize) -> Search {
        self.limit = Some(limit);
        self
    }

    /// Skips this many hits. Default: 0.
    pub fn offset(mut self, offset: usize) -> Search {
        self.offset = offset;
        self
    }

    /// Sets the fields to return: [`Key::document`], [`Key::embedding`], [`Key::score`], [`Key::metadata`],
    /// or single metadata fields. Replaces an earlier selection. The id is always returned. Default: only the
    /// id.
    pub fn select<K: Into<Key>>(mut self, keys: impl IntoIterator<Item = K>) -> Search {
        self.select.clear();
        for key in keys {
            let key = key.into();
            // A server would treat #id as a metadata field.
            if key != Key::id() && !self.select.contains(&key) {
                self.select.push(key);
            }
        }
        self
    }

    /// Returns documents, embeddings, all metadata and scores.
    pub fn select_all(self) -> Search {
        self.select(special_keys())
    }

    /// Refuses what the server would refuse, or evaluate wrongly without an error. `of` names the search in
    /// an error. `dimension` is the collection's.
    pub(crate) fn check(&self, of: &str, dimension: Option<usize>) -> Result<(), InvalidInput> {
        let bad = |why: String| InvalidInput::Search {
            of: of.to_owned(),
            why,
        };
        if let Some(filter) = &self.filter {
            filter.check_in_search()?;
        }
        if let Some(rank) = &self.rank {
            rank.check(of, dimension)?;
            if !rank.has_knn() {
                return Err(bad(
                    "its rank has no Knn, so it would find no record; leave out the rank to find all records"
                        .into(),
                ));
            }
        }
        if let Some(group_by) = &self.group_by {
            group_by.check().map_err(bad)?;
            if self.rank.is_none() {
                return Err(bad("group_by needs a rank".into()));
            }
        }
        if let Some(limit) = self.limit {
            check_count("limit", limit).map_err(bad)?;
        }
        if u32::try_from(self.offset).is_err() {
            return Err(bad(format!(
                "offset {} is too large; it must be at most {}",
                self.offset,
                u32::MAX
            )));
        }
        let special = special_keys();
        let mut keys = self.select.iter();
        match keys.find(|key| !key.is_field() && !special.contains(key)) {
            Some(key) => Err(bad(format!(
                "{:?} cannot be selected; select metadata fields, #document, #embedding, #metadata or #score",
                key.name()
            ))),
            None => Ok(()),
        }
    }

    /// Returns every `Knn`, from left to right.
    pub(crate) fn knns(&self) -> Vec<&Knn> {
        self.rank.as_ref().map(Rank::knns).unwrap_or_default()
    }

    /// Returns the `Knn`s whose text is to be embedded.
    pub(crate) fn texts(&mut self) -> Vec<&mut Knn> {
        let mut knns = self.rank.as_mut().map(Rank::knns_mut).unwrap_or_default();
        knns.retain(|knn| knn.as_text().is_some());
        knns
    }
}

/// Returns the keys that can be selected in addition to metadata fields.
fn special_keys() -> [Key; 4] {
    [
        Key::document(),
        Key::embedding(),
        Key::metadata(),
        Key::score(),
    ]
}

impl Serialize for Search {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Page {
            offset: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            limit: Option<usize>,
        }

        #[derive(Serialize)]
        struct Select<'a> {
            keys: &'a [Key],
        }

        #[derive(Serialize)]
        struct NoGroups {}

        let mut to = serializer.serialize_struct("Search", 5)?;
        to.serialize_field("filter", &self.filter)?;
        to.serialize_field("rank", &self.rank)?;
        match &self.group_by {
            Some(group_by) => to.serialize_field("group_by", group_by)?,
            None => to.serialize_field("group_by", &NoGroups {})?,
        }
        let page = Page {
            offset: self.offset,
            limit: self.limit,
        };
        to.serialize_field("limit", &page)?;
        to.serialize_field("select", &Select { keys: &self.select })?;
        to.end()
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        as_json(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata::SparseVector;
    use crate::model::search::{Rank, Rrf};

    fn knn() -> Knn {
        Knn::dense([1.0, 2.0])
    }

    fn why(search: Search) -> String {
        search
            .check("the search", Some(2))
            .expect_err(&search.to_string())
            .to_string()
    }

    #[test]
    fn a_search_that_a_server_accepts_passes() {
        for search in [
            Search::new(),
            Search::new().filter(Key::id().ne("1") | Key::document().contains("x")),
            Search::new().rank(Knn::text("x")).select_all().limit(1),
            Search::new().rank(knn()).group_by(GroupBy::new(["a"])),
            Search::new().select(["title", "#document", "#id"]),
        ] {
            assert_eq!(search.check("the search", Some(2)), Ok(()), "{search}");
        }
    }

    #[test]
    fn a_search_that_the_server_would_refuse_is_an_error() {
        let search = Search::new;
        let sparse = |indices: &[u32], values: &[f32]| SparseVector::new(indices, values);
        let by = |keys: &[&str]| GroupBy::new(keys.iter().copied());
        for (bad, part) in [
            (search().limit(0), "limit 0"),
            (search().limit(1 << 32), "too large"),
            (search().offset(1 << 32), "offset"),
            (search().select(["#nope"]), "#nope"),
            (search().select([""]), "\"\""),
            (search().filter(Key::field("a").gt("x")), "compare numbers"),
            (search().filter(Key::id().gt(1)), "ids"),
            (search().rank(Rank::val(1.0) + 1), "no Knn"),
            (search().rank(knn() + f64::NAN), "NaN"),
            (search().rank(1e300 * knn()), "1e300"),
            (search().rank(knn().limit(0)), "limit 0"),
            (search().rank(knn().default(f64::INFINITY)), "inf"),
            (search().rank(Knn::dense([1.0])), "1 floats, not 2"),
            (search().rank(Knn::dense([])), "0 floats"),
            (search().rank(-Knn::dense([1.0, f32::NAN]).exp()), "NaN"),
            (search().rank(knn().key("other")), "\"other\""),
            (
                search().rank(Knn::sparse("#embedding", sparse(&[], &[]))),
                "#embedding",
            ),
            (search().rank(Knn::sparse("", sparse(&[], &[]))), "\"\""),
            (
                search().rank(Knn::sparse("s", sparse(&[1], &[]))),
                "as many values as indices",
            ),
            (
                search().rank(Knn::sparse("s", sparse(&[2, 2], &[1.0, 1.0]))),
                "ascending",
            ),
            (
                search().rank(Knn::sparse("s", sparse(&[1], &[f32::NAN]))),
                "NaN",
            ),
            (search().group_by(by(&["a"])), "needs a rank"),
            (search().rank(knn()).group_by(by(&[])), "no keys"),
            (search().rank(knn()).group_by(by(&["#score"])), "#score"),
            (
                search()
                    .rank(knn())
                    .group_by(by(&["a"]).min_k(0, [Key::score()])),
                "k 0",
            ),
            (
                search()
                    .rank(knn())
                    .group_by(by(&["a"]).max_k(1, [Key::document()])),
                "#document",
            ),
            (
                search()
                    .rank(knn())
                    .group_by(by(&["a"]).max_k(1, Vec::<Key>::new())),
                "no keys",
            ),
        ] {
            let why = why(bad);
            assert!(why.contains(part), "{why} / {part}");
        }
    }

    #[test]
    fn filters_are_joined_and_a_selection_replaces_the_earlier_one() {
        let search = Search::new()
            .filter(Key::field("a").eq(1))
            .filter(Key::field("b").eq(2))
            .select_all()
            .select(["t", "#score", "t", "#id"]);
        assert_eq!(
            search.to_string(),
            r##"{"filter":{"$and":[{"a":{"$eq":1}},{"b":{"$eq":2}}]},"rank":null,"group_by":{},"limit":{"offset":0},"select":{"keys":["t","#score"]}}"##
        );
    }

    #[test]
    fn every_text_of_a_rank_is_embedded() {
        let a = Knn::text("a");
        let rank = 0.5 * a.clone().exp() + Rrf::new([a, Knn::text("b"), knn()]) - Knn::text("c");
        let mut search = Search::new().rank(rank);
        for knn in search.texts() {
            let text = knn.as_text().unwrap();
            knn.embedded(vec![f32::from(text.as_bytes()[0]), 0.0]);
        }
        assert!(search.texts().is_empty());
        let json = search.to_string();
        let at = |vector: &str| json.matches(vector).count();
        assert_eq!(
            [at("[97.0,0.0]"), at("[98.0,0.0]"), at("[99.0,0.0]")],
            [2, 1, 1]
        );
    }
}
