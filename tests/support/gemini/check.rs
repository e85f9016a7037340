//! Checks requests as Google does before it embeds.

use serde::Deserialize;
use serde_json::json;

use super::super::stand_in::{Answer, Request};
use super::answers::{Row, bad_key, fault, row_of, titled};
use super::{KEY, V001, V2, V003};

const MAX_ITEMS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Item {
    model: String,
    content: Content,
    task_type: Option<String>,
    title: Option<String>,
    output_dimensionality: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    parts: Vec<Part>,
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    text: String,
}

/// An item of a valid request.
pub struct Asked {
    pub model: String,
    title: Option<String>,
    pub text: String,
    dimension: usize,
}

/// The reason why a request gets no vectors.
pub enum Refused {
    /// The request is invalid: no correct client sends it.
    Wrong(String),
    /// The request is valid, and gets this error.
    So(Answer),
}

const TASKS: [&str; 8] = [
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "RETRIEVAL_DOCUMENT",
    "RETRIEVAL_QUERY",
    "CODE_RETRIEVAL_QUERY",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
];

/// The prefix from which a model without a field for the task reads it.
const TASKS_IN_TEXT: [&str; 7] = [
    "task: search result | query: ",
    "task: question answering | query: ",
    "task: fact checking | query: ",
    "task: code retrieval | query: ",
    "task: classification | query: ",
    "task: clustering | query: ",
    "task: sentence similarity | query: ",
];

impl Asked {
    /// Returns the vector of the item.
    pub fn row(&self) -> Row {
        match &self.title {
            Some(title) => row_of(&titled(title, &self.text), self.dimension),
            None => row_of(&self.text, self.dimension),
        }
    }
}

/// Returns an error with these words unless the request is sound.
fn sound(sound: bool, wrong: &str) -> Result<(), Refused> {
    if sound {
        Ok(())
    } else {
        Err(Refused::Wrong(wrong.to_owned()))
    }
}

/// Returns the items of a request, or the reason why it gets no vectors.
pub fn check(request: &Request, max_body: usize) -> Result<Vec<Asked>, Refused> {
    let header = |name| request.header(name).unwrap_or_default();
    sound(request.method == "POST", "not a POST")?;
    let json = header("content-type") == "application/json";
    sound(json, "content-type")?;
    let (name, version) = header("x-goog-api-client")
        .split_once('/')
        .unwrap_or_default();
    let named = name == "chroma-blocking" && !version.is_empty();
    sound(named, "x-goog-api-client")?;
    let path = ["/v1beta/models/", "/v1/models/"]
        .into_iter()
        .find_map(|start| request.path.strip_prefix(start));
    let model = path.and_then(|path| path.strip_suffix(":batchEmbedContents"));
    let Some(model) = model else {
        return Err(Refused::Wrong(format!("no such path: {}", request.path)));
    };

    if header("x-goog-api-key") != KEY {
        sound(!header("x-goog-api-key").is_empty(), "no key")?;
        return Err(Refused::So(bad_key()));
    }
    let has_task_field = match model {
        V001 | V003 => true,
        V2 => false,
        _ => {
            let message = format!("models/{model} is not found for API version v1beta.");
            return Err(Refused::So(fault(404, "NOT_FOUND", &message, json!([]))));
        }
    };
    if request.body.len() > max_body {
        let message = format!("Request payload size exceeds the limit: {max_body} bytes.");
        let refusal = fault(400, "INVALID_ARGUMENT", &message, json!([]));
        return Err(Refused::So(refusal));
    }
    let body: Body =
        serde_json::from_slice(&request.body).map_err(|error| Refused::Wrong(error.to_string()))?;
    sound(!body.requests.is_empty(), "no requests")?;
    sound(
        body.requests.len() <= MAX_ITEMS,
        "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch",
    )?;
    let item = |mut item: Item| {
        sound(item.model == format!("models/{model}"), "model")?;
        // Several parts would become one vector.
        sound(item.content.parts.len() == 1, "parts")?;
        sound(item.content.role == "user", "role")?;
        let text = item.content.parts.remove(0).text;
        sound(!text.is_empty(), "an empty part")?;
        let task = item.task_type.as_deref();
        let task_in_text = TASKS_IN_TEXT.iter().any(|task| text.starts_with(task))
            || text.starts_with("title: ") && text.contains(" | text: ");
        sound(task.is_some() == has_task_field, "taskType")?;
        sound(task.is_some() != task_in_text, "the task in the text")?;
        sound(task.is_none_or(|task| TASKS.contains(&task)), "taskType")?;
        let has_title = item.title.as_deref().is_some_and(|title| !title.is_empty());
        sound(has_title == item.title.is_some(), "an empty title")?;
        let retrieval = task == Some("RETRIEVAL_DOCUMENT");
        sound(!has_title || retrieval, "title")?;
        let dimension = item.output_dimensionality.unwrap_or(3072);
        sound((128..=3072).contains(&dimension), "outputDimensionality")?;
        Ok(Asked {
            model: model.to_owned(),
            title: item.title,
            text,
            dimension,
        })
    };
    body.requests.into_iter().map(item).collect()
}
