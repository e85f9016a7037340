//! The logger, the recorder of metrics, the tracer and the panic hook of this process. All of them search what
//! they get.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Display, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, Once};
use std::time::SystemTime;

use chroma_blocking::Error as ChromaError;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue, global};

use crate::search::SEARCH;
use crate::support::stand_in::lock;

/// Installs the observers, once.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        metrics::set_global_recorder(Metrics).unwrap();
        global::set_tracer_provider(Traces);
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            SEARCH.look("panic", info.to_string());
            // Those of the tests themselves are printed.
            if !EXPECTED.load(Relaxed) {
                default(info);
            }
        }));
    });
}

/// Whether the panic in progress belongs to the test.
static EXPECTED: AtomicBool = AtomicBool::new(false);

/// Searches everything that an error prints: by itself, with its causes, and in a panic.
pub fn error(found: &ChromaError) {
    shown("error", found);
    SEARCH.look("error {:#}", format!("{found:#}"));
    if let Some(call) = found.call() {
        shown("call of an error", call);
    }
    causes(found);
    EXPECTED.store(true, Relaxed);
    let fails = || -> Result<(), &ChromaError> { Err(found) };
    let unwrapped = panic::catch_unwind(AssertUnwindSafe(|| fails().unwrap()));
    EXPECTED.store(false, Relaxed);
    assert!(unwrapped.is_err());
}

/// Searches the causes of an error.
pub fn causes(found: &dyn Error) {
    let mut cause = found.source();
    while let Some(this) = cause {
        SEARCH.look("cause {}", this.to_string());
        SEARCH.look("cause {:?}", format!("{this:?}"));
        cause = this.source();
    }
}

/// Searches what a value prints.
pub fn shown(kind: &str, value: &(impl Display + Debug + ?Sized)) {
    SEARCH.look(&format!("{kind} {{}}"), value.to_string());
    debug(kind, value);
}

/// Searches what `Debug` prints of a value.
pub fn debug(kind: &str, value: &(impl Debug + ?Sized)) {
    SEARCH.look(&format!("{kind} {{:?}}"), format!("{value:?}"));
    SEARCH.look(&format!("{kind} {{:#?}}"), format!("{value:#?}"));
}

/// Whether the crates below logged a secret at the places that `docs/operating.md` names as exceptions:
/// `ureq_proto` at the level trace, and the header `Server` of a response in `ureq`.
pub static EXCEPTIONS_SEEN: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// Returns the exception that a log line belongs to.
fn exception(record: &log::Record<'_>, line: &str) -> Option<&'static AtomicBool> {
    let target = record.target();
    if target.starts_with("ureq_proto") && record.level() == log::Level::Trace {
        return Some(&EXCEPTIONS_SEEN[0]);
    }
    let has_headers = target.starts_with("ureq::") && line.contains(" Response { ");
    has_headers.then_some(&EXCEPTIONS_SEEN[1])
}

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (target, level) = (record.target(), record.level());
        let is_below = target.starts_with("ureq");
        if is_below && (!SEARCH.is_sampled() && !crate::is_full()) {
            return;
        }
        // It is long.
        let is_wire = target.starts_with("ureq_proto") && level == log::Level::Trace;
        if is_wire && EXCEPTIONS_SEEN[0].load(Relaxed) {
            return;
        }
        let mut line = format!("{target} {}", record.args());
        crate::support::each_pair(record, |key, value| {
            let _ = write!(line, " {key}={value} {value:?}");
        });
        if let Some(seen) = exception(record, &line) {
            seen.fetch_or(SEARCH.holds(&line), Relaxed);
        } else {
            let root = target.split("::").next().unwrap_or_default();
            SEARCH.look(&format!("log of {root} at {level}"), line);
        }
    }

    fn flush(&self) {}
}

/// The values of the label `operation` so far.
pub static OPERATIONS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Metrics;

impl Metrics {
    fn look(key: &Key) {
        let mut text = key.name().to_owned();
        for label in key.labels() {
            let _ = write!(text, " {}={}", label.key(), label.value());
            if label.key() == "operation" {
                let mut operations = lock(&OPERATIONS);
                if !operations.iter().any(|name| name == label.value()) {
                    operations.push(label.value().to_owned());
                }
            }
        }
        SEARCH.look("metric", text);
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, text: SharedString) {
        SEARCH.look(
            "description of a metric",
            format!("{} {text}", key.as_str()),
        );
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, text: SharedString) {
        SEARCH.look(
            "description of a metric",
            format!("{} {text}", key.as_str()),
        );
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, text: SharedString) {
        SEARCH.look(
            "description of a metric",
            format!("{} {text}", key.as_str()),
        );
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Metrics::look(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Metrics::look(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Metrics::look(key);
        Histogram::noop()
    }
}

struct Traces;

impl TracerProvider for Traces {
    type Tracer = Traces;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> Traces {
        SEARCH.look("scope of a span", scope.name());
        Traces
    }
}

impl Tracer for Traces {
    type Span = Searched;

    fn build_with_context(&self, builder: SpanBuilder, _: &Context) -> Searched {
        static NEXT: AtomicU64 = AtomicU64::new(2);
        let id = SpanId::from_bytes(NEXT.fetch_add(1, Relaxed).to_be_bytes());
        // The whole builder: its name, attributes, events, links and status.
        SEARCH.look("span", format!("{} {builder:?}", builder.name));
        let (trace, flags) = (TraceId::from(7), TraceFlags::SAMPLED);
        Searched(SpanContext::new(
            trace,
            id,
            flags,
            false,
            TraceState::default(),
        ))
    }
}

/// A span.
struct Searched(SpanContext);

impl Span for Searched {
    fn add_event_with_timestamp<T: Into<Cow<'static, str>>>(
        &mut self,
        name: T,
        _: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        SEARCH.look("event of a span", format!("{} {attributes:?}", name.into()));
    }

    fn span_context(&self) -> &SpanContext {
        &self.0
    }

    fn is_recording(&self) -> bool {
        true
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        SEARCH.look(
            "attribute of a span",
            format!("{} {}", attribute.key, attribute.value),
        );
    }

    fn set_status(&mut self, status: Status) {
        let text = match &status {
            Status::Error { description } => description.to_string(),
            other => format!("{other:?}"),
        };
        SEARCH.look("status of a span", text);
    }

    fn update_name<T: Into<Cow<'static, str>>>(&mut self, name: T) {
        SEARCH.look("span", name.into().as_ref());
    }

    fn add_link(&mut self, _: SpanContext, attributes: Vec<KeyValue>) {
        SEARCH.look("link of a span", format!("{attributes:?}"));
    }

    fn end_with_timestamp(&mut self, _: SystemTime) {}
}
