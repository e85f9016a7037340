//! What Gemini is asked: one item per text, in the style of the model.

use serde::Serialize;

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
    /// `gemini-embedding-2`).
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

/// How a model is told its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// In the field `taskType` (`gemini-embedding-001`).
    Field,
    /// In the text (`gemini-embedding-2`).
    Text,
}

impl Style {
    /// The style of a model that this version knows.
    pub(super) fn of(model: &str) -> Option<Style> {
        match model {
            "gemini-embedding-001" => Some(Style::Field),
            "gemini-embedding-2" => Some(Style::Text),
            _ => None,
        }
    }

    /// Whether vectors come with unit length; a shortened one of `gemini-embedding-001` does not.
    pub(super) fn answers_unit_length(self, dimension: usize) -> bool {
        self == Style::Text || dimension == 3072
    }
}

/// Writes the body: one item for each text, since several texts in one item would become one vector.
pub(super) fn write(
    to: &mut Vec<u8>,
    texts: &[&str],
    model: &str,
    style: Style,
    task: Option<TaskType>,
    dimension: usize,
) {
    #[derive(Serialize)]
    struct Body<'a> {
        requests: Vec<Item<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Item<'a> {
        model: &'a str,
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        task_type: Option<&'static str>,
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
    struct Text<'a>(&'static str, &'a str);

    impl Serialize for Text<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{}{}", self.0, self.1))
        }
    }

    let model = &format!("models/{model}");
    let (task_type, prefix) = match style {
        Style::Field => (task.map(TaskType::name), ""),
        Style::Text => (None, task.map_or("", TaskType::prefix)),
    };
    let item = |text| Item {
        model,
        content: Content {
            parts: [Part {
                text: Text(prefix, text),
            }],
            role: "user",
        },
        task_type,
        output_dimensionality: dimension,
    };
    let body = Body {
        requests: texts.iter().copied().map(item).collect(),
    };
    let written = serde_json::to_writer(to, &body);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(style: Style, task: TaskType) -> String {
        let mut to = Vec::new();
        let model = "gemini-embedding-001";
        write(&mut to, &["a", "\"b\""], model, style, Some(task), 768);
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn equals_what_googles_sdk_sends() {
        assert_eq!(
            body(Style::Field, TaskType::RetrievalDocument),
            r#"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}],"role":"user"},"taskType":"RETRIEVAL_DOCUMENT","outputDimensionality":768},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"\"b\""}],"role":"user"},"taskType":"RETRIEVAL_DOCUMENT","outputDimensionality":768}]}"#
        );
    }

    #[test]
    fn a_model_without_tasks_reads_them_in_the_text() {
        let body = body(Style::Text, TaskType::RetrievalQuery);
        assert!(
            body.contains(r#"{"text":"task: search result | query: \"b\""}"#),
            "{body}"
        );
        assert!(!body.contains("taskType"));
        assert_eq!(
            body.matches("\"parts\"").count(),
            2,
            "one item for each text"
        );
    }
}
