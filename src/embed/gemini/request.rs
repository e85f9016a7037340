//! The body of a request: one entry per text, in the style of the model.

use std::fmt;

use serde::{Serialize, Serializer};

use super::model::ModelStyle;
use super::task::TaskType;
use crate::embed::http::Text;

/// The parameters that all entries of a request share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub(super) model: &'a str,
    pub(super) style: ModelStyle,
    pub(super) task: Option<TaskType>,
    pub(super) dimension: usize,
}

impl Parameters<'_> {
    /// Writes the body of a request: one entry per text, because several texts in one entry would become one
    /// vector.
    pub(super) fn write_body(&self, texts: &mut dyn Iterator<Item = Text<'_>>, to: &mut Vec<u8>) {
        let model = &format!("models/{}", self.model);
        let body = Body {
            requests: texts.map(|text| self.entry(model, text)).collect(),
        };
        let written = serde_json::to_writer(to, &body);
        debug_assert!(written.is_ok(), "{written:?}");
    }

    fn entry<'a>(self, model: &'a str, Text { text, title }: Text<'a>) -> Entry<'a> {
        let task = self.task;
        let (task_type, title, text) = match (self.style, title) {
            (ModelStyle::TaskField, title) => {
                (task.map(TaskType::name), title, Words::Prefixed("", text))
            }
            (ModelStyle::TaskInText, Some(title)) => (None, None, Words::Titled(title, text)),
            (ModelStyle::TaskInText, None) => {
                let prefix = task.map_or("", TaskType::prefix);
                (None, None, Words::Prefixed(prefix, text))
            }
        };
        Entry {
            model,
            content: Content {
                parts: [Part { text }],
                role: "user",
            },
            task_type,
            title,
            output_dimensionality: self.dimension,
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    requests: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    output_dimensionality: usize,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Part<'a>; 1],
    role: &'static str,
}

#[derive(Serialize)]
struct Part<'a> {
    text: Words<'a>,
}

/// A text with the words that a model without a task field reads before it.
enum Words<'a> {
    Titled(&'a str, &'a str),
    Prefixed(&'static str, &'a str),
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Words::Titled(title, text) => write!(f, "title: {title} | text: {text}"),
            Words::Prefixed(prefix, text) => write!(f, "{prefix}{text}"),
        }
    }
}

impl Serialize for Words<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // A plain string is written faster than formatted text.
            Words::Prefixed("", text) => serializer.serialize_str(text),
            _ => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(style: ModelStyle, task: TaskType, title: Option<&str>) -> String {
        let mut to = Vec::new();
        let mut texts = ["a", "\"b\""].into_iter().map(|text| Text { text, title });
        let model = "gemini-embedding-001";
        let parameters = Parameters {
            model,
            style,
            task: Some(task),
            dimension: 768,
        };
        parameters.write_body(&mut texts, &mut to);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn equals_the_request_of_googles_sdk() {
        assert_eq!(
            body(
                ModelStyle::TaskField,
                TaskType::RetrievalDocument,
                Some("T")
            ),
            r#"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}],"role":"user"},"taskType":"RETRIEVAL_DOCUMENT","title":"T","outputDimensionality":768},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"\"b\""}],"role":"user"},"taskType":"RETRIEVAL_DOCUMENT","title":"T","outputDimensionality":768}]}"#
        );
        let untitled = body(ModelStyle::TaskField, TaskType::Clustering, None);
        assert!(!untitled.contains("title"), "{untitled}");
    }

    #[test]
    fn a_model_without_a_task_field_gets_the_task_in_the_text() {
        let query = body(ModelStyle::TaskInText, TaskType::RetrievalQuery, None);
        let text = r#"{"text":"task: search result | query: \"b\""}"#;
        assert!(query.contains(text), "{query}");
        assert!(!query.contains("taskType"));
        let entries = query.matches("\"parts\"").count();
        assert_eq!(entries, 2, "one per text");
    }

    #[test]
    fn a_model_without_a_title_field_gets_the_title_in_the_text() {
        let document = |title| body(ModelStyle::TaskInText, TaskType::RetrievalDocument, title);
        let titled = document(Some("Say \"T\""));
        assert!(
            titled.contains(r#"{"text":"title: Say \"T\" | text: a"}"#),
            "{titled}"
        );
        assert!(!titled.contains("\"title\""));
        assert!(document(None).contains(r#"{"text":"title: none | text: a"}"#));
    }
}
