//! Collects all spans of this process, for the tests.

use std::sync::{Arc, Mutex, OnceLock};

use opentelemetry::global;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use crate::support::gemini::KEY;
use crate::support::stand_in::{Request, lock};
use crate::tree;

/// The API key of all clients in these tests.
pub const TOKEN: &str = "t0ps3cret-token";

#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        lock(&self.0).extend(batch);
        Ok(())
    }
}

/// Sets up the SDK as a program does, once for all tests of a process.
fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(|| {
        let collector = Collector::default();
        // Without batches: exports each span when it ends.
        let provider = SdkTracerProvider::builder().with_simple_exporter(collector.clone());
        global::set_tracer_provider(provider.build());
        global::set_text_map_propagator(TraceContextPropagator::new());
        collector
    })
}

/// The spans of a trace, and its root separately.
pub struct Trace {
    pub root: SpanData,
    pub spans: Vec<SpanData>,
}

/// Runs `work` within a span of the caller.
pub fn traced<T>(work: impl FnOnce() -> T) -> (T, Trace) {
    let collector = collector();
    let (result, context) = global::tracer("caller").in_span("caller", |context| {
        let result = work();
        // Otherwise the span would end with the last thread that has its context.
        context.span().end();
        (result, context.span().span_context().clone())
    });
    let mut spans = lock(&collector.0).clone();
    spans.retain(|span| span.span_context.trace_id() == context.trace_id());
    let root = spans.pop().unwrap();
    assert_eq!(root.span_context, context, "the caller's ends last");
    for span in &spans {
        assert_eq!(span.span_kind, SpanKind::Client);
        let words = format!("{span:?}");
        assert!(!words.contains(TOKEN) && !words.contains(KEY), "{words}");
    }
    (result, Trace { root, spans })
}

impl Trace {
    /// Prints all spans except the root: names, attributes after `|`, errors after `!`. Replaces ports, which
    /// vary.
    pub fn shown(&self) -> String {
        let mut text = String::new();
        for (depth, span) in tree::below(self.root.span_context.span_id(), &self.spans) {
            let indent = "  ".repeat(depth);
            text += &format!("{indent}{}\n", span.name);
            if let Status::Error { description } = &span.status {
                text += &format!("{indent}! {description}\n");
            }
            for attribute in &span.attributes {
                text += &format!("{indent}| {} = {}\n", attribute.key, attribute.value);
            }
        }
        let ports = self.spans.iter().flat_map(|span| &span.attributes);
        let ports = ports.filter(|attribute| attribute.key.as_str() == "server.port");
        for port in ports.map(|attribute| attribute.value.to_string()) {
            text = text.replace(&format!("127.0.0.1:{port}"), "HOST");
            text = text.replace(&format!("server.port = {port}"), "server.port = PORT");
        }
        text
    }

    /// Returns the children of a span, in the order of their start.
    pub fn children(&self, parent: SpanId) -> Vec<&SpanData> {
        let below = tree::below(parent, &self.spans).into_iter();
        below
            .filter(|(depth, _)| *depth == 0)
            .map(|(_, span)| span)
            .collect()
    }

    /// Checks that each of these requests to Chroma names the span of its attempt.
    pub fn assert_sent(&self, requests: &[Request]) {
        let url = |span: &SpanData| attribute(span, "url.full");
        let attempts: Vec<_> = self
            .spans
            .iter()
            .filter(|span| url(span).is_some_and(|url| url.contains("/api/v2/")))
            .collect();
        assert_eq!(attempts.len(), requests.len());
        for request in requests {
            let sent = |span: &&&SpanData| {
                let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
                request.header("traceparent") == Some(&format!("00-{trace}-{id}-01"))
            };
            let sender = attempts.iter().find(sent);
            let sender = sender.unwrap_or_else(|| panic!("{:?}", request.headers));
            assert!(url(sender).unwrap().ends_with(&request.path));
            assert_eq!(request.header("tracestate"), None);
        }
    }
}

pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == key);
    found.map(|attribute| attribute.value.to_string())
}

/// Returns all spans of this process so far.
pub fn all() -> Vec<SpanData> {
    lock(&collector().0).clone()
}
