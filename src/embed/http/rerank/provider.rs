//! [`Provider`]: the requests and responses of a service that scores documents.

use std::fmt::Debug;

use crate::error::InvalidInput;
use crate::wire::read::unread;

/// The part that all rerankers of a provider have in common.
#[derive(Debug)]
pub(in crate::embed::http) struct Service {
    pub(super) name: &'static str,
    /// The provider's own name, for messages.
    pub(super) title: &'static str,
    /// The variables that may hold the key: the first one that is set applies.
    pub(super) key_variables: &'static [&'static str],
    /// Whether requests need a key, at the provider's own address.
    pub(super) needs_key: bool,
    /// The path, appended to the address.
    pub(super) path: &'static str,
    /// The most documents in a request.
    pub(super) batch_size: usize,
}

/// The settings of a reranker of a provider.
pub(in crate::embed::http) trait Provider: Debug + Send + Sync {
    fn service(&self) -> &'static Service;

    fn model(&self) -> &str;

    /// Returns the address that the path is appended to.
    fn base_url(&self) -> &str;

    /// Refuses settings that no request can have.
    fn check(&self) -> Result<(), InvalidInput> {
        Ok(())
    }

    /// Returns the body of a request.
    fn body(&self, query: &str, documents: &[&str]) -> Vec<u8>;

    /// Reads the scores of a response, in the order of the documents.
    ///
    /// # Errors
    /// Describes what is wrong with the response.
    fn read(&self, response: &[u8], documents: usize) -> Result<Vec<f32>, String>;
}

/// Puts scores, each with the index of its document, in the order of the documents.
///
/// # Errors
/// If not each of the documents has one finite score.
pub(super) fn in_order(
    response: &[u8],
    documents: usize,
    scores: impl ExactSizeIterator<Item = (usize, f32)>,
) -> Result<Vec<f32>, String> {
    let wrong = |what: &str| unread(response, what);
    if scores.len() != documents {
        let found = scores.len();
        return Err(wrong(&format!("{found} scores for {documents} documents")));
    }
    let mut ordered = vec![None; documents];
    for (index, score) in scores {
        let Some(place) = ordered.get_mut(index) else {
            let what = format!("a score of document {index} (counted from 0) of {documents}");
            return Err(wrong(&what));
        };
        if !score.is_finite() {
            let what = format!("the score of document {index} (counted from 0) is {score}");
            return Err(wrong(&what));
        }
        if place.replace(score).is_some() {
            let what = format!("two scores of document {index} (counted from 0)");
            return Err(wrong(&what));
        }
    }
    // As many as documents, each of another one: none is missing.
    Ok(ordered.into_iter().flatten().collect())
}
