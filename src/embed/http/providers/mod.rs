//! The providers, one file for each.

mod azure;
mod baseten;
mod cloudflare;
mod cohere;
mod hugging_face;
mod jina;
mod mistral;
mod morph;
mod ollama;
mod openai;
mod perplexity;
mod prefixes;
mod qwen;
mod text_embeddings_inference;
mod together;
mod voyage;

pub use baseten::Baseten;
pub use cloudflare::Cloudflare;
pub use cohere::Cohere;
pub use hugging_face::HuggingFace;
pub use jina::Jina;
pub use mistral::Mistral;
pub use morph::Morph;
pub use ollama::Ollama;
pub use openai::OpenAi;
pub use perplexity::Perplexity;
pub(super) use prefixes::Prefixes;
pub use qwen::ChromaCloudQwen;
pub(super) use qwen::{CHROMA_API_KEY, CHROMA_CLOUD, CHROMA_EMBED_URL, MODEL_HEADER, TOKEN_HEADER};
pub use text_embeddings_inference::TextEmbeddingsInference;
pub use together::Together;
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
