//! The providers, one file for each.

mod cloudflare;
mod cohere;
mod compatible;
mod hugging_face;
mod jina;
mod ollama;
mod openai;
mod prefixes;
mod qwen;
mod voyage;

pub use cloudflare::Cloudflare;
pub use cohere::Cohere;
pub use compatible::{Baseten, Mistral, Morph, Perplexity, Together};
pub use hugging_face::{HuggingFace, TextEmbeddingsInference};
pub use jina::Jina;
pub use ollama::Ollama;
pub use openai::OpenAi;
pub use qwen::ChromaCloudQwen;
pub(super) use qwen::{CHROMA_API_KEY, CHROMA_CLOUD, CHROMA_EMBED_URL};
pub use voyage::Voyage;

use std::sync::Arc;

use super::function::HttpProvider;

macro_rules! providers {
    ($($Provider:ident),*) => {
        $(
            impl From<$Provider> for HttpProvider {
                fn from(provider: $Provider) -> HttpProvider {
                    HttpProvider(Arc::new(provider))
                }
            }
        )*
    };
}
providers!(
    Baseten,
    ChromaCloudQwen,
    Cloudflare,
    Cohere,
    HuggingFace,
    Jina,
    Mistral,
    Morph,
    Ollama,
    OpenAi,
    Perplexity,
    TextEmbeddingsInference,
    Together,
    Voyage
);
