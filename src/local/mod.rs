//! A local Chroma server for as long as a program runs: [`LocalServer`].
//!
//! [`LocalServer::start`] starts a server with a temporary data folder. [`LocalServer::builder`] has the
//! settings: whether a server may be installed, which version, where its data is. It is meant for tests,
//! build scripts and command-line tools; a service connects to a server that runs on its own.
//!
//! ```no_run
//! use chroma_blocking::LocalServer;
//!
//! let server = LocalServer::builder()
//!     .install(true)
//!     .on_install(|plan| eprintln!("{plan}"))
//!     .start()?;
//! let client = server.client()?;
//! println!("{} is up", server.url());
//! server.stop()?; // dropping it does the same
//! # Ok::<(), chroma_blocking::Error>(())
//! ```
//!
//! This module needs the feature `local-server`, which is on by default. With `default-features = false` a
//! program contains no code that starts processes or installs packages.

mod builder;
mod error;
mod find;
mod folder;
mod inherited;
mod install;
mod ready;
mod server;
mod supervise;

pub use builder::LocalServerBuilder;
pub use install::InstallPlan;
pub use server::LocalServer;
