//! Filters on metadata, documents and ids, as typed expressions.
//!
//! Start from a [`Key`]: [`Key::field`], [`Key::document`] or [`Key::id`]. Its methods, such as
//! [`eq`](Key::eq) or [`contains`](Key::contains), return a [`Where`]. Join filters with `&` and `|`, or with
//! [`Where::all`] and [`Where::any`]. [`Where::from_json`] reads Chroma's JSON.
//!
//! ```no_run
//! use chroma_blocking::{Client, Key};
//!
//! # let notes = Client::from_env()?.collection("notes").get()?;
//! let rust = Key::document().contains("rust");
//! let filter = Key::field("year").gte(2020)
//!     & (Key::field("lang").is_in(["en", "fr"]) | rust);
//! let found = notes.get().filter(filter).limit(10).run()?;
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! A filter that a server would refuse or misinterpret is an error of the call,
//! [`InvalidInput::Filter`](crate::InvalidInput::Filter), and nothing is sent.

mod check;
mod expr;
#[cfg(feature = "hybrid")]
mod ids;
mod json;
mod key;
mod print;
mod read;
mod rewrite;
mod split;
mod variables;

pub use expr::Where;
pub(crate) use expr::restrict;
pub use key::Key;
pub(crate) use print::Document;
pub(crate) use split::Parts;
pub(crate) use variables::MAX_VARIABLES;
