//! What the build script and the program have in common: they must use the same server.

use std::env;

use chroma_blocking::{LocalServer, local::LocalServerBuilder};

pub const COLLECTION: &str = "docs";

/// The one that `CHROMA_BIN` names, or an installed copy; not whatever `chroma` is on the `PATH`, which may be another
/// version one day and not read the data.
pub fn builder() -> LocalServerBuilder {
    let builder = LocalServer::builder();
    match env::var_os("CHROMA_BIN") {
        Some(bin) if !bin.is_empty() => builder,
        _ => builder.version("1.5.9"),
    }
}
