//! The client's tenants and databases, what a server reports about itself, and options for connecting.
//!
//! [`Client`] is the handle to a server, and [`ClientBuilder`](crate::ClientBuilder) has its options; both
//! are also at the root of the crate. The types here are needed less often:
//!
//! - [`Tenant`], [`Database`] and [`ListDatabases`]: returned by [`Client::get_tenant`],
//!   [`Client::get_database`] and [`Client::list_databases`].
//! - [`PreFlightChecks`] and [`Identity`]: the server's limits and the client's user, returned by
//!   [`Client::pre_flight_checks`] and [`Client::identity`].
//! - [`ReadFrom`] and [`CircuitBreaker`]: how a client uses several endpoints, and when it stops using one.
//!   They are set by [`ClientBuilder::read_from`](crate::ClientBuilder::read_from) and
//!   [`ClientBuilder::circuit_breaker`](crate::ClientBuilder::circuit_breaker).
//! - [`Jitter`]: how a [`RetryPolicy`](crate::RetryPolicy) randomizes the waits between retries.
//!
//! ```no_run
//! use chroma_blocking::Client;
//!
//! let client = Client::from_env()?;
//! client.create_database("archive")?;
//! let archive = client.with_database("archive");
//! println!("{} collections", archive.count_collections()?);
//! # Ok::<(), chroma_blocking::Error>(())
//! ```

mod accepted;
mod capabilities;
pub(crate) mod chroma;
mod collections;
mod handle;
mod info;
mod lists;
pub(crate) mod operations;
#[cfg(any(test, fuzzing))]
mod parsers;
pub(crate) mod reconcile;
mod request;
mod server;
mod storage;
mod tenants;

pub(crate) use accepted::Accepted;
pub(crate) use capabilities::Feature;
#[cfg(feature = "local-server")]
pub(crate) use chroma::LOCAL_SERVER;
pub(crate) use collections::check_name;
pub use handle::Client;
pub(crate) use handle::Settings;
pub use info::{Database, Identity, PreFlightChecks, Tenant};
pub use lists::ListDatabases;
pub(crate) use lists::{Entry, Listing, list};
#[cfg(any(test, fuzzing))]
pub(crate) use parsers::PARSERS;
pub(crate) use request::Request;

pub use crate::transport::{CircuitBreaker, Jitter, ReadFrom};
