//! [`RunSearch`] and [`RunSearches`]: send searches to the server, or evaluate them here.

use std::collections::BTreeMap;
#[cfg(feature = "hybrid")]
use std::time::Instant;

#[cfg(feature = "hybrid")]
use super::evaluate::Evaluation;
#[cfg(feature = "hybrid")]
use super::words::{Freshness, WordIndex};
use crate::client::operations as op;
use crate::collection::{Collection, STAMP, TextEmbedder};
use crate::embed::Purpose;
#[cfg(any(doc, feature = "hybrid"))]
use crate::error::Error;
use crate::error::{InvalidInput, Result};
use crate::model::embeddings::Embeddings;
use crate::model::filter::Key;
use crate::model::max_distance::MaxDistance;
#[cfg(feature = "hybrid")]
use crate::model::schema::Schema;
use crate::model::search::{Knn, ReadLevel, Search, SearchResult};
use crate::printable::short;
use crate::wire::requested::Requested;
use crate::wire::{hits, write};

impl Collection {
    /// Searches with a filter, a combination of ranks, and groups: see [`Search`].
    ///
    /// Chroma Cloud and distributed servers evaluate it. A single-node server does not. There, the client
    /// evaluates it by the same rules, if the crate has the feature `hybrid`; without it, the call fails with
    /// [`Error::Unsupported`].
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
            options: Options::default(),
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
            options: Options::default(),
        }
    }
}

/// The options of [`RunSearch`] and [`RunSearches`].
#[derive(Debug, Clone, Default)]
struct Options {
    read_level: Option<ReadLevel>,
    max_distance: MaxDistance,
    #[cfg(feature = "hybrid")]
    words: Option<WordIndex>,
    #[cfg(feature = "hybrid")]
    freshness: Freshness,
}

macro_rules! setters {
    ($search:ident) => {
        impl $search {
            /// Sets which records the search sees. Default: the server's default, [`ReadLevel::IndexAndWal`].
            /// Where the client evaluates the search, it always sees all records.
            pub fn read_level(mut self, read_level: ReadLevel) -> $search {
                self.options.read_level = Some(read_level);
                self
            }

            /// Drops the hits whose score is greater than `distance`, after the search. So there may be fewer
            /// hits than the [limit](Search::limit); no others take their place. For a [`Knn`], the score is
            /// the distance. Default: none are dropped.
            pub fn max_distance(mut self, distance: f32) -> $search {
                self.options.max_distance.restrict(distance);
                self
            }

            /// Drops the hits whose similarity is less than `score`: the same as
            /// [`max_distance(1.0 - score)`](Self::max_distance). The similarity is 1 minus the score of the
            /// search. For a `Knn`, that is the cosine or the inner product. It has no meaning in a
            /// collection whose space is `l2`, and none for an [`Rrf`](crate::search::Rrf), whose scores are
            /// negative. Default: none are dropped.
            pub fn min_score(self, score: f32) -> $search {
                self.max_distance(1.0 - score)
            }

            /// Sets the index of words that the client searches, where the server has no search. A server
            /// with search does not need it. Default: none; then all documents are read for each call with a
            /// [`Knn::words`], at most 10,000.
            #[cfg(feature = "hybrid")]
            pub fn words(mut self, words: &WordIndex) -> $search {
                self.options.words = Some(words.clone());
                self
            }

            /// Sets how the index of words finds out what has changed. Default: [`Freshness::Checked`].
            #[cfg(feature = "hybrid")]
            pub fn freshness(mut self, freshness: Freshness) -> $search {
                self.options.freshness = freshness;
                self
            }
        }
    };
}
setters!(RunSearch);
setters!(RunSearches);

/// Makes a search return its scores, for a bound of them. Returns whether it would not have done so.
fn select_scores(search: &mut Search) -> bool {
    let adds = !search.select.contains(&Key::score());
    if adds {
        search.select.push(Key::score());
    }
    adds
}

/// A search of a collection; see [`Collection::search`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct RunSearch {
    collection: Collection,
    search: Search,
    options: Options,
}

impl RunSearch {
    /// Runs the search. Returns the hits, smallest score first.
    ///
    /// # Errors
    /// - [`Error::Invalid`] for a search that the server would refuse or misread, a vector of the wrong
    ///   dimension, a text without an embedding function, or a text without any word that the function of its
    ///   key knows, unless the `Knn` has a default. Nothing is sent to the server then.
    /// - [`Error::Invalid`] for a search by words without an index of words, in a collection of more than
    ///   10,000 records.
    /// - [`Error::Unsupported`] if the server has no search, and the crate not the feature `hybrid`.
    pub fn run(self) -> Result<SearchResult> {
        let results = run(&self.collection, vec![self.search], &self.options)?;
        Ok(results.into_iter().next().unwrap_or_default())
    }
}

/// Several searches of a collection; see [`Collection::search_many`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct RunSearches {
    collection: Collection,
    searches: Vec<Search>,
    options: Options,
}

impl RunSearches {
    /// Runs the searches. Returns one list of hits per search, in the order of the searches.
    ///
    /// # Errors
    /// As for [`RunSearch::run`].
    pub fn run(self) -> Result<Vec<SearchResult>> {
        run(&self.collection, self.searches, &self.options)
    }
}

fn run(
    collection: &Collection,
    mut searches: Vec<Search>,
    options: &Options,
) -> Result<Vec<SearchResult>> {
    #[cfg(feature = "hybrid")]
    let began = Instant::now();
    let collection = &collection.begin();
    if searches.is_empty() {
        return Ok(Vec::new());
    }
    check(collection, &searches, options)?;
    let mut drop_scores = Vec::new();
    if options.max_distance.is_set() {
        drop_scores.extend(searches.iter_mut().map(select_scores));
    }
    #[cfg(feature = "hybrid")]
    let evaluation = Evaluation {
        collection,
        words: options.words.as_ref(),
        freshness: options.freshness,
        began,
    };
    #[cfg(feature = "hybrid")]
    let mut results = evaluate_or_send(&evaluation, searches, options)?;
    #[cfg(not(feature = "hybrid"))]
    let mut results = embed_and_send(collection, searches, options)?;
    for (result, drop_score) in results.iter_mut().zip(drop_scores) {
        result.retain_mut(|hit| {
            let score = if drop_score {
                hit.score.take()
            } else {
                hit.score
            };
            score.is_some_and(|score| options.max_distance.allows(score))
        });
    }
    Ok(results)
}

/// Evaluates searches here if the server cannot.
#[cfg(feature = "hybrid")]
fn evaluate_or_send(
    evaluation: &Evaluation<'_>,
    mut searches: Vec<Search>,
    options: &Options,
) -> Result<Vec<SearchResult>> {
    evaluation.check_index()?;
    let collection = evaluation.collection;
    let may_send = collection.may_have_search()
        && (!collection.is_single_node() || may_have_indexes(collection, &searches));
    if may_send {
        let mut sent = searches.clone();
        let vectors = embed(collection, &mut sent)?;
        match send(collection, &sent, options) {
            Err(Error::Unsupported { .. }) if collection.is_single_node() => {
                collection.remember_no_search();
            }
            result => return result,
        }
        evaluation.check(&searches)?;
        fill_in(&mut searches, vectors.as_ref());
    } else {
        evaluation.check(&searches)?;
        let embedder = embedder(collection, &searches)?;
        embed_dense(embedder, &mut searches)?;
    }
    evaluation.run(&searches)
}

/// Whether the collection may have the indexes that the searches need. A single-node server has none of sparse
/// vectors.
#[cfg(feature = "hybrid")]
fn may_have_indexes(collection: &Collection, searches: &[Search]) -> bool {
    let mut knns = searches.iter().flat_map(Search::knns);
    let has_sparse = |schema: &Schema| {
        let mut keys = schema.keys();
        keys.any(|key| schema.sparse_vector_index(key).is_some())
    };
    knns.all(Knn::is_dense) || collection.schema().is_some_and(has_sparse)
}

#[cfg(not(feature = "hybrid"))]
fn embed_and_send(
    collection: &Collection,
    mut searches: Vec<Search>,
    options: &Options,
) -> Result<Vec<SearchResult>> {
    embed(collection, &mut searches)?;
    send(collection, &searches, options)
}

/// Embedding may cost money, so all searches are checked first.
fn check(collection: &Collection, searches: &[Search], options: &Options) -> Result<()> {
    let invalid = |reason| collection.unsent_call(&op::SEARCH).invalid(reason);
    options.max_distance.check().map_err(invalid)?;
    for (index, search) in searches.iter().enumerate() {
        let of = if searches.len() == 1 {
            "the search".to_owned()
        } else {
            format!("search {index}")
        };
        let checked = search.check(&of, collection.dimension());
        checked.map_err(invalid)?;
        if options.max_distance.is_set() && search.rank.is_none() {
            let why = "max_distance and min_score need a rank, since its scores are the distances"
                .to_owned();
            return Err(invalid(InvalidInput::Search { of, why }));
        }
    }
    Ok(())
}

/// Sends searches whose texts have been embedded.
fn send(
    collection: &Collection,
    searches: &[Search],
    options: &Options,
) -> Result<Vec<SearchResult>> {
    let body = write::search(searches, options.read_level);
    let requested: Vec<_> = searches
        .iter()
        .map(|search| Requested::new(None, search.limit))
        .collect();
    let request = collection.request(&op::SEARCH).body(&body);
    let mut results = request.send(|answer| hits::search(answer, &requested))?;
    for (result, search) in results.iter_mut().zip(searches) {
        if !search.select.contains(&Key::field(STAMP)) {
            collection.hide_stamps(result.metadatas_mut());
        }
    }
    Ok(results)
}

/// Replaces the texts of all searches by vectors. Returns those of the texts of dense vectors.
fn embed(collection: &Collection, searches: &mut [Search]) -> Result<Option<Embeddings>> {
    // A missing function must fail the call before any text is embedded.
    let embedder = embedder(collection, searches)?;
    let mut knns: Vec<_> = searches.iter_mut().flat_map(Search::texts).collect();
    knns.retain(|knn| !knn.is_dense());
    embed_by_key(collection, knns)?;
    embed_dense(embedder, searches)
}

/// Prepares to embed the texts of dense vectors. Returns `None` if there are none.
fn embedder<'a>(
    collection: &'a Collection,
    searches: &[Search],
) -> Result<Option<TextEmbedder<'a>>> {
    let mut knns = searches.iter().flat_map(Search::knns);
    let first = knns.find_map(|knn| knn.as_text().filter(|_| knn.is_dense()));
    let embedder = |text| collection.embedder(&op::SEARCH, || format!("the Knn on {text:?}"));
    first.map(embedder).transpose()
}

/// Replaces the texts of dense vectors by vectors, and returns these. All go to the embedding function in one
/// call.
fn embed_dense(
    embedder: Option<TextEmbedder<'_>>,
    searches: &mut [Search],
) -> Result<Option<Embeddings>> {
    let Some(embedder) = embedder else {
        return Ok(None);
    };
    let knns = searches.iter().flat_map(Search::knns);
    let texts = knns.filter_map(|knn| knn.as_text().filter(|_| knn.is_dense()));
    let texts: Vec<&str> = texts.collect();
    let vectors = embedder.embed(&texts, Purpose::Queries)?;
    fill_in(searches, Some(&vectors));
    Ok(Some(vectors))
}

/// Replaces the texts of dense vectors by these vectors.
fn fill_in(searches: &mut [Search], vectors: Option<&Embeddings>) {
    let mut knns: Vec<_> = searches.iter_mut().flat_map(Search::texts).collect();
    knns.retain(|knn| knn.is_dense());
    let rows = vectors.into_iter().flat_map(Embeddings::rows);
    for (knn, vector) in knns.into_iter().zip(rows) {
        knn.embedded(vector.to_vec());
    }
}

/// Replaces texts by sparse vectors.
fn embed_by_key(collection: &Collection, knns: Vec<&mut Knn>) -> Result<()> {
    let mut by_key: BTreeMap<String, Vec<&mut Knn>> = BTreeMap::new();
    for knn in knns {
        if knn.is_words() {
            let key = collection.word_key(&op::SEARCH)?;
            knn.set_key(key);
        }
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
            if vector.indices.is_empty() && !knn.has_default() {
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
            "{function} finds no word to search for in this text (stop words do not count); set a default, leave this \
             Knn out, or use another text"
        ),
    }
}
