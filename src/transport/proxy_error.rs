//! The errors that a proxy returns in place of the server.

use super::endpoint::Endpoint;
use super::proxy::Proxy;
use crate::error::{Call, Error};

/// Returns the error of a tunnel that a proxy refused. Nothing was sent to the server.
pub(super) fn no_tunnel(status: u16, proxy: &Proxy, endpoint: &Endpoint, call: Call) -> Error {
    let (host, port) = endpoint.host_and_port();
    let message = format!("the proxy {proxy} refuses a tunnel to {host}:{port}");
    let why = match status {
        407 => login_needed(proxy),
        500.. => {
            return Error::Connection {
                call: Box::new(call),
                message: format!("{message} (HTTP {status})"),
                hint: "check the address of the server, and that the proxy can reach it".to_owned(),
                retryable: true,
                source: None,
            };
        }
        _ => format!("it must allow CONNECT to port {port} (in Squid: acl SSL_ports port {port})"),
    };
    server_error(Box::new(call), status, format!("{message}: {why}"))
}

/// Returns the error of a response that does not have the form of the server's errors. The proxy may have made
/// it.
pub(super) fn refused(mut error: Error, status: u16, proxy: &Proxy) -> Error {
    let (Error::Unauthorized { message, .. }
    | Error::NotFound { message, .. }
    | Error::NotChroma { message, .. }
    | Error::RateLimited { message, .. }
    | Error::Server { message, .. }) = &mut error
    else {
        return error;
    };
    *message = match status {
        407 => format!(
            "the proxy {proxy} refuses requests: {}",
            login_needed(proxy)
        ),
        _ => from_proxy(message, proxy),
    };
    match error {
        // The server's key has nothing to do with it.
        Error::Unauthorized { call, message, .. } => server_error(call, status, message),
        other => other,
    }
}

/// Adds the proxy to the description of a response that it may have made.
pub(super) fn from_proxy(message: &str, proxy: &Proxy) -> String {
    format!("{message}; this may come from the proxy {proxy}")
}

fn login_needed(proxy: &Proxy) -> String {
    format!(
        "it requires a valid user and password; {}",
        proxy.login_hint()
    )
}

fn server_error(call: Box<Call>, status: u16, message: String) -> Error {
    Error::Server {
        call,
        status,
        name: String::new(),
        retry_after: None,
        message,
    }
}
