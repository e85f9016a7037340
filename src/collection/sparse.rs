//! [`SparseWrite`]: the sparse vectors that the schema asks for in a write. [`SparseEmbedder`]: the function of
//! a metadata key.

use super::Collection;
use super::embedding::EmbeddingTask;
use crate::embed::{self, CheckedSparse, EmbeddingContext, Purpose};
use crate::error::{InvalidInput, Result};
use crate::model::metadata::{Metadata, SparseVector};
use crate::model::record::RecordRef;
use crate::model::records::Records;
use crate::transport::Operation;

/// The sparse vectors that the schema asks for in a write.
pub(crate) struct SparseWrite<'a> {
    collection: &'a Collection,
    operation: &'static Operation,
    records: &'a dyn Records,
    keys: Vec<KeyTexts<'a>>,
}

/// The texts of a write that the function of one metadata key embeds.
struct KeyTexts<'a> {
    key: &'a str,
    embedder: SparseEmbedder<'a>,
    /// The indices of the records.
    records: Vec<usize>,
    texts: Vec<&'a str>,
}

impl Collection {
    /// Finds the texts whose sparse vectors the schema asks for. Sends nothing.
    ///
    /// # Errors
    /// If a function is needed that cannot run here.
    pub(crate) fn sparse_write<'a>(
        &'a self,
        operation: &'static Operation,
        records: &'a dyn Records,
    ) -> Result<SparseWrite<'a>> {
        let mut keys = Vec::new();
        for key in &self.inner.sparse_keys {
            let (indices, texts): (Vec<usize>, Vec<&str>) = (0..records.len())
                .filter_map(|index| Some((index, key.text(records.record(index))?)))
                .unzip();
            if !texts.is_empty() {
                keys.push(KeyTexts {
                    key: &key.key,
                    embedder: self.sparse_embedder(operation, &key.key)?,
                    records: indices,
                    texts,
                });
            }
        }
        Ok(SparseWrite {
            collection: self,
            operation,
            records,
            keys,
        })
    }

    /// Whether a write of this record makes the value of a metadata key.
    pub(crate) fn fills_in(&self, key: &str, record: RecordRef<'_>) -> bool {
        let mut keys = self.inner.sparse_keys.iter();
        keys.any(|sparse| sparse.key == key && sparse.text(record).is_some())
    }

    /// Returns the key of the sparse vector index of the documents.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub(crate) fn word_key(&self, operation: &Operation) -> Result<&str> {
        let keys = self.inner.sparse_keys.iter();
        let keys: Vec<&str> = keys
            .filter(|sparse| sparse.embeds_documents())
            .map(|sparse| &*sparse.key)
            .collect();
        if let [key] = keys[..] {
            return Ok(key);
        }
        let why = format!(
            "the schema has {} sparse vector indexes whose source is #document, not 1; name the key of one with \
             .key(...)",
            keys.len()
        );
        let of = "a Knn::words".to_owned();
        Err(self
            .unsent_call(operation)
            .invalid(InvalidInput::Search { of, why }))
    }

    /// Prepares to embed texts with the function of a metadata key.
    ///
    /// # Errors
    /// If the key has no function, or one that cannot run here.
    pub(crate) fn sparse_embedder(
        &self,
        operation: &'static Operation,
        key: &str,
    ) -> Result<SparseEmbedder<'_>> {
        let call = self.unsent_call(operation);
        let mut keys = self.inner.sparse_keys.iter();
        let Some(found) = keys.find(|sparse| sparse.key == key) else {
            let why = "the schema has no sparse vector index with a function for this key; search it with \
                       Knn::sparse(key, vector), set a function with .sparse_embedding_function(...), or search the \
                       documents without .key(...)";
            return Err(call.invalid(InvalidInput::setting("key", key, why)));
        };
        match &found.function {
            Ok(function) => Ok(SparseEmbedder {
                collection: self,
                function: CheckedSparse {
                    function: &**function,
                    call,
                },
            }),
            Err(reason) => Err(call.invalid(reason.clone())),
        }
    }
}

impl<'a> SparseWrite<'a> {
    /// Whether the schema asks for no vectors.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Makes the vectors. Returns `None` if there are none to make.
    pub(super) fn fill_in(self) -> Result<Option<Filled<'a>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let task = EmbeddingTask {
            operation: self.operation.name,
            purpose: Purpose::Documents,
            texts: self.texts(),
        };
        let embed = |context: &mut EmbeddingContext<'_>| self.metadatas(context);
        let metadatas = self.collection.with_context(task, embed)?;
        Ok(Some(Filled {
            records: self.records,
            metadatas,
        }))
    }

    /// Makes the vectors. Returns the metadata of those records that get some, with the vectors.
    pub(crate) fn metadatas(
        &self,
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<Option<Metadata>>> {
        let all = self.texts();
        let mut before = 0;
        let mut metadatas = vec![None; self.records.len()];
        for key in &self.keys {
            let done_of_all = |done| before + done;
            let vectors = context.part_by(done_of_all, all, |part| {
                key.embedder.embed_with(&key.texts, part)
            });
            let vectors = vectors.map_err(|error| embed::by_record(error, &key.records))?;
            for (index, vector) in key.records.iter().zip(vectors) {
                let metadata = metadatas[*index]
                    .get_or_insert_with(|| self.records.record(*index).metadata.clone());
                metadata.insert(key.key, vector);
            }
            before += key.texts.len();
        }
        Ok(metadatas)
    }

    /// Returns the number of texts of all keys.
    fn texts(&self) -> usize {
        self.keys.iter().map(|key| key.texts.len()).sum()
    }
}

/// Records with the sparse vectors that the schema asks for. Only metadata with a new vector are copied.
pub(super) struct Filled<'a> {
    records: &'a dyn Records,
    metadatas: Vec<Option<Metadata>>,
}

impl Records for Filled<'_> {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn record(&self, index: usize) -> RecordRef<'_> {
        let record = self.records.record(index);
        match &self.metadatas[index] {
            Some(metadata) => RecordRef { metadata, ..record },
            None => record,
        }
    }
}

/// The function of a metadata key in a call.
pub(crate) struct SparseEmbedder<'a> {
    collection: &'a Collection,
    function: CheckedSparse<'a>,
}

impl SparseEmbedder<'_> {
    pub(crate) fn name(&self) -> &str {
        self.function.function.name()
    }

    /// Embeds texts and reports the progress.
    pub(crate) fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vec<SparseVector>> {
        let task = EmbeddingTask {
            operation: self.function.call.operation,
            purpose,
            texts: texts.len(),
        };
        let embed = |context: &mut EmbeddingContext<'_>| self.embed_with(texts, context);
        self.collection.with_context(task, embed)
    }

    /// Embeds texts with a new context, which holds the function's counts afterwards.
    fn embed_with(
        &self,
        texts: &[&str],
        context: &mut EmbeddingContext<'_>,
    ) -> Result<Vec<SparseVector>> {
        let started = self.collection.start_embedding(self.name(), texts.len());
        let embedded = self.function.embed(texts, context);
        started.count(&embedded, context);
        embedded
    }
}
