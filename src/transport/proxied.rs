//! [`ProxyConnector`]: opens connections through HTTP proxies.
//!
//! `ureq` asks every proxy for a tunnel (`CONNECT`), which many proxies allow to port 443 only. Here a request
//! to an `http` address is sent to the proxy itself, with the whole URL in its first line (RFC 9112, 3.2.2),
//! as other clients do. Only `https` goes through a tunnel.

use std::io;
use std::str;
use std::time::Instant;

use ureq::http::Uri;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use super::endpoints::Endpoints;
use super::proxy::Proxy;
use super::tcp::{TcpConnector, failed, since};

/// The longest head of a proxy's response to `CONNECT`, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Keeps a proxy from responding with an old count, and from storing records.
const NO_CACHE: &str = "Cache-Control: no-cache, no-store\r\n";

/// The refusal of a tunnel. Nothing was sent to the server.
#[derive(Debug, thiserror::Error)]
#[error("{status}")]
pub(super) struct TunnelRefused {
    pub(super) status: u16,
}

/// Opens connections to those endpoints that have a proxy. Leaves the others to the next connector.
#[derive(Debug)]
pub(super) struct ProxyConnector {
    proxies: Vec<(Uri, Proxy)>,
    tcp: TcpConnector,
    #[cfg(feature = "tls")]
    tls: ureq::unversioned::transport::RustlsConnector,
}

impl ProxyConnector {
    pub(super) fn new(endpoints: &Endpoints) -> ProxyConnector {
        let proxies = endpoints.all().filter_map(|endpoint| {
            let uri = endpoint.as_str().parse().ok()?;
            Some((uri, endpoint.proxy()?.clone()))
        });
        ProxyConnector {
            proxies: proxies.collect(),
            tcp: TcpConnector::default(),
            #[cfg(feature = "tls")]
            tls: ureq::unversioned::transport::RustlsConnector::default(),
        }
    }

    fn proxy_of(&self, server: &Uri) -> Option<&Proxy> {
        let is_same =
            |uri: &Uri| uri.scheme() == server.scheme() && uri.authority() == server.authority();
        let found = self.proxies.iter().find(|(uri, _)| is_same(uri));
        found.map(|(_, proxy)| proxy)
    }

    /// Opens a connection to the proxy, with TLS if its URL says so.
    fn open(&self, details: &ConnectionDetails<'_>) -> Result<Box<dyn Transport>, Error> {
        let connection: Option<Either<(), _>> = self.tcp.connect(details, None)?;
        #[cfg(feature = "tls")]
        let connection = self
            .tls
            .connect(details, connection)
            .map_err(|error| match error {
                // The certificate was refused, or the other side does not speak TLS.
                Error::Io(error) => failed(error),
                other => other,
            })?;
        match connection {
            Some(connection) => Ok(Box::new(connection)),
            None => Err(failed(io::Error::from(io::ErrorKind::NotConnected))),
        }
    }
}

impl<In: Transport> Connector<In> for ProxyConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(proxy) = self.proxy_of(details.uri) else {
            return Ok(None);
        };
        let started = Instant::now();
        let mut timeout = details.timeout;
        timeout.reason = Timeout::Connect;
        let mut connection = self.open(&ConnectionDetails {
            uri: proxy.uri(),
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        })?;
        if details.needs_tls() {
            open_tunnel(
                &mut *connection,
                proxy,
                details.uri,
                since(timeout, started),
            )?;
            return Ok(Some(Box::new(Proxied::tunnel(connection))));
        }
        Ok(Some(Box::new(Proxied::forwarding(
            connection,
            proxy,
            details.uri,
        ))))
    }
}

/// Asks a proxy for a tunnel to the server.
fn open_tunnel(
    connection: &mut dyn Transport,
    proxy: &Proxy,
    server: &Uri,
    timeout: NextTimeout,
) -> Result<(), Error> {
    let host = server.host().unwrap_or_default();
    let port = server.port_u16().unwrap_or(443);
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    push_authorization(&mut request, proxy);
    request.push_str("\r\n");
    let started = Instant::now();
    send_all(connection, request.as_bytes(), timeout)?;
    let not_http = |what: &str| failed(io::Error::new(io::ErrorKind::InvalidData, what));
    let end = loop {
        let input = connection.buffers().input();
        if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if input.len() > MAX_HEAD {
            return Err(not_http("the response of the proxy is not HTTP"));
        }
        if !connection.await_input(since(timeout, started))? {
            let ended = "the proxy closed the connection without a response";
            return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, ended)));
        }
    };
    let status = status(&connection.buffers().input()[..end]);
    connection.buffers().input_consume(end);
    match status {
        Some(200..=299) => Ok(()),
        Some(status) => Err(Error::Other(Box::new(TunnelRefused { status }))),
        None => Err(not_http("the response of the proxy is not HTTP")),
    }
}

/// Returns the status of a response, such as `HTTP/1.1 200 OK`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?.get(1..)?;
    let number = line.strip_prefix(b" ")?.get(..3)?;
    str::from_utf8(number).ok()?.parse().ok()
}

fn push_authorization(head: &mut String, proxy: &Proxy) {
    if let Some(authorization) = proxy.authorization() {
        head.push_str("Proxy-Authorization: ");
        head.push_str(authorization);
        head.push_str("\r\n");
    }
}

fn send_all(
    connection: &mut (impl Transport + ?Sized),
    mut bytes: &[u8],
    timeout: NextTimeout,
) -> Result<(), Error> {
    while !bytes.is_empty() {
        let output = connection.buffers().output();
        let (now, later) = bytes.split_at(bytes.len().min(output.len()));
        output[..now.len()].copy_from_slice(now);
        connection.transmit_output(now.len(), timeout)?;
        bytes = later;
    }
    Ok(())
}

/// A connection through a proxy. It rewrites the start of each request, unless it is a tunnel.
#[derive(Debug)]
struct Proxied {
    connection: Box<dyn Transport>,
    /// How requests are rewritten. `None` for a tunnel.
    forwarding: Option<Forwarding>,
    /// Whether the start of a request was sent, and its response is not complete.
    is_in_request: bool,
}

struct Forwarding {
    /// Scheme, host and port of the server, which stand before the path.
    origin: String,
    /// The headers for the proxy, each with its line end.
    headers: String,
}

/// Shows no password.
impl std::fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}

impl Proxied {
    fn tunnel(connection: Box<dyn Transport>) -> Proxied {
        Proxied {
            connection,
            forwarding: None,
            is_in_request: false,
        }
    }

    fn forwarding(connection: Box<dyn Transport>, proxy: &Proxy, server: &Uri) -> Proxied {
        let host = server.authority().map_or("", |host| host.as_str());
        let mut headers = NO_CACHE.to_owned();
        push_authorization(&mut headers, proxy);
        Proxied {
            forwarding: Some(Forwarding {
                origin: format!("http://{host}"),
                headers,
            }),
            ..Proxied::tunnel(connection)
        }
    }
}

impl Forwarding {
    /// Returns the start of a request, which has only a path, as a request for the proxy.
    fn rewrite(&self, head: &[u8]) -> Vec<u8> {
        let path = head.iter().position(|b| *b == b' ').map_or(0, |at| at + 1);
        let line_end = head
            .iter()
            .position(|b| *b == b'\n')
            .map_or(path, |at| at + 1);
        [
            &head[..path],
            self.origin.as_bytes(),
            &head[path..line_end],
            self.headers.as_bytes(),
            &head[line_end..],
        ]
        .concat()
    }
}

impl Transport for Proxied {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    /// `ureq` writes the first line and at least one header at once.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let is_start = !self.is_in_request;
        self.is_in_request = true;
        match &self.forwarding {
            Some(forwarding) if is_start => {
                let head = forwarding.rewrite(&self.connection.buffers().output()[..amount]);
                send_all(&mut *self.connection, &head, timeout)
            }
            _ => self.connection.transmit_output(amount, timeout),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.connection.await_input(timeout)
    }

    /// `ureq` calls this after each response, to decide whether to keep the connection.
    fn is_open(&mut self) -> bool {
        self.is_in_request = false;
        self.connection.is_open()
    }

    /// TLS to the proxy is not TLS to the server.
    fn is_tls(&self) -> bool {
        false
    }
}
