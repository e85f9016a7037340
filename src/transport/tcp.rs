//! A connector for `ureq` that opens TCP connections with keep-alive, which its own does not.
//!
//! It looks a name up only when a connection is made; `ureq` does it for every request, on a thread that it starts for
//! that. And it marks a failure to find a host or to connect to it as such ([`ConnectFailed`]): the server cannot have
//! acted then.

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

/// Pieces of a request wait for the next ones until they are so many bytes, or all: its head goes out with the start of
/// its body, so the server is not woken by it for nothing, and a small request is one packet.
const HELD: usize = 4096;
/// The system is told to wait for a multiple of this, rounded up: the time left is a little less at each call, and to say
/// so costs one every time.
const STEP: Duration = Duration::from_millis(50);
/// A timer of the system is not late by more than half a [`STEP`] for so long.
const SHORT: Duration = Duration::from_millis(400);

/// After this long without traffic the system asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// No connection was made, so nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectFailed(io::Error);

/// A connection that had served before closed without a byte of an answer: most likely the server had closed it before the
/// request came, since it was idle for too long.
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

/// Whether it failed as a connection does that the server has closed in the meantime.
pub(super) fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Other(inner) if inner.is::<Stale>())
}

/// Leaves it to [`TcpConnector`] to find the addresses of a host: for a connection that is open nobody needs them.
#[derive(Debug)]
pub(super) struct Later;

impl Resolver for Later {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        // There must be one; it is not looked at.
        addresses.push((Ipv4Addr::UNSPECIFIED, 0).into());
        Ok(addresses)
    }
}

/// Finds hosts, and opens TCP connections with keep-alive and without Nagle's delay.
#[derive(Debug, Default)]
pub(super) struct TcpConnector(DefaultResolver);

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, TcpTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // A proxy's connection, made by the connector before this one.
        if let Some(open) = chained {
            return Ok(Some(Either::A(open)));
        }
        // The connector before this one knows HTTP proxies; one of another kind must not be passed by unsaid.
        let proxy = details.config.proxy();
        if proxy.is_some_and(|proxy| !proxy.is_no_proxy(details.uri)) {
            let only_http = "only HTTP proxies are supported, and the environment names another";
            return Err(failed(io::Error::other(only_http)));
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
        timeout.after = timeout.after.saturating_sub(started.elapsed()).into();
        let stream = connect_any(&addresses, timeout)?;
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

/// The first address that answers; each has an equal part of the time that is left.
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

fn failed(error: io::Error) -> Error {
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
    /// The start of a request that is not sent yet.
    held: Vec<u8>,
    /// Whether there was an answer before the current request. (With TLS, a handshake counts as one.)
    served: bool,
    /// Whether no byte has come since the current request began.
    silent: bool,
    /// What the system was told.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// Why the server takes no more bytes. It may have answered before it closed.
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
                Err(error) if is_passing(&error) => {}
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

    /// Nothing to read and not closed: anything else on an idle connection makes it useless.
    fn is_open(&mut self) -> bool {
        if self.refused.is_some() || !self.held.is_empty() {
            return false;
        }
        let nothing = read_at_once(&self.stream);
        nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Reads a byte if there is one, and does not wait.
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
    /// What it means that the other side has closed the connection.
    fn closed(&self, error: io::Error) -> Error {
        match self.served && self.silent {
            true => Error::Other(Box::new(Stale(error))),
            false => Error::Io(error),
        }
    }

    /// Sends what was held back, and the first `amount` bytes of the output.
    ///
    /// A server that refuses a large body answers (413), closes, and leaves the rest unread: then the answer is what
    /// counts, so the failure to write is kept back until there is none to read.
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

    /// However slowly the other side takes it, it is over in time.
    fn write_all(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let started = Instant::now();
        let mut left_to_write = [
            IoSlice::new(&self.held),
            IoSlice::new(&self.buffers.output()[..amount]),
        ];
        let mut pieces = &mut left_to_write[..];
        // Takes out what is empty.
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
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(())
    }
}

/// What the system is told to wait, when so much time is left: the same for a while, and a little more than is left where
/// that is little. Of a longer time less: the timer that Linux keeps for it is late by up to an eighth, so what is still
/// left then is waited for in a second step.
fn in_steps(left: Duration) -> Duration {
    let wait = match left > SHORT {
        true => left - left / 8 - STEP,
        false => left,
    };
    let steps = wait.as_millis() / STEP.as_millis() + 1;
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

/// What is left of it after the time since `started`.
fn since(mut timeout: NextTimeout, started: Instant) -> NextTimeout {
    timeout.after = timeout.after.saturating_sub(started.elapsed()).into();
    timeout
}

/// Whether there is nothing to do but to look at the clock and go on. A socket's own time-out comes as either of two kinds,
/// by platform.
fn is_passing(error: &io::Error) -> bool {
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

/// The time left, or `None` where there is no bound.
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
    fn the_system_waits_a_little_longer_or_a_little_less() {
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
