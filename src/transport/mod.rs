//! The only module that knows HTTP: takes an operation and its bytes, returns a parsed response or an
//! [`Error`](crate::Error).
//!
//! It knows neither Chroma nor Gemini. Both pass it an [`HttpRequest`], a parser, and a [`Dialect`] that
//! reads their errors. Endpoints, connections, timeouts, retries, logs and traces are implemented here once
//! for both.

mod agents;
mod attempt;
mod breaker;
mod budget;
mod call_options;
mod call_state;
mod connect_options;
mod credential;
mod dialect;
mod echoes;
mod endpoint;
mod endpoints;
mod failure;
pub(crate) mod no_retry;
mod observe;
mod operation;
mod pool;
mod proxied;
mod proxy;
mod proxy_error;
mod proxy_rules;
mod response;
mod retry;
mod retry_state;
mod secrets;
mod send;
mod sink;
mod tcp;
mod tls_fault;
#[cfg(not(feature = "opentelemetry"))]
#[path = "no_trace.rs"]
mod trace;
#[cfg(feature = "opentelemetry")]
mod trace;

pub use breaker::CircuitBreaker;
pub use endpoints::ReadFrom;
pub use retry::{Jitter, RetryPolicy};

pub(crate) use call_options::CallOptions;
pub(crate) use connect_options::{CONNECT_SETTER, ConnectOptions, REQUEST_SETTER, Timeouts};
#[cfg(feature = "gemini")]
pub(crate) use credential::fault_in_key;
pub(crate) use credential::{check_login, key, secret};
#[cfg(any(test, fuzzing))]
pub(crate) use dialect::error_of;
pub(crate) use dialect::{CHECK_THE_NETWORK, Dialect, ErrorResponse};
pub(crate) use endpoint::{Endpoint, is_cloud, shown_address, without_brackets};
pub(crate) use endpoints::{EndpointOptions, Endpoints};
pub(crate) use observe::retries_of_this_thread;
pub(crate) use operation::{HttpRequest, Kind, Operation};
pub(crate) use proxy::Proxy;
pub(crate) use proxy_rules::from_environment as proxy_from_environment;
pub(crate) use retry::Backoff;
pub(crate) use send::Transport;
#[cfg(feature = "onnx")]
pub(crate) use sink::Sink;
pub(crate) use trace::Parent;
