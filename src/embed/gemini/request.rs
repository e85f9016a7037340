//! The body of a request: one entry per text, in the style of the model.

use std::fmt;

use serde::{Serialize, Serializer};

use super::model::ModelStyle;
use super::task::TaskType;

/// A text to embed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Item<'a> {
    pub(super) text: &'a str,
    /// The title of a document.
    pub(super) title: Option<&'a str>,
}

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
    pub(super) fn write<'a>(self, to: &mut Vec<u8>, items: impl Iterator<Item = Item<'a>>) {
        let model = &format!("models/{}", self.model);
        let body = Body {
            requests: items.map(|item| self.entry(model, item)).collect(),
        };
        let written = serde_json::to_writer(to, &body);
        debug_assert!(written.is_ok(), "{written:?}");
    }

    fn entry<'a>(self, model: &'a str, Item { text, title }: Item<'a>) -> Entry<'a> {
        let task = self.task;
        let (task_type, title, text) = match (self.style, title) {
            (ModelStyle::TaskField, title) => {
                (task.map(TaskType::name), title, Text::Prefixed("", text))
            }
            (ModelStyle::TaskInText, Some(title)) => (None, None, Text::Titled(title, text)),
            (ModelStyle::TaskInText, None) => {
                let prefix = task.map_or("", TaskType::prefix);
                (None, None, Text::Prefixed(prefix, text))
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
    text: Text<'a>,
}

/// A text with the words that a model without a task field reads before it.
enum Text<'a> {
    Titled(&'a str, &'a str),
    Prefixed(&'static str, &'a str),
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Titled(title, text) => write!(f, "title: {title} | text: {text}"),
            Text::Prefixed(prefix, text) => write!(f, "{prefix}{text}"),
        }
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // A plain string is written faster than formatted text.
            Text::Prefixed("", text) => serializer.serialize_str(text),
            _ => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(style: ModelStyle, task: TaskType, title: Option<&str>) -> String {
        let mut to = Vec::new();
        let items = ["a", "\"b\""].map(|text| Item { text, title });
        let model = "gemini-embedding-001";
        let parameters = Parameters {
            model,
            style,
            task: Some(task),
            dimension: 768,
        };
        parameters.write(&mut to, items.into_iter());
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
