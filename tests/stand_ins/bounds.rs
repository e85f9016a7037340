//! Limits against a hostile server: the size of answers and messages, secrets, injected headers.

use crate::support;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{builder, chroma, ids_of};
use chroma_blocking::{Client, Error, Record};

const TOKEN: &str = "ck-5ecret-t0ken";

#[test]
fn answers_are_read_up_to_the_limit() {
    let ids: Vec<String> = (0..10_000).map(|i| format!("\"id{i}\"")).collect();
    let rows = format!(r#"{{"ids":[{}]}}"#, ids.join(","));
    let length = rows.len() as u64;
    let server = chroma(support::LIMITS, move |_| Answer::ok(rows.clone()));
    let client = |most| {
        let client = builder(&server.url()).max_response_size(most);
        client.build().unwrap().collection("abc").get().unwrap()
    };
    let get = |most| client(most).get().include([]).run();
    assert_eq!(get(length).unwrap().ids.len(), 10_000);
    let error = get(length - 1).unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    let text = error.to_string();
    let bound = format!("larger than {} bytes", length - 1);
    assert!(
        text.contains(&bound) && text.contains("max_response_size"),
        "{text}"
    );
    assert!(!error.is_retryable());
}

#[test]
fn small_answers_have_a_small_limit() {
    let server = StandIn::start(|_| Answer::ok(" ".repeat(20 << 20)));
    let error = builder(&server.url())
        .build()
        .unwrap()
        .version()
        .unwrap_err();
    assert!(error.to_string().contains("16777216"), "{error}");
}

#[test]
fn long_error_messages_are_cut() {
    for status in [400, 500] {
        let words = serde_json::json!({ "error": "X", "message": "word ".repeat(10_000) });
        let server = StandIn::start(move |_| Answer::new(status, words.to_string()));
        let error = support::client_without_retries(&server)
            .version()
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.len() < 3_000 && text.contains("word word"),
            "{}",
            text.len()
        );
    }
    // The body of an error can also be too large to read.
    let server = StandIn::start(|_| Answer::new(400, "x".repeat(100 << 20)));
    let error = support::client_without_retries(&server)
        .version()
        .unwrap_err();
    assert!(error.to_string().len() < 3_000);
    assert_eq!(error.status(), Some(400));
}

#[test]
fn errors_never_quote_part_of_a_secret() {
    // An error quotes the first 200 bytes, and this token is in the middle of the cut.
    let before = "-".repeat(192);
    for body in [
        format!("{before}{TOKEN}"),
        format!("[\"{TOKEN}\"]"),
        format!("[\"{}", &TOKEN[..10]),
    ] {
        let server = StandIn::start(move |_| Answer::ok(body.clone()));
        let client = builder(&server.url()).api_key(TOKEN).build().unwrap();
        let error = client.version().unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("5ecret"), "{shown}");
    }
}

#[test]
fn settings_with_control_characters_are_refused() {
    for evil in ["a\r\nx-evil: 1", "a\nb", "a\0", "a\u{7f}b"] {
        let b = || Client::builder().host("localhost:1");
        for builder in [
            b().api_key(evil),
            b().bearer_token(evil),
            b().header("x-more", evil),
            b().header(evil, "x"),
            b().host(format!("localhost:1/{evil}")),
        ] {
            let error = builder.build().unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{error}");
        }
    }
}

#[test]
fn names_and_ids_cannot_inject_headers_or_requests() {
    let evil = "x\r\nx-evil: 1\r\n\r\nGET / HTTP/1.1";
    let server = chroma(support::LIMITS, |request| {
        assert!(request.header("x-evil").is_none());
        if request.path.ends_with("/count") {
            Answer::ok("0")
        } else {
            Answer::ok("{}")
        }
    });
    let client = builder(&server.url()).build().unwrap();
    let elsewhere = client.with_tenant(evil).with_database(evil);
    let _ = elsewhere.count_collections();
    let abc = client.collection("abc").get().unwrap();
    let id = Record::new(evil).embedding([1.0]).document(evil);
    abc.upsert([id.metadata(evil, evil)]).unwrap();
    abc.delete().ids([evil]).run().unwrap();
    assert_eq!(ids_of(&server.requests_to("/upsert")[0]), [evil]);
    for request in server.requests() {
        assert!(!request.path.contains(['\r', '\n', ' ']), "{request:?}");
        assert!(request.header("x-evil").is_none());
    }
}

#[test]
fn secrets_in_error_names_and_addresses_are_hidden() {
    let key = "to/ken\"with-all";
    let name = serde_json::json!({ "error": format!("no {key}"), "message": "x" });
    let long = serde_json::json!({ "error": "N".repeat(60_000), "message": "x" });
    for answer in [
        Answer::new(400, name.to_string()),
        Answer::new(400, name.to_string().replace('/', "\\/")),
        Answer::new(302, "").header("location", format!("http://other/?key={key}")),
        Answer::ok(name.to_string().replace('/', "\\/")),
        Answer::new(400, long.to_string()),
    ] {
        let server = StandIn::start(move |_| answer.clone());
        let client = builder(&server.url()).api_key(key).build().unwrap();
        let error = client.version().unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("with-all"), "{shown}");
        assert!(shown.len() < 6_000, "{}", shown.len());
    }
}
