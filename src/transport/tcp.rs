//! A connector for `ureq` that opens TCP connections with keep-alive, which ureq's own connector does not.
//!
//! It looks up a name only to open a connection; `ureq` does so for every request, on a new thread. It also
//! marks failures to find a host or to connect to it ([`ConnectFailed`]): then the server cannot have acted.

use std::io::{self, IoSlice, Read, Write};
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

/// The start of a request is held back until there are this many bytes, or the whole request. The head is
/// then sent with the start of the body, and a small request in one packet, so the server wakes up only once.
const HELD: usize = 4096;
/// Socket timeouts are multiples of this. The time left shrinks with each call, and each change of a socket's
/// timeout costs a system call.
const STEP: Duration = Duration::from_millis(50);
/// For timeouts up to this, the system's timer is late by at most half a [`STEP`].
const SHORT: Duration = Duration::from_millis(400);

/// The system checks whether the other side is still there after this time without traffic.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// An error of opening a connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectFailed(io::Error);

/// An error of a connection that had served before and closed without a byte of a response. Most likely the
/// server closed it because it was idle for too long, before the request arrived.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stale(io::Error);

/// Returns the I/O error in an error of this connector, and any other error as it is.
pub(super) fn into_io(
    error: Box<dyn std::error::Error + Send + Sync>,
) -> Box<dyn std::error::Error + Send + Sync> {
    let error = match error.downcast::<ConnectFailed>() {
        Ok(failed) => return failed.0.into(),
        Err(other) => other,
    };
    match error.downcast::<Stale>() {
        Ok(stale) => stale.0.into(),
        Err(other) => other,
    }
}

/// Whether the connection failed because the server had closed it while it was idle.
pub(super) fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Other(inner) if inner.is::<Stale>())
}

/// Looks up nothing. [`TcpConnector`] looks up a host when it opens a connection; an open connection needs no
/// address.
#[derive(Debug)]
pub(super) struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        // ureq requires an address. It is not used.
        addresses.push((Ipv4Addr::UNSPECIFIED, 0).into());
        Ok(addresses)
    }
}

/// Looks up hosts, and opens TCP connections with keep-alive and without Nagle's algorithm.
#[derive(Debug, Default)]
pub(super) struct TcpConnector(DefaultResolver);

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, TcpTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // The connector before this one has opened a connection to a proxy.
        if let Some(open) = chained {
            return Ok(Some(Either::A(open)));
        }
        let started = Instant::now();
        let mut timeout = details.timeout;
        timeout.reason = Timeout::Connect;
        let addresses = self
            .0
            .resolve(details.uri, details.config, timeout)
            .map_err(|error| match error {
                Error::Io(error) => failed(error),
                other => other,
            })?;
        let stream = connect_any(&addresses, since(timeout, started))?;
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Either::B(TcpTransport {
            stream,
            buffers,
            held: Vec::new(),
            served: false,
            silent: true,
            read_timeout: None,
            write_timeout: None,
            refused: None,
        })))
    }
}

/// Connects to the first address that responds. Each address gets an equal part of the time left.
fn connect_any(addresses: &[SocketAddr], timeout: NextTimeout) -> Result<TcpStream, Error> {
    let each = left(timeout)?.map(|all| all / addresses.len().max(1) as u32);
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let stream = match each {
            Some(each) => TcpStream::connect_timeout(address, each),
            None => TcpStream::connect(address),
        };
        match stream.and_then(prepare) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(match failure.kind() {
        io::ErrorKind::TimedOut => Error::Timeout(Timeout::Connect),
        _ => failed(failure),
    })
}

pub(super) fn failed(error: io::Error) -> Error {
    Error::Other(Box::new(ConnectFailed(error)))
}

fn prepare(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    Ok(stream)
}

/// An open TCP connection.
#[derive(Debug)]
pub(super) struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// The start of a request, not sent yet.
    held: Vec<u8>,
    /// Whether there was a response before the current request. A TLS handshake counts as a response.
    served: bool,
    /// Whether no byte has arrived since the current request began.
    silent: bool,
    /// The timeouts of the socket.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// The error with which the server stopped reading. It may have responded before it closed the
    /// connection.
    refused: Option<io::Error>,
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.served |= !self.silent;
        self.silent = true;
        if self.held.len() + amount <= HELD {
            let output = &self.buffers.output()[..amount];
            self.held.extend_from_slice(output);
            return Ok(());
        }
        self.write(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if !self.held.is_empty() {
            self.write(0, timeout)?;
        }
        let timeout = timeout.for_read();
        let started = Instant::now();
        let read = loop {
            let wait = left(since(timeout, started))?.map(in_steps);
            if wait != self.read_timeout {
                self.stream.set_read_timeout(wait)?;
                self.read_timeout = wait;
            }
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Err(error) if is_temporary(&error) => {}
                other => break other,
            }
        };
        let read = match (read, self.refused.take()) {
            (Ok(0) | Err(_), Some(refused)) => return Err(self.closed(refused)),
            (Ok(0), None) if self.served && self.silent => {
                let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "Peer disconnected");
                return Err(self.closed(closed));
            }
            (Err(error), None) if is_closed(&error) => return Err(self.closed(error)),
            (read, refused) => {
                self.refused = refused;
                read?
            }
        };
        self.silent &= read == 0;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Whether the connection is open and has nothing to read. Unexpected bytes make an idle connection
    /// useless.
    fn is_open(&mut self) -> bool {
        if self.refused.is_some() || !self.held.is_empty() {
            return false;
        }
        let nothing = read_at_once(&self.stream);
        nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Reads a byte if there is one, without waiting.
#[cfg(unix)]
fn read_at_once(stream: &TcpStream) -> io::Result<usize> {
    SockRef::from(stream).recv_with_flags(&mut [MaybeUninit::uninit()], libc::MSG_DONTWAIT)
}

#[cfg(not(unix))]
fn read_at_once(mut stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let read = stream.read(&mut [0]);
    stream.set_nonblocking(false)?;
    read
}

impl TcpTransport {
    /// Returns the error of a connection that the other side has closed.
    fn closed(&self, error: io::Error) -> Error {
        if self.served && self.silent {
            Error::Other(Box::new(Stale(error)))
        } else {
            Error::Io(error)
        }
    }

    /// Sends the bytes held back, and the first `amount` bytes of the output.
    ///
    /// A server that refuses a large body responds with 413 and closes the connection without reading the
    /// rest. The response matters more than the failed write, so that error is kept until the response has
    /// been read.
    fn write(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let result = match self.refused {
            Some(_) => Ok(()),
            None => self.write_all(amount, timeout.for_write()),
        };
        self.held.clear();
        match result {
            Err(Error::Io(error)) if is_closed(&error) => {
                self.refused = Some(error);
                Ok(())
            }
            result => result,
        }
    }

    /// Writes everything within the timeout, however slowly the other side reads.
    fn write_all(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let started = Instant::now();
        let mut left_to_write = [
            IoSlice::new(&self.held),
            IoSlice::new(&self.buffers.output()[..amount]),
        ];
        let mut pieces = &mut left_to_write[..];
        // Removes empty slices.
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            let wait = left(since(timeout, started))?.map(in_steps);
            if wait != self.write_timeout {
                self.stream.set_write_timeout(wait)?;
                self.write_timeout = wait;
            }
            match (&self.stream).write_vectored(pieces) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => IoSlice::advance_slices(&mut pieces, written),
                Err(error) if is_temporary(&error) => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(())
    }
}

/// Returns the socket timeout for the time left, rounded up to a multiple of [`STEP`].
///
/// Linux fires a long timer late by up to an eighth. A long timeout is therefore shortened, and the rest of
/// the time is waited for in a second step.
fn in_steps(left: Duration) -> Duration {
    let wait = if left > SHORT {
        left.saturating_sub(left / 8 + STEP)
    } else {
        left
    };
    let steps = wait.as_millis() / STEP.as_millis() + 1;
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

/// Returns the timeout minus the time since `started`.
pub(super) fn since(mut timeout: NextTimeout, started: Instant) -> NextTimeout {
    timeout.after = timeout.after.saturating_sub(started.elapsed()).into();
    timeout
}

/// Whether to check the clock and try again. A socket's timeout is reported as `WouldBlock` or `TimedOut`,
/// depending on the platform.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Whether the other side has closed the connection.
pub(super) fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
    )
}

/// Returns the time left; `None` without a limit.
fn left(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    Ok(timeout.not_zero().map(|left| *left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn connections_are_kept_alive_and_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream =
            connect_any(&[listener.local_addr().unwrap()], NextTimeout::default()).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        #[cfg(not(windows))]
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn socket_timeouts_are_rounded() {
        let millis = Duration::from_millis;
        assert_eq!(in_steps(millis(1)), millis(50));
        assert_eq!(in_steps(millis(49)), millis(50));
        assert_eq!(in_steps(millis(400)), millis(450));
        assert_eq!(in_steps(millis(59_970)), in_steps(millis(59_999)));
        for left in [401, 1_000, 18_500, 60_000, 3_600_000].map(millis) {
            let wait = in_steps(left);
            assert!(
                wait >= left / 2 && wait + wait / 8 <= left,
                "{left:?}: {wait:?}"
            );
        }
        assert!(in_steps(Duration::MAX) >= Duration::from_secs(3600));
    }

    #[test]
    fn the_next_address_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let open = listener.local_addr().unwrap();
        assert!(connect_any(&[closed, open], NextTimeout::default()).is_ok());

        let error = connect_any(&[closed], NextTimeout::default()).unwrap_err();
        let Error::Other(inner) = error else {
            panic!("{error}");
        };
        assert!(inner.is::<ConnectFailed>());
    }
}
