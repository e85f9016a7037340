//! Requests about the server itself: its version, health, limits and capabilities.

use super::capabilities::Capabilities;
use super::handle::Client;
use super::info::{Identity, PreFlightChecks};
use super::operations as op;
use crate::error::{Error, Result};
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

    /// Whether the server supports a feature, according to the description of its API. The first call
    /// requests that description. Of servers that publish none, Chroma Cloud is assumed to support every
    /// feature, any other server none.
    pub(crate) fn supports(&self, feature: fn(Capabilities) -> bool) -> Result<bool> {
        let known = if let Some(known) = self.server.capabilities.get() {
            *known
        } else {
            let fetched = self.fetch_capabilities()?;
            *self.server.capabilities.get_or_init(|| fetched)
        };
        Ok(known.map_or(self.is_cloud(), feature))
    }

    fn fetch_capabilities(&self) -> Result<Option<Capabilities>> {
        match self.request(&op::DESCRIPTION).send(Capabilities::parse) {
            Ok(capabilities) => Ok(Some(capabilities)),
            Err(
                Error::NotFound { .. }
                | Error::NotChroma { .. }
                | Error::Unsupported { .. }
                | Error::Decode { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
