//! [`ReembedPlan`]: what a re-embedding would do and cost.

use std::fmt;

use serde::Serialize;

use crate::collection::Collection;
use crate::error::Result;
use crate::model::results::Include;
use crate::printable::OneLine;
use crate::transfer::texts::{SHOWN, has_text};

/// The number of texts in a batch of a batch job.
const BATCH: u64 = 100;
/// A token has about four characters of English text.
const CHARACTERS_PER_TOKEN: u64 = 4;

/// The size of a re-embedding before it runs; see [`Reembed::plan`](super::Reembed::plan). Its `Display` is one line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReembedPlan {
    /// The name of the new collection.
    pub collection: String,
    /// The number of records.
    pub records: u64,
    /// The number of texts to embed. Equal texts count each.
    pub texts: u64,
    /// Records without a document, or with one that holds only white space.
    pub without_document: u64,
    /// The ids of the first five of them.
    pub without_document_ids: Vec<String>,
    /// The characters of all texts.
    pub characters: u64,
    /// An estimate of the tokens of all texts: a token for four characters, as the providers estimate it for
    /// English ([Gemini](https://ai.google.dev/gemini-api/docs/tokens)). Other languages and code have more
    /// tokens. The provider counts them exactly.
    pub estimated_tokens: u64,
    /// The number of batches of up to 100 texts. A function may split a batch into several requests.
    pub batches: u64,
    /// The new embedding function with its model.
    pub function: String,
    /// The new dimension, if the function tells it before the first call.
    pub dimension: Option<usize>,
}

impl ReembedPlan {
    /// Counts the texts of a collection, page by page.
    pub(super) fn count(&mut self, source: &Collection) -> Result<()> {
        for record in source.scan().include([Include::Documents]) {
            let record = record?;
            self.records += 1;
            let document = record.document.as_deref();
            if !has_text(document) {
                self.without_document += 1;
                if self.without_document_ids.len() < SHOWN {
                    self.without_document_ids.push(record.id);
                }
                continue;
            }
            self.texts += 1;
            self.characters += document.unwrap_or_default().chars().count() as u64;
        }
        self.estimated_tokens = self.characters.div_ceil(CHARACTERS_PER_TOKEN);
        self.batches = self.texts.div_ceil(BATCH);
        Ok(())
    }
}

/// `notes-reembedded: 1200 records, 1190 texts in 12 batches, about 60000 tokens (240000 characters), 10 without a
/// document; with openai, text-embedding-3-small`
impl fmt::Display for ReembedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} records, {} texts in {} batches, about {} tokens ({} characters)",
            OneLine(&self.collection),
            self.records,
            self.texts,
            self.batches,
            self.estimated_tokens,
            self.characters
        )?;
        if self.without_document > 0 {
            write!(f, ", {} without a document", self.without_document)?;
        }
        write!(f, "; with {}", OneLine(&self.function))?;
        match self.dimension {
            Some(floats) if !self.function.ends_with(" floats") => write!(f, ", {floats} floats"),
            _ => Ok(()),
        }
    }
}
