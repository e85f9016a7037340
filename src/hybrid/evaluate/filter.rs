//! [`Filter`]: which records a search may find.

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::collection::Collection;
use crate::error::Result;
use crate::model::filter::Where;
use crate::model::results::QueryResult;

/// The most ids in a query. With more, the query asks for more hits, and the others are dropped.
const MAX_IDS: usize = 1_000;

/// The filter of a search. Single-node servers evaluate all conditions but some on ids.
pub(super) struct Filter<'a> {
    collection: &'a Collection,
    /// The filter, if a server can evaluate it.
    on_server: Option<Where>,
    /// The ids of the records that pass, once they are known.
    passing: OnceCell<HashSet<String>>,
}

/// How to select the records that pass a filter.
pub(super) enum Selection<'a> {
    /// The server evaluates the filter, if there is one.
    OnServer(Option<&'a Where>),
    /// The server cannot. These ids pass.
    Ids(&'a HashSet<String>),
}

impl<'a> Filter<'a> {
    pub(super) fn new(collection: &'a Collection, filter: Option<&Where>) -> Result<Filter<'a>> {
        let mut new = Filter {
            collection,
            on_server: filter.cloned(),
            passing: OnceCell::new(),
        };
        if let Some(filter) = filter.filter(|filter| filter.tests_ids()) {
            let on_server = |part: Option<&Where>| ids(collection, part);
            new.passing = OnceCell::from(filter.passing_ids(&on_server)?);
            new.on_server = None;
        }
        Ok(new)
    }

    /// Returns how to select the records that pass.
    pub(super) fn selection(&self) -> Selection<'_> {
        match (&self.on_server, self.passing.get()) {
            (None, Some(passing)) => Selection::Ids(passing),
            (filter, _) => Selection::OnServer(filter.as_ref()),
        }
    }

    /// Returns the ids of the records that pass; `None` for all records. Asks the server once.
    pub(super) fn passing(&self) -> Result<Option<&HashSet<String>>> {
        if let Some(passing) = self.passing.get() {
            return Ok(Some(passing));
        }
        let Some(filter) = &self.on_server else {
            return Ok(None);
        };
        let passing = ids(self.collection, Some(filter))?;
        Ok(Some(self.passing.get_or_init(|| passing)))
    }

    /// Returns the nearest records, at most `n`.
    pub(super) fn query(&self, vector: &[f32], n: usize) -> Result<QueryResult> {
        let query = || self.collection.query(vector).include([]);
        let passing = match self.selection() {
            Selection::OnServer(filter) => {
                return query().filter(filter.cloned()).n_results(n).run();
            }
            Selection::Ids(passing) => passing,
        };
        if passing.len() <= MAX_IDS {
            return query().ids(passing).n_results(n).run();
        }
        let mut wanted = n;
        loop {
            wanted = wanted.saturating_mul(2);
            let mut hits = query().n_results(wanted).run()?;
            let is_all = hits.len() < wanted;
            hits.retain_mut(|hit| passing.contains(&hit.id));
            if is_all || hits.len() >= n {
                hits.truncate(n);
                return Ok(hits);
            }
        }
    }
}

/// Returns the ids of all records that pass a filter.
fn ids(collection: &Collection, filter: Option<&Where>) -> Result<HashSet<String>> {
    let found = collection.get().filter(filter.cloned()).include([]).run()?;
    Ok(found.ids.into_iter().collect())
}
