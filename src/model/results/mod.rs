//! The results of reads: [`GetResult`], [`QueryResult`] and [`Hit`].

mod get;
mod hit;
mod include;

pub use get::{GetResult, IntoIter, Iter};
pub(crate) use hit::list_of_hits;
pub use hit::{Hit, QueryResult};
pub use include::Include;
