//! [`Request`]: the builder of every request that a client sends.

use serde::Deserialize;

use super::handle::Client;
use super::operations::{self as op, PathParameters};
use crate::error::{Call, Error, Result};
use crate::model::name;
use crate::transport::{CallOptions, HttpRequest, Operation};
use crate::wire::read::{self, shown};

impl Client {
    /// Prepares a request in this client's tenant and database.
    pub(crate) fn request(&self, operation: &'static Operation) -> Request<'_> {
        Request {
            client: self,
            operation,
            subject: None,
            namespace: Some((self.tenant(), self.database())),
            parameters: PathParameters {
                tenant: self.tenant(),
                database: self.database(),
                ..PathParameters::default()
            },
            query: "",
            body: None,
        }
    }

    /// Returns the server's clock in nanoseconds since 1970. Shows that the server is reachable and is a
    /// Chroma server.
    ///
    /// # Errors
    /// - [`Error::Connection`] if no server responds.
    /// - [`Error::NotChroma`] if a server of another kind responds.
    pub fn heartbeat(&self) -> Result<u128> {
        self.heartbeat_with(self.options.clone())
    }

    fn heartbeat_with(&self, options: CallOptions) -> Result<u128> {
        match self.request(&op::HEARTBEAT).exchange(options, nanoseconds) {
            Err(Error::Decode { call, message }) => Err(Error::NotChroma { call, message }),
            Err(Error::Server {
                call,
                status,
                name,
                message,
                ..
            }) if is_unknown_path(status, &name) => Err(Error::NotChroma {
                call,
                message: format!("HTTP {status}, {message}"),
            }),
            result => result,
        }
    }
}

/// Whether a response refuses a path or a method, and is not an error response of Chroma.
fn is_unknown_path(status: u16, name: &str) -> bool {
    matches!(status, 404 | 405) && name.is_empty()
}

/// A request that has not been sent yet. It borrows all of its parts.
#[derive(Debug, Clone, Copy)]
#[must_use = "does nothing until send() is called"]
pub(crate) struct Request<'a> {
    client: &'a Client,
    operation: &'static Operation,
    subject: Option<&'a str>,
    namespace: Option<(&'a str, &'a str)>,
    parameters: PathParameters<'a>,
    query: &'a str,
    body: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Sets the name that errors and logs show.
    pub(crate) fn subject(mut self, name: &'a str) -> Self {
        self.subject = Some(name);
        self
    }

    /// Addresses a tenant other than the client's.
    pub(crate) fn tenant(mut self, name: &'a str) -> Self {
        self.parameters.tenant = name;
        self.subject(name)
    }

    /// Addresses a database other than the client's.
    pub(crate) fn database(mut self, name: &'a str) -> Self {
        self.parameters.database = name;
        self.subject(name)
    }

    /// Addresses a collection. `key` stands for it in the path: its id, or its name if the operation takes a
    /// name.
    pub(crate) fn collection(mut self, name: &'a str, key: &'a str) -> Self {
        self.parameters.collection = Some(key);
        self.subject(name)
    }

    /// Addresses a collection of any tenant and database by its Chroma Resource Name.
    pub(crate) fn crn(mut self, crn: &'a str) -> Self {
        self.namespace = None;
        self.collection(crn, crn)
    }

    /// Addresses a function of the collection.
    pub(crate) fn function(mut self, name: &'a str) -> Self {
        self.parameters.function = Some(name);
        self
    }

    /// Sets the query: `name=value` pairs, joined by `&`.
    pub(crate) fn query(mut self, query: &'a str) -> Self {
        self.query = query;
        self
    }

    /// Sets the body, which is JSON.
    pub(crate) fn body(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends the request, with the retries that the client's policy allows, and parses the response.
    pub(crate) fn send<T>(self, parse: impl FnOnce(&[u8]) -> Result<T, String>) -> Result<T> {
        if let Some((tenant, database)) = self.namespace {
            name::check_in_path("tenant", tenant)
                .and_then(|()| name::check_in_path("database", database))
                .map_err(|reason| Call::new(self.operation.name, self.subject).invalid(reason))?;
        }
        let options = self.client.options.clone().begin();
        self.exchange(options.clone(), parse)
            .map_err(|error| self.explain(error, &options))
    }

    /// Makes the error of a response that may not be Chroma's more precise. Sends a heartbeat to find out
    /// whether the server is not a Chroma server, does not support the operation, or is behind a gateway that
    /// does not let the request through.
    fn explain(&self, error: Error, options: &CallOptions) -> Error {
        let heartbeat = || {
            self.client
                .heartbeat_with(options.clone().without_retries())
        };
        match error {
            Error::Decode { call, message } => match heartbeat() {
                Err(Error::NotChroma { .. }) => Error::NotChroma { call, message },
                _ => Error::Decode { call, message },
            },
            Error::Server {
                call,
                status,
                name,
                message,
                retry_after,
            } if is_unknown_path(status, &name) && self.operation.name != op::DESCRIPTION.name => {
                if heartbeat().is_err() {
                    let message = format!("HTTP {status}, {message}");
                    return Error::NotChroma { call, message };
                }
                let (method, path) = (&self.operation.method, self.path());
                // Chroma sends no body for a path that it does not know.
                if message == shown(b"") {
                    let message = format!("HTTP {status}, {message} to {method} {path}");
                    return Error::Unsupported { call, message };
                }
                Error::Server {
                    call,
                    status,
                    name,
                    message: format!(
                        "{message}; Chroma sends no such response, so check that the gateway in between lets \
                         {method} {path} through"
                    ),
                    retry_after,
                }
            }
            other => other,
        }
    }

    fn path(&self) -> String {
        op::path(self.operation, &self.parameters, self.query)
    }

    /// Sends the request and reports errors as they are.
    fn exchange<T>(
        self,
        options: CallOptions,
        parse: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T> {
        let out = HttpRequest {
            operation: self.operation,
            subject: self.subject,
            namespace: self.namespace,
            path: &self.path(),
            body: self.body,
        };
        self.client.server.transport.send(options, out, parse)
    }
}

/// Parses the response to `heartbeat`.
pub(super) fn nanoseconds(response: &[u8]) -> Result<u128, String> {
    #[derive(Deserialize)]
    struct Heartbeat {
        #[serde(rename = "nanosecond heartbeat")]
        nanoseconds: u128,
    }
    read::json(response).map(|Heartbeat { nanoseconds }| nanoseconds)
}
