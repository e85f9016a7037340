//! [`RunSearch`] and [`RunSearches`]: send searches to the server.

use std::collections::BTreeMap;

use super::Collection;
use crate::client::operations as op;
use crate::embed::Purpose;
#[cfg(doc)]
use crate::error::Error;
use crate::error::{InvalidInput, Result};
use crate::model::search::{Knn, ReadLevel, Search, SearchResult};
use crate::printable::short;
use crate::wire::requested::Requested;
use crate::wire::{hits, write};

impl Collection {
    /// Searches with a filter, a combination of ranks, and groups: see [`Search`].
    ///
    /// Needs Chroma Cloud or a distributed server. A single-node server supports only
    /// [`query`](Collection::query); there, this call fails with [`Error::Unsupported`].
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Key, Search};
    /// # use chroma_blocking::record::SparseVector;
    /// # use chroma_blocking::search::{Knn, ReadLevel};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// # let words = SparseVector::default();
    /// let dense = Knn::text("memory safety");
    /// let sparse = Knn::sparse("words", words).default(10);
    /// let search = Search::new()
    ///     .filter(Key::field("year").gte(2020))
    ///     .rank(0.7 * dense + 0.3 * sparse)
    ///     .limit(10)
    ///     .select([Key::document(), Key::score(), Key::field("title")]);
    /// let hits = notes.search(search).read_level(ReadLevel::IndexOnly).run()?;
    /// for hit in &hits {
    ///     println!("{:?}  {}  {:?}", hit.score, hit.id, hit.metadata.get("title"));
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn search(&self, search: Search) -> RunSearch {
        RunSearch {
            collection: self.clone(),
            search,
            read_level: None,
        }
    }

    /// Runs several searches in one request. Returns one list of hits per search, in the order of the
    /// searches.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Key, Search};
    /// # use chroma_blocking::search::Knn;
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let searches = ["memory safety", "vector search"]
    ///     .map(|text| Search::new().rank(Knn::text(text)).limit(3));
    /// let results = notes.search_many(searches).run()?;
    /// assert_eq!(results.len(), 2);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn search_many(&self, searches: impl IntoIterator<Item = Search>) -> RunSearches {
        RunSearches {
            collection: self.clone(),
            searches: searches.into_iter().collect(),
            read_level: None,
        }
    }
}

/// A search of a collection; see [`Collection::search`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct RunSearch {
    collection: Collection,
    search: Search,
    read_level: Option<ReadLevel>,
}

impl RunSearch {
    /// Sets which records the search sees. Default: the server's default, [`ReadLevel::IndexAndWal`].
    pub fn read_level(mut self, read_level: ReadLevel) -> RunSearch {
        self.read_level = Some(read_level);
        self
    }

    /// Sends the search. Returns the hits, smallest score first.
    ///
    /// # Errors
    /// - [`Error::Invalid`] for a search that the server would refuse or misread, a vector of the wrong
    ///   dimension, a text without an embedding function, or a text without any word that the function of its
    ///   key knows. Nothing is sent to the server then.
    /// - [`Error::Unsupported`] if the server has no search.
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
    /// Sets which records the searches see. Default: the server's default, [`ReadLevel::IndexAndWal`].
    pub fn read_level(mut self, read_level: ReadLevel) -> RunSearches {
        self.read_level = Some(read_level);
        self
    }

    /// Sends the searches. Returns one list of hits per search, in the order of the searches.
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
    // Embedding may cost money, so all searches are checked first.
    for (index, search) in searches.iter().enumerate() {
        let of = if count == 1 {
            "the search".to_owned()
        } else {
            format!("search {index}")
        };
        search
            .check(&of, collection.dimension())
            .map_err(|reason| collection.unsent_call(&op::SEARCH).invalid(reason))?;
    }
    embed(collection, &mut searches)?;
    let body = write::search(&searches, read_level);
    let requested: Vec<_> = searches
        .iter()
        .map(|search| Requested::new(None, search.max_hits()))
        .collect();
    let request = collection.request(&op::SEARCH).body(&body);
    request.send(|answer| hits::search(answer, &requested))
}

/// Replaces the texts of all searches by vectors. Texts of dense vectors go to the embedding function in one
/// call; those of a metadata key go to the key's function in one call.
fn embed(collection: &Collection, searches: &mut [Search]) -> Result<()> {
    let (dense, sparse): (Vec<_>, Vec<_>) = searches
        .iter_mut()
        .flat_map(Search::texts)
        .partition(|knn| knn.is_dense());
    let texts: Vec<&str> = dense.iter().filter_map(|knn| knn.as_text()).collect();
    // A missing function must fail the call before any text is embedded.
    let embedder = match texts.first() {
        Some(first) => {
            let of = || format!("the Knn on {first:?}");
            Some(collection.embedder(&op::SEARCH, of)?)
        }
        None => None,
    };
    embed_by_key(collection, sparse)?;
    if let Some(embedder) = embedder {
        let vectors = embedder.embed(&texts, Purpose::Queries)?;
        for (knn, vector) in dense.into_iter().zip(vectors.rows()) {
            knn.embedded(vector.to_vec());
        }
    }
    Ok(())
}

/// Replaces texts by sparse vectors.
fn embed_by_key(collection: &Collection, knns: Vec<&mut Knn>) -> Result<()> {
    let mut by_key: BTreeMap<String, Vec<&mut Knn>> = BTreeMap::new();
    for knn in knns {
        by_key
            .entry(knn.key_name().to_owned())
            .or_default()
            .push(knn);
    }
    let embedders = by_key.keys();
    let embedders: Vec<_> = embedders
        .map(|key| collection.sparse_embedder(&op::SEARCH, key))
        .collect::<Result<_>>()?;
    for (embedder, knns) in embedders.into_iter().zip(by_key.into_values()) {
        let texts: Vec<&str> = knns.iter().filter_map(|knn| knn.as_text()).collect();
        let vectors = embedder.embed(&texts, Purpose::Queries)?;
        for (knn, vector) in knns.into_iter().zip(vectors) {
            if vector.indices.is_empty() {
                let reason = no_known_word(knn, embedder.name());
                return Err(collection.unsent_call(&op::SEARCH).invalid(reason));
            }
            knn.embedded_sparse(vector);
        }
    }
    Ok(())
}

/// Refuses a text that has an empty vector. To a server, all recently written records are equally near to an
/// empty vector.
fn no_known_word(knn: &Knn, function: &str) -> InvalidInput {
    let text = short(knn.as_text().unwrap_or_default());
    InvalidInput::Search {
        of: format!("the Knn on {text:?}"),
        why: format!(
            "{function} finds no word to search for in this text (stop words do not count); leave this Knn out, or use \
             another text"
        ),
    }
}
