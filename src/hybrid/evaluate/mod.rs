//! Evaluates searches in the client, for servers that have no search.

mod filter;
mod groups;
mod hits;
mod order;
mod ranking;
mod scores;

use std::thread;
use std::time::Instant;

use super::words::{Freshness, WordIndex};
use crate::client::operations as op;
use crate::collection::Collection;
use crate::error::{Error, InvalidInput, Result};
use crate::model::search::{Search, SearchHit, SearchResult};
use filter::Filter;
use hits::Fields;
use order::Ranked;
use ranking::{Dense, Ranking};

/// The most records that are read for one search if the caller has no index of words.
const MAX_SCANNED: usize = 10_000;

/// What searches that the client evaluates have in common.
pub(super) struct Evaluation<'a> {
    pub(super) collection: &'a Collection,
    pub(super) words: Option<&'a WordIndex>,
    pub(super) freshness: Freshness,
    /// When the caller has called.
    pub(super) began: Instant,
}

impl Evaluation<'_> {
    /// Refuses searches that cannot be evaluated here, before anything is sent. Texts of dense vectors need
    /// not be embedded yet.
    pub(super) fn check(&self, searches: &[Search]) -> Result<()> {
        if let Some(words) = self.words {
            if words.collection().id() != self.collection.id() {
                let why = format!(
                    "the index of words is that of another collection, {:?}; open one with word_index() of this \
                     collection",
                    words.collection().name()
                );
                let name = self.collection.name();
                return Err(self.invalid(InvalidInput::setting("words", name, why)));
            }
        }
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
        let needs_words = |search: &Search| search.knns().iter().any(|knn| !knn.is_dense());
        let temporary;
        let mut words = self.words;
        let mut prepared = !searches.iter().any(needs_words);
        if words.is_none() && !prepared {
            self.check_size()?;
            temporary = WordIndex::temporary(self.collection)?;
            words = Some(&temporary);
            prepared = true;
        }
        let mut results = Vec::with_capacity(searches.len());
        for search in searches {
            let filter = Filter::new(self.collection, search.filter.as_ref())?;
            let ranking = Ranking {
                collection: self.collection,
                search,
                filter: &filter,
                words,
            };
            let dense = match words.filter(|_| !prepared) {
                Some(words) => self.prepare_beside(words, &ranking)?,
                None => ranking.dense()?,
            };
            prepared = true;
            let hits = self.hits(&ranking, &dense, needs_words(search))?;
            results.push(SearchResult::of_client(hits));
        }
        Ok(results)
    }

    /// Brings the index of words up to date while the server searches by vectors.
    fn prepare_beside(&self, words: &WordIndex, ranking: &Ranking<'_>) -> Result<Dense> {
        let prepare = || words.prepare(self.collection, self.freshness, self.began);
        if self.freshness == Freshness::Snapshot || !ranking.has_dense() {
            prepare()?;
            return ranking.dense();
        }
        thread::scope(|scope| {
            // Without a thread, one is done after the other.
            let Ok(preparing) = thread::Builder::new().spawn_scoped(scope, prepare) else {
                prepare()?;
                return ranking.dense();
            };
            let dense = ranking.dense();
            let prepared = preparing.join();
            prepared.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            dense
        })
    }

    /// Ranks the records, and reads the hits. If one is not as the index of words knows it, ranks them once
    /// more.
    fn hits(
        &self,
        ranking: &Ranking<'_>,
        dense: &Dense,
        needs_words: bool,
    ) -> Result<Vec<SearchHit>> {
        let search = ranking.search;
        let words = ranking.words.filter(|_| needs_words);
        let compared = words.filter(|_| self.freshness != Freshness::Snapshot);
        let fields = Fields::new(search, compared.is_some());
        let mut page = self.page(ranking, dense)?;
        if let Some(words) = compared {
            let read = fields.read(self.collection, &page)?;
            if !words.mend(self.collection, hits::documents(&page, &read))? {
                return Ok(fields.hits(page, read));
            }
            page = self.page(ranking, dense)?;
        }
        let read = fields.read(self.collection, &page)?;
        Ok(fields.hits(page, read))
    }

    /// Returns the ids and scores of the hits.
    fn page(&self, ranking: &Ranking<'_>, dense: &Dense) -> Result<Vec<Ranked>> {
        let search = ranking.search;
        let limit = search.limit.unwrap_or(usize::MAX);
        if search.rank.is_none() {
            return self.unranked(ranking.filter, search.offset, limit);
        }
        let mut ranked = ranking.run(dense)?;
        if let Some(group_by) = &search.group_by {
            groups::keep_best(self.collection, group_by, &mut ranked)?;
        }
        Ok(ranked.into_iter().skip(search.offset).take(limit).collect())
    }

    /// Returns records in the order in which they were added.
    fn unranked(&self, filter: &Filter<'_>, offset: usize, limit: usize) -> Result<Vec<Ranked>> {
        let get = self.collection.get().include([]);
        let ids: Vec<String> = match filter.on_server() {
            Ok(filter) => {
                let get = get.filter(filter.cloned()).offset(offset).limit(limit);
                get.run()?.ids
            }
            Err(passing) => {
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
