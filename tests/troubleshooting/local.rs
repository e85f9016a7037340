//! Errors of `LocalServer` that need no server. `tests/local_server` has the others.

use chroma_blocking::LocalServer;

use crate::messages::Messages;
use crate::support::folder::Folder;

pub fn all(seen: &mut Messages) {
    let empty = Folder::new();
    let builder = || LocalServer::builder().cache_dir(&empty.0);
    seen.of(builder().version("0.4.24").start());
    seen.of(builder().version("1.5.9").start());
}
