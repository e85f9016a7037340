//! Prometheus reads the same numbers as `Client::metrics` returns, after successful and failed calls.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../src/recorder.rs"]
mod recorder;
mod scraped;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use chroma_blocking::{
    Client, Record, RetryPolicy,
    client::CircuitBreaker,
    metrics::{BreakerState, Latency},
};

use support::reporting::Reporting;
use support::stand_in::{Answer, StandIn, script};
use support::{HITS, LIMITS, builder, chroma, chroma_error};

/// Makes calls that fail in every way, until the breaker is open.
fn fail_in_every_way(server: &StandIn) -> Client {
    let breaker = CircuitBreaker::new().failures(2);
    // No trial call during the test.
    let breaker = breaker.open_for(Duration::from_secs(600));
    let client = builder(&server.url())
        .circuit_breaker(breaker)
        .build()
        .unwrap();
    let notes = client
        .collection("abc")
        .embedding_function(Reporting)
        .get()
        .unwrap();
    let text = |i| Record::new(format!("id{i}")).document(format!("text {i}"));
    notes.upsert((0..10).map(text)).unwrap();
    notes.query("a question").run().unwrap();
    notes.query("bad").run().unwrap_err();
    notes.query("another").run().unwrap_err();
    notes.get().ids(["id0"]).run().unwrap_err();
    assert_eq!(notes.count().unwrap(), 7);
    notes.count().unwrap_err();
    notes.count().unwrap_err();
    client
}

/// Returns the expected samples without durations, from the client's metrics.
fn expected(client: &Client) -> BTreeMap<String, f64> {
    let metrics = client.metrics();
    let mut all = BTreeMap::new();
    let mut put = |name: &str, labels: &str, value: f64| {
        all.insert(format!("chroma_client_{name}{labels}"), value);
    };
    for (operation, it) in &metrics.operations {
        let labels = format!("{{operation=\"{operation}\"}}");
        put("calls_total", &labels, it.calls as f64);
        put("attempts_total", &labels, it.attempts as f64);
        put("retries_total", &labels, it.retries as f64);
        put("request_bytes_total", &labels, it.bytes_out as f64);
        put("response_bytes_total", &labels, it.bytes_in as f64);
        put("call_duration_seconds_count", &labels, it.calls as f64);
        for (kind, count) in &it.errors {
            let labels = format!("{{operation=\"{operation}\",error=\"{kind}\"}}");
            put("errors_total", &labels, *count as f64);
        }
    }
    for (function, it) in &metrics.embeddings {
        let labels = format!("{{function=\"{function}\"}}");
        put("embedding_calls_total", &labels, it.calls as f64);
        put("embedding_errors_total", &labels, it.errors as f64);
        put("embedded_texts_total", &labels, it.texts as f64);
        put("embedding_cache_hits_total", &labels, it.cache_hits as f64);
        put("embedding_retries_total", &labels, it.retries as f64);
        let waited = it.limiter_wait.as_secs_f64();
        put("embedding_limiter_wait_seconds_sum", &labels, waited);
        put(
            "embedding_limiter_wait_seconds_count",
            &labels,
            it.calls as f64,
        );
        put("embedding_duration_seconds_count", &labels, it.calls as f64);
    }
    let pool = metrics.pool;
    put("connections_opened_total", "", pool.opened as f64);
    put("connections_reused_total", "", pool.reused as f64);
    put("connections_open", "", pool.open as f64);
    put("connections_busy", "", (pool.open - pool.idle) as f64);
    for endpoint in &metrics.endpoints {
        let labels = format!("{{endpoint=\"{}\"}}", endpoint.url);
        if let Some(state) = endpoint.breaker {
            let open = state != BreakerState::Closed;
            put("circuit_open", &labels, f64::from(u8::from(open)));
        }
    }
    all
}

#[test]
fn prometheus_reads_the_metrics_of_the_client() {
    let page = recorder::install().unwrap();
    let server = chroma(
        LIMITS,
        script([
            // upsert
            Answer::new(503, "busy").header("retry-after", "0"),
            Answer::ok("{}"),
            // query
            Answer::ok(HITS).announcing(10_000),
            Answer::new(429, r#"{"error":"RateLimited","message":"slow down"}"#),
            Answer::ok(HITS),
            // query
            chroma_error(400),
            // get
            chroma_error(404),
            // count, on a kept connection that the server closes
            Answer::close(),
            Answer::ok("7"),
            // count, until the breaker opens
            chroma_error(502),
            chroma_error(502),
            // another client
            chroma_error(502),
        ]),
    );
    let client = fail_in_every_way(&server);
    let metrics = client.metrics();
    let scraper = page;
    let page = scraper.render();
    let mut found = scraped::samples(&page);

    // Calls failed in every way.
    let kinds = |name| {
        metrics.operations[name]
            .errors
            .keys()
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("query"), ["server"]);
    assert_eq!(kinds("get"), ["not_found"]);
    assert_eq!(kinds("count"), ["circuit_open", "server"]);
    assert_eq!(metrics.endpoints[0].breaker, Some(BreakerState::Open));
    assert!(metrics.pool.opened > 1 && metrics.pool.reused > 0 && metrics.pool.open > 0);
    let told = &metrics.embeddings["reporting"];
    assert_eq!((told.calls, told.errors, told.texts), (4, 1, 12));

    // Sums of durations, truncated to microseconds, and buckets, of which the last one has all durations.
    let durations = metrics.operations.iter().map(|(operation, it)| {
        let name = "chroma_client_call_duration_seconds";
        (
            name,
            format!("operation=\"{operation}\""),
            it.calls,
            it.latency,
        )
    });
    let embedding = metrics.embeddings.iter().map(|(function, it)| {
        let name = "chroma_client_embedding_duration_seconds";
        (
            name,
            format!("function=\"{function}\""),
            it.calls,
            it.latency,
        )
    });
    for (name, labels, calls, Latency { total, max, .. }) in durations.chain(embedding) {
        let sum = found.remove(&format!("{name}_sum{{{labels}}}")).unwrap();
        let cut_off = sum - total.as_secs_f64();
        assert!(
            (-1e-9..=1e-6 * calls as f64).contains(&cut_off),
            "{name} {labels} {cut_off}"
        );
        let mut before = 0.0;
        for bound in recorder::SECONDS
            .map(|bound| bound.to_string())
            .iter()
            .chain([&"+Inf".to_owned()])
        {
            let bucket = format!("{name}_bucket{{{labels},le=\"{bound}\"}}");
            let count = found
                .remove(&bucket)
                .unwrap_or_else(|| panic!("no {bucket} in {page}"));
            assert!(count >= before);
            // A duration less than a microsecond below a bound may be counted in the next bucket.
            if bound
                .parse::<f64>()
                .is_ok_and(|bound| bound > max.as_secs_f64() + 1e-6)
            {
                assert_eq!(count, calls as f64, "{bucket}");
            }
            before = count;
        }
        assert_eq!(before, calls as f64);
    }
    // The other histograms have the same buckets.
    let waits = "chroma_client_embedding_limiter_wait_seconds_bucket";
    found.retain(|name, _| !name.starts_with(waits));
    // All other samples, and no more.
    assert_eq!(found, expected(&client), "{page}");
    scraped::assert_described(&page, &scraped::names());

    // Each client with an open breaker counts, until it is dropped.
    let circuit_open = || {
        let name = format!(
            "chroma_client_circuit_open{{endpoint=\"{}\"}}",
            server.url()
        );
        scraped::samples(&scraper.render())[&name]
    };
    let breaker = CircuitBreaker::new().failures(1);
    let other = builder(&server.url()).circuit_breaker(breaker);
    let other = other.retry(RetryPolicy::none()).build().unwrap();
    let healthy = builder(&server.url()).circuit_breaker(breaker).build();
    assert_eq!(circuit_open(), 1.0);
    other.version().unwrap_err();
    assert_eq!(circuit_open(), 2.0);
    drop((other, healthy));
    assert_eq!(circuit_open(), 1.0);
    drop(client);
    assert_eq!(circuit_open(), 0.0);
    // Without a breaker there is no such metric.
    builder("http://localhost:7").build().unwrap();
    assert!(!scraper.render().contains("localhost:7"));
}
