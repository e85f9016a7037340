//! [`Format`] of Gemini: the parameters of a call decide what is sent, and how the response is read.

use super::answer;
use super::fault;
use super::model::ModelStyle;
use super::request::Parameters;
use super::task::TaskType;
use crate::embed::http::{Format, Received, Text};
use crate::embed::names::GEMINI;
use crate::error::Error;

/// The most that an entry of a request takes in addition to its text, its title and the model's name.
const ENTRY_BYTES: usize = 250;

impl Format for Parameters<'_> {
    fn write(&self, texts: &mut dyn Iterator<Item = Text<'_>>, body: &mut Vec<u8>) {
        self.write_body(texts, body);
    }

    fn bytes_per_text(&self) -> usize {
        ENTRY_BYTES + self.model.len()
    }

    fn read(&self, response: &[u8], vectors: &mut Received<'_>) -> Result<(), String> {
        let has_unit_length = self.style.answers_unit_length(self.dimension);
        answer::read(response, vectors, has_unit_length)
    }

    fn is_about_texts(&self, error: &Error) -> bool {
        fault::is_about_texts(error)
    }

    /// Returns the key of all vectors with these parameters. The key depends on the task, and not on the
    /// purpose or the variable that holds the API key.
    fn cache_key(&self) -> String {
        let style = match self.style {
            ModelStyle::TaskField => "task in a field",
            ModelStyle::TaskInText => "task in the text",
        };
        let task = self.task.map(TaskType::name);
        serde_json::json!([GEMINI, self.model, style, self.dimension, task]).to_string()
    }
}
