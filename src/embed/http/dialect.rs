//! [`Errors`]: reads the errors of providers. Their forms differ, but few fields hold the message.

use serde_json::Value;

use super::build::TOO_LARGE;
use crate::error::Error;
#[cfg(feature = "opentelemetry")]
use crate::transport::HttpRequest;
use crate::transport::{CHECK_THE_NETWORK, Dialect, Endpoint, ErrorResponse, Operation};
use crate::wire::read::shown;
#[cfg(feature = "opentelemetry")]
use opentelemetry::KeyValue;

/// The errors of providers other than Google.
#[derive(Debug)]
pub(super) struct Errors {
    /// The operation in a span. The conventions of OpenTelemetry name only `embeddings`.
    #[cfg(feature = "opentelemetry")]
    operation: &'static str,
    too_large_hint: &'static str,
}

pub(super) static EMBEDDING: Errors = Errors {
    #[cfg(feature = "opentelemetry")]
    operation: "embeddings",
    too_large_hint: TOO_LARGE,
};

#[cfg(feature = "hybrid")]
pub(super) static RERANKING: Errors = Errors {
    #[cfg(feature = "opentelemetry")]
    operation: "rerank",
    too_large_hint: "that is more than its scores can take; check the address, and any proxy",
};

/// Whether a provider may have refused a request because of some of its texts, or because of its size.
pub(super) fn is_about_texts(error: &Error) -> bool {
    match error {
        Error::Server { status: 413, .. } => true,
        Error::Server {
            status: 400 | 422,
            name,
            message,
            ..
        } => !is_about_model(name, message),
        // OpenAI's 429 for a request that alone exceeds the tokens of a minute. No wait helps, halves do.
        Error::RateLimited { message, .. } => message.starts_with("Request too large"),
        _ => false,
    }
}

/// Whether an error is about the model, so that no other text helps.
fn is_about_model(name: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let faults = [
        "not found",
        "not exist",
        "not support",
        "unsupported",
        "unknown",
        "invalid model",
        "no such",
    ];
    let is_about_length = ["token", "length", "long"]
        .iter()
        .any(|words| message.contains(words));
    name.to_ascii_lowercase().contains("model")
        || !is_about_length
            && message.contains("model")
            && faults.iter().any(|words| message.contains(words))
}

/// Returns the message of an error, wherever it is: `{"error":{"message":…}}` (OpenAI), `{"error":…}`
/// (Ollama, Hugging Face, Chroma Cloud), `{"message":…}` (Cohere, Mistral), `{"detail":…}` (Jina, Voyage AI),
/// `{"errors":[{"message":…}]}` (Cloudflare).
fn message(answer: &Value) -> Option<String> {
    let fields = ["error", "message", "detail", "errors", "msg"];
    match answer {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Array(items) => items.iter().find_map(message),
        Value::Object(_) => fields.iter().find_map(|field| message(&answer[*field])),
        _ => None,
    }
}

/// Returns the message of an error that a response with status 200 contains.
pub(super) fn words(error: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(error).unwrap_or_default();
    message(&answer).unwrap_or_else(|| shown(error))
}

/// Returns the name of an error: its code or its type.
fn name(answer: &Value) -> String {
    let error = [&answer["error"], answer];
    let names = ["code", "type", "error_type"];
    let mut found = error
        .iter()
        .flat_map(|error| names.iter().map(|name| &error[*name]));
    let text = found.find_map(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Whether no wait restores the quota: the account has no money.
fn is_exhausted(name: &str, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    name == "insufficient_quota"
        || says("insufficient balance")
        || says("credit") && (says("exhausted") || says("depleted") || says("out of"))
}

impl Dialect for Errors {
    fn error(&self, response: ErrorResponse<'_>) -> Error {
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let (found, name) = (message(&answer), name(&answer));
        let is_exhausted = found
            .as_ref()
            .is_some_and(|found| is_exhausted(&name, found));
        let message = found.map_or_else(|| response.shown(), |found| response.clean(&found));
        let name = response.clean(&name);
        match response.status {
            status @ (401 | 403) => Error::Unauthorized {
                call: response.call,
                status,
                message,
            },
            402 => Error::QuotaExhausted {
                call: response.call,
                quota: name,
                message,
            },
            429 if is_exhausted => Error::QuotaExhausted {
                call: response.call,
                quota: name,
                message,
            },
            _ => response.into_error(name, message),
        }
    }

    #[cfg(feature = "opentelemetry")]
    fn span(&self, request: HttpRequest<'_>, _: &Endpoint) -> (String, Vec<KeyValue>) {
        let model = request.subject.unwrap_or_default();
        let attributes = vec![
            KeyValue::new("gen_ai.operation.name", self.operation),
            KeyValue::new("gen_ai.request.model", model.to_owned()),
        ];
        (format!("{} {model}", self.operation), attributes)
    }

    fn subject_is(&self, _: &Operation) -> &'static str {
        "model"
    }

    fn too_large_hint(&self) -> &'static str {
        self.too_large_hint
    }

    fn unreachable_hint(&self, at: &Endpoint) -> String {
        if at.is_loopback() {
            "check that the service runs".to_owned()
        } else {
            CHECK_THE_NETWORK.to_owned()
        }
    }
}
