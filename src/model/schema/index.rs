//! The parts of a [`Schema`](super::Schema): the kinds of indexes, and the settings of vector indexes.

use crate::model::configuration::EmbeddingFunctionConfiguration;
use crate::model::index::{HnswConfig, SpannConfig};
use crate::model::open::open_object;
use crate::model::space::Space;

/// An index of the metadata values of one type. Filters need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvertedIndex {
    /// An index of text.
    String,
    /// An index of integers.
    Int,
    /// An index of floats.
    Float,
    /// An index of booleans.
    Bool,
}

impl InvertedIndex {
    /// Returns the names in Chroma's API: of the type of the values, and of the index.
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
    /// The index of a collection's vectors in a [`Schema`](crate::schema::Schema). Either HNSW or SPANN, not
    /// both.
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
        /// The distance function. Default: that of the embedding function, or [`Space::L2`] if it does not
        /// have one.
        space ("space"): Space as Space,
        /// The function that embeds documents. Default: the function that the collection is created with.
        embedding_function ("embedding_function"): EmbeddingFunctionConfiguration as EmbeddingFunctionConfiguration,
        /// The source of the texts to embed. Must be `#document`. Default: `#document`.
        source_key ("source_key"): String as impl Into<String>,
        /// The settings of an HNSW index, for single-node servers.
        hnsw ("hnsw"): HnswConfig as HnswConfig,
        /// The settings of a SPANN index, for distributed servers and Chroma Cloud.
        spann ("spann"): SpannConfig as SpannConfig,
    }
}

open_object! {
    /// An index of sparse vectors in metadata, in a [`Schema`](crate::schema::Schema). Single-node servers do
    /// not support it.
    pub struct SparseVectorIndexConfig {
        /// The function that makes sparse vectors of the texts of [`source_key`](Self::source_key), such as
        /// `embed::Bm25`. Writes fill in the vectors of records that have a text and no vector.
        embedding_function ("embedding_function"): EmbeddingFunctionConfiguration as impl Into<EmbeddingFunctionConfiguration>,
        /// The source of those texts: a metadata key, or `#document`. Needs an embedding function, here or in
        /// [`sparse_embedding_function`](crate::collection::CollectionBuilder::sparse_embedding_function).
        source_key ("source_key"): String as impl Into<String>,
        /// Whether the server weights the indices of a query by how rare they are among the records, as BM25
        /// does. For vectors whose indices stand for words.
        bm25 ("bm25"): bool as bool,
    }
}
