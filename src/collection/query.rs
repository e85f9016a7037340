//! [`Query`] and [`QueryMany`]: the records that are nearest to texts or vectors.

use std::borrow::Cow;

use super::Collection;
use super::selection::Selection;
use crate::client::{chroma, operations as op};
use crate::embed::Purpose;
use crate::error::{Error, Result};
use crate::model::embeddings::{self, Embeddings, Vectors};
use crate::model::filter::{Parts, Where};
use crate::model::results::{Include, QueryResult};
use crate::wire::{hits, write};

/// What to look for: a text, which is embedded, or a vector.
#[derive(Debug, Clone)]
pub struct QueryInput<'a>(Input<'a>);

#[derive(Debug, Clone)]
enum Input<'a> {
    Text(Cow<'a, str>),
    Vector(Cow<'a, [f32]>),
}

/// What to look for, several at once: texts, which are embedded, or vectors.
#[derive(Debug, Clone)]
pub struct Queries<'a>(Inputs<'a>);

#[derive(Debug, Clone)]
enum Inputs<'a> {
    Texts(Vec<Cow<'a, str>>),
    Borrowed(Vectors<'a>),
    Owned(Vec<Vec<f32>>),
}

macro_rules! text_query {
    ($($from:ty),+) => {$(
        impl<'a> From<$from> for QueryInput<'a> {
            fn from(text: $from) -> QueryInput<'a> {
                QueryInput(Input::Text(text.into()))
            }
        }
    )+};
}
text_query!(&'a str, &'a String, String, Cow<'a, str>);

impl<'a> From<&&'a str> for QueryInput<'a> {
    fn from(text: &&'a str) -> QueryInput<'a> {
        (*text).into()
    }
}

macro_rules! vector_query {
    ($([$($n:tt)*] $from:ty => $floats:expr),+ $(,)?) => {$(
        impl<'a, $($n)*> From<$from> for QueryInput<'a> {
            fn from(vector: $from) -> QueryInput<'a> {
                let floats: fn($from) -> Cow<'a, [f32]> = $floats;
                QueryInput(Input::Vector(floats(vector)))
            }
        }
    )+};
}
vector_query!(
    [] &'a [f32] => |v| v.into(),
    [] &'a Vec<f32> => |v| v.into(),
    [] Vec<f32> => |v| v.into(),
    [const N: usize] [f32; N] => |v| Vec::from(v).into(),
    [const N: usize] &'a [f32; N] => |v| v.as_slice().into(),
);

macro_rules! text_queries {
    ($([$($n:tt)*] $from:ty),+ $(,)?) => {$(
        impl<'a, $($n)*> From<$from> for Queries<'a> {
            fn from(texts: $from) -> Queries<'a> {
                Queries(Inputs::Texts(texts.into_iter().map(Into::into).collect()))
            }
        }
    )+};
}
text_queries!(
    [const N: usize] [&'a str; N],
    [const N: usize] [String; N],
    [] Vec<&'a str>,
    [] Vec<String>,
    [] &'a [String],
    [] &'a Vec<String>,
);

macro_rules! borrowed_text_queries {
    ($([$($n:tt)*] $from:ty),+ $(,)?) => {$(
        impl<'a, $($n)*> From<$from> for Queries<'a> {
            fn from(texts: $from) -> Queries<'a> {
                Queries(Inputs::Texts(texts.iter().map(|text| (*text).into()).collect()))
            }
        }
    )+};
}
borrowed_text_queries!(
    [] &'a [&'a str],
    [] &'a Vec<&'a str>,
    [const N: usize] &'a [&'a str; N],
);

impl<'a> From<Vectors<'a>> for Queries<'a> {
    fn from(vectors: Vectors<'a>) -> Queries<'a> {
        Queries(Inputs::Borrowed(vectors))
    }
}

macro_rules! vector_queries {
    ($([$($n:tt)*] $from:ty),+ $(,)?) => {$(
        impl<'a, $($n)*> From<$from> for Queries<'a> {
            fn from(vectors: $from) -> Queries<'a> {
                Vectors::from(vectors).into()
            }
        }
    )+};
}
vector_queries!(
    [] &'a Embeddings,
    [] &'a [Vec<f32>],
    [] &'a Vec<Vec<f32>>,
    [] &'a [&'a [f32]],
    [] Vec<&'a [f32]>,
    [const N: usize] &'a [[f32; N]],
    [const N: usize] &'a Vec<[f32; N]>,
    [const N: usize, const M: usize] &'a [[f32; N]; M],
);

impl From<Vec<Vec<f32>>> for Queries<'_> {
    fn from(vectors: Vec<Vec<f32>>) -> Self {
        Queries(Inputs::Owned(vectors))
    }
}

impl<const N: usize, const M: usize> From<[[f32; N]; M]> for Queries<'_> {
    fn from(vectors: [[f32; N]; M]) -> Self {
        Queries(Inputs::Owned(vectors.map(Vec::from).into()))
    }
}

/// What queries of both kinds have in common.
#[derive(Debug, Clone)]
struct Options {
    selection: Selection,
    n_results: usize,
    include: Vec<Include>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            selection: Selection::default(),
            n_results: 10,
            include: vec![Include::Documents, Include::Metadatas],
        }
    }
}

macro_rules! options {
    ($query:ident) => {
        impl $query<'_> {
            /// At most this many hits per query. Default 10.
            pub fn n_results(mut self, n_results: usize) -> Self {
                self.options.n_results = n_results;
                self
            }

            /// Only records that pass the filter; called twice, both.
            pub fn filter(mut self, filter: Where) -> Self {
                self.options.selection.add_filter(filter);
                self
            }

            /// Only these ids.
            pub fn ids<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
                self.options.selection.add_ids(ids);
                self
            }

            /// What to bring with ids and distances, in place of documents and metadata.
            pub fn include(mut self, include: impl IntoIterator<Item = Include>) -> Self {
                self.options.include = include.into_iter().collect();
                self
            }
        }
    };
}
options!(Query);
options!(QueryMany);

/// A query; see [`Collection::query`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct Query<'a> {
    collection: Collection,
    input: QueryInput<'a>,
    options: Options,
}

impl<'a> Query<'a> {
    pub(super) fn new(collection: Collection, input: QueryInput<'a>) -> Query<'a> {
        Query {
            collection,
            input,
            options: Options::default(),
        }
    }

    /// Asks the server: the hits, nearest first.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a vector of the wrong dimension, a text without an embedding
    /// function, or a filter that the server would refuse or misread.
    pub fn run(self) -> Result<QueryResult> {
        let inputs = match self.input.0 {
            Input::Text(text) => Inputs::Texts(vec![text]),
            Input::Vector(Cow::Owned(vector)) => Inputs::Owned(vec![vector]),
            Input::Vector(Cow::Borrowed(vector)) => Inputs::Borrowed(vec![vector].into()),
        };
        let results = run(&self.collection, &inputs, self.options)?;
        Ok(results.into_iter().next().unwrap_or_default())
    }
}

/// Several queries; see [`Collection::query_many`].
#[derive(Debug, Clone)]
#[must_use = "does nothing until run() is called"]
pub struct QueryMany<'a> {
    collection: Collection,
    queries: Queries<'a>,
    options: Options,
}

impl<'a> QueryMany<'a> {
    pub(super) fn new(collection: Collection, queries: Queries<'a>) -> QueryMany<'a> {
        QueryMany {
            collection,
            queries,
            options: Options::default(),
        }
    }

    /// Asks the server: a list of hits for each query, in the order of the queries.
    ///
    /// # Errors
    /// As for [`Query::run`].
    pub fn run(self) -> Result<Vec<QueryResult>> {
        run(&self.collection, &self.queries.0, self.options)
    }
}

fn run(collection: &Collection, inputs: &Inputs<'_>, options: Options) -> Result<Vec<QueryResult>> {
    let collection = &collection.begin();
    let parts = collection.select(&op::QUERY, options.selection)?;
    let parts = parts.filter(|_| options.n_results > 0);
    let n_results = options.n_results.min(u32::MAX as usize);
    let embedded;
    let vectors: Vec<&[f32]> = match inputs {
        // No answer is possible, so no text is embedded for it.
        Inputs::Texts(texts) if parts.is_none() => {
            return Ok(vec![QueryResult::default(); texts.len()]);
        }
        Inputs::Texts(texts) => {
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            let of = || "the query".to_owned();
            embedded = collection.embed(&op::QUERY, &texts, Purpose::Queries, of)?;
            embedded.rows().collect()
        }
        Inputs::Borrowed(vectors) => {
            let row = |index| vectors.row(index).unwrap_or_default();
            (0..vectors.len()).map(row).collect()
        }
        Inputs::Owned(vectors) => vectors.iter().map(Vec::as_slice).collect(),
    };
    let mut dimension = collection.dimension();
    for (index, vector) in vectors.iter().enumerate() {
        let of = || format!("query {index}");
        embeddings::check(vector, dimension, of)
            .map_err(|reason| collection.at(&op::QUERY).invalid(reason))?;
        dimension = Some(vector.len());
    }
    let Some(parts) = parts else {
        return Ok(vec![QueryResult::default(); vectors.len()]);
    };
    let mut results = Vec::with_capacity(vectors.len());
    let size = |index: usize| vectors[index].len() * write::FLOAT_LEN;
    let around = write::query([].into_iter(), n_results, &parts, &options.include).len();
    collection
        .in_requests(
            &op::QUERY,
            vectors.len(),
            size,
            around,
            usize::MAX,
            |range, _| {
                let vectors = &vectors[range];
                results.extend(ask(
                    collection,
                    vectors,
                    n_results,
                    &parts,
                    &options.include,
                )?);
                Ok(())
            },
        )
        .map_err(|(error, _)| error)?;
    Ok(results)
}

fn ask(
    collection: &Collection,
    vectors: &[&[f32]],
    n_results: usize,
    parts: &Parts,
    include: &[Include],
) -> Result<Vec<QueryResult>> {
    /// How often it is asked again when records go while a single-node server looks at them.
    const AGAIN: u32 = 5;

    let queries = vectors.len();
    let mut parts = Cow::Borrowed(parts);
    for again in 0.. {
        let body = write::query(vectors.iter().copied(), n_results, &parts, include);
        let request = collection.request(&op::QUERY).body(&body);
        let answer = request
            .send(|answer| hits::query(answer, queries))
            .map_err(|error| collection.explain_refusal(&parts, error));
        match (answer, &parts.ids) {
            (Err(Error::NotFound { message, .. }), ids)
                if message.contains(chroma::MISSING_RECORD) && again < AGAIN =>
            {
                // It fails on any id that it lacks, too: so only those that it has.
                if let Some(ids) = ids {
                    let known = collection.get().ids(ids.as_slice()).include([]).run()?.ids;
                    if known.is_empty() {
                        break;
                    }
                    parts.to_mut().ids = Some(known);
                }
            }
            (answer, _) => return answer,
        }
    }
    Ok(vec![QueryResult::default(); queries])
}
