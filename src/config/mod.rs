//! [`ClientBuilder`]: the settings of a client, and how a client is created from them.

mod builder;
#[cfg(feature = "tls")]
mod certificates;
mod connect;
mod constructors;
mod credentials;
#[cfg(feature = "tls")]
mod der;
mod from_env;
#[cfg(test)]
mod not_unicode;

pub use builder::ClientBuilder;
