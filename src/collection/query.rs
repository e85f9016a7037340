//! [`Query`] and [`QueryMany`]: search for the records nearest to texts or vectors.

use std::borrow::Cow;
use std::collections::HashMap;

use super::batches::Batches;
use super::query_input::{IntoQueries, IntoQuery, Queries};
use super::retry::retry_if_record_gone;
use super::selection::Selection;
use super::{Collection, IntoIds};
use crate::client::operations as op;
use crate::embed::Purpose;
#[cfg(feature = "hybrid")]
use crate::error::Call;
use crate::error::{InvalidInput, Result};
use crate::model::embeddings::{self, Embeddings};
use crate::model::filter::{Parts, Where};
use crate::model::max_distance::MaxDistance;
use crate::model::results::{Include, QueryResult};
use crate::model::space::Space;
use crate::wire::requested::Requested;
use crate::wire::{hits, write};

impl Collection {
    /// Searches for the records nearest to a text or a vector. Returns at most ten records, with ids,
    /// distances, documents and metadata, unless the options say otherwise. A text is embedded first.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing, Key};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let recent = Key::field("year").gte(2010);
    /// let query = notes.query("memory safety").filter(recent);
    /// for hit in query.n_results(5).run()? {
    ///     println!("{:.3}  {}", hit.distance, hit.id);
    /// }
    /// let nearest = notes.query([0.1, 0.2, 0.3]).run()?;
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn query<M>(&self, query: impl IntoQuery<M>) -> Query {
        Query {
            collection: self.clone(),
            queries: query.into_query(),
            options: Options::default(),
        }
    }

    /// Runs several queries, in one request if possible. Returns one list of hits per query, in the order of
    /// the queries.
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Hashing};
    /// # let notes = Client::from_env()?.collection("notes").embedding_function(Hashing::default()).get()?;
    /// let queries = ["memory safety", "vector search"];
    /// let results = notes.query_many(queries).n_results(3).run()?;
    /// assert_eq!(results.len(), 2);
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn query_many<M>(&self, queries: impl IntoQueries<M>) -> QueryMany {
        QueryMany {
            collection: self.clone(),
            queries: queries.into_queries(),
            options: Options::default(),
        }
    }
}

/// The options of [`Query`] and [`QueryMany`].
#[derive(Debug, Clone)]
struct Options {
    selection: Selection,
    n_results: usize,
    include: Vec<Include>,
    max_distance: MaxDistance,
    /// The least similarity, if the caller has set one.
    min_score: Option<f32>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            selection: Selection::default(),
            n_results: 10,
            include: vec![Include::Documents, Include::Metadatas],
            max_distance: MaxDistance::default(),
            min_score: None,
        }
    }
}

macro_rules! setters {
    ($query:ident) => {
        impl $query {
            /// Sets the maximum number of hits per query. Default: 10.
            pub fn n_results(mut self, n_results: usize) -> Self {
                self.options.n_results = n_results;
                self
            }

            /// Searches only records that pass the filter; `None` changes nothing. If called twice, a record
            /// must pass both filters.
            pub fn filter(mut self, filter: impl Into<Option<Where>>) -> Self {
                self.options.selection.add_filter(filter);
                self
            }

            /// Searches only the records with these ids: one id or several. If called again, adds these ids
            /// to the earlier ones.
            pub fn ids<M>(mut self, ids: impl IntoIds<M>) -> Self {
                self.options.selection.add_ids(ids);
                self
            }

            /// Drops the hits that are farther away than this, after the query. So there may be fewer than
            /// [`n_results`](Self::n_results); no others take their place. If called twice, or together with
            /// [`min_score`](Self::min_score), the smaller distance counts. NaN is refused. Default: none are
            /// dropped.
            ///
            /// ```no_run
            /// # use chroma_blocking::{Client, Hashing};
            /// # let client = Client::from_env()?;
            /// # let notes = client.collection("notes").embedding_function(Hashing::default()).get()?;
            /// let near = notes.query("memory safety").max_distance(0.4).run()?;
            /// # Ok::<(), chroma_blocking::Error>(())
            /// ```
            pub fn max_distance(mut self, distance: f32) -> Self {
                self.options.max_distance.restrict(distance);
                self
            }

            /// Drops the hits that are less similar than this: those with a distance above `1.0 - score`. In a
            /// collection with the space `cosine`, the score is the cosine of the angle between the vectors;
            /// with `ip`, their inner product. With `l2`, and if the server does not report the space, the call
            /// fails with [`Error::Invalid`](crate::Error::Invalid) before any request. If called twice, the
            /// greater score counts. NaN is refused. Default: none are dropped.
            ///
            /// ```no_run
            /// # use chroma_blocking::{Client, Hashing};
            /// # let client = Client::from_env()?;
            /// # let notes = client.collection("notes").embedding_function(Hashing::default()).get()?;
            /// let near = notes.query("memory safety").min_score(0.6).run()?;
            /// # Ok::<(), chroma_blocking::Error>(())
            /// ```
            pub fn min_score(mut self, score: f32) -> Self {
                let earlier = self.options.min_score;
                // NaN stays, and is refused.
                let is_kept = |earlier: &f32| earlier.is_nan() || *earlier > score;
                self.options.min_score = earlier.filter(is_kept).or(Some(score));
                self
            }

            /// Sets what to return with ids and distances. Default: documents and metadata.
            pub fn include(mut self, include: impl IntoIterator<Item = Include>) -> Self {
                self.options.include = include.into_iter().collect();
                self
            }
        }
    };
}
setters!(Query);
setters!(QueryMany);

/// A query; see [`Collection::query`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct Query {
    collection: Collection,
    queries: Queries,
    options: Options,
}

impl Query {
    /// Sends the query. Returns the hits, nearest first.
    ///
    /// A single-node server returns at most about 32,000 hits with documents, metadata or URIs in one
    /// request. For more than 30,000 results, these are read by id after the query. A hit that is deleted in
    /// between is left out.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a vector of the wrong dimension, a text without an
    /// embedding function, or a filter that the server would refuse or misread, and for a filter with too
    /// many values or ids for one request: split them over several queries, and merge the hits.
    pub fn run(self) -> Result<QueryResult> {
        let results = run(&self.collection, &self.queries, self.options)?;
        Ok(results.into_iter().next().unwrap_or_default())
    }
}

/// The parts of a query that reranking needs.
#[cfg(feature = "hybrid")]
impl Query {
    pub(crate) fn collection(&self) -> &Collection {
        &self.collection
    }

    /// Starts the deadline of the call.
    pub(crate) fn begin(mut self) -> Query {
        self.collection = self.collection.begin();
        self
    }

    /// Returns the text to search for; `None` for a vector.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.queries {
            Queries::Texts(texts) => texts.first().map(String::as_str),
            Queries::Vectors(_) => None,
        }
    }

    /// Returns the maximum number of hits.
    pub(crate) fn limit(&self) -> usize {
        self.options.n_results
    }

    /// Returns what a hit contains in addition to id and distance.
    pub(crate) fn columns(&self) -> &[Include] {
        &self.options.include
    }

    /// Returns a call that has sent nothing yet, for an error.
    pub(crate) fn unsent_call(&self) -> Call {
        self.collection.unsent_call(&op::QUERY)
    }
}

/// Several queries; see [`Collection::query_many`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct QueryMany {
    collection: Collection,
    queries: Queries,
    options: Options,
}

impl QueryMany {
    /// Sends the queries. Returns one list of hits per query, in the order of the queries.
    ///
    /// They are one request unless it, or its response, would be too large. A single-node server returns at
    /// most about 32,000 hits with documents, metadata or URIs, so a request has at most 30,000 divided by
    /// the number of results.
    ///
    /// # Errors
    /// As for [`Query::run`].
    pub fn run(self) -> Result<Vec<QueryResult>> {
        run(&self.collection, &self.queries, self.options)
    }
}

/// The maximum number of hits in a request with several queries. Even with the shortest ids, that many hits
/// stay within the memory budget of a response.
const MAX_HITS: usize = 300_000;

fn run(collection: &Collection, queries: &Queries, options: Options) -> Result<Vec<QueryResult>> {
    let collection = &collection.begin();
    let max_distance = max_distance(collection, &options)?;
    let mut parts = collection.select(&op::QUERY, options.selection)?;
    if options.n_results == 0 {
        parts = None;
    }
    let embedded;
    let vectors: Vec<&[f32]> = match queries {
        // There can be no hits, so no text needs to be embedded.
        Queries::Texts(texts) if parts.is_none() => {
            return Ok(vec![QueryResult::default(); texts.len()]);
        }
        Queries::Texts(texts) => {
            embedded = embed(collection, texts)?;
            embedded.rows().collect()
        }
        Queries::Vectors(vectors) => vectors.iter().map(Vec::as_slice).collect(),
    };
    check(collection, &vectors)?;
    let Some(parts) = parts else {
        return Ok(vec![QueryResult::default(); vectors.len()]);
    };
    if parts.fields.is_some() || parts.documents.is_some() {
        collection.check_id_count(&op::QUERY, &parts, "in a query with a filter")?;
    }
    let n_results = options.n_results.min(u32::MAX as usize);
    let max_hits = collection.limits().hits(&options.include);
    let (include, read_later) = match max_hits {
        // One query alone finds more than a request returns with documents and metadata.
        Some(max) if n_results > max => {
            let is_vector = |column: &Include| *column == Include::Embeddings;
            options.include.into_iter().partition(is_vector)
        }
        _ => (options.include, Vec::new()),
    };
    let request = Request {
        collection,
        parts,
        n_results,
        include,
    };
    let batches = Batches {
        operation: &op::QUERY,
        count: vectors.len(),
        entry_size: |index: usize| vectors[index].len() * write::FLOAT_LEN,
        overhead: request.body(&[], &request.parts).len(),
        max_count: match max_hits {
            Some(max) if read_later.is_empty() => max / n_results,
            _ => (MAX_HITS / n_results).max(1),
        },
    };
    let mut results = Vec::with_capacity(vectors.len());
    batches.send(collection, |range, _| {
        results.extend(request.send(&vectors[range])?);
        Ok(())
    })?;
    if max_distance.is_set() {
        for result in &mut results {
            result.retain_mut(|hit| max_distance.allows(hit.distance));
        }
    }
    if !read_later.is_empty() {
        read_hits(collection, &mut results, &read_later)?;
    }
    Ok(results)
}

/// Returns the greatest distance of a hit. Refuses a score where distances are not 1 minus a similarity.
fn max_distance(collection: &Collection, options: &Options) -> Result<MaxDistance> {
    let mut max = options.max_distance;
    let mut checked = max.check();
    if let Some(score) = options.min_score {
        let space = collection.space();
        if !matches!(space, Some(Space::Cosine | Space::Ip)) {
            let space = space.map_or("unknown", Space::name);
            let why = format!(
                "the space of the collection is {space}, where no similarity belongs to a distance; use \
                 max_distance(...)"
            );
            checked = Err(InvalidInput::setting("min_score", score.to_string(), why));
        } else if score.is_nan() {
            checked = Err(InvalidInput::setting(
                "min_score",
                "NaN",
                "it must be a number",
            ));
        }
        max.restrict(1.0 - score);
    }
    checked.map_err(|reason| collection.unsent_call(&op::QUERY).invalid(reason))?;
    Ok(max)
}

/// Reads documents, metadata and URIs of hits by id. Drops the hits that have been deleted since the query.
fn read_hits(
    collection: &Collection,
    results: &mut [QueryResult],
    include: &[Include],
) -> Result<()> {
    let ids = results
        .iter()
        .flat_map(|hits| hits.iter().map(|hit| &hit.id));
    let ids: Vec<String> = ids.cloned().collect();
    // The progress of a query counts queries.
    let get = collection.without_progress().get().ids(ids);
    let found = get.include(include.iter().copied()).run()?;
    let index: HashMap<&str, usize> = found.ids.iter().map(String::as_str).zip(0..).collect();
    for hits in results {
        hits.retain_mut(|hit| {
            let Some(record) = index.get(hit.id.as_str()).and_then(|row| found.get(*row)) else {
                return false;
            };
            hit.document = record.document.map(str::to_owned);
            hit.uri = record.uri.map(str::to_owned);
            hit.metadata = record.metadata.clone();
            true
        });
    }
    Ok(())
}

fn embed(collection: &Collection, texts: &[String]) -> Result<Embeddings> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embedder = collection.embedder(&op::QUERY, || "the query".to_owned())?;
    embedder.embed(&texts, Purpose::Queries)
}

/// Refuses vectors that are not finite, or not of the collection's dimension.
fn check(collection: &Collection, vectors: &[&[f32]]) -> Result<()> {
    let mut dimension = collection.dimension();
    for (index, vector) in vectors.iter().enumerate() {
        embeddings::check(vector, dimension, || format!("query {index}"))
            .map_err(|reason| collection.unsent_call(&op::QUERY).invalid(reason))?;
        dimension = Some(vector.len());
    }
    Ok(())
}

/// The parts that all requests of a call share.
struct Request<'a> {
    collection: &'a Collection,
    parts: Parts,
    n_results: usize,
    include: Vec<Include>,
}

impl Request<'_> {
    fn body(&self, vectors: &[&[f32]], parts: &Parts) -> Vec<u8> {
        let query = write::Query {
            n_results: self.n_results,
            include: &self.include,
        };
        query.body(vectors, parts)
    }

    fn send(&self, vectors: &[&[f32]]) -> Result<Vec<QueryResult>> {
        let mut parts = Cow::Borrowed(&self.parts);
        retry_if_record_gone(|attempt| {
            // The server fails on any id without a record, so a retry names only those that have one.
            if let (1.., Some(ids)) = (attempt, &parts.ids) {
                let ids = ids.as_slice();
                let existing = self.collection.get().ids(ids).include([]).run()?.ids;
                if existing.is_empty() {
                    return Ok(vec![QueryResult::default(); vectors.len()]);
                }
                parts.to_mut().ids = Some(existing);
            }
            let body = self.body(vectors, &parts);
            let request = self.collection.request(&op::QUERY).body(&body);
            let requested = Requested::new(parts.ids.as_deref(), Some(self.n_results));
            request
                .send(|answer| {
                    let mut results = hits::query(answer, vectors.len(), &requested)?;
                    let metadatas = results.iter_mut().flat_map(QueryResult::metadatas_mut);
                    self.collection.hide_stamps(metadatas);
                    Ok(results)
                })
                .map_err(|error| self.collection.explain_refusal(&parts, error))
        })
    }
}
