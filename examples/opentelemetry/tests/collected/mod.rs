//! What the tests see of spans: all that this process makes are collected.

use std::sync::{Arc, Mutex, OnceLock};

use opentelemetry::global;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use crate::support::gemini::KEY;
use crate::support::stand_in::{Request, lock};
use crate::tree;

/// What every client of these tests has.
pub const TOKEN: &str = "t0ps3cret-token";

#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        lock(&self.0).extend(batch);
        Ok(())
    }
}

/// Sets the SDK up, as a program does, once for all tests of a process.
fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(|| {
        let collector = Collector::default();
        // Without a batch: a span is there when it has ended.
        let provider = SdkTracerProvider::builder().with_simple_exporter(collector.clone());
        global::set_tracer_provider(provider.build());
        global::set_text_map_propagator(TraceContextPropagator::new());
        collector
    })
}

/// The spans of a trace, without the one that began it.
pub struct Trace {
    pub root: SpanData,
    pub spans: Vec<SpanData>,
}

/// Does something below a span of the caller's.
pub fn traced<T>(work: impl FnOnce() -> T) -> (T, Trace) {
    let collector = collector();
    let (result, context) = global::tracer("caller").in_span("caller", |context| {
        let result = work();
        // Without this it ends with the last thread that has its context.
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
    /// All of it but the caller's: names, attributes behind `|`, errors behind `!`; without what differs from run to run.
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

    /// The spans below this one, in the order in which they began.
    pub fn children(&self, parent: SpanId) -> Vec<&SpanData> {
        let below = tree::below(parent, &self.spans).into_iter();
        below
            .filter(|(depth, _)| *depth == 0)
            .map(|(_, span)| span)
            .collect()
    }

    /// That each of these requests to Chroma names the span of the attempt that sent it.
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

/// Every span of this process so far.
pub fn all() -> Vec<SpanData> {
    lock(&collector().0).clone()
}
