//! Evaluates searches in the client, for servers that have no search.

mod filter;
mod groups;
mod hits;
mod order;
mod ranking;
mod scores;

use std::time::Instant;

use super::words::{Freshness, WordIndex};
use crate::client::operations as op;
use crate::collection::Collection;
use crate::error::{Error, InvalidInput, Result};
use crate::model::search::{Knn, Search, SearchHit, SearchResult};
use filter::{Filter, Selection};
use hits::Fields;
use order::Ranked;
use ranking::{Found, Ranking};

/// The most records that are read for one search if the caller has no index of words.
const MAX_SCANNED: usize = 10_000;

/// The most times that records are ranked again because the documents of the hits had changed. Other programs
/// may change them as fast as they are read.
const MAX_MENDS: usize = 10;

/// The parts that all searches of a call share.
pub(super) struct Evaluation<'a> {
    pub(super) collection: &'a Collection,
    pub(super) words: Option<&'a WordIndex>,
    pub(super) freshness: Freshness,
    /// When the caller has called.
    pub(super) began: Instant,
}

impl Evaluation<'_> {
    /// Refuses an index of another collection.
    pub(super) fn check_index(&self) -> Result<()> {
        match self.words {
            Some(words) if words.collection().id() != self.collection.id() => {
                let why = format!(
                    "the index of words is that of another collection, {:?}; open one with word_index() of this \
                     collection",
                    words.collection().name()
                );
                let name = self.collection.name();
                Err(self.invalid(InvalidInput::setting("words", name, why)))
            }
            _ => Ok(()),
        }
    }

    /// Refuses searches that cannot be evaluated here, before anything is sent. Texts of dense vectors need
    /// not be embedded yet.
    pub(super) fn check(&self, searches: &[Search]) -> Result<()> {
        let key = self.words.and_then(WordIndex::key);
        let mut knns = searches.iter().flat_map(Search::knns);
        let unknown =
            knns.find(|knn| !knn.is_dense() && !knn.is_words() && key != Some(knn.key_name()));
        let Some(unknown) = unknown else {
            return Ok(());
        };
        let unknown = unknown.key_name();
        let why = match key {
            Some(key) => format!("the index of words stands for the key {key:?}"),
            None => "no index of words stands for this key".to_owned(),
        };
        let reason = InvalidInput::Search {
            of: format!("a Knn on key {unknown:?}"),
            why: format!(
                "this server has no search and no sparse vector indexes, and {why}; use Knn::words, or open the index \
                 with .key({unknown:?}) and pass it with .words(...)"
            ),
        };
        Err(self.invalid(reason))
    }

    /// Evaluates searches whose texts of dense vectors have been embedded.
    pub(super) fn run(&self, searches: &[Search]) -> Result<Vec<SearchResult>> {
        let words = self.prepared_words(searches)?;
        let words = words.as_ref();
        let mut results = Vec::with_capacity(searches.len());
        for search in searches {
            let filter = Filter::new(self.collection, search.filter.as_ref())?;
            let ranking = Ranking {
                collection: self.collection,
                search,
                filter: &filter,
                words,
            };
            let found = Found {
                dense: ranking.dense()?,
                words: ranking.by_words()?,
            };
            let hits = self.hits(&ranking, found)?;
            results.push(SearchResult::of_client(hits));
        }
        Ok(results)
    }

    /// Brings the index of words up to date, or builds one for these searches. Returns `None` if none of them
    /// searches by words.
    fn prepared_words(&self, searches: &[Search]) -> Result<Option<WordIndex>> {
        let mut knns = searches.iter().flat_map(Search::knns);
        if knns.all(Knn::is_dense) {
            return Ok(None);
        }
        let Some(words) = self.words else {
            self.check_size()?;
            return Ok(Some(WordIndex::temporary(self.collection)?));
        };
        words.prepare(self.collection, self.freshness, self.began)?;
        Ok(Some(words.clone()))
    }

    /// Ranks the records, and reads the hits. If one is not as the index of words knows it, mends the index and
    /// ranks them again.
    fn hits(&self, ranking: &Ranking<'_>, mut found: Found) -> Result<Vec<SearchHit>> {
        let words = ranking.words.filter(|_| ranking.has_words());
        let compared = words.filter(|_| self.freshness != Freshness::Snapshot);
        let fields = Fields::new(ranking.search, compared.is_some());
        let mut page = self.page(ranking, &found)?;
        let mut read = fields.read(self.collection, &page)?;
        let Some(words) = compared else {
            return Ok(fields.hits(page, read));
        };
        for _ in 0..MAX_MENDS {
            if !words.mend(self.collection, hits::documents(&page, &read))? {
                break;
            }
            found.words = ranking.by_words()?;
            page = self.page(ranking, &found)?;
            read = fields.read(self.collection, &page)?;
        }
        Ok(fields.hits(page, read))
    }

    /// Returns the ids and scores of the hits.
    fn page(&self, ranking: &Ranking<'_>, found: &Found) -> Result<Vec<Ranked>> {
        let search = ranking.search;
        let limit = search.limit.unwrap_or(usize::MAX);
        if search.rank.is_none() {
            return self.unranked(ranking.filter, search.offset, limit);
        }
        let mut ranked = ranking.run(found)?;
        if let Some(group_by) = &search.group_by {
            groups::keep_best(self.collection, group_by, &mut ranked)?;
        }
        Ok(ranked.into_iter().skip(search.offset).take(limit).collect())
    }

    /// Returns records in the order in which they were added.
    fn unranked(&self, filter: &Filter<'_>, offset: usize, limit: usize) -> Result<Vec<Ranked>> {
        let get = self.collection.get().include([]);
        let ids: Vec<String> = match filter.selection() {
            Selection::OnServer(filter) => {
                let get = get.filter(filter.cloned()).offset(offset).limit(limit);
                get.run()?.ids
            }
            Selection::Ids(passing) => {
                let ids = get.run()?.ids.into_iter();
                let passing = ids.filter(|id| passing.contains(id));
                passing.skip(offset).take(limit).collect()
            }
        };
        let unscored = ids.into_iter().map(|id| Ranked {
            id,
            score: f32::NAN,
        });
        Ok(unscored.collect())
    }

    /// Refuses to read a large collection for one search.
    fn check_size(&self) -> Result<()> {
        let count = self.collection.count()?;
        if count <= MAX_SCANNED {
            return Ok(());
        }
        let name = self.collection.name();
        let why = format!(
            "the collection has {count} records, and a search by words without an index reads them all, at most \
             {MAX_SCANNED}; add `let words = collection.word_index().file(\"{name}.words\").open()?;` before the \
             search, and `.words(&words)` to it"
        );
        Err(self.invalid(InvalidInput::Search {
            of: "the search".to_owned(),
            why,
        }))
    }

    fn invalid(&self, reason: InvalidInput) -> Error {
        self.collection.unsent_call(&op::SEARCH).invalid(reason)
    }
}
