//! [`Sender`]: one attempt to get a response.

use std::time::Duration;

use ureq::http::{self, HeaderName, HeaderValue, Method, Request};
use ureq::{Agent, AsSendBody, Body};

use super::agents::Agents;
use super::call_state::CallState;
use super::endpoint::Endpoint;
use super::failure::{Failure, FailureReader, Origin, is_stale};
use super::observe::Attempt;
use super::operation::{HttpRequest, Kind};
use super::response::HttpResponse;

/// The maximum size of a response without rows, in bytes.
const MAX_SMALL_ANSWER: u64 = 16 << 20;

/// Sends requests and reads the responses.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) agents: Agents,
    /// The headers of each request.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The maximum size of a response that holds rows, in bytes.
    pub(super) max_response_size: u64,
    pub(super) failures: FailureReader,
}

impl Sender {
    /// Sends a request and reads the whole response. Returns its body, if no sink has taken it.
    ///
    /// If a pooled connection turns out to be closed, sends the request once more on a new one. `state`
    /// counts both.
    pub(super) fn attempt(
        &self,
        endpoint: &Endpoint,
        state: &mut CallState<'_>,
    ) -> Result<Vec<u8>, Failure> {
        // If a pooled connection breaks, the server may have closed it before, or it may have acted and then
        // failed. A request that must be sent only once therefore gets a new connection.
        let is_pooled = state.kind() != Kind::Once;
        let agent = if is_pooled {
            &self.agents.pooled
        } else {
            &self.agents.fresh
        };
        let mut result = self.exchange(agent, endpoint, state);
        let was_stale = is_pooled
            && result
                .as_ref()
                .is_err_and(|error| is_stale(error, endpoint));
        if was_stale {
            state.observed.reconnecting(endpoint, state.attempts);
            result = self.exchange(&self.agents.fresh, endpoint, state);
        }
        let origin = |state: &CallState<'_>| Origin {
            endpoint,
            call: state.call(endpoint),
        };
        let mut failure = match result {
            Ok(response) if response.is_success() => return Ok(response.body),
            Ok(response) => self.failures.refused(response, origin(state)),
            Err(error) => {
                let in_time = !state.options.is_out_of_time();
                self.failures.broken(error, origin(state), in_time)
            }
        };
        failure.may_have_acted |= was_stale;
        Err(failure)
    }

    /// Sends the request and reads the response, whatever its status.
    fn exchange(
        &self,
        agent: &Agent,
        endpoint: &Endpoint,
        state: &mut CallState<'_>,
    ) -> Result<HttpResponse, ureq::Error> {
        state.attempts += 1;
        let attempt = state.observed.attempt(endpoint, state.attempts);
        let head = self.head(endpoint, state.request(), &attempt);
        let max_size = self.max_answer(state);
        let sent = send(agent, head, state);
        let result = sent.and_then(|response| HttpResponse::read(response, max_size, state.sink()));
        attempt.end(&result);
        result
    }

    /// Returns the request without its body.
    fn head(
        &self,
        endpoint: &Endpoint,
        request: HttpRequest<'_>,
        attempt: &Attempt<'_>,
    ) -> http::request::Builder {
        let mut head = Request::builder()
            .method(request.operation.method.clone())
            .uri(format!("{}{}", endpoint.as_str(), request.path));
        for (name, value) in &self.headers {
            head = head.header(name, value);
        }
        attempt.with_context(head)
    }

    fn max_answer(&self, state: &CallState<'_>) -> u64 {
        match state.kind() {
            Kind::ReadsRows => {
                let of_call = state.options.max_response_size().unwrap_or(u64::MAX);
                of_call.min(self.max_response_size)
            }
            _ => MAX_SMALL_ANSWER.min(self.max_response_size),
        }
    }
}

fn send(
    agent: &Agent,
    head: http::request::Builder,
    state: &CallState<'_>,
) -> Result<http::Response<Body>, ureq::Error> {
    let (request, time_left) = (state.request(), state.options.time_left());
    match request.body {
        Some(body) => {
            let json = HeaderValue::from_static("application/json");
            let head = head.header(http::header::CONTENT_TYPE, json);
            run(agent, head.body(body)?, time_left)
        }
        // Without a length, ureq would send an empty body in chunks.
        None if request.operation.method == Method::POST => {
            run(agent, head.body(&[][..])?, time_left)
        }
        None => run(agent, head.body(())?, time_left),
    }
}

/// Sends a request within the agent's timeout, or within the time left if that is shorter.
fn run(
    agent: &Agent,
    request: Request<impl AsSendBody>,
    time_left: Option<Duration>,
) -> Result<http::Response<Body>, ureq::Error> {
    let timeout = agent.config().timeouts().global;
    match time_left {
        Some(left) if timeout.is_none_or(|timeout| left < timeout) => {
            let request = agent.configure_request(request);
            agent.run(request.timeout_global(Some(left)).build())
        }
        _ => agent.run(request),
    }
}
