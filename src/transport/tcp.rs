//! A connector for `ureq` that opens TCP connections with keep-alive, which its own does not.
//!
//! It looks a name up only when a connection is made; `ureq` does it for every request, on a thread that it starts for
//! that. And it marks a failure to find a host or to connect to it as such ([`ConnectFailed`]): the server cannot have
//! acted then.

use std::io::{self, Read, Write};
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

/// After this long without traffic the system asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// No connection was made, so nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ConnectFailed(io::Error);

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
        let started = Instant::now();
        let mut timeout = details.timeout;
        let addresses = self
            .0
            .resolve(details.uri, details.config, timeout)
            .map_err(|error| match error {
                Error::Io(error) => Error::Other(Box::new(ConnectFailed(error))),
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
        _ => Error::Other(Box::new(ConnectFailed(failure))),
    })
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
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    /// Why the server takes no more bytes. It may have answered before it closed.
    refused: Option<io::Error>,
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// A server that refuses a large body answers (413), closes, and leaves the rest unread: then the answer is what
    /// counts, so the failure to write is kept back until there is none to read.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.refused.is_some() {
            return Ok(());
        }
        let timeout = timeout.for_write();
        let wait = left(timeout)?;
        if wait != self.write_timeout {
            self.stream.set_write_timeout(wait)?;
            self.write_timeout = wait;
        }
        let output = &self.buffers.output()[..amount];
        match (&self.stream).write_all(output) {
            Err(error) if is_closed(&error) => {
                self.refused = Some(error);
                Ok(())
            }
            result => result.map_err(|error| in_time(error, timeout)),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let wait = left(timeout)?;
        if wait != self.read_timeout {
            self.stream.set_read_timeout(wait)?;
            self.read_timeout = wait;
        }
        let read = loop {
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = match (read, self.refused.take()) {
            (Ok(0) | Err(_), Some(refused)) => return Err(Error::Io(refused)),
            (read, refused) => {
                self.refused = refused;
                read.map_err(|error| in_time(error, timeout))?
            }
        };
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Nothing to read and not closed: anything else on an idle connection makes it useless.
    fn is_open(&mut self) -> bool {
        if self.refused.is_some() {
            return false;
        }
        let probe = || -> io::Result<bool> {
            self.stream.set_nonblocking(true)?;
            let idle = match (&self.stream).read(&mut [0]) {
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                Ok(_) => false,
            };
            self.stream.set_nonblocking(false)?;
            Ok(idle)
        };
        probe().unwrap_or(false)
    }
}

/// Whether the other side has closed the connection.
fn is_closed(error: &io::Error) -> bool {
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

/// A socket's own time-out comes as either of two kinds, by platform.
fn in_time(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
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
