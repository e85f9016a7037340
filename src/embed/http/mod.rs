//! Embedding functions over HTTP: one engine that cuts, sends, repeats and caches, for every provider.
//!
//! The engine sends what a [`Format`] writes, and gets the vectors that it reads. `Gemini` has a format of its
//! own. All other providers share one, which their settings ([`provider::Provider`]) fill in.

#[cfg(feature = "functions")]
mod answer;
mod build;
mod cached;
mod call;
#[cfg(feature = "functions")]
mod dialect;
mod engine;
mod format;
#[cfg(feature = "functions")]
mod function;
mod gathered;
#[cfg(feature = "functions")]
mod header;
mod key;
mod options;
#[cfg(all(feature = "functions", any(test, fuzzing)))]
mod parsers;
#[cfg(feature = "functions")]
mod provider;
#[cfg(feature = "functions")]
mod providers;
mod received;
#[cfg(feature = "functions")]
mod requests;
#[cfg(all(feature = "functions", feature = "hybrid"))]
mod rerank;
mod sending;
#[cfg(feature = "functions")]
mod splade;
#[cfg(feature = "functions")]
mod stored;
mod text;

pub(super) use build::{Address, MAX_DIMENSION, Plan, TOO_LARGE, check_range};
pub(super) use call::Call;
pub(super) use engine::Engine;
pub use engine::{LongTexts, RefusedTexts};
pub(super) use format::Format;
#[cfg(feature = "functions")]
pub use function::{HttpFunction, HttpFunctionBuilder, HttpProvider};
pub(super) use key::{KeyVariables, starting_with};
pub(super) use options::{Options, setters};
#[cfg(all(feature = "functions", any(test, fuzzing)))]
pub(super) use parsers::PARSERS;
#[cfg(feature = "functions")]
pub use providers::{
    Baseten, ChromaCloudQwen, Cloudflare, Cohere, HuggingFace, Jina, Mistral, Morph, Ollama,
    OpenAi, Perplexity, TextEmbeddingsInference, Together, Voyage,
};
pub(super) use received::Received;
#[cfg(all(feature = "functions", feature = "hybrid"))]
pub use rerank::{
    CohereRerank, HttpReranker, HttpRerankerBuilder, RerankProvider, TextEmbeddingsInferenceRerank,
};
#[cfg(feature = "functions")]
pub use splade::ChromaCloudSplade;
#[cfg(feature = "functions")]
pub(super) use splade::NAME as SPLADE;
#[cfg(feature = "functions")]
pub(super) use stored::deferred;
pub(super) use text::Text;
