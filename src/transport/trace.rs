//! Spans for OpenTelemetry: one for a call, and below it one for each attempt, whose context goes to the server.
//!
//! By the semantic conventions for [database clients](https://opentelemetry.io/docs/specs/semconv/db/database-spans/) and
//! [HTTP clients](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), both stable; for embedding models by those for
//! [generative AI](https://opentelemetry.io/docs/specs/semconv/gen-ai/), which are in development.

use opentelemetry::propagation::Injector;
use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, ContextGuard, InstrumentationScope, KeyValue, global};
use ureq::http::{HeaderName, HeaderValue, request};

use super::exchange::Answer;
use super::observe::kind;
use super::{Dialect, Endpoint, Outgoing};
use crate::error::{Error, Result};

const ERROR_TYPE: &str = "error.type";
const SERVER_ADDRESS: &str = "server.address";
const SERVER_PORT: &str = "server.port";

fn begin(name: String, attributes: Vec<KeyValue>, parent: &Context) -> Context {
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .build();
    let span = SpanBuilder::from_name(name)
        .with_kind(SpanKind::Client)
        .with_attributes(attributes);
    let tracer = global::tracer_with_scope(scope);
    parent.with_span(tracer.build_with_context(span, parent))
}

/// The span of a call, of all its attempts.
pub(super) struct Call(Context);

impl Call {
    pub(super) fn begin(out: Outgoing<'_>, endpoint: &Endpoint, dialect: &dyn Dialect) -> Call {
        let (name, mut attributes) = dialect.span(out);
        attributes.extend(address(endpoint));
        Call(begin(name, attributes, &Context::current()))
    }

    pub(super) fn attempt(&self, out: Outgoing<'_>, endpoint: &Endpoint, number: u32) -> Attempt {
        let method = out.operation.method.as_str();
        let mut attributes = vec![
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("url.full", format!("{}{}", endpoint.as_str(), out.path)),
            KeyValue::new("url.template", out.operation.path),
        ];
        if number > 1 {
            attributes.push(KeyValue::new(
                "http.request.resend_count",
                i64::from(number - 1),
            ));
        }
        attributes.extend(address(endpoint));
        let name = format!("{method} {}", out.operation.path);
        Attempt(begin(name, attributes, &self.0))
    }

    pub(super) fn end(&self, error: Option<&Error>) {
        let span = self.0.span();
        if let Some(error) = error.filter(|_| span.is_recording()) {
            if let Some(status) = error.status() {
                span.set_attribute(KeyValue::new("db.response.status_code", status.to_string()));
            }
            span.set_attribute(KeyValue::new(ERROR_TYPE, error.kind()));
            span.set_status(Status::error(error.to_string()));
        }
        span.end();
    }
}

/// The span of an attempt.
pub(super) struct Attempt(Context);

impl Attempt {
    /// Adds what the program's propagator makes of the span: `traceparent`, with the usual one.
    pub(super) fn with_context(&self, request: request::Builder) -> request::Builder {
        let mut headers = Headers(Some(request));
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&self.0, &mut headers);
        });
        headers.0.unwrap_or_default()
    }

    pub(super) fn end(&self, result: &Result<Answer, ureq::Error>) {
        let span = self.0.span();
        if span.is_recording() {
            let failure = match result {
                Ok(answer) => {
                    let status = i64::from(answer.status);
                    span.set_attribute(KeyValue::new("http.response.status_code", status));
                    (answer.status >= 400).then(|| answer.status.to_string())
                }
                Err(error) => Some(kind(error).to_owned()),
            };
            if let Some(failure) = failure {
                span.set_attribute(KeyValue::new(ERROR_TYPE, failure));
                span.set_status(Status::error(""));
            }
        }
        span.end();
    }
}

fn address(endpoint: &Endpoint) -> [KeyValue; 2] {
    let (host, port) = endpoint.host_and_port();
    [
        KeyValue::new(SERVER_ADDRESS, host.to_owned()),
        KeyValue::new(SERVER_PORT, i64::from(port)),
    ]
}

/// Headers of a request, as propagators want them.
struct Headers(Option<request::Builder>);

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        let header = HeaderName::try_from(key)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = header {
            self.0 = self.0.take().map(|request| request.header(name, value));
        }
    }
}

/// What spans of another thread belong to.
#[derive(Clone)]
pub(crate) struct Parent(Context);

impl Parent {
    pub(crate) fn current() -> Parent {
        Parent(Context::current())
    }

    /// What is done until the guard is dropped belongs to it.
    pub(crate) fn enter(&self) -> Entered {
        Entered {
            _guard: self.0.clone().attach(),
        }
    }
}

pub(crate) struct Entered {
    _guard: ContextGuard,
}
