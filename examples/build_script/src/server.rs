//! Code for both the build script and the program: they must use the same server.

use std::env;

use chroma_blocking::{LocalServer, local::LocalServerBuilder};

pub const COLLECTION: &str = "docs";

/// Selects the server in `CHROMA_BIN`, or an installed copy. A `chroma` on the `PATH` is ignored: its version
/// may change, and then it may not be able to read the data.
pub fn builder() -> LocalServerBuilder {
    let builder = LocalServer::builder();
    match env::var_os("CHROMA_BIN") {
        Some(bin) if !bin.is_empty() => builder,
        _ => builder.version("1.5.9"),
    }
}
