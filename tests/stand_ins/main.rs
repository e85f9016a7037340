//! The client and `Gemini` with servers that a test starts on loopback. These servers fail in ways that a
//! real server does not, and replace services that no test may call: Chroma Cloud and Google.
//!
//! These tests need no Chroma server, no environment and no logger, so one program holds all of them.

// The settings of clippy.toml reach the tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod cancel;
mod connections;
mod deadlines;
mod desync;
mod distributed;
#[cfg(feature = "gemini")]
mod embed_calls;
mod endless;
mod endpoints;
mod failures;
mod gateway;
#[cfg(feature = "gemini")]
mod gemini;
#[cfg(feature = "gemini")]
mod gemini_cache;
#[cfg(feature = "gemini")]
mod gemini_scenarios;
#[cfg(feature = "gemini")]
mod gemini_shared;
mod golden_schema;
mod golden_search;
mod golden_where;
mod hostile;
mod keys;
mod limits;
mod operations;
mod progress;
mod proxies;
mod requested;
mod scan;
mod search;
mod server_names;
#[cfg(feature = "tls")]
mod storage;
#[cfg(feature = "gemini")]
mod stored_settings;
mod tls;
#[cfg(feature = "gemini")]
mod travels;
mod writes;
