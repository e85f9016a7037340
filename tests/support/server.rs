//! The real server of a test program: one that it starts, or the one that `CHROMA_HOST` names.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, LocalServer, LocalServerBuilder};

/// A client of the server that all tests share. The server ends with this process: nothing drops a static, and
/// nothing has to.
pub fn client() -> &'static Client {
    static SHARED: OnceLock<(Client, Option<LocalServer>)> = OnceLock::new();
    let (client, _server) = SHARED.get_or_init(|| {
        if is_given() {
            return (Client::from_env().unwrap(), None);
        }
        let server = local().start().unwrap();
        (server.client().unwrap(), Some(server))
    });
    client
}

/// Whether the caller wants no server started on this machine.
pub fn is_given() -> bool {
    std::env::var("CHROMA_HOST").is_ok_and(|host| !host.is_empty())
}

/// A server of the version that is tested, installed where it is not.
pub fn local() -> LocalServerBuilder {
    LocalServer::builder()
        .version(version())
        .install(true)
        .on_install(|plan| eprintln!("{plan}"))
}

/// The server's version: `CHROMA_VERSION`, or the newest that is tested.
pub fn version() -> String {
    let version = std::env::var("CHROMA_VERSION").ok();
    version
        .filter(|v| !v.is_empty())
        .unwrap_or_else(|| "1.5.9".to_owned())
}

/// A collection name that no other test and no other run uses.
pub fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{}-{next}", now.as_nanos(), std::process::id())
}
