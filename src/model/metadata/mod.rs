//! [`Metadata`], [`MetadataValue`], [`Strings`] and [`SparseVector`]: named values of a record or a collection.

mod check;
mod convert;
mod json;
mod keys;
mod list;
mod map;
mod read;
mod strings;
mod typed;
mod value;

pub(crate) use check::too_large;
pub(crate) use map::{Entry, NO_METADATA};
pub use map::{Metadata, MetadataIter};
pub(crate) use read::{Nullable, Reading};
pub use strings::{Strings, StringsIter};
pub use value::{MetadataValue, SparseVector};

/// The metadata key of stamps.
///
/// A collection that [stamps its writes](crate::collection::CollectionBuilder::stamp_writes) has the time of
/// a record's last write under this key, in microseconds since 1970. In the metadata of the collection
/// itself, any value except `false` means that this crate stamps all writes.
pub const STAMP: &str = "chroma_blocking:stamp";
