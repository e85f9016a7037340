//! Spans for OpenTelemetry: one for a call, and below it one for each attempt, whose context goes to the server.
//!
//! By the semantic conventions for [database clients](https://opentelemetry.io/docs/specs/semconv/db/database-spans/) and
//! [HTTP clients](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), both stable; for embedding models by those for
//! [generative AI](https://opentelemetry.io/docs/specs/semconv/gen-ai/), which are in development.

use std::sync::LazyLock;

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::propagation::Injector;
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer,
};
use opentelemetry::{Context, ContextGuard, InstrumentationScope, KeyValue};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, request};

use super::exchange::Answer;
use super::observe::kind;
use super::{Dialect, Endpoint, Outgoing};
use crate::error::{Error, Result};

const ERROR_TYPE: &str = "error.type";

/// The program's tracer, if there is one. It is asked for each time: a provider may be set at any time.
fn tracer() -> Option<BoxedTracer> {
    const NOBODYS: SpanId = SpanId::from_bytes(1_u64.to_be_bytes());
    /// Of no trace that there is; nothing is to be recorded below it.
    static PARENT: LazyLock<Context> = LazyLock::new(|| {
        let (trace, flags) = (TraceId::from(1), TraceFlags::default());
        let nobodys = SpanContext::new(trace, NOBODYS, flags, true, TraceState::default());
        let context = Context::new().with_remote_span_context(nobodys);
        context.with_telemetry_suppressed()
    });

    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .build();
    let tracer = global::tracer_with_scope(scope);
    // Where no provider is set, a span is its parent once more, says the specification. Nobody will ask then for what a
    // span tells, and to collect it costs a small query more than everything else that is counted.
    let span = tracer.build_with_context(SpanBuilder::default(), &PARENT);
    let absent = span.span_context().span_id() == NOBODYS;
    (!absent).then_some(tracer)
}

fn begin(
    tracer: &BoxedTracer,
    name: String,
    mut attributes: Vec<KeyValue>,
    endpoint: &Endpoint,
    parent: &Context,
) -> Context {
    let (host, port) = endpoint.host_and_port();
    attributes.push(KeyValue::new("server.address", host.clone()));
    attributes.push(KeyValue::new("server.port", i64::from(port)));
    let span = SpanBuilder::from_name(name)
        .with_kind(SpanKind::Client)
        .with_attributes(attributes);
    parent.with_span(tracer.build_with_context(span, parent))
}

/// The span of a call, of all its attempts.
pub(super) struct Call {
    context: Context,
    /// `None` where the call is not recorded: then its attempts have no spans.
    tracer: Option<BoxedTracer>,
}

impl Call {
    pub(super) fn begin(out: Outgoing<'_>, endpoint: &Endpoint, dialect: &dyn Dialect) -> Call {
        let mut context = Context::current();
        let mut tracer = tracer();
        if let Some(present) = &tracer {
            let (name, attributes) = dialect.span(out, endpoint);
            context = begin(present, name, attributes, endpoint, &context);
            tracer = tracer.filter(|_| context.span().is_recording());
        }
        Call { context, tracer }
    }

    pub(super) fn attempt(&self, out: Outgoing<'_>, endpoint: &Endpoint, number: u32) -> Attempt {
        let Some(tracer) = &self.tracer else {
            return Attempt {
                context: self.context.clone(),
                recorded: false,
            };
        };
        let method = out.operation.method.as_str();
        let template = out.operation.path;
        // Room for all that is to come.
        let mut attributes = Vec::with_capacity(8);
        attributes.push(KeyValue::new("http.request.method", method));
        let url = [endpoint.as_str(), out.path].concat();
        attributes.push(KeyValue::new("url.full", url));
        attributes.push(KeyValue::new("url.template", template));
        if number > 1 {
            let resent = i64::from(number - 1);
            attributes.push(KeyValue::new("http.request.resend_count", resent));
        }
        let name = [method, " ", template].concat();
        Attempt {
            context: begin(tracer, name, attributes, endpoint, &self.context),
            recorded: true,
        }
    }

    pub(super) fn end(&self, error: Option<&Error>, dialect: &dyn Dialect) {
        if self.tracer.is_none() {
            return;
        }
        let span = self.context.span();
        if let Some(error) = error {
            if let Some((name, status)) = dialect.status_is().zip(error.status()) {
                span.set_attribute(KeyValue::new(name, status.to_string()));
            }
            span.set_attribute(KeyValue::new(ERROR_TYPE, error.kind()));
            span.set_status(Status::error(format!("{error:#}")));
        }
        span.end();
    }
}

/// The span of an attempt.
pub(super) struct Attempt {
    context: Context,
    recorded: bool,
}

impl Attempt {
    /// Adds what the program's propagator makes of the span: `traceparent`, with the usual one.
    pub(super) fn with_context(
        &self,
        mut request: request::Builder,
        dialect: &dyn Dialect,
    ) -> request::Builder {
        let told = dialect.is_told_of_traces();
        if let Some(headers) = request.headers_mut().filter(|_| told) {
            global::get_text_map_propagator(|propagator| {
                propagator.inject_context(&self.context, &mut Headers(headers));
            });
        }
        request
    }

    pub(super) fn end(&self, result: &Result<Answer, ureq::Error>) {
        if !self.recorded {
            return;
        }
        let span = self.context.span();
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
        span.end();
    }
}

/// Headers of a request, as propagators want them.
struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // W3C's propagator has an empty `tracestate` where there is none, which ought not to be sent, says its specification.
        if value.is_empty() {
            return;
        }
        let header = HeaderName::try_from(key)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = header {
            self.0.insert(name, value);
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
