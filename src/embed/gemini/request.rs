//! What Gemini is asked: one item per text, in the style of the model.

use serde::Serialize;

use super::model::ModelStyle;

/// What vectors are for; models make different ones for different tasks. The names are Gemini's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskType {
    /// Comparing texts by meaning.
    SemanticSimilarity,
    /// Sorting texts under known labels.
    Classification,
    /// Finding groups of texts.
    Clustering,
    /// Texts that are to be found.
    RetrievalDocument,
    /// Texts that look for documents.
    RetrievalQuery,
    /// Texts that look for code.
    CodeRetrievalQuery,
    /// Questions that look for answers.
    QuestionAnswering,
    /// Claims that look for evidence.
    FactVerification,
}

impl TaskType {
    /// Gemini's name.
    pub fn name(self) -> &'static str {
        match self {
            TaskType::SemanticSimilarity => "SEMANTIC_SIMILARITY",
            TaskType::Classification => "CLASSIFICATION",
            TaskType::Clustering => "CLUSTERING",
            TaskType::RetrievalDocument => "RETRIEVAL_DOCUMENT",
            TaskType::RetrievalQuery => "RETRIEVAL_QUERY",
            TaskType::CodeRetrievalQuery => "CODE_RETRIEVAL_QUERY",
            TaskType::QuestionAnswering => "QUESTION_ANSWERING",
            TaskType::FactVerification => "FACT_VERIFICATION",
        }
    }

    /// The task of a name.
    pub(super) fn named(name: &str) -> Option<TaskType> {
        use TaskType::*;
        let all = [
            SemanticSimilarity,
            Classification,
            Clustering,
            RetrievalDocument,
            RetrievalQuery,
            CodeRetrievalQuery,
            QuestionAnswering,
            FactVerification,
        ];
        all.into_iter().find(|task| task.name() == name)
    }

    /// What stands before a text for a model that has no task field (Google's documentation of
    /// `gemini-embedding-2`); a document has its title there, too.
    fn prefix(self) -> &'static str {
        match self {
            TaskType::SemanticSimilarity => "task: sentence similarity | query: ",
            TaskType::Classification => "task: classification | query: ",
            TaskType::Clustering => "task: clustering | query: ",
            TaskType::RetrievalDocument => "title: none | text: ",
            TaskType::RetrievalQuery => "task: search result | query: ",
            TaskType::CodeRetrievalQuery => "task: code retrieval | query: ",
            TaskType::QuestionAnswering => "task: question answering | query: ",
            TaskType::FactVerification => "task: fact checking | query: ",
        }
    }
}

/// A text that is to be embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Item<'a> {
    pub(super) text: &'a str,
    /// Of a document.
    pub(super) title: Option<&'a str>,
}

/// Writes the body: an entry for each text, since several texts in one entry would become one vector.
pub(super) fn write<'a>(
    to: &mut Vec<u8>,
    items: impl Iterator<Item = Item<'a>>,
    model: &str,
    style: ModelStyle,
    task: Option<TaskType>,
    dimension: usize,
) {
    #[derive(Serialize)]
    struct Body<'a> {
        requests: Vec<Request<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Request<'a> {
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
    enum Text<'a> {
        Titled(&'a str, &'a str),
        Behind(&'static str, &'a str),
    }

    impl Serialize for Text<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Text::Titled(title, text) => {
                    serializer.collect_str(&format_args!("title: {title} | text: {text}"))
                }
                Text::Behind("", text) => serializer.serialize_str(text),
                Text::Behind(prefix, text) => {
                    serializer.collect_str(&format_args!("{prefix}{text}"))
                }
            }
        }
    }

    let model = &format!("models/{model}");
    let request = |Item { text, title }| {
        let (task_type, title, text) = match (style, title) {
            (ModelStyle::TaskField, title) => {
                (task.map(TaskType::name), title, Text::Behind("", text))
            }
            (ModelStyle::TaskInText, Some(title)) => (None, None, Text::Titled(title, text)),
            (ModelStyle::TaskInText, None) => {
                let prefix = task.map_or("", TaskType::prefix);
                (None, None, Text::Behind(prefix, text))
            }
        };
        Request {
            model,
            content: Content {
                parts: [Part { text }],
                role: "user",
            },
            task_type,
            title,
            output_dimensionality: dimension,
        }
    };
    let body = Body {
        requests: items.map(request).collect(),
    };
    let written = serde_json::to_writer(to, &body);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(style: ModelStyle, task: TaskType, title: Option<&str>) -> String {
        let mut to = Vec::new();
        let items = ["a", "\"b\""].map(|text| Item { text, title });
        let model = "gemini-embedding-001";
        write(&mut to, items.into_iter(), model, style, Some(task), 768);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn equals_what_googles_sdk_sends() {
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
    fn a_model_without_tasks_reads_them_in_the_text() {
        let query = body(ModelStyle::TaskInText, TaskType::RetrievalQuery, None);
        let text = r#"{"text":"task: search result | query: \"b\""}"#;
        assert!(query.contains(text), "{query}");
        assert!(!query.contains("taskType"));
        let entries = query.matches("\"parts\"").count();
        assert_eq!(entries, 2, "one for each text");
    }

    #[test]
    fn a_model_without_titles_reads_them_in_the_text() {
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
