//! The real server of a test program: a server that the program starts, or the server in `CHROMA_HOST`.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chroma_blocking::{Client, LocalServer, local::LocalServerBuilder};

/// Returns a client of the server that all tests share. The server ends with this process.
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

/// Returns whether `CHROMA_HOST` names a server, so that tests start none.
pub fn is_given() -> bool {
    std::env::var("CHROMA_HOST").is_ok_and(|host| !host.is_empty())
}

/// Returns a builder for a server of the tested version. The server is installed if necessary.
pub fn local() -> LocalServerBuilder {
    LocalServer::builder()
        .version(version())
        .install(true)
        .on_install(|plan| eprintln!("{plan}"))
}

/// Returns the version of the server: `CHROMA_VERSION`, or the newest tested version.
pub fn version() -> String {
    let version = std::env::var("CHROMA_VERSION").ok();
    version
        .filter(|v| !v.is_empty())
        .unwrap_or_else(|| "1.5.9".to_owned())
}

/// Returns a collection name that no other test and no other run uses.
pub fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{}-{next}", now.as_nanos(), std::process::id())
}

/// Returns a free port outside of the range of ephemeral ports. While the server is down, a client could
/// otherwise get the port for a connection, and connect to itself.
pub fn port() -> u16 {
    // Tests that run at the same time get different ports.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let first = first + NEXT.fetch_add(10, Ordering::Relaxed) % 1_000;
    let mut ports = first..first + 1_000;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).unwrap()
}

/// Kills the server. Waits until its supervisor has ended, which locks the data folder.
pub fn kill(server: LocalServer) {
    signal(server, "KILL");
}

/// Ends the server with a signal: `KILL` or `TERM`. Waits until its supervisor has ended.
pub fn signal(server: LocalServer, name: &str) {
    let send = |signal: &str| {
        let script = format!("kill -{signal} {}", server.pid());
        let mut kill = Command::new("/bin/sh");
        kill.args(["-c", &script]).stderr(Stdio::null());
        kill.status().unwrap().success()
    };
    assert!(send(name));
    // Dropping a server that still ends would kill it after a moment.
    let started = Instant::now();
    while send("0") {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the server does not end"
        );
        sleep(Duration::from_millis(2));
    }
    drop(server);
}
