//! The parts of a [`Schema`](super::Schema): which values an index is for, and how the indexes of vectors are set up.

use super::super::configuration::EmbeddingFunctionConfiguration;
use super::super::index::{HnswConfig, SpannConfig};
use super::super::open::open_object;
use super::super::space::Space;

/// An index over the metadata values of one kind, which filters need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvertedIndex {
    /// Over texts.
    String,
    /// Over integers.
    Int,
    /// Over floats.
    Float,
    /// Over booleans.
    Bool,
}

impl InvertedIndex {
    /// Chroma's names: of the kind of value, and of the index.
    pub(super) fn names(self) -> [&'static str; 2] {
        match self {
            InvertedIndex::String => ["string", "string_inverted_index"],
            InvertedIndex::Int => ["int", "int_inverted_index"],
            InvertedIndex::Float => ["float", "float_inverted_index"],
            InvertedIndex::Bool => ["bool", "bool_inverted_index"],
        }
    }
}

open_object! {
    /// The index of a collection's vectors, in a [`Schema`](crate::schema::Schema). Either HNSW or SPANN, not both.
    ///
    /// ```
    /// use chroma_blocking::Space;
    /// use chroma_blocking::schema::{HnswConfig, Schema, VectorIndexConfig};
    ///
    /// let hnsw = HnswConfig::new().ef_construction(200).max_neighbors(32);
    /// let index = VectorIndexConfig::new().space(Space::Cosine).hnsw(hnsw);
    /// let schema = Schema::new().create_vector_index(index);
    /// assert_eq!(schema.vector_index().space, Some(Space::Cosine));
    /// ```
    pub struct VectorIndexConfig {
        /// How distances are measured. Default: what the embedding function asks for, or else [`Space::L2`].
        space ("space"): Space as Space,
        /// What turns documents into vectors. Default: the function that the collection is made with.
        embedding_function ("embedding_function"): EmbeddingFunctionConfiguration as EmbeddingFunctionConfiguration,
        /// Where the texts come from: `#document`, and nothing else. Default `#document`.
        source_key ("source_key"): String as impl Into<String>,
        /// Settings of an HNSW index, for single-node servers.
        hnsw ("hnsw"): HnswConfig as HnswConfig,
        /// Settings of a SPANN index, for distributed servers and Chroma Cloud.
        spann ("spann"): SpannConfig as SpannConfig,
    }
}

open_object! {
    /// An index of sparse vectors in the metadata, in a [`Schema`](crate::schema::Schema). Single-node servers have none.
    pub struct SparseVectorIndexConfig {
        /// What turns texts into sparse vectors in Chroma's other clients; this one takes them from the caller.
        embedding_function ("embedding_function"): EmbeddingFunctionConfiguration as EmbeddingFunctionConfiguration,
        /// Where those texts come from: a metadata key, or `#document`. Needs an embedding function.
        source_key ("source_key"): String as impl Into<String>,
        /// Whether the server makes the places of a query count the more, the fewer records have them, as BM25 does: for
        /// vectors whose places are words.
        bm25 ("bm25"): bool as bool,
    }
}
