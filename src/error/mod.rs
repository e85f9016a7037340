//! Errors: what went wrong, sorted by what the caller can do about it.
//!
//! Start with [`Error`]. [`Error::is_retryable`] and [`Error::status`] answer the common questions without a
//! `match`, and [`Error::call`] says which call failed, after how many attempts, and whether the server may
//! have acted on it.
//!
//! | to print | use |
//! |---|---|
//! | the message | `{error}` |
//! | the message and its causes, on one line | `{error:#}` |
//! | the message and its causes, on several lines | `{error:?}`, as `fn main() -> Result<()>` does |
//!
//! The causes are also available as [`source()`](std::error::Error::source): for a broken connection or a
//! file, for example, the [`std::io::Error`]. No form of an error holds a secret.
//!
//! ```
//! use chroma_blocking::{Client, RetryPolicy};
//!
//! let client = Client::builder()
//!     .host("127.0.0.1:9") // no server listens there
//!     .retry(RetryPolicy::none())
//!     .build()?;
//! let error = client.heartbeat().unwrap_err();
//! assert!(error.is_retryable());
//! assert!(error.to_string().contains("cannot connect"));
//! assert!(format!("{error:#}").contains("refused"));
//! # Ok::<(), chroma_blocking::Error>(())
//! ```

mod call;
mod message;
mod parts;
mod queries;
mod variants;

pub use crate::model::differences::{Difference, DifferenceKind, Differences};
pub use call::{Call, RefusedText};
pub use variants::{Error, Result};

pub(crate) use crate::invalid::InvalidInput;
pub(crate) use message::REPAIR_OF_INDEX;
