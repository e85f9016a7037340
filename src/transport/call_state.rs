//! [`CallState`]: a call under way.

use super::call_options::CallOptions;
use super::endpoint::Endpoint;
use super::observe::Observed;
use super::operation::{HttpRequest, Kind};
use super::sink::Sink;
use crate::error::{Call, Error};

/// A call under way: its request, its options, and what was sent so far.
pub(super) struct CallState<'a> {
    pub(super) observed: &'a Observed<'a>,
    pub(super) options: CallOptions,
    /// The number of attempts so far.
    pub(super) attempts: u32,
    /// Whether the server may have acted in one of the attempts. Stays `true` whatever later attempts return.
    pub(super) may_have_acted: bool,
    /// Takes the body of the response, instead of memory.
    sink: Option<&'a mut dyn Sink>,
}

impl<'a> CallState<'a> {
    pub(super) fn new(
        observed: &'a Observed<'a>,
        options: CallOptions,
        sink: Option<&'a mut dyn Sink>,
    ) -> CallState<'a> {
        CallState {
            observed,
            options,
            attempts: 0,
            may_have_acted: false,
            sink,
        }
    }

    /// Returns what takes the body of the response, if it does not go into memory.
    pub(super) fn sink(&mut self) -> Option<&mut dyn Sink> {
        match &mut self.sink {
            Some(sink) => Some(&mut **sink),
            None => None,
        }
    }

    pub(super) fn request(&self) -> HttpRequest<'a> {
        self.observed.request
    }

    pub(super) fn kind(&self) -> Kind {
        self.request().operation.kind
    }

    /// Returns this call, for an error.
    pub(super) fn call(&self, endpoint: &Endpoint) -> Call {
        let request = self.request();
        Call {
            operation: request.operation.name,
            subject: request.subject.map(str::to_owned),
            url: endpoint.as_str().to_owned(),
            attempts: self.attempts,
            elapsed: self.observed.started.elapsed(),
            may_have_acted: self.may_have_acted,
            not_retried_because: None,
        }
    }

    /// Checks the cancel flag.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the caller has cancelled the call.
    pub(super) fn check_cancelled(&self, endpoint: &Endpoint) -> Result<(), Error> {
        if self.options.is_cancelled() {
            return Err(Error::Cancelled {
                call: Box::new(self.call(endpoint)),
            });
        }
        Ok(())
    }
}
