//! [`InvalidInput`]: the fault in an input that was refused before anything was sent.

use std::fmt;

use crate::printable::OneLine;

/// Replaces a secret.
pub(crate) const HIDDEN: &str = "<hidden>";

/// A fault in an input, found before anything was sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidInput {
    /// A record's id is empty.
    #[error("record {index} (counted from 0) has an empty id; give every record an id")]
    #[non_exhaustive]
    EmptyId {
        /// The record's index, counted from 0.
        index: usize,
    },
    /// A call contains an id more than once. The server would silently keep only one of the records.
    #[error(
        "duplicate ids in one call: {}; keep one record for each id",
        Quoted(ids)
    )]
    #[non_exhaustive]
    DuplicateIds {
        /// The duplicate ids, each one once.
        ids: Vec<String>,
    },
    /// A column is longer or shorter than the column of ids.
    #[error("{found} {column} for {ids} ids; pass one for each id")]
    #[non_exhaustive]
    LengthMismatch {
        /// The column's name.
        column: &'static str,
        /// The number of ids.
        ids: usize,
        /// The length of the column.
        found: usize,
    },
    /// A vector's dimension differs from that of the call's other vectors, or from the collection's.
    #[error(
        "the vector of {} has {found} floats, not {expected}; all vectors of a collection have the same length",
        OneLine(of)
    )]
    #[non_exhaustive]
    Dimension {
        /// The record or query that the vector belongs to.
        of: String,
        /// The expected dimension.
        expected: usize,
        /// The vector's dimension.
        found: usize,
    },
    /// A vector or a metadata value is NaN or infinite.
    #[error("{} contains {value}; use finite numbers only", OneLine(of))]
    #[non_exhaustive]
    NotFinite {
        /// The vector or metadata value that contains the number.
        of: String,
        /// NaN, inf or -inf.
        value: f64,
    },
    /// The server would refuse the name of a collection, database or tenant, or the name cannot be part of a
    /// URL.
    #[error("invalid {what} name {name:?}: {}", OneLine(why))]
    #[non_exhaustive]
    Name {
        /// The kind of object that has the name, such as `collection`.
        what: &'static str,
        /// The name.
        name: String,
        /// The rule that the name breaks.
        why: String,
    },
    /// A record has neither a document nor a vector.
    #[error(
        "record {id:?} has neither a document nor a vector; give it one of them, or use update to change the rest of a record"
    )]
    #[non_exhaustive]
    NothingToEmbed {
        /// The record's id.
        id: String,
    },
    /// A text has to be embedded, but the collection has no embedding function.
    #[error(
        "{} is text, but the collection was opened without an embedding function; open it with .embedding_function(...) or pass vectors",
        OneLine(of)
    )]
    #[non_exhaustive]
    NoEmbeddingFunction {
        /// The record or query with the text.
        of: String,
    },
    /// A text has to be embedded, but the embedding function in the collection's configuration cannot be
    /// created here.
    #[error(
        "the text needs the collection's embedding function {name:?}, which cannot be created here: {}; pass vectors, or open the collection with the same function by .embedding_function(...)",
        OneLine(why)
    )]
    #[non_exhaustive]
    StoredEmbeddingFunction {
        /// The function's name in the collection's configuration.
        name: String,
        /// The reason, such as a missing feature or key, or a variable that the program has not allowed.
        why: String,
    },
    /// The model of the collection's embedding function was shut down, and no other model makes matching
    /// vectors.
    #[error(
        "the text needs the model {model:?} of the collection's embedding function {name:?}, which was shut down on {since}; embed the documents again, into a new collection; vectors still work"
    )]
    #[non_exhaustive]
    RetiredModel {
        /// The function's name in the collection's configuration.
        name: String,
        /// The model's name.
        model: String,
        /// The day on which the provider shut the model down, such as `2026-01-14`.
        since: String,
    },
    /// A text needs a sparse vector, but the function in the collection's schema cannot be created here.
    #[error(
        "the text needs the schema's sparse embedding function {name:?}, which cannot be created here: {}; pass the sparse vectors in the metadata, or open the collection with the same function by .sparse_embedding_function(...)",
        OneLine(why)
    )]
    #[non_exhaustive]
    StoredSparseFunction {
        /// The function's name in the collection's schema.
        name: String,
        /// The reason, such as a missing feature or key, or a variable that the program has not allowed.
        why: String,
    },
    /// An embedding function does not accept a text.
    #[error("text {index} (counted from 0) {}", OneLine(why))]
    #[non_exhaustive]
    Text {
        /// The text's index in the call, counted from 0.
        index: usize,
        /// The fault in the text.
        why: String,
    },
    /// The embedding function differs from the one that the collection was created with.
    #[error(
        "the collection was created with the embedding function {stored:?}, but {given:?} was given; their vectors cannot be compared, so open it with {stored:?}, use another collection, or embed the texts yourself and pass vectors"
    )]
    #[non_exhaustive]
    EmbeddingFunctionConflict {
        /// The function's name in the collection's configuration, with the model and the dimension if the
        /// configuration tells them: `openai, text-embedding-3-small, 512 floats`.
        stored: String,
        /// The same for the given function.
        given: String,
    },
    /// A [`Transaction`](crate::collection::Transaction) writes an id twice, or reads an id after it wrote
    /// it.
    #[error("this transaction has already written {id:?}; commit it first")]
    #[non_exhaustive]
    WrittenInTransaction {
        /// The id.
        id: String,
    },
    /// A call would do nothing, such as a delete without ids or a filter.
    #[error("{0}")]
    NothingSelected(&'static str),
    /// The server would refuse the filter, or silently return a wrong result.
    #[error("invalid filter {}: {}", OneLine(filter), OneLine(why))]
    #[non_exhaustive]
    Filter {
        /// The filter, as JSON, of which at most 200 characters are shown.
        filter: String,
        /// The fault, and what is allowed.
        why: String,
    },
    /// The server would refuse the search, or silently return a wrong result.
    #[error("{}: {}", OneLine(of), OneLine(why))]
    #[non_exhaustive]
    Search {
        /// Which search of the call it is.
        of: String,
        /// The fault, and what is allowed.
        why: String,
    },
    /// A metadata key or value cannot be stored, or does not fit into a struct.
    #[error("invalid metadata in {}{}: {}", OneLine(of), OfKey(key), OneLine(why))]
    #[non_exhaustive]
    Metadata {
        /// The record, collection or struct that the metadata belongs to.
        of: String,
        /// The key. Empty if the fault is not in the value of a key.
        key: String,
        /// The fault, and what is allowed.
        why: String,
    },
    /// A record stopped a batch job.
    #[error("{record}")]
    #[non_exhaustive]
    BadRecord {
        /// The record, and what is wrong with it.
        record: String,
    },
    /// A record of a file cannot be read.
    #[error("{}: {}", OneLine(place), OneLine(why))]
    #[non_exhaustive]
    Unreadable {
        /// The line, or the file in a folder.
        place: String,
        /// The fault in the record, and advice.
        why: String,
        /// Whether nothing more can be read from the file. A job then fails, and does not skip the record.
        is_last: bool,
    },
    /// A setting, from code or from the environment, has an invalid value.
    #[error("{name} is {}: {}", Value(value), OneLine(why))]
    #[non_exhaustive]
    Setting {
        /// The setting or environment variable.
        name: &'static str,
        /// The value; `<hidden>` for a secret.
        value: String,
        /// The fault in the value, and what is allowed.
        why: String,
    },
}

impl InvalidInput {
    /// Returns the error for a bad value of a setting.
    pub(crate) fn setting(
        name: &'static str,
        value: impl Into<String>,
        why: impl Into<String>,
    ) -> InvalidInput {
        InvalidInput::Setting {
            name,
            value: value.into(),
            why: why.into(),
        }
    }

    /// Returns the error for a bad value that may be secret. It shows only whether the value is empty.
    pub(crate) fn secret(name: &'static str, value: &str, why: impl Into<String>) -> InvalidInput {
        let shown = if value.is_empty() { "" } else { HIDDEN };
        InvalidInput::setting(name, shown, why)
    }
}

/// Prints up to ten strings in quotes, and the number of the others.
struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        for (i, item) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{item:?}", if i == 0 { "" } else { ", " })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Prints the metadata key at fault, or nothing if there is none.
struct OfKey<'a>(&'a str);

impl fmt::Display for OfKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            key => write!(f, ", key {key:?}"),
        }
    }
}

/// Prints a value in quotes, or that it is missing.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("empty or not set"),
            value => write!(f, "{value:?}"),
        }
    }
}
