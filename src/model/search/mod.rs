//! Searches: what a [`Search`] is made of, and what it returns.

mod arithmetic;
mod check;
mod group_by;
mod knn;
mod print;
mod rank;
mod read_level;
mod request;
mod result;
mod rrf;

#[cfg(feature = "hybrid")]
pub(crate) use group_by::Aggregate;
pub use group_by::GroupBy;
pub use knn::Knn;
#[cfg(feature = "hybrid")]
pub(crate) use knn::KnnQuery;
pub use rank::Rank;
#[cfg(feature = "hybrid")]
pub(crate) use rank::{Binary, Node, Unary, Variadic};
pub use read_level::ReadLevel;
pub use request::Search;
pub use result::{EvaluatedBy, SearchHit, SearchResult};
pub use rrf::Rrf;
