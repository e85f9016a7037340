//! [`Scoring`]: the requests and responses of one call.

use std::ops::Range;

use super::provider::Provider;
use crate::embed::fan_out::Work;
use crate::embed::http::dialect;
use crate::embed::http::sending::Sending;
use crate::embed::http::text::Text;
use crate::embed::limiter::Cost;
use crate::error::{Error, Result};
use crate::wire::cut::cut;

/// The bytes to allow for any response.
const RESPONSE: u64 = 64 << 10;
/// The bytes to allow for each score in a response: ten times as many as usual.
const SCORE: u64 = 1 << 10;

/// The documents that one call sends.
pub(super) struct Scoring<'a> {
    pub(super) sending: Sending<'a>,
    pub(super) provider: &'a dyn Provider,
    pub(super) query: &'a str,
    /// Batches are ranges of this list.
    pub(super) documents: &'a [&'a str],
}

impl Scoring<'_> {
    /// Cuts the documents into batches by count and by bytes. Each pair of query and document is scored alone,
    /// so scores of different batches can be compared.
    pub(super) fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        /// Quotes and a comma.
        const AROUND: usize = 3;
        let engine = self.sending.engine;
        let query = text(self.query).json_len();
        let bytes = |index: usize| text(self.documents[index]).json_len() + AROUND;
        cut(
            self.documents.len(),
            bytes,
            engine.batch_size,
            engine.max_bytes.saturating_sub(query),
        )
    }
}

fn text(text: &str) -> Text<'_> {
    Text { text, title: None }
}

impl Work<Vec<f32>> for Scoring<'_> {
    fn cost(&self, batch: Range<usize>) -> Cost {
        let query = text(self.query).tokens();
        let documents = self.documents[batch].iter();
        Cost {
            items: 1,
            tokens: documents
                .map(|document| query + text(document).tokens())
                .sum(),
        }
    }

    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<Vec<f32>> {
        let documents = &self.documents[batch];
        let body = self.provider.body(self.query, documents);
        // Some servers return the documents as well, and escape what is not ASCII.
        let max_response_size = RESPONSE + documents.len() as u64 * SCORE + 3 * body.len() as u64;
        self.sending.send(&body, max_response_size, |response| {
            answered();
            self.provider.read(response, documents.len())
        })
    }

    fn is_refusal(&self, error: &Error) -> bool {
        dialect::is_about_texts(error)
    }
}
