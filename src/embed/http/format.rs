//! [`Format`]: the requests and responses of a provider.

use super::received::Received;
use super::text::Text;
use crate::error::Error;

/// The requests and responses of one call: which model, for which purpose.
pub(in crate::embed) trait Format: Sync {
    /// Writes the body of a request for these texts.
    fn write(&self, texts: &mut dyn Iterator<Item = Text<'_>>, body: &mut Vec<u8>);

    /// Returns the most bytes that a text takes in a body, in addition to its own.
    fn bytes_per_text(&self) -> usize;

    /// Reads the vectors of a response.
    ///
    /// # Errors
    /// Describes what is wrong with the response.
    fn read(&self, response: &[u8], vectors: &mut Received<'_>) -> Result<(), String>;

    /// Whether the provider may have refused a request because of some of its texts, or because of its size.
    fn is_about_texts(&self, error: &Error) -> bool;

    /// Returns everything that a vector depends on, except title and text.
    fn cache_key(&self) -> String;
}
