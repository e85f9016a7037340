//! [`InvalidInput`]: what is wrong with an input, in every way that is refused before anything is sent.

use std::fmt;

/// What is wrong with an input, found before anything was sent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidInput {
    /// A record's id is the empty string.
    #[error("the id of record {index} (counted from 0) is empty; give every record an id")]
    EmptyId {
        /// Which record, counted from 0.
        index: usize,
    },
    /// Ids that are in one call more than once. The server would keep only one of each, without a word.
    #[error(
        "the same id more than once in one call: {}; keep one record for each id",
        Listed(ids)
    )]
    DuplicateIds {
        /// Each such id, once.
        ids: Vec<String>,
    },
    /// A column that is not as long as the column of ids.
    #[error("{found} {column} for {ids} ids; give one for each id")]
    LengthMismatch {
        /// Which column.
        column: &'static str,
        /// How many ids there are.
        ids: usize,
        /// How long the column is.
        found: usize,
    },
    /// A vector of another length than the others of the call, or than the collection's.
    #[error("the vector of {of} has {found} floats, not {expected}")]
    Dimension {
        /// Whose vector: a record or a query.
        of: String,
        /// The dimension it should have.
        expected: usize,
        /// The dimension it has.
        found: usize,
    },
    /// A NaN or an infinity, in a vector or in metadata.
    #[error("{of} holds {value}; the server takes finite numbers only")]
    NotFinite {
        /// Whose number: a record's vector or one of its metadata values.
        of: String,
        /// NaN, inf or -inf.
        value: f64,
    },
    /// A name of a collection, a database or a tenant that the server would refuse, or that cannot stand in a URL.
    #[error("bad {what} name {name:?}: {why}")]
    Name {
        /// What is to have the name.
        what: &'static str,
        /// The name.
        name: String,
        /// Which rule it breaks, and the rule.
        why: String,
    },
    /// A record with neither a document nor a vector.
    #[error("record {id:?} has neither a document nor a vector; give it one of them")]
    NothingToEmbed {
        /// The record's id.
        id: String,
    },
    /// A text to embed, and no embedding function to do it with.
    #[error(
        "{of} is text and the collection was opened without an embedding function; open it with .embedding_function(...), or pass vectors"
    )]
    NoEmbeddingFunction {
        /// The record or the query.
        of: String,
    },
    /// A text to embed, and an embedding function that the collection remembers and that cannot be made here.
    #[error(
        "the text needs the collection's embedding function {name:?}, which cannot be made here: {why}; pass vectors, or open the collection with the same function by .embedding_function(...)"
    )]
    StoredEmbeddingFunction {
        /// The name in the collection's configuration.
        name: String,
        /// What is missing.
        why: String,
    },
    /// A text that an embedding function cannot take.
    #[error("text {index} (counted from 0) {why}")]
    Text {
        /// Which text of the call, counted from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// An embedding function other than the one that the collection was made with.
    #[error(
        "the collection was made with the embedding function {stored:?}, and {given:?} was given; their vectors do not match, so open it with {stored:?}, use another collection, or embed the texts yourself and pass vectors"
    )]
    EmbeddingFunctionConflict {
        /// The name in the collection's configuration; with the model and the dimension, where these differ and the
        /// names do not.
        stored: String,
        /// The same of the one passed in.
        given: String,
    },
    /// An id that is written twice, or read after it was written, in one [`Transaction`](crate::collection::Transaction).
    #[error("this transaction has written {id:?} already; commit it first")]
    WrittenInTransaction {
        /// The id.
        id: String,
    },
    /// A call that would do nothing: a delete without ids or filter.
    #[error("{0}")]
    NothingSelected(&'static str),
    /// A filter that the server would refuse, or answer wrongly without a word.
    #[error("bad filter {filter}: {why}")]
    Filter {
        /// The filter, as JSON.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// A search that the server would refuse, or answer wrongly without a word.
    #[error("{of}: {why}")]
    Search {
        /// Which search of the call.
        of: String,
        /// What is wrong with it.
        why: String,
    },
    /// A metadata key or value that cannot be stored, or does not fit into a struct.
    #[error("bad metadata in {of}, key {key:?}: {why}")]
    Metadata {
        /// Whose metadata: a record's, the collection's or a struct's.
        of: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// A record that stopped a batch job.
    #[error("{record}")]
    BadRecord {
        /// Which one, and what is wrong with it.
        record: String,
    },
    /// A record of a file that cannot be read.
    #[error("{place}: {why}")]
    Unreadable {
        /// Where it is: a line, or a file of a folder.
        place: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A setting, from code or from the environment.
    #[error("{name} is {}: {why}", Given(value))]
    Setting {
        /// The setting or environment variable.
        name: &'static str,
        /// Its value; `<hidden>` for secrets.
        value: String,
        /// What is wrong, and what it should look like.
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
}

/// The first ten strings, quoted, and how many more there are.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
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

/// A value, as it was given; or that there is none.
struct Given<'a>(&'a str);

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("empty or not set"),
            value => write!(f, "{value:?}"),
        }
    }
}
