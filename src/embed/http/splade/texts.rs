//! [`SpladeTexts`]: the requests and responses of one call.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::embed::fan_out::Work;
use crate::embed::http::dialect;
use crate::embed::http::sending::Sending;
use crate::embed::http::text::Text;
use crate::embed::limiter::Cost;
use crate::error::{Error, Result};
use crate::model::metadata::SparseVector;
use crate::wire::cut::cut;
use crate::wire::read::{self, unread};

/// The bytes to allow for each text in a response: 6,000 tokens, about 30 times as many as usual.
const TEXT_LEN: u64 = 256 << 10;

/// The texts that one call sends.
pub(super) struct SpladeTexts<'a> {
    pub(super) sending: Sending<'a>,
    /// Each once. Batches are ranges of this list.
    pub(super) distinct: Vec<&'a str>,
    pub(super) fetch_tokens: bool,
}

/// Returns each text once, without empty ones, and its place in that list.
pub(super) fn distinct<'a>(texts: &[&'a str]) -> (Vec<&'a str>, HashMap<&'a str, usize>) {
    let (mut distinct, mut places) = (Vec::new(), HashMap::new());
    for text in texts.iter().copied().filter(|text| !text.is_empty()) {
        places.entry(text).or_insert_with(|| {
            distinct.push(text);
            distinct.len() - 1
        });
    }
    (distinct, places)
}

impl SpladeTexts<'_> {
    /// Cuts the texts into batches by count and by bytes.
    pub(super) fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        /// Quotes and a comma.
        const AROUND: usize = 3;
        let engine = self.sending.engine;
        let bytes = |index: usize| self.text(index).json_len() + AROUND;
        cut(
            self.distinct.len(),
            bytes,
            engine.batch_size,
            engine.max_bytes,
        )
    }

    fn text(&self, index: usize) -> Text<'_> {
        Text {
            text: self.distinct[index],
            title: None,
        }
    }
}

impl Work<Vec<SparseVector>> for SpladeTexts<'_> {
    fn cost(&self, batch: Range<usize>) -> Cost {
        Cost {
            items: 1,
            tokens: batch.map(|index| self.text(index).tokens()).sum(),
        }
    }

    fn send(&self, batch: Range<usize>, answered: &mut dyn FnMut()) -> Result<Vec<SparseVector>> {
        #[derive(Serialize)]
        struct Body<'a> {
            texts: &'a [&'a str],
            task: &'a str,
            target: &'a str,
            fetch_tokens: &'a str,
        }
        let texts = &self.distinct[batch];
        let body = Body {
            texts,
            task: "",
            target: "",
            fetch_tokens: if self.fetch_tokens { "true" } else { "false" },
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let max_response_size = (texts.len() as u64 + 4) * TEXT_LEN;
        self.sending.send(&body, max_response_size, |response| {
            answered();
            read(response, texts.len())
        })
    }

    fn is_refusal(&self, error: &Error) -> bool {
        dialect::is_about_texts(error)
    }
}

/// Reads the vectors of a response, whose indices have no order.
pub(in crate::embed::http) fn read(
    response: &[u8],
    texts: usize,
) -> std::result::Result<Vec<SparseVector>, String> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        embeddings: Vec<Entry>,
        error: Option<Value>,
    }
    #[derive(Deserialize)]
    struct Entry {
        indices: Vec<u32>,
        values: Vec<f32>,
    }
    let answer: Answer = read::json(response)?;
    // Some gateways report an error with status 200.
    if let Some(error) = answer.error {
        let words = dialect::words(error.to_string().as_bytes());
        return Err(unread(response, &format!("it reports an error: {words}")));
    }
    let found = answer.embeddings.len();
    if found != texts {
        return Err(unread(
            response,
            &format!("{found} vectors for {texts} texts"),
        ));
    }
    let vector = |(text, entry): (usize, Entry)| {
        let Entry { indices, values } = entry;
        let (numbers, weights) = (indices.len(), values.len());
        if numbers != weights {
            return Err(format!(
                "the vector of text {text} has {numbers} indices and {weights} values"
            ));
        }
        let mut pairs: Vec<_> = indices.into_iter().zip(values).collect();
        pairs.sort_unstable_by_key(|(index, _)| *index);
        if let Some(two) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            let index = two[0].0;
            return Err(format!(
                "the vector of text {text} has the index {index} twice"
            ));
        }
        let (indices, values): (Vec<u32>, Vec<f32>) = pairs.into_iter().unzip();
        Ok(SparseVector::new(indices, values))
    };
    let vectors = answer.embeddings.into_iter().enumerate().map(vector);
    vectors
        .collect::<std::result::Result<_, _>>()
        .map_err(|what: String| unread(response, &what))
}
