//! Keys: refused before anything is sent if they were copied wrongly, and named by their variable if a server
//! refuses them.

use chroma_blocking::{Client, Error, RetryPolicy};

use crate::support;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::*;

/// Returns what a child process prints that calls Chroma and Gemini with these variables. Tests share the
/// environment of their process.
fn child(servers: &Servers, variables: &[(&str, &str)]) -> String {
    let output = support::child("keys::child_process")
        .env("CHROMA_HOST", servers.chroma.url())
        .env("GOOGLE_GEMINI_BASE_URL", servers.google.url())
        .env_remove("GEMINI_API_KEY")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "started by other tests"]
fn child_process() {
    let chroma = Client::from_env().and_then(|client| client.heartbeat());
    println!("{:#}", chroma.unwrap_err());
    #[cfg(feature = "gemini")]
    {
        let gemini = chroma_blocking::Gemini::from_env();
        let vectors = gemini.and_then(|gemini| gemini.embed(["text"]).run());
        println!("{:#}", vectors.unwrap_err());
    }
}

/// Servers that accept no key.
struct Servers {
    chroma: StandIn,
    google: StandIn,
}

impl Servers {
    fn start() -> Servers {
        Servers {
            chroma: StandIn::start(|_| chroma_error(401)),
            google: StandIn::start(|_| {
                let details = r#"[{"reason":"API_KEY_INVALID"}]"#;
                let body = format!(
                    r#"{{"error":{{"message":"API key not valid.","status":"INVALID_ARGUMENT","details":{details}}}}}"#
                );
                Answer::new(400, body)
            }),
        }
    }

    fn requests(&self) -> usize {
        self.chroma.requests().len() + self.google.requests().len()
    }
}

#[test]
fn field_09_a_refused_key_is_named_by_its_variable() {
    let servers = Servers::start();
    let keys = [
        ("CHROMA_API_KEY", "ck-s3cret"),
        ("GEMINI_API_KEY", "AIzaS3cret"),
    ];
    let shown = child(&servers, &keys);
    assert!(
        shown.contains("the key came from CHROMA_API_KEY"),
        "{shown}"
    );
    if cfg!(feature = "gemini") {
        let words = "API key not valid.; the key came from GEMINI_API_KEY";
        assert!(shown.contains(words), "{shown}");
    }
    assert!(!shown.to_lowercase().contains("s3cret"), "{shown}");
}

#[test]
fn field_09_a_key_that_was_copied_wrongly_is_refused_before_anything_is_sent() {
    let servers = Servers::start();
    for (key, words) in [
        ("\"s3cret\"", "it is in quotes"),
        ("'s3cret'", "it is in quotes"),
        ("s3cret s3cret", "it contains a blank"),
        ("s3cret\u{200b}", "a zero-width space"),
        ("\u{feff}s3cret", "a byte order mark"),
        ("Bearer s3cret", "HTTP scheme"),
        ("s3cret\r\nx: y", "a line break"),
        ("s3crét", "not ASCII"),
    ] {
        let shown = child(
            &servers,
            &[("CHROMA_API_KEY", key), ("GOOGLE_API_KEY", key)],
        );
        let named = |variable: &str| shown.contains(&format!("{variable} is \"<hidden>\": "));
        assert!(named("CHROMA_API_KEY"), "{shown}");
        let times = if cfg!(feature = "gemini") { 2 } else { 1 };
        assert_eq!(shown.matches(words).count(), times, "{shown}");
        assert_eq!(named("GOOGLE_API_KEY"), times == 2, "{shown}");
        assert!(!shown.contains("s3cr"), "{shown}");
    }
    assert_eq!(servers.requests(), 0);
}

#[test]
#[cfg(all(unix, feature = "gemini"))]
fn field_09_a_key_that_is_not_unicode_is_refused_for_that_reason() {
    use std::os::unix::ffi::OsStrExt;

    let servers = Servers::start();
    let key = std::ffi::OsStr::from_bytes(b"s3cret\xff");
    let output = support::child("keys::child_process")
        .env("CHROMA_HOST", servers.chroma.url())
        .env("GOOGLE_API_KEY", key)
        .env("CHROMA_API_KEY", key)
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    for variable in ["CHROMA_API_KEY", "GOOGLE_API_KEY"] {
        let expected = format!("{variable} is \"<hidden>\": it is not valid Unicode");
        assert!(shown.contains(&expected), "{shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn field_09_a_key_that_was_set_in_code_is_named_by_its_setter() {
    let server = StandIn::start(|_| chroma_error(403));
    let new = || {
        Client::builder()
            .host(server.url())
            .retry(RetryPolicy::none())
    };
    for (builder, words) in [
        (new().api_key("k"), "; the key came from api_key; check"),
        (
            new().bearer_token("t"),
            "; the key came from bearer_token; check",
        ),
        (
            new().basic_auth("u", "p"),
            "; the key came from basic_auth; check",
        ),
        (
            new().header("X-Key", "v"),
            "; the key came from the header X-Key; check",
        ),
        (
            new().api_key("k").bearer_token("t"),
            "; the key came from api_key and bearer_token; check",
        ),
        (new(), "no; check"),
    ] {
        let error = builder.build().unwrap().heartbeat().unwrap_err();
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn field_09_a_server_that_wants_a_key_although_there_is_none_says_so() {
    let server = StandIn::start(|_| chroma_error(401));
    let error = client_without_retries(&server).heartbeat().unwrap_err();
    assert!(error.to_string().contains("; no key is set"), "{error}");
}
