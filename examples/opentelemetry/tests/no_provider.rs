//! Without a tracer provider, the library makes no spans, and passes on the caller's context.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../tests/support/mod.rs"]
mod support;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

use support::stand_in::{Answer, StandIn};
use support::{HITS, LIMITS, chroma, chroma_error, collection};

/// Runs a query of two attempts, and returns their `traceparent` headers.
fn sent(server: &StandIn) -> Vec<Option<String>> {
    let before = server.requests_to("/query").len();
    let notes = collection(server);
    assert_eq!(notes.query(vec![1.0, 0.5]).run().unwrap().len(), 1);
    let requests = server.requests_to("/query");
    let header = |name: &str| {
        let of_each = requests[before..].iter();
        of_each
            .map(|request| request.header(name).map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(header("tracestate"), [None, None]);
    header("traceparent")
}

#[test]
fn without_a_provider_only_the_callers_context_is_sent() {
    let mut failed = false;
    let server = chroma(LIMITS, move |_| {
        failed = !failed;
        if failed {
            chroma_error(500)
        } else {
            Answer::ok(HITS)
        }
    });
    assert_eq!(sent(&server), [None, None]);
    global::set_text_map_propagator(TraceContextPropagator::new());
    assert_eq!(sent(&server), [None, None]);

    // The context of a gateway without an SDK.
    let (trace, span) = (TraceId::from(0x1234), SpanId::from(0xabcd));
    let theirs = SpanContext::new(
        trace,
        span,
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    let guard = Context::new().with_remote_span_context(theirs).attach();
    let passed_on = Some(format!("00-{trace}-{span}-01"));
    assert_eq!(sent(&server), [passed_on.clone(), passed_on.clone()]);
    drop(guard);

    // A provider may be set later. After its shutdown it makes no spans.
    let provider = SdkTracerProvider::builder().build();
    global::set_tracer_provider(provider.clone());
    let found = sent(&server);
    assert!(
        found[0].is_some() && found[0] != found[1] && found[0] != passed_on,
        "{found:?}"
    );
    provider.shutdown().unwrap();
    assert_eq!(sent(&server), [None, None]);
}
