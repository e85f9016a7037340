//! [`Gemini`]: Google's embedding models over HTTP.

mod answer;
mod build;
mod builder;
mod cached;
mod call;
mod embedder;
mod fault;
mod function;
mod gathered;
mod model;
#[cfg(any(test, fuzzing))]
mod parsers;
mod request;
mod stored;
mod task;

pub use builder::GeminiBuilder;
pub use call::Embed;
pub(super) use embedder::NAME;
pub use embedder::{LongTexts, RefusedTexts};
pub use function::Gemini;
pub use model::ModelStyle;
#[cfg(any(test, fuzzing))]
pub(crate) use parsers::PARSERS;
pub(super) use stored::{StoredGemini, check_same_vectors};
pub use task::TaskType;
