//! The real server of a test program: one that it starts, or the one that `CHROMA_HOST` names.

use std::net::TcpListener;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, LocalServer, local::LocalServerBuilder};

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

/// A port that nobody has, and nobody is given: none of those that the system gives to whoever connects, or the client could
/// be given it while the server is away, and be connected with itself.
pub fn port() -> u16 {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let mut ports = first..first + 1_000;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).unwrap()
}

/// Ends the server's process at once. Then its supervisor goes as well, which has locked the data folder.
pub fn kill(server: LocalServer) {
    let killed = Command::new("/bin/sh")
        .args(["-c", &format!("kill -9 {}", server.pid())])
        .status();
    assert!(killed.unwrap().success());
    drop(server);
}
