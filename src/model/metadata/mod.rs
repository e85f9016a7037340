//! [`Metadata`], [`MetadataValue`] and [`SparseVector`]: named values of a record or a collection.

mod check;
mod convert;
mod json;
mod map;
mod typed;
mod value;

pub(crate) use check::too_large;
pub(crate) use map::NO_METADATA;
pub use map::{Metadata, MetadataIter};
pub use value::{MetadataValue, SparseVector};
