//! [`Gemini`]: Google's embedding models over HTTP.

mod answer;
mod build;
mod builder;
mod call;
mod embedder;
mod fault;
mod format;
mod function;
mod model;
#[cfg(all(feature = "functions", any(test, fuzzing)))]
mod parsers;
mod request;
mod stored;
mod task;

pub use builder::GeminiBuilder;
pub use call::Embed;
pub use function::Gemini;
pub use model::ModelStyle;
#[cfg(all(feature = "functions", any(test, fuzzing)))]
pub(super) use parsers::PARSERS;
pub(super) use stored::{deferred, retired};
pub use task::TaskType;
