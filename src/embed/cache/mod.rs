//! Caches of vectors, and [`Cached`]: an embedding function with a cache.

mod cached;
mod checked;
#[cfg(feature = "disk-cache")]
mod disk;
mod embedding_cache;
mod key;
mod lru;
mod memory;
mod renumber;

pub use cached::Cached;
#[cfg(feature = "gemini")]
pub(super) use checked::{CheckedCache, PIECE};
#[cfg(feature = "disk-cache")]
pub use disk::DiskCache;
pub use embedding_cache::EmbeddingCache;
#[cfg(feature = "gemini")]
pub(super) use key::key;
pub use memory::MemoryCache;
