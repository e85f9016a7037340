//! Accepts connections on loopback, and serves each of them on a separate thread. The stand-ins use it.
//!
//! Dropping it closes all connections and joins all threads.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::stand_in::lock;

type Serving = Box<dyn Fn(usize, &TcpStream) -> io::Result<()> + Send + Sync>;

struct Shared {
    serving: Serving,
    connections: AtomicUsize,
    /// The open connections, to close them at the end.
    open: Mutex<HashMap<usize, TcpStream>>,
    over: AtomicBool,
}

/// A listener on a port, until it is dropped.
pub struct Listening {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

impl Listening {
    /// Calls `serve` for each connection, with its number, counted from 0. Closes the connection when `serve`
    /// returns.
    pub fn start(
        listener: TcpListener,
        serve: impl Fn(usize, &TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Listening {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            serving: Box::new(serve),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let for_acceptor = shared.clone();
        Listening {
            address,
            shared,
            acceptor: Some(thread::spawn(move || accept(&listener, &for_acceptor))),
        }
    }

    /// Returns the address of the listener.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of connections that clients have made so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The number of connections that the server has not closed yet.
    pub fn open_connections(&self) -> usize {
        lock(&self.shared.open).len()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which checks for the end after each connection.
        let woken = TcpStream::connect(self.address);
        let threads = self.acceptor.take().map(JoinHandle::join);
        for stream in lock(&self.shared.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(woken);
        let threads = threads.and_then(Result::ok).unwrap_or_default();
        let fine = threads.into_iter().all(|thread| thread.join().is_ok());
        // A second panic would hide the message of the first one.
        assert!(
            fine || thread::panicking(),
            "the answering closure panicked"
        );
    }
}

/// Accepts connections, each on a separate thread. Returns the threads at the end.
fn accept(listener: &TcpListener, shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        if shared.over.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        lock(&shared.open).insert(number, stream.try_clone().unwrap());
        let shared = shared.clone();
        threads.push(thread::spawn(move || {
            // The connection has to be closed even if the closure panics.
            let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = (shared.serving)(number, &stream);
            }));
            // The connection is closed when both handles are dropped, and only then no longer counted as
            // open.
            drop(stream);
            let mut open = lock(&shared.open);
            drop(open.remove(&number));
            drop(open);
            if let Err(panic) = served {
                std::panic::resume_unwind(panic);
            }
        }));
    }
    threads
}
