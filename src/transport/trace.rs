//! Spans for OpenTelemetry: one for each call, and below it one for each attempt, whose context is sent to
//! the server.
//!
//! They follow the semantic conventions for [database
//! clients](https://opentelemetry.io/docs/specs/semconv/db/database-spans/) and [HTTP
//! clients](https://opentelemetry.io/docs/specs/semconv/http/http-spans/), both stable, and for embedding
//! models those for [generative AI](https://opentelemetry.io/docs/specs/semconv/gen-ai/), which are in
//! development.

use std::sync::LazyLock;

use opentelemetry::global::{self, BoxedTracer};
use opentelemetry::propagation::Injector;
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer,
};
use opentelemetry::{Context, ContextGuard, InstrumentationScope, KeyValue};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, request};

use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::failure::kind;
use super::operation::HttpRequest;
use super::response::HttpResponse;
use crate::error::{Error, Result};
use crate::printable::one_line;

const ERROR_TYPE: &str = "error.type";

/// Returns the program's tracer, if there is one. Looked up for each call, because a provider may be set at
/// any time.
fn tracer() -> Option<BoxedTracer> {
    const NO_PROVIDER: SpanId = SpanId::from_bytes(1_u64.to_be_bytes());
    /// A parent in a trace that does not exist. Nothing is recorded below it.
    static PARENT: LazyLock<Context> = LazyLock::new(|| {
        let (trace, flags) = (TraceId::from(1), TraceFlags::default());
        let context = SpanContext::new(trace, NO_PROVIDER, flags, true, TraceState::default());
        let context = Context::new().with_remote_span_context(context);
        context.with_telemetry_suppressed()
    });

    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .build();
    let tracer = global::tracer_with_scope(scope);
    // Without a provider, a new span has its parent's context, says the specification. Then no attributes are
    // collected: that would cost a small query more than all counters together.
    let span = tracer.build_with_context(SpanBuilder::default(), &PARENT);
    let absent = span.span_context().span_id() == NO_PROVIDER;
    (!absent).then_some(tracer)
}

/// Returns a client's span with the address of the endpoint.
fn client_span(name: String, mut attributes: Vec<KeyValue>, endpoint: &Endpoint) -> SpanBuilder {
    let (host, port) = endpoint.host_and_port();
    attributes.push(KeyValue::new("server.address", host.clone()));
    attributes.push(KeyValue::new("server.port", i64::from(port)));
    SpanBuilder::from_name(name)
        .with_kind(SpanKind::Client)
        .with_attributes(attributes)
}

fn start(span: SpanBuilder, tracer: &BoxedTracer, parent: &Context) -> Context {
    parent.with_span(tracer.build_with_context(span, parent))
}

/// The span of a call.
pub(super) struct Call {
    context: Context,
    /// `None` if the call is not recorded. Its attempts then have no spans.
    tracer: Option<BoxedTracer>,
}

impl Call {
    pub(super) fn begin(
        request: HttpRequest<'_>,
        endpoint: &Endpoint,
        dialect: &dyn Dialect,
    ) -> Call {
        let mut context = Context::current();
        let mut tracer = tracer();
        if let Some(present) = &tracer {
            // Exporters do not escape names, which may come from a server.
            let subject = request.subject.map(one_line);
            let namespace = request.namespace;
            let namespace =
                namespace.map(|(tenant, database)| (one_line(tenant), one_line(database)));
            let shown = HttpRequest {
                subject: subject.as_deref(),
                namespace: namespace
                    .as_ref()
                    .map(|(tenant, database)| (&**tenant, &**database)),
                ..request
            };
            let (name, attributes) = dialect.span(shown, endpoint);
            let span = client_span(name, attributes, endpoint);
            context = start(span, present, &context);
            tracer = tracer.filter(|_| context.span().is_recording());
        }
        Call { context, tracer }
    }

    pub(super) fn attempt(
        &self,
        request: HttpRequest<'_>,
        endpoint: &Endpoint,
        number: u32,
    ) -> Attempt {
        let Some(tracer) = &self.tracer else {
            return Attempt {
                context: self.context.clone(),
                recorded: false,
            };
        };
        let method = request.operation.method.as_str();
        let template = request.operation.path;
        // The capacity for all attributes.
        let mut attributes = Vec::with_capacity(8);
        attributes.push(KeyValue::new("http.request.method", method));
        let url = [endpoint.as_str(), request.path].concat();
        attributes.push(KeyValue::new("url.full", url));
        attributes.push(KeyValue::new("url.template", template));
        if number > 1 {
            let resent = i64::from(number - 1);
            attributes.push(KeyValue::new("http.request.resend_count", resent));
        }
        let name = [method, " ", template].concat();
        Attempt {
            context: start(
                client_span(name, attributes, endpoint),
                tracer,
                &self.context,
            ),
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
    /// Adds the headers of the program's propagator, which is usually `traceparent`.
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

    pub(super) fn end(&self, result: &Result<HttpResponse, ureq::Error>) {
        if !self.recorded {
            return;
        }
        let span = self.context.span();
        let failure = match result {
            Ok(response) => {
                let status = i64::from(response.status);
                span.set_attribute(KeyValue::new("http.response.status_code", status));
                (response.status >= 400).then(|| response.status.to_string())
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

/// The headers of a request, for propagators.
struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // W3C's propagator sets an empty `tracestate` if there is none. Its specification says not to send
        // that.
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

/// The context that spans of another thread belong to.
#[derive(Clone)]
pub(crate) struct Parent(Context);

impl Parent {
    pub(crate) fn current() -> Parent {
        Parent(Context::current())
    }

    /// Makes this context the parent of all spans until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        Entered {
            _guard: self.0.clone().attach(),
        }
    }
}

pub(crate) struct Entered {
    _guard: ContextGuard,
}
