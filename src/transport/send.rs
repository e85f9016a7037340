//! [`Transport`]: sends requests, with retries, and parses the responses.

use super::agents::Agents;
use super::attempt::Sender;
use super::budget::RetryBudget;
use super::call_options::CallOptions;
use super::call_state::CallState;
use super::connect_options::ConnectOptions;
use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::endpoints::Endpoints;
use super::failure::{FailureReader, Origin};
use super::observe::Observer;
use super::operation::HttpRequest;
use super::proxy::Proxy;
use super::retry_state::RetryState;
use super::sink::Sink;
use crate::error::Result;
use crate::metrics::{Metrics, Recorder};

/// A pool of connections to a server, or to several servers with the same data. Threads may share it.
#[derive(Debug)]
pub(crate) struct Transport {
    sender: Sender,
    endpoints: Endpoints,
    budget: RetryBudget,
    recorder: Recorder,
}

impl Transport {
    pub(crate) fn new(
        endpoints: Endpoints,
        mut options: ConnectOptions,
        dialect: &'static dyn Dialect,
    ) -> Transport {
        let recorder = Recorder::new();
        let proxies = endpoints.all().filter_map(Endpoint::proxy);
        let secrets = proxies.flat_map(Proxy::secrets).map(str::to_owned);
        options.secrets.extend(secrets);
        Transport {
            sender: Sender {
                agents: Agents::new(&endpoints, &options, recorder.pool()),
                failures: FailureReader::new(&options, dialect),
                max_response_size: options.max_response_size,
                headers: options.headers,
            },
            budget: RetryBudget::new(options.retry_budget),
            recorder,
            endpoints,
        }
    }

    /// Returns the primary endpoint.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.endpoints.primary()
    }

    /// Returns the maximum size of a response that holds rows, in bytes.
    pub(crate) fn max_response_size(&self) -> u64 {
        self.sender.max_response_size
    }

    /// Takes a retry from the budget. Returns whether there was one left.
    pub(crate) fn may_retry(&self) -> bool {
        let may_retry = self.budget.allows(false);
        self.budget.pay(u32::from(may_retry));
        may_retry
    }

    /// Returns the counts so far.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics {
            endpoints: self.endpoints.metrics(),
            ..self.recorder.snapshot()
        }
    }

    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Sends a request and parses the response. Sends it again if that is allowed and may help.
    ///
    /// # Errors
    /// The error of the last attempt, [`Error::CircuitOpen`](crate::Error::CircuitOpen) without an attempt,
    /// or [`Error::Cancelled`](crate::Error::Cancelled).
    pub(crate) fn send<T>(
        &self,
        options: CallOptions,
        request: HttpRequest<'_>,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let observed = self.observer().begin(request);
        let state = CallState::new(&observed, options.begin(), None);
        let result = self.send_observed(state, |answer, _| parse(answer));
        observed.end(&result);
        result
    }

    /// Like [`send`](Transport::send), for a response that may be too large for memory.
    ///
    /// # Errors
    /// Those of `send`, and [`Error::Decode`](crate::Error::Decode) with what [`Sink::end`] returns.
    #[cfg(feature = "onnx")]
    pub(crate) fn download(
        &self,
        options: CallOptions,
        request: HttpRequest<'_>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let observed = self.observer().begin(request);
        let state = CallState::new(&observed, options.begin(), Some(sink));
        let result = self.send_observed(state, |_, sink| sink.map_or(Ok(()), Sink::end));
        observed.end(&result);
        result
    }

    fn observer(&self) -> Observer<'_> {
        Observer {
            primary: self.endpoint(),
            dialect: self.sender.failures.dialect,
            recorder: &self.recorder,
        }
    }

    /// `parse` gets the body, or what has taken it.
    fn send_observed<T>(
        &self,
        mut state: CallState<'_>,
        parse: impl FnOnce(&[u8], Option<&mut dyn Sink>) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let mut retries = RetryState::new(&self.endpoints, &self.budget, &state);
        let mut target = retries.first_target(&state)?;
        loop {
            let endpoint = target.endpoint();
            state.check_cancelled(endpoint)?;
            match self.sender.attempt(endpoint, &mut state) {
                Ok(answer) => {
                    retries.succeeded(target);
                    return parse(&answer, state.sink()).map_err(|message| {
                        state.may_have_acted = !state.kind().is_read();
                        let call = state.call(endpoint);
                        let origin = Origin { endpoint, call };
                        self.sender.failures.unreadable(&answer, message, origin)
                    });
                }
                Err(failure) => target = retries.after(failure, target, &mut state)?,
            }
        }
    }
}
