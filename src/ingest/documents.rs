//! [`Documents`]: follows the documents of an input, so that the old pieces of each one can be deleted.
//!
//! A document ends where the next one starts. The reader finds that when it reads the next item, even while
//! it skips the items that an earlier run has done. So a resumed job knows the pieces of a document that was
//! open at the position of its checkpoint.

use std::collections::{HashMap, HashSet};

use super::hash::document_id_hash;
use crate::model::metadata::MetadataValue;
use crate::model::record::Record;

/// All records of a document have been read.
#[derive(Debug)]
pub(super) struct DocumentEnd {
    pub(super) id: MetadataValue,
    /// The hash of the document's id.
    pub(super) hash: u64,
    /// The hashes of the ids of its records.
    pub(super) pieces: HashSet<u64>,
    /// Whether an item that could not be read may be one of its pieces.
    pub(super) has_gap: bool,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    /// The hash of the document's id.
    pub(super) document: u64,
    /// Whether the record starts a new version of a document that has ended before.
    pub(super) restarts: bool,
}

/// Why a record has no place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// It names no document. This is the reason to report.
    Unnamed(String),
    /// Its document has ended, so its stored pieces may have been deleted. This is the reason to report.
    Late(String),
}

/// Follows the documents of an input. See [`Ingest::replace_documents`](super::Ingest::replace_documents).
pub(super) struct Documents {
    key: String,
    open: Option<Open>,
    /// The first piece of each document that has ended.
    ended: HashMap<u64, u64>,
    /// Whether an item that could not be read came after the last record.
    after_gap: bool,
}

/// The document being read.
struct Open {
    first: u64,
    end: DocumentEnd,
}

impl Documents {
    pub(super) fn new(key: String) -> Documents {
        Documents {
            key,
            open: None,
            ended: HashMap::new(),
            after_gap: false,
        }
    }

    /// Returns the hash of the id of a record's document, if the record has one.
    pub(super) fn hash(&self, record: &Record) -> Option<u64> {
        document_id(record, &self.key).map(document_id_hash)
    }

    /// Adds a record. Returns where it belongs, and the document that it ends.
    ///
    /// `piece` is the hash of the record's id. `document` is the [`hash`](Documents::hash) of its document's
    /// id.
    ///
    /// # Errors
    /// If the record names no document, or one that has ended.
    pub(super) fn add(
        &mut self,
        record: &Record,
        piece: u64,
        document: Option<u64>,
    ) -> (Result<Membership, Misplaced>, Option<DocumentEnd>) {
        let (Some(id), Some(document)) = (document_id(record, &self.key), document) else {
            // The record may be a piece of a document next to it.
            self.add_gap();
            return (Err(Misplaced::Unnamed(self.no_document())), None);
        };
        let is_empty = is_empty(record);
        if let Some(open) = &mut self.open {
            let is_same = open.end.hash == document;
            if is_same && piece != open.first {
                open.end.has_gap |= std::mem::take(&mut self.after_gap);
                if !is_empty {
                    open.end.pieces.insert(piece);
                }
                let member = Membership {
                    document,
                    restarts: false,
                };
                return (Ok(member), None);
            }
            if is_same {
                // A second version, which replaces the first one.
                self.open = None;
            }
        }
        let end = self.end();
        let restarts = match self.ended.get(&document) {
            Some(first) if *first != piece => {
                let reason = self.not_together(id, &record.id);
                return (Err(Misplaced::Late(reason)), end);
            }
            first => first.is_some(),
        };
        self.open = Some(Open {
            first: piece,
            end: DocumentEnd {
                id: id.clone(),
                hash: document,
                pieces: (!is_empty).then_some(piece).into_iter().collect(),
                has_gap: std::mem::take(&mut self.after_gap),
            },
        });
        let member = Membership { document, restarts };
        (Ok(member), end)
    }

    /// Whether the input has had a document with this hash, and it has ended.
    pub(super) fn contains(&self, document: u64) -> bool {
        self.ended.contains_key(&document)
    }

    /// Adds an item that could not be read. It may be a piece of the document before it or after it.
    pub(super) fn add_gap(&mut self) {
        self.after_gap = true;
        if let Some(open) = &mut self.open {
            open.end.has_gap = true;
        }
    }

    /// Adds a record of a document that another shard handles. Returns the document that it ends.
    pub(super) fn add_other(&mut self) -> Option<DocumentEnd> {
        self.after_gap = false;
        self.end()
    }

    /// Ends the open document, because another one starts or the input has ended.
    pub(super) fn end(&mut self) -> Option<DocumentEnd> {
        let Open { first, end } = self.open.take()?;
        self.ended.insert(end.hash, first);
        Some(end)
    }

    fn no_document(&self) -> String {
        let key = &self.key;
        format!(
            "no text or integer in the metadata key {key:?}, which names the record's document; name the right key in replace_documents, and give it to each record, as TextSplitter::document_key does"
        )
    }

    fn not_together(&self, id: &MetadataValue, piece: &str) -> String {
        let key = &self.key;
        let id = display(id);
        format!(
            "the document {id} ended before record {piece:?}; sort the input by {key:?}, because the records of a document must follow each other"
        )
    }
}

/// Returns the id of a record's document: the metadata value under `key`, if it is text or an integer.
pub(super) fn document_id<'r>(record: &'r Record, key: &str) -> Option<&'r MetadataValue> {
    let id = record.metadata.get(key)?;
    match id {
        MetadataValue::String(text) if text.is_empty() => None,
        MetadataValue::String(_) | MetadataValue::Int(_) => Some(id),
        _ => None,
    }
}

/// Whether a record has no vector, and a document from which none can be made. It may stand for a document
/// without text.
pub(super) fn is_empty(record: &Record) -> bool {
    let text = record.document.as_deref();
    record.embedding.is_none() && text.is_some_and(|text| text.trim().is_empty())
}

fn display(id: &MetadataValue) -> String {
    match id {
        MetadataValue::String(text) => format!("{text:?}"),
        MetadataValue::Int(number) => number.to_string(),
        _ => String::new(),
    }
}
