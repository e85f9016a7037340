//! The spans of calls to scripted servers: trees, attributes, and the context in requests.

#![allow(clippy::unwrap_used, clippy::panic)]

mod collected;
#[path = "../../../tests/support/mod.rs"]
mod support;
#[path = "../src/tree.rs"]
mod tree;

use std::time::Duration;

use chroma_blocking::{Client, Collection, Error, Gemini, Hashing, Record, RetryPolicy};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use serde_json::{Value, json};

use collected::{TOKEN, attribute, traced};
use support::gemini::{Google, KEY, Period, V001, over_quota};
use support::stand_in::{Answer, Request, StandIn, script};
use support::{HITS, LIMITS, builder, chroma, chroma_error, fast, ids};

fn client(server: &StandIn) -> Client {
    let client = builder(&server.url()).api_key(TOKEN);
    client.build().unwrap()
}

fn collection(server: &StandIn) -> Collection {
    client(server).collection("abc").get().unwrap()
}

fn scripted(answers: impl IntoIterator<Item = Answer>) -> StandIn {
    chroma(LIMITS, script(answers))
}

const QUERY: &str = "\
query abc
| db.system.name = chroma
| db.operation.name = query
| db.namespace = default_tenant|default_database
| db.collection.name = abc
| server.address = 127.0.0.1
| server.port = PORT
";

/// Returns the printed span of an attempt at a query, with these variable parts.
fn attempt(failed: &str, resent: &str, end: &str) -> String {
    let path = "/api/v2/tenants/default_tenant/databases/default_database/collections";
    let id = "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11";
    let template = "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection}/query";
    format!(
        "  POST {template}
{failed}  | http.request.method = POST
  | url.full = http://HOST{path}/{id}/query
  | url.template = {template}
{resent}  | server.address = 127.0.0.1
  | server.port = PORT
{end}"
    )
}

#[test]
fn a_query_has_a_span_and_its_attempt_another() {
    let server = scripted([Answer::ok(HITS)]);
    let notes = collection(&server);
    let (hits, trace) = traced(|| notes.query(vec![1.0, 0.5]).run());
    assert_eq!(hits.unwrap().len(), 1);
    let expected = [
        QUERY,
        &attempt("", "", "  | http.response.status_code = 200\n"),
    ]
    .concat();
    assert_eq!(trace.shown(), expected);
    trace.assert_sent(&server.requests_to("/query"));

    let scope = &trace.spans[0].instrumentation_scope;
    assert_eq!(scope.name(), "chroma-blocking");
    assert!(scope.version().is_some());
}

#[test]
fn each_attempt_has_a_span_below_that_of_the_call() {
    let server = scripted([
        Answer::new(503, "busy").header("retry-after", "0"),
        Answer::ok(HITS).announcing(10_000),
        Answer::ok(HITS),
    ]);
    let notes = collection(&server);
    let (hits, trace) = traced(|| notes.query(vec![1.0, 0.5]).run());
    assert_eq!(hits.unwrap().len(), 1);
    // The call succeeded, so its span has no error.
    let expected = [
        QUERY,
        &attempt(
            "  ! \n",
            "",
            "  | http.response.status_code = 503\n  | error.type = 503\n",
        ),
        &attempt(
            "  ! \n",
            "  | http.request.resend_count = 1\n",
            "  | error.type = connection\n",
        ),
        &attempt(
            "",
            "  | http.request.resend_count = 2\n",
            "  | http.response.status_code = 200\n",
        ),
    ];
    assert_eq!(trace.shown(), expected.concat());
    trace.assert_sent(&server.requests_to("/query"));
}

#[test]
fn the_span_of_a_failed_call_has_the_error() {
    let server = scripted([chroma_error(500), chroma_error(404)]);
    let notes = collection(&server);
    let (error, trace) = traced(|| notes.query(vec![1.0, 0.5]).run().unwrap_err());
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let words = error.to_string().replace(&server.url(), "http://HOST");
    let (name, attributes) = QUERY.split_once('\n').unwrap();
    let expected = [
        &format!("{name}\n! {words}\n{attributes}"),
        "| db.response.status_code = 404\n| error.type = not_found\n",
        &attempt(
            "  ! \n",
            "",
            "  | http.response.status_code = 500\n  | error.type = 500\n",
        ),
        &attempt(
            "  ! \n",
            "  | http.request.resend_count = 1\n",
            "  | http.response.status_code = 404\n  | error.type = 404\n",
        ),
    ];
    assert_eq!(trace.shown(), expected.concat());
}

#[test]
fn an_unreadable_answer_is_an_error_of_the_call_but_not_of_the_attempt() {
    let server = scripted([Answer::ok("{}")]);
    let notes = collection(&server);
    let (error, trace) = traced(|| notes.query(vec![1.0, 0.5]).run().unwrap_err());
    assert_eq!(error.kind(), "decode");
    let calls = trace.children(trace.root.span_context.span_id());
    let names: Vec<_> = calls.iter().map(|span| &span.name[..]).collect();
    // The client checks whether the server is Chroma. That call has no tenant and no collection.
    let heartbeat = format!("heartbeat {}", &server.url()["http://".len()..]);
    assert_eq!(names, ["query abc", &heartbeat]);
    assert_eq!(attribute(calls[0], "error.type").unwrap(), "decode");
    assert_eq!(attribute(calls[0], "db.response.status_code"), None);
    assert_eq!(attribute(calls[1], "db.namespace"), None);
    let attempts = trace.children(calls[0].span_context.span_id());
    assert_eq!(attribute(attempts[0], "error.type"), None);
}

#[test]
fn spans_have_the_namespace_of_the_call() {
    let server = StandIn::start(|request| match request.path.as_str() {
        path if path.ends_with("/collections_count") => Answer::ok("7"),
        path if path.contains("/databases/other") => Answer::ok(
            r#"{"id":"6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11","name":"other","tenant":"mine"}"#,
        ),
        path if path.contains("/databases") => Answer::ok("[]"),
        _ => Answer::ok(r#"{"name":"yours"}"#),
    });
    let client = client(&server).with_tenant("mine").with_database("notes");
    let named = |work: &dyn Fn()| {
        let (_, trace) = traced(work);
        let namespace = attribute(&trace.spans[1], "db.namespace");
        assert_eq!(attribute(&trace.spans[1], "db.collection.name"), None);
        (
            trace.spans[1].name.to_string(),
            namespace.unwrap_or_default(),
        )
    };
    let expected =
        |name: &str, namespace: &str| (format!("{name} {namespace}"), namespace.to_owned());
    assert_eq!(
        named(&|| assert_eq!(client.count_collections().unwrap(), 7)),
        expected("count_collections", "mine|notes")
    );
    assert_eq!(
        named(&|| drop(client.get_database("other").unwrap())),
        expected("get_database", "mine|other")
    );
    assert_eq!(
        named(&|| assert_eq!(client.list_databases().run().unwrap().len(), 0)),
        expected("list_databases", "mine")
    );
    assert_eq!(
        named(&|| drop(client.get_tenant("yours").unwrap())),
        expected("get_tenant", "yours")
    );
}

/// In a batch job with embeddings by Gemini, all threads make spans in the caller's trace.
#[test]
fn spans_of_the_threads_of_a_job_belong_to_the_caller() {
    let google = Google::after([over_quota(Period::Minute, 100, V001, Duration::ZERO)]);
    let gemini = Gemini::builder().api_key(KEY).base_url(google.url());
    let gemini = gemini
        .dimension(128)
        .batch_size(5)
        .concurrency(3)
        .retry(fast());
    let server = chroma(LIMITS, |_| Answer::ok("{}"));
    let notes = client(&server)
        .collection("abc")
        .embedding_function(gemini.build().unwrap())
        .get()
        .unwrap();
    let text = |i: usize| Record::new(format!("id{i}")).document(format!("text {i}"));
    let (report, trace) = traced(|| notes.ingest((0..250).map(text)).concurrency(2).run());
    assert_eq!(report.unwrap().written, 250);

    let calls = trace.children(trace.root.span_context.span_id());
    let embeddings = |name: &str| name == "embeddings gemini-embedding-001";
    let (embedded, others): (Vec<_>, Vec<_>) =
        calls.into_iter().partition(|span| embeddings(&span.name));
    // Google refused one request, and the embedding function repeated it as another call.
    assert_eq!(embedded.len(), 51);
    let refused: Vec<_> = embedded
        .iter()
        .filter(|span| attribute(span, "error.type").is_some())
        .collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(attribute(refused[0], "error.type").unwrap(), "rate_limited");
    for span in embedded {
        let keys: Vec<_> = span
            .attributes
            .iter()
            .map(|pair| pair.key.as_str())
            .collect();
        let expected = [
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.request.model",
            "server.address",
            "server.port",
        ];
        assert_eq!(keys[..5], expected);
        assert!(matches!(keys[5..], [] | ["error.type"]), "{keys:?}");
        assert_eq!(
            attribute(span, "gen_ai.operation.name").unwrap(),
            "embeddings"
        );
        assert_eq!(
            attribute(span, "gen_ai.provider.name").unwrap(),
            "gcp.gemini"
        );
        assert_eq!(
            attribute(span, "gen_ai.request.model").unwrap(),
            "gemini-embedding-001"
        );
    }
    let others: Vec<_> = others.iter().map(|span| &span.name[..]).collect();
    assert!(others.contains(&"upsert abc"), "{others:?}");

    // The first request opened the collection.
    trace.assert_sent(&server.requests()[1..]);
    // The trace context is not sent to Google.
    assert_eq!(google.requests().len(), 51);
    for request in google.requests() {
        assert_eq!(request.header("traceparent"), None);
    }
}

#[test]
fn spans_of_a_scan_that_reads_ahead_belong_to_the_caller() {
    let server = chroma(LIMITS, |request: &Request| {
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Answer::ok("30");
        };
        let number = |name: &str| body[name].as_u64().map(|number| number as usize);
        let listed = ids(0..30).into_iter().skip(number("offset").unwrap_or(0));
        let listed: Vec<_> = listed.take(number("limit").unwrap_or(30)).collect();
        let found = match &body["ids"] {
            Value::Null => json!(listed),
            asked => asked.clone(),
        };
        Answer::ok(json!({ "ids": found }).to_string())
    });
    let notes = collection(&server);
    let scan = || notes.scan().page_size(10).read_ahead(true).count();
    let before = server.requests().len();
    let (found, trace) = traced(scan);
    assert_eq!(found, 30);
    let calls = trace.children(trace.root.span_context.span_id());
    assert!(calls.len() > 3, "{}", trace.shown());
    trace.assert_sent(&server.requests()[before..]);
}

#[test]
fn unsampled_calls_have_no_spans_and_send_an_unsampled_context() {
    let (_, trace) = traced(|| ());
    assert!(trace.spans.is_empty());
    let server = scripted([chroma_error(500), Answer::ok(HITS)]);
    let notes = collection(&server);
    // The context of another program that does not sample. The default sampler follows it.
    let theirs = TraceId::from(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
    let (span, flags) = (SpanId::from(0xabcd), TraceFlags::default());
    let parent = SpanContext::new(theirs, span, flags, true, TraceState::default());
    let guard = Context::new().with_remote_span_context(parent).attach();
    notes.query(vec![1.0, 0.5]).run().unwrap();
    drop(guard);
    let sent = server.requests_to("/query");
    assert_eq!(sent.len(), 2);
    for request in sent {
        let context = request.header("traceparent").unwrap();
        assert!(context.starts_with(&format!("00-{theirs}-")), "{context}");
        assert!(context.ends_with("-00"), "{context}");
    }
    assert!(
        !collected::all()
            .iter()
            .any(|span| span.span_context.trace_id() == theirs)
    );
}

#[test]
fn a_collection_without_retries_has_one_attempt() {
    let server = scripted([Answer::close(), Answer::close()]);
    let notes = client(&server)
        .collection("abc")
        .embedding_function(Hashing::default())
        .get()
        .unwrap();
    let notes = notes.with_retry(RetryPolicy::none());
    let (error, trace) = traced(|| notes.query("a question").run().unwrap_err());
    assert_eq!(error.kind(), "connection");
    let calls = trace.children(trace.root.span_context.span_id());
    // The server closed the kept connection, so the client used a new one, which counts as a resend.
    let attempts = trace.children(calls[0].span_context.span_id());
    let resent: Vec<_> = attempts
        .iter()
        .map(|span| attribute(span, "http.request.resend_count"))
        .collect();
    assert_eq!(resent, [None, Some("1".to_owned())]);
}
