//! [`TaskType`]: the task that vectors are made for.

/// The task that vectors are made for. Models make different vectors for different tasks. The names are
/// Gemini's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskType {
    /// Compare texts by meaning.
    SemanticSimilarity,
    /// Sort texts under known labels.
    Classification,
    /// Find groups of texts.
    Clustering,
    /// Documents that queries search for.
    RetrievalDocument,
    /// Queries that search for documents.
    RetrievalQuery,
    /// Queries that search for code.
    CodeRetrievalQuery,
    /// Questions that search for answers.
    QuestionAnswering,
    /// Statements that search for evidence.
    FactVerification,
}

impl TaskType {
    const ALL: [TaskType; 8] = [
        TaskType::SemanticSimilarity,
        TaskType::Classification,
        TaskType::Clustering,
        TaskType::RetrievalDocument,
        TaskType::RetrievalQuery,
        TaskType::CodeRetrievalQuery,
        TaskType::QuestionAnswering,
        TaskType::FactVerification,
    ];

    /// Returns Gemini's name of the task, for example `RETRIEVAL_DOCUMENT`.
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

    /// Returns the task with this name.
    pub(super) fn from_name(name: &str) -> Option<TaskType> {
        TaskType::ALL.into_iter().find(|task| task.name() == name)
    }

    /// The words before a text for a model without a task field, by Google's documentation of
    /// `gemini-embedding-2`. A document with a title has other words.
    pub(super) fn prefix(self) -> &'static str {
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
