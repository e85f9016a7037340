//! A gateway that forwards only the paths of the API, and not the description of the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::record::SparseVector;
use chroma_blocking::{Error, Key, Record, Result};

use crate::support::stand_in::{Answer, StandIn};
use crate::support::{COLLECTION, LIMITS, builder};

/// Starts a gateway that forwards only `/chroma/api/` to a Chroma server, and answers everything else itself
/// until it is opened.
fn gateway(answer: Answer, is_open: Arc<AtomicBool>) -> StandIn {
    StandIn::start(move |request| match request.path.strip_prefix("/chroma") {
        Some("/openapi.json") if is_open.load(Ordering::Relaxed) => {
            Answer::ok(r#"{"components":{"schemas":{}}}"#)
        }
        Some("/api/v2/heartbeat") => Answer::ok(r#"{"nanosecond heartbeat":1}"#),
        Some("/api/v2/pre-flight-checks") => Answer::ok(LIMITS),
        Some(path) if path.ends_with("/collections/abc") => Answer::ok(COLLECTION),
        Some(path) if path.ends_with("/get") => Answer::ok(r#"{"ids":[]}"#),
        Some(path) if path.starts_with("/api/") => Answer::ok(r#"{"deleted":2}"#),
        _ => answer.clone(),
    })
}

type Call<'a> = &'a dyn Fn() -> Result<()>;

/// Responses in place of the description, whether the error is retryable, and what it shows.
fn hidden() -> [(Answer, bool, &'static str); 9] {
    let words = "<html>no such page</html>";
    [
        (Answer::new(404, words), false, "HTTP 404: GET "),
        (Answer::new(405, ""), false, "HTTP 405: GET "),
        (Answer::new(400, words), false, "HTTP 400: GET "),
        (
            Answer::new(403, words),
            false,
            "not authorized (HTTP 403): GET ",
        ),
        (
            Answer::ok("<html>log in</html>"),
            false,
            "cannot read the response: GET ",
        ),
        (
            Answer::ok(r#"{"components":{},"paths":{"/users":{}}}"#),
            false,
            "it does not describe Chroma's API",
        ),
        (
            Answer::new(302, "").header("location", "/login"),
            false,
            "HTTP 302: GET ",
        ),
        (Answer::new(502, ""), true, "HTTP 502: GET "),
        (Answer::close(), true, "the connection broke"),
    ]
}

#[test]
fn field_06_a_gateway_that_hides_the_description_is_named_and_not_taken_for_an_old_server() {
    for (answer, is_retryable, shown) in hidden() {
        let is_open = Arc::new(AtomicBool::new(false));
        let gateway = gateway(answer, is_open.clone());
        let client = builder(&format!("{}/chroma", gateway.url()))
            .build()
            .unwrap();
        let abc = client.collection("abc").get().unwrap();
        let lists = || {
            abc.get()
                .filter(Key::field("tags").contains("a"))
                .run()
                .map(drop)
        };
        let delete = || {
            abc.delete()
                .filter(Key::field("n").gt(1))
                .limit(2)
                .run()
                .map(drop)
        };
        let sparse = SparseVector::new([1], [1.0]);
        let record = Record::new("a").embedding([1.0]).metadata("words", sparse);
        let upsert = || abc.upsert([record.clone()]);
        let calls: [(&str, Call<'_>, &str); 3] = [
            ("get", &lists, "filters on lists"),
            ("delete", &delete, "a delete with a limit"),
            ("upsert", &upsert, "sparse vectors"),
        ];
        for (operation, call, feature) in calls {
            let error = call().unwrap_err();
            let text = format!("{error:#}");
            assert!(!matches!(error, Error::Unsupported { .. }), "{text}");
            assert_eq!(error.is_retryable(), is_retryable, "{text}");
            assert!(text.contains(shown), "{text}");
            let call = error.call().unwrap();
            assert_eq!(
                (call.operation, call.subject.as_deref()),
                (operation, Some("abc"))
            );
            assert!(!call.may_have_acted, "{text}");
            if !matches!(error, Error::Connection { .. }) {
                assert!(text.contains("/chroma/openapi.json: "), "{text}");
                assert!(
                    text.contains(feature) && text.contains("let this path through"),
                    "{text}"
                );
            }
            let path = format!("/{operation}");
            assert!(gateway.requests_to(&path).is_empty(), "nothing is sent");
        }
        is_open.store(true, Ordering::Relaxed);
        for (operation, call, _) in calls {
            call().unwrap_or_else(|error| panic!("{operation}: {error}"));
        }
        let asked = gateway.requests_to("/openapi.json").len();
        lists().unwrap();
        assert_eq!(
            gateway.requests_to("/openapi.json").len(),
            asked,
            "an answer is kept"
        );
    }
}

#[test]
fn field_06_a_gateway_that_refuses_one_path_is_not_taken_for_a_server_that_lacks_the_operation() {
    for (status, words) in [
        (404, "<html>no such page</html>"),
        (405, "method not allowed"),
    ] {
        let gateway = StandIn::start(move |request| match request.path.strip_prefix("/chroma") {
            Some("/api/v2/heartbeat") => Answer::ok(r#"{"nanosecond heartbeat":1}"#),
            Some(path) if path.ends_with("/collections/abc") => Answer::ok(COLLECTION),
            _ => Answer::new(status, words),
        });
        let client = builder(&format!("{}/chroma", gateway.url()))
            .build()
            .unwrap();
        let abc = client.collection("abc").get().unwrap();
        let record = || Record::new("a").embedding([1.0]);
        for (error, request) in [
            (client.reset().unwrap_err(), "POST /api/v2/reset"),
            (abc.count().unwrap_err(), "/count"),
            (
                abc.upsert([record()]).unwrap_err(),
                "GET /api/v2/pre-flight-checks",
            ),
        ] {
            let text = error.to_string();
            assert!(
                matches!(error, Error::Server { .. }) && !error.is_retryable(),
                "{text}"
            );
            assert_eq!(error.status(), Some(status));
            assert!(
                text.contains(words) && text.contains("check that the gateway"),
                "{text}"
            );
            assert!(text.contains(&format!("{request} through")), "{text}");
        }
    }
}
