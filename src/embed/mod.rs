//! Embedding functions: texts in, vectors out.
//!
//! A collection with an embedding function takes texts instead of vectors. It embeds the documents that it
//! stores and the texts of queries. It stores the name and the settings of its function, and opens with it.
//!
//! | function | |
//! |---|---|
//! | [`Hashing`] | offline, for tests and for search by wording |
//! | `Onnx` | a model on this machine, offline, among them Chroma's default (feature `onnx`) |
//! | `Gemini` | Google's models (feature `gemini`) |
//! | `HttpFunction` of `Ollama`, `TextEmbeddingsInference` | a model on your machines (feature `functions`) |
//! | `HttpFunction` of `OpenAi` | OpenAI's models, and any server with OpenAI's API |
//! | `HttpFunction` of `Cohere`, `Voyage`, `Jina`, `Mistral`, `Together`, … | the models of these providers |
//! | `Bm25`, `ChromaCloudSplade` | sparse vectors, for search by words (features `bm25`, `functions`) |
//! | your own | implement [`EmbeddingFunction`] |
//!
//! The repository's `docs/embeddings.md` says which one to choose, and lists keys and limits.
//!
//! [`Cached`] adds a cache to a function, in memory ([`MemoryCache`]) or on disk (`DiskCache`, feature
//! `disk-cache`). `Gemini` and `HttpFunction` have their own option for a cache.
//!
//! ```
//! use chroma_blocking::embed::{Cached, Hashing, MemoryCache};
//! use chroma_blocking::EmbeddingFunction;
//!
//! // Without a collection
//! let vectors = Hashing::default().embed(["a galaxy", "bread"]);
//! assert_eq!(vectors.len(), 2);
//!
//! // With a cache of at most 64 MiB
//! let function = Cached::new(Hashing::default(), MemoryCache::new(64 << 20));
//! assert_eq!(function.embed_queries(&["a galaxy"])?.len(), 1);
//! # Ok::<(), chroma_blocking::embed::EmbeddingError>(())
//! ```

mod allowed;
#[cfg(feature = "bm25")]
mod bm25;
mod cache;
mod check;
pub(crate) mod configured;
mod context;
#[cfg(any(feature = "gemini", feature = "onnx"))]
mod deferred;
mod error;
#[cfg(feature = "gemini")]
mod fan_out;
mod function;
#[cfg(feature = "gemini")]
mod gemini;
mod hashing;
#[cfg(feature = "gemini")]
mod http;
#[cfg(feature = "gemini")]
mod limiter;
mod model_identity;
mod names;
#[cfg(feature = "onnx")]
mod onnx;
#[cfg(all(feature = "functions", any(test, fuzzing)))]
mod parsers;
#[cfg(feature = "hybrid")]
mod rerank;
#[cfg(any(feature = "bm25", feature = "gemini", feature = "onnx"))]
mod settings;
mod sparse;

pub(crate) use allowed::Allowed;
#[cfg(feature = "bm25")]
pub use bm25::Bm25;
#[cfg(feature = "hybrid")]
pub(crate) use bm25::{Terms, Tokenizer};
#[cfg(feature = "disk-cache")]
pub use cache::DiskCache;
pub use cache::{Cached, EmbeddingCache, MemoryCache};
pub(crate) use check::{CheckedFunction, CheckedSparse};
pub use context::{EmbeddingContext, Purpose};
pub use error::EmbeddingError;
pub(crate) use error::by_record;
pub use function::EmbeddingFunction;
#[cfg(feature = "gemini")]
pub use gemini::{Embed, Gemini, GeminiBuilder, ModelStyle, TaskType};
pub use hashing::Hashing;
#[cfg(feature = "functions")]
pub use http::{
    Baseten, ChromaCloudQwen, ChromaCloudSplade, Cloudflare, Cohere, HttpFunction,
    HttpFunctionBuilder, HttpProvider, HuggingFace, Jina, Mistral, Morph, Ollama, OpenAi,
    Perplexity, TextEmbeddingsInference, Together, Voyage,
};
#[cfg(all(feature = "functions", feature = "hybrid"))]
pub use http::{
    CohereRerank, HttpReranker, HttpRerankerBuilder, RerankProvider, TextEmbeddingsInferenceRerank,
};
#[cfg(feature = "gemini")]
pub use http::{LongTexts, RefusedTexts};
#[cfg(feature = "onnx")]
pub use onnx::{Onnx, OnnxBuilder, OnnxDownload, Pooling};
#[cfg(all(feature = "functions", any(test, fuzzing)))]
pub(crate) use parsers::parsers;
#[cfg(feature = "hybrid")]
pub(crate) use rerank::CheckedReranker;
#[cfg(feature = "hybrid")]
pub use rerank::{RerankContext, Reranker};
pub use sparse::SparseEmbeddingFunction;
