//! A relay that records the exchanges with the real server. The null server sends the recorded answers, and
//! the floor sends the recorded requests.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::http::{Message, buffered};

/// A request and the real server's answer to it.
#[derive(Debug)]
pub struct Exchange {
    pub request: Message,
    pub answer: Message,
}

pub struct Recorder {
    address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    /// Listens until the process ends.
    pub fn start(server: SocketAddr) -> io::Result<Recorder> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let exchanges = Arc::<Mutex<Vec<Exchange>>>::default();
        let kept = exchanges.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let kept = kept.clone();
                thread::spawn(move || {
                    if let Err(error) = relay(client, server, &kept) {
                        eprintln!("recorder: {error}");
                    }
                });
            }
        });
        Ok(Recorder { address, exchanges })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the exchanges since the last call.
    pub fn take(&self) -> Vec<Exchange> {
        let mut exchanges = self
            .exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut exchanges)
    }
}

fn relay(client: TcpStream, server: SocketAddr, kept: &Mutex<Vec<Exchange>>) -> io::Result<()> {
    let mut client = buffered(client)?;
    let mut server = buffered(TcpStream::connect(server)?)?;
    loop {
        let (mut request, mut answer) = (Message::default(), Message::default());
        if !request.read(&mut client)? {
            return Ok(());
        }
        server.get_mut().write_all(&request.head)?;
        server.get_mut().write_all(&request.body)?;
        if !answer.read(&mut server)? {
            return Err(io::Error::other("the server closed without an answer"));
        }
        let back = [&answer.head[..], &answer.body].concat();
        // Stores the exchange before relaying the answer, because the client may then call `take`.
        kept.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Exchange { request, answer });
        client.get_mut().write_all(&back)?;
    }
}
