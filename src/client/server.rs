//! Requests about the server itself: its version, health, limits and capabilities.

use super::accepted::Accepted;
use super::capabilities::{Capabilities, Feature};
use super::handle::Client;
use super::info::{Identity, PreFlightChecks};
use super::operations as op;
use crate::error::{Call, Error, Result};
use crate::wire::read;

impl Client {
    /// Returns the version of the server's API. Every server since Chroma 1.0 returns "1.0.0".
    ///
    /// # Errors
    /// Any error of a request; see [`Error`].
    pub fn version(&self) -> Result<String> {
        self.request(&op::VERSION).send(read::json)
    }

    /// Checks that the server and the services it depends on are ready. [`heartbeat`](Client::heartbeat)
    /// checks only that the server responds.
    ///
    /// # Errors
    /// [`Error::Server`] with status 503 if the server is not ready.
    pub fn healthcheck(&self) -> Result<()> {
        self.request(&op::HEALTHCHECK).send(read::done)
    }

    /// Deletes everything on the server: all tenants, databases, collections and records. Servers refuse this
    /// request unless they are configured with `allow_reset`.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if the server does not allow it.
    pub fn reset(&self) -> Result<()> {
        self.request(&op::RESET).send(read::done)
    }

    /// Returns the limits that the server publishes. The first call sends a request; all clones of the client
    /// remember the response.
    ///
    /// # Errors
    /// Any error of a request; see [`Error`].
    pub fn pre_flight_checks(&self) -> Result<PreFlightChecks> {
        if let Some(limits) = self.server.limits.get() {
            return Ok(*limits);
        }
        let limits = self.request(&op::PRE_FLIGHT_CHECKS).send(read::json)?;
        Ok(*self.server.limits.get_or_init(|| limits))
    }

    /// Returns the user that the client's key belongs to, and the databases that this user may open.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if the key is missing or wrong.
    pub fn identity(&self) -> Result<Identity> {
        self.request(&op::IDENTITY).send(read::json)
    }

    /// Returns an error if the server lacks a feature, or if the client cannot find out. The first call
    /// requests the description of the server's API. If that request fails, the next call sends it again.
    /// Chroma Cloud is assumed to support every feature if it publishes no description.
    ///
    /// # Errors
    /// - [`Error::Unsupported`] if the server lacks the feature.
    /// - The error of the request, with the name of the caller's operation, if it fails.
    pub(crate) fn require(&self, feature: Feature, call: Call) -> Result<()> {
        if self.supports(feature, &call)? {
            return Ok(());
        }
        Err(Error::Unsupported {
            call: Box::new(call),
            message: feature.refusal().to_owned(),
        })
    }

    /// Returns whether the server has a feature; see [`require`](Client::require).
    ///
    /// # Errors
    /// The error of the request for the description, with the name of the caller's operation.
    pub(crate) fn supports(&self, feature: Feature, call: &Call) -> Result<bool> {
        let described = self.described(feature.name(), call)?;
        Ok(described.include(feature))
    }

    /// Returns the settings of a new collection that the server knows. `None` if that cannot be found out.
    ///
    /// # Errors
    /// As for [`supports`](Client::supports).
    pub(crate) fn accepted(&self, call: &Call) -> Result<Option<&Accepted>> {
        let described = self.described("all settings of the collection", call)?;
        Ok(described.accepted())
    }

    /// Returns what the description of the server's API reveals. `wanted` is what the caller needs to know.
    fn described(&self, wanted: &str, call: &Call) -> Result<&Capabilities> {
        if let Some(known) = self.server.capabilities.get() {
            return Ok(known);
        }
        let published = match self.request(&op::DESCRIPTION).send(Capabilities::parse) {
            Err(error) if self.is_cloud() && is_unpublished(&error) => Capabilities::ALL,
            Err(error) => return Err(self.unknown(wanted, call, error)),
            Ok(published) => published,
        };
        Ok(self.server.capabilities.get_or_init(|| published))
    }

    /// Whether the server is a single-node server, by its response to a request that only distributed servers
    /// have, about a collection that does not exist.
    ///
    /// # Errors
    /// Any error of a request, with the name of the caller's operation.
    pub(crate) fn is_single_node(&self, call: &Call) -> Result<bool> {
        /// No collection has this id.
        const NIL: &str = "00000000-0000-0000-0000-000000000000";

        if self.is_cloud() {
            return Ok(false);
        }
        let request = self.request(&op::DETACH_FUNCTION).collection(NIL, NIL);
        let request = request.function("none").body(br#"{"delete_output":false}"#);
        match request.send(read::done) {
            Err(Error::Unsupported { .. }) => Ok(true),
            Ok(()) | Err(Error::NotFound { .. } | Error::Server { .. }) => Ok(false),
            Err(mut error) => {
                rename(&mut error, call);
                Err(error)
            }
        }
    }

    /// Explains why the client requested the description of the API, in the error of that request.
    fn unknown(&self, wanted: &str, call: &Call, mut error: Error) -> Error {
        rename(&mut error, call);
        let (url, path) = (self.url(), op::DESCRIPTION.path);
        let explained = |message: &str| {
            format!(
                "GET {url}{path}: {message}; the client reads it to find out whether the server supports \
                 {wanted}, so nothing was sent; if a gateway is in between, let this path through"
            )
        };
        match &mut error {
            Error::NotFound { message, .. }
            | Error::Unauthorized { message, .. }
            | Error::NotChroma { message, .. }
            | Error::Server { message, .. }
            | Error::Decode { message, .. } => *message = explained(message),
            _ => {}
        }
        error
    }
}

/// Gives the error of a request the name of the call that needed it.
fn rename(error: &mut Error, call: &Call) {
    if let Some(failed) = error.call_mut() {
        failed.operation = call.operation;
        failed.subject.clone_from(&call.subject);
    }
}

/// Whether the server publishes no description of its API.
fn is_unpublished(error: &Error) -> bool {
    matches!(error.status(), Some(404 | 405)) || matches!(error, Error::Decode { .. })
}
