//! Takes connections on loopback, each on a thread of its own. What stands in for a server is built on it.
//!
//! Dropping it closes all of its connections and joins all of its threads.

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
    /// The open ones, to be closed at the end.
    open: Mutex<HashMap<usize, TcpStream>>,
    over: AtomicBool,
}

/// A port that is listened on until it is dropped.
pub struct Listening {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

impl Listening {
    /// Gives every connection to `serve`, with its number, counted from 0; it is closed when that returns.
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
        // Wakes the acceptor, which takes connections until it sees that it is over.
        let woken = TcpStream::connect(self.address);
        let threads = self.acceptor.take().map(JoinHandle::join);
        for stream in lock(&self.shared.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(woken);
        let threads = threads.and_then(Result::ok).unwrap_or_default();
        let fine = threads.into_iter().all(|thread| thread.join().is_ok());
        // A panic while the test panics would hide the test's own words.
        assert!(
            fine || thread::panicking(),
            "the answering closure panicked"
        );
    }
}

/// Takes connections, each on a thread of its own; gives the threads back when it is over.
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
            // A panic in the closure must not leave the client waiting.
            let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = (shared.serving)(number, &stream);
            }));
            // The connection is closed when both handles are dropped, and only then no longer counted as open.
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
