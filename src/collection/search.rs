//! [`RunSearch`] and [`RunSearches`]: searches on their way to the server.

use super::Collection;
use crate::client::operations as op;
use crate::embed::Purpose;
use crate::error::Result;
use crate::model::search::{ReadLevel, Search, SearchResult};
use crate::wire::{hits, write};

/// A search of a collection; see [`Collection::search`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct RunSearch {
    collection: Collection,
    search: Search,
    read_level: Option<ReadLevel>,
}

impl RunSearch {
    pub(super) fn new(collection: Collection, search: Search) -> RunSearch {
        RunSearch {
            collection,
            search,
            read_level: None,
        }
    }

    /// Which records it sees. Default: the server's, [`ReadLevel::IndexAndWal`].
    pub fn read_level(mut self, read_level: ReadLevel) -> RunSearch {
        self.read_level = Some(read_level);
        self
    }

    /// Asks the server: the hits, smallest score first.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) before anything is sent, for a search that the server would refuse or
    /// misread, a vector of the wrong dimension, or a text without an embedding function;
    /// [`Error::Unsupported`](crate::Error::Unsupported) from a server without search.
    pub fn run(self) -> Result<SearchResult> {
        let results = run(&self.collection, vec![self.search], self.read_level)?;
        Ok(results.into_iter().next().unwrap_or_default())
    }
}

/// Several searches of a collection; see [`Collection::search_many`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct RunSearches {
    collection: Collection,
    searches: Vec<Search>,
    read_level: Option<ReadLevel>,
}

impl RunSearches {
    pub(super) fn new(collection: Collection, searches: Vec<Search>) -> RunSearches {
        RunSearches {
            collection,
            searches,
            read_level: None,
        }
    }

    /// Which records they see. Default: the server's, [`ReadLevel::IndexAndWal`].
    pub fn read_level(mut self, read_level: ReadLevel) -> RunSearches {
        self.read_level = Some(read_level);
        self
    }

    /// Asks the server: a list of hits for each search, in the order of the searches. Of no searches, none.
    ///
    /// # Errors
    /// As for [`RunSearch::run`].
    pub fn run(self) -> Result<Vec<SearchResult>> {
        run(&self.collection, self.searches, self.read_level)
    }
}

fn run(
    collection: &Collection,
    mut searches: Vec<Search>,
    read_level: Option<ReadLevel>,
) -> Result<Vec<SearchResult>> {
    let collection = &collection.begin();
    let count = searches.len();
    if count == 0 {
        return Ok(Vec::new());
    }
    // All is checked before a text is embedded, which may cost something.
    for (index, search) in searches.iter().enumerate() {
        let of = match count {
            1 => "the search".to_owned(),
            _ => format!("search {index}"),
        };
        search
            .check(&of, collection.dimension())
            .map_err(|reason| collection.unsent_call(&op::SEARCH).invalid(reason))?;
    }
    embed(collection, &mut searches)?;
    let body = write::search(&searches, read_level);
    collection
        .request(&op::SEARCH)
        .body(&body)
        .send(|answer| hits::search(answer, count))
}

/// Puts vectors in the place of texts, all of them by one call.
fn embed(collection: &Collection, searches: &mut [Search]) -> Result<()> {
    let knns: Vec<_> = searches.iter_mut().flat_map(Search::texts).collect();
    let texts: Vec<&str> = knns.iter().filter_map(|knn| knn.as_text()).collect();
    if texts.is_empty() {
        return Ok(());
    }
    let vectors = collection.embed(&op::SEARCH, &texts, Purpose::Queries, || {
        format!("the Knn on {:?}", texts[0])
    })?;
    for (knn, vector) in knns.into_iter().zip(vectors.rows()) {
        knn.embedded(vector.to_vec());
    }
    Ok(())
}
