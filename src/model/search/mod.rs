//! Searches: rank records by dense vectors, sparse vectors and arithmetic, and group the hits.
//!
//! Only Chroma Cloud and distributed Chroma support them. On a single-node server, use
//! [`Collection::query`](crate::Collection::query).
//!
//! Start from [`Search::new`]. Score records with a [`Knn`], with several of them joined by arithmetic (see
//! [`Rank`]), or with reciprocal rank fusion ([`Rrf`]). [`GroupBy`] limits the hits of each group. Pass the
//! search to [`Collection::search`](crate::Collection::search).
//!
//! ```no_run
//! use chroma_blocking::{Client, Key, Search};
//! use chroma_blocking::search::Knn;
//!
//! let notes = Client::cloud_from_env()?.collection("notes").get()?;
//! let search = Search::new()
//!     .filter(Key::field("year").gte(2020))
//!     .rank(Knn::text("memory safety").limit(100))
//!     .limit(10)
//!     .select([Key::document(), Key::score()]);
//! for hit in notes.search(search).run()? {
//!     println!("{:?} {}", hit.score, hit.id);
//! }
//! # Ok::<(), chroma_blocking::Error>(())
//! ```

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

pub use group_by::GroupBy;
pub use knn::Knn;
pub use rank::Rank;
pub use read_level::ReadLevel;
pub use request::Search;
pub use result::{SearchHit, SearchResult};
pub use rrf::Rrf;
