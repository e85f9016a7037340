//! The one place that knows HTTP: an operation and its bytes go in, a parsed answer or an [`Error`] comes out.
//!
//! It knows neither Chroma nor Gemini. Both hand it an [`Operation`], bytes and a parser, and a [`Dialect`] that reads
//! their errors; endpoints, connections, timeouts, retries and logs are written here once.

mod breaker;
mod budget;
mod call_options;
mod endpoint;
mod endpoints;
mod exchange;
mod observe;
mod pool;
mod retry;
mod secrets;
mod tcp;
#[cfg(not(feature = "opentelemetry"))]
#[path = "no_trace.rs"]
mod trace;
#[cfg(feature = "opentelemetry")]
mod trace;

use std::fmt::Debug;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, Method};

pub use breaker::CircuitBreaker;
use budget::RetryBudget;
pub(crate) use call_options::CallOptions;
pub(crate) use endpoint::{Endpoint, is_cloud, shown_address};
pub(crate) use endpoints::Endpoints;
pub use endpoints::ReadFrom;
use endpoints::{Choice, Failed, Health};
use exchange::Agents;
use observe::Observed;
pub(crate) use observe::retries_of_this_thread;
pub(crate) use retry::Backoff;
pub use retry::{Jitter, RetryPolicy};
use secrets::Secrets;
pub(crate) use secrets::secret;
pub(crate) use trace::Parent;

use crate::error::{Call, Error, Result};
use crate::metrics::{Metrics, Recorder};

/// Longer waits are cut to this: `Duration::MAX` is how people say "without end", and cannot be added to a time.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Retries in a row that the budget has room for, as in the standard retry mode of AWS's SDKs.
const RETRY_BUDGET: u32 = 100;
/// Bytes of an answer that holds rows.
const MAX_RESPONSE: u64 = 2 << 30;

/// What a server is asked to do: the same name, method and path for every request of its kind.
#[derive(Debug)]
pub(crate) struct Operation {
    /// This crate's name for it, as errors and logs show it.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// The path, with `{name}` where a parameter goes.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
}

/// What a request does to a server, and so whether it may be sent again when nobody knows if the server has acted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads something small. Any endpoint can answer.
    Reads,
    /// It reads rows, of any number. Any endpoint can answer.
    ReadsRows,
    /// It writes, and twice is the same as once.
    Idempotent,
    /// It writes, and is repeated only when the server certainly did not act.
    Once,
}

impl Kind {
    fn reads(self) -> bool {
        matches!(self, Kind::Reads | Kind::ReadsRows)
    }
}

/// One request, whose bytes are the same in every attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) operation: &'static Operation,
    /// What it is about, for errors and logs: a collection's name.
    pub(crate) subject: Option<&'a str>,
    /// Where it belongs, for traces: a tenant and a database.
    #[cfg_attr(not(feature = "opentelemetry"), allow(dead_code))]
    pub(crate) namespace: Option<(&'a str, &'a str)>,
    /// The path, its parameters filled in, with the query if there is one.
    pub(crate) path: &'a str,
    /// JSON.
    pub(crate) body: Option<&'a [u8]>,
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) call: Box<Call>,
    pub(crate) status: u16,
    /// What the `Retry-After` header asked for.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// How one kind of server says no.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// Reads the answer to a request that failed.
    fn error(&self, refusal: Refusal) -> Error;

    /// Whether an error that the server may otherwise have acted on says that it did not.
    fn did_nothing(&self, _: &Error) -> bool {
        false
    }

    /// What to try when nothing answers.
    fn unreachable_hint(&self) -> &'static str;

    /// The name and the attributes of the span of such a request, but for the server's address.
    #[cfg(feature = "opentelemetry")]
    fn span(&self, out: Outgoing<'_>, at: &Endpoint) -> (String, Vec<opentelemetry::KeyValue>);

    /// Whether servers of this kind are told which trace a request belongs to: the program's own are. What a program passes on
    /// with a trace (its baggage) is nobody else's business.
    #[cfg(feature = "opentelemetry")]
    fn is_told_of_traces(&self) -> bool {
        false
    }

    /// The attribute for the status of a call that failed, where there is one for servers of this kind.
    #[cfg(feature = "opentelemetry")]
    fn status_is(&self) -> Option<&'static str> {
        None
    }

    /// What the subject of such a request is, as logs name it: a collection, a model.
    fn subject_is(&self, operation: &Operation) -> &'static str;
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timeouts {
    /// For a connection, name look-up and TLS included.
    pub(crate) connect: Duration,
    /// For one attempt, from the first byte sent to the last byte received.
    pub(crate) request: Duration,
}

/// The defaults of every client here.
impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(30),
            request: Duration::from_secs(60),
        }
    }
}

/// How to come to a server, and how to behave.
#[derive(Clone)]
pub(crate) struct Connecting {
    pub(crate) timeouts: Timeouts,
    /// In place of the proxy that the environment names.
    pub(crate) proxy: Option<ureq::Proxy>,
    /// Secrets that stand in no header as they are, to be kept out of errors and logs.
    pub(crate) secrets: Vec<String>,
    /// Retries in a row, of all calls together.
    pub(crate) retry_budget: u32,
    /// Bytes of an answer that holds rows.
    pub(crate) max_response_size: u64,
    /// In place of the certificates of public authorities.
    #[cfg(feature = "tls")]
    pub(crate) root_certificates: Vec<ureq::tls::Certificate<'static>>,
}

impl Default for Connecting {
    fn default() -> Connecting {
        Connecting {
            timeouts: Timeouts::default(),
            proxy: None,
            secrets: Vec::new(),
            retry_budget: RETRY_BUDGET,
            max_response_size: MAX_RESPONSE,
            #[cfg(feature = "tls")]
            root_certificates: Vec::new(),
        }
    }
}

/// A pool of connections to one server, or to several that hold the same, and how to behave on them. Threads may share it.
#[derive(Debug)]
pub(crate) struct Transport {
    agents: Agents,
    endpoints: Endpoints,
    headers: Vec<(HeaderName, HeaderValue)>,
    secrets: Secrets,
    budget: RetryBudget,
    recorder: Recorder,
    max_response_size: u64,
    dialect: &'static dyn Dialect,
}

/// One attempt that came to nothing.
#[derive(Debug)]
struct Failure {
    error: Error,
    /// Whether the server may have acted on the request.
    acted: bool,
    health: Health,
    /// Whether another endpoint may do better: this one is down, or fails at a read.
    elsewhere: bool,
}

impl Failure {
    fn may_be_repeated(&self, kind: Kind) -> bool {
        self.error.is_retryable() && (!self.acted || kind != Kind::Once)
    }
}

impl Transport {
    pub(crate) fn new(
        endpoints: Endpoints,
        headers: Vec<(HeaderName, HeaderValue)>,
        connecting: Connecting,
        dialect: &'static dyn Dialect,
    ) -> Transport {
        let recorder = Recorder::new();
        Transport {
            secrets: Secrets::new(&headers, &connecting.secrets),
            budget: RetryBudget::new(connecting.retry_budget),
            max_response_size: connecting.max_response_size,
            agents: Agents::new(&endpoints, &connecting, recorder.pool()),
            recorder,
            endpoints,
            headers,
            dialect,
        }
    }

    /// The primary one.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.endpoints.primary()
    }

    /// Whether something more may be sent again, as far as the budget goes.
    pub(crate) fn may_retry(&self) -> bool {
        self.budget.spend()
    }

    /// What was done so far.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics {
            endpoints: self.endpoints.metrics(),
            ..self.recorder.snapshot()
        }
    }

    /// Where what is done is counted.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Sends a request, again where that is allowed and may help, and parses the answer.
    pub(crate) fn send<T>(
        &self,
        options: CallOptions,
        out: Outgoing<'_>,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let call = Observed::begin(out, self.endpoint(), self.dialect, &self.recorder);
        let result = self.send_observed(&call, &options.begin(), parse);
        call.end(&result);
        result
    }

    fn send_observed<T>(
        &self,
        observed: &Observed<'_>,
        options: &CallOptions,
        parse: impl FnOnce(&[u8]) -> std::result::Result<T, String>,
    ) -> Result<T> {
        let (out, started) = (observed.out, observed.started);
        let kind = out.operation.kind;
        let anywhere = kind.reads() && !options.reads_from_primary();
        let first = self.endpoints.first(anywhere);
        let choose = |failed: &Failed| self.endpoints.choose(anywhere, first, failed);
        let mut backoff = options.policy().backoff();
        let mut failed = Failed::default();
        let (mut attempts, mut retried) = (0, false);
        // Of any attempt: one whose answer was lost stays unknown, whatever the next one is told.
        let mut may_have_acted = false;
        let call = |url: &str, attempts, may_have_acted| {
            Box::new(Call {
                operation: out.operation.name,
                subject: out.subject.map(str::to_owned),
                url: url.to_owned(),
                attempts,
                elapsed: started.elapsed(),
                may_have_acted,
            })
        };
        let mut next = choose(&failed).map_err(|wait| Error::CircuitOpen {
            call: call(self.endpoint().as_str(), 0, false),
            retry_after: wait.unwrap_or_default(),
        })?;
        if options.is_out_of_time() {
            return Err(Error::Timeout {
                call: call(next.endpoint().as_str(), 0, false),
                message: "the deadline of the call passed before this request was sent".to_owned(),
                source: None,
            });
        }
        loop {
            let url = next.endpoint().as_str();
            if options.is_cancelled() {
                return Err(Error::Cancelled {
                    call: call(url, attempts, may_have_acted),
                });
            }
            let failure =
                match self.attempt(next.endpoint(), observed, options, &mut attempts, &call) {
                    Ok(answer) => {
                        next.report(Health::Up);
                        self.budget.succeeded(retried);
                        return parse(&answer).map_err(|message| Error::Decode {
                            call: call(url, attempts, !kind.reads()),
                            message: self.secrets.clean_message_about(&answer, message),
                        });
                    }
                    Err(failure) => failure,
                };
            let elsewhere = failure.health == Health::Down || failure.elsewhere && anywhere;
            if elsewhere {
                failed.add(&next);
            }
            next.report(failure.health);
            may_have_acted |= failure.acted && !kind.reads();
            let again = failure.may_be_repeated(kind);
            let elsewhere = match elsewhere {
                true => choose(&failed).ok(),
                false => None,
            };
            let mut error = failure.error;
            if let Some(call) = error.call_mut() {
                call.may_have_acted = may_have_acted;
                call.attempts = attempts;
            }
            let wait = match elsewhere {
                Some(_) => backoff.at_once().then_some(Duration::ZERO),
                None => backoff.next(error.asked_wait()),
            };
            let in_time = |wait: &Duration| {
                // What opened the breaker says more than that it is open.
                options.has_time_for(*wait)
                    && (elsewhere.is_some() || self.endpoints.refused_for(anywhere) <= *wait)
            };
            let Some(wait) = wait.filter(in_time).filter(|_| again) else {
                return Err(error);
            };
            if !self.budget.spend() {
                let why = "not tried again, since too many requests fail (see ClientBuilder::retry_budget)";
                observed.failed(url, attempts, &error, None, format_args!("{why}"));
                return Err(error);
            }
            let when = When(&elsewhere, wait);
            let wait_for = Some(wait);
            observed.failed(
                url,
                attempts,
                &error,
                wait_for,
                format_args!("trying again {when}"),
            );
            next = match elsewhere {
                Some(other) => other,
                None => {
                    options.sleep(wait);
                    if options.is_cancelled() {
                        return Err(Error::Cancelled {
                            call: call(url, attempts, may_have_acted),
                        });
                    }
                    failed = Failed::default();
                    match choose(&failed) {
                        Ok(choice) => choice,
                        Err(_) => return Err(error),
                    }
                }
            };
            observed.retried();
            retried = true;
        }
    }
}

/// "in 1.0 s", or "at http://other:8000".
struct When<'a>(&'a Option<Choice<'a>>, Duration);

impl std::fmt::Display for When<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(other) => write!(f, "at {}", other.endpoint().as_str()),
            None => write!(f, "in {:.1} s", self.1.as_secs_f64()),
        }
    }
}
