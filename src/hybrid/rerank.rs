//! [`RerankedQuery`]: a query whose hits a reranker puts in order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::reranked::RerankedResult;
use crate::collection::Query;
use crate::embed::{CheckedReranker, RerankContext, Reranker};
use crate::error::{Error, InvalidInput, Result};
use crate::logs;
use crate::model::results::{Hit, Include};

/// The candidates for each result, unless the caller sets another number.
const CANDIDATES_PER_RESULT: usize = 4;
/// The most candidates that are fetched by default, if there are no more results.
const MAX_CANDIDATES: usize = 100;

impl Query {
    /// Puts the hits in the order of a reranker's scores. The query fetches
    /// [more hits](RerankedQuery::over_fetch) than it returns, so that a good document that is not near can
    /// come first.
    ///
    /// The reranker reads the text of the query and the documents of the hits. They are fetched even if
    /// [`include`](Query::include) leaves them out. Pass a reranker, or a reference or an `Arc` of one.
    ///
    /// ```no_run
    /// use chroma_blocking::Client;
    /// # use chroma_blocking::embed::{EmbeddingError, RerankContext, Reranker};
    /// # struct Shortest;
    /// # impl Reranker for Shortest {
    /// #     fn name(&self) -> &str { "shortest" }
    /// #     fn rerank(&self, _: &str, documents: &[&str], _: &RerankContext)
    /// #         -> Result<Vec<f32>, EmbeddingError>
    /// #     { Ok(documents.iter().map(|text| -(text.len() as f32)).collect()) }
    /// # }
    /// # let reranker = Shortest;
    ///
    /// let notes = Client::from_env()?.collection("notes").get()?;
    /// let query = notes.query("memory safety").n_results(10);
    /// for hit in query.rerank(&reranker).run()? {
    ///     println!("{:?}  {:.3}  {}", hit.score, hit.distance, hit.id);
    /// }
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn rerank<'a>(self, reranker: impl Reranker + 'a) -> RerankedQuery<'a> {
        RerankedQuery {
            query: self,
            reranker: Arc::new(reranker),
            text: None,
            candidates: None,
            budget: None,
        }
    }
}

/// A query whose hits are reranked; see [`Query::rerank`].
#[derive(Clone)]
#[must_use = "does nothing until run() is called"]
pub struct RerankedQuery<'a> {
    query: Query,
    reranker: Arc<dyn Reranker + 'a>,
    text: Option<String>,
    candidates: Option<usize>,
    budget: Option<Duration>,
}

impl RerankedQuery<'_> {
    /// Sets the number of hits that the reranker chooses from, at least
    /// [`n_results`](Query::n_results). Default: four times `n_results`, but at most 100 unless there are more
    /// results.
    pub fn over_fetch(mut self, candidates: usize) -> Self {
        self.candidates = Some(candidates);
        self
    }

    /// Sets the text that documents are compared with. Default: the text of the query. A query by a vector
    /// has none, so it needs this.
    pub fn rerank_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the longest time that reranking may take, including its retries and waits, but not the query
    /// before it. When it has passed, or a wait would pass it, the hits are in order of distance and have no
    /// scores; see [`RerankedResult::is_reranked`]. With zero, the reranker is not called. Default: none.
    ///
    /// A request that waits for a response ends with the budget. Any other reranker runs until it
    /// returns. Scores that it returns late count. If it fails after the budget, the order of distance stands.
    pub fn time_budget(mut self, budget: Duration) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Sends the query, and reranks its hits. Returns the best hit first; hits with the same score are in order
    /// of distance. Hits with no document, or an empty one, follow the others in order of distance.
    ///
    /// The deadline of the collection's retry policy includes reranking. When it passes, the call fails.
    ///
    /// # Errors
    /// - As for [`Query::run`].
    /// - [`Error::Invalid`] if there is no text to compare with, or too few candidates.
    /// - [`Error::Reranking`] if the reranker fails, or does not return one finite score for each document.
    pub fn run(self) -> Result<RerankedResult> {
        let call = self.query.unsent_call();
        let text = match self.text() {
            Ok(text) => text.to_owned(),
            Err(reason) => return Err(call.invalid(reason)),
        };
        let candidates = self
            .candidates()
            .map_err(|reason| call.clone().invalid(reason))?;
        let n_results = self.query.limit();
        let columns = self.query.columns().to_vec();
        let has_documents = columns.contains(&Include::Documents);
        let mut query = self.query.begin().n_results(candidates);
        if !has_documents {
            query = query.include(columns.into_iter().chain([Include::Documents]));
        }
        let calls = query.collection().client().call_options().clone();
        let mut hits = query.run()?.into_hits();
        let context = RerankContext::of_call(calls, self.budget);
        let checked = CheckedReranker {
            reranker: &*self.reranker,
            call,
        };
        let scores = scores(&checked, &text, &hits, &context)?;
        if !has_documents {
            for hit in &mut hits {
                hit.document = None;
            }
        }
        Ok(RerankedResult::new(hits, scores, n_results))
    }

    /// Returns the text that documents are compared with.
    fn text(&self) -> Result<&str, InvalidInput> {
        let text = self.text.as_deref().or(self.query.text());
        let why = match text {
            Some(text) if !text.trim().is_empty() => return Ok(text),
            Some(_) => "documents are compared with this text; pass one that is not empty",
            None => {
                "the query is a vector, and a reranker compares texts; pass the text with .rerank_text(...)"
            }
        };
        Err(InvalidInput::setting("rerank_text", "", why))
    }

    /// Returns the number of hits to fetch.
    fn candidates(&self) -> Result<usize, InvalidInput> {
        let results = self.query.limit();
        match self.candidates {
            Some(candidates) if candidates < results => {
                let why = format!(
                    "it is the number of hits to choose from, so it must be at least n_results, which is {results}"
                );
                let value = candidates.to_string();
                Err(InvalidInput::setting("over_fetch", value, why))
            }
            Some(candidates) if results > 0 => Ok(candidates),
            _ => {
                let usual = results.saturating_mul(CANDIDATES_PER_RESULT);
                Ok(usual.min(MAX_CANDIDATES).max(results))
            }
        }
    }
}

impl fmt::Debug for RerankedQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RerankedQuery")
            .field("query", &self.query)
            .field("reranker", &self.reranker.name())
            .field("text", &self.text)
            .field("candidates", &self.candidates)
            .field("budget", &self.budget)
            .finish()
    }
}

/// Returns the document of a hit, unless it is empty: that matches nothing, and services refuse it.
fn document(hit: &Hit) -> Option<&str> {
    let document = hit.document.as_deref();
    document.filter(|document| !document.trim().is_empty())
}

/// Returns the score of each hit that has a document. Returns `None` if the budget is spent.
fn scores(
    checked: &CheckedReranker<'_>,
    text: &str,
    hits: &[Hit],
    context: &RerankContext,
) -> Result<Option<Vec<Option<f32>>>> {
    let documents: Vec<&str> = hits.iter().filter_map(document).collect();
    let scores = if documents.is_empty() {
        Vec::new()
    } else if context.is_budget_spent() {
        return Ok(None);
    } else {
        match checked.rerank(text, &documents, context) {
            Ok(scores) => scores,
            Err(error @ Error::Cancelled { .. }) => return Err(error),
            Err(error) if context.is_budget_spent() => {
                logs::Line::new(logs::CLIENT, log::Level::Warn, &[]).log_failure(
                    &error,
                    format_args!("the time budget is spent, so the hits stay in order of distance"),
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    };
    let mut scores = scores.into_iter();
    let score = |hit| document(hit).and_then(|_| scores.next());
    Ok(Some(hits.iter().map(score).collect()))
}
