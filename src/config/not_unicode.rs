//! Tests: each variable that the client reads is refused by name if it is not Unicode. A value that may be a
//! secret is not shown.

use std::ffi::OsString;

use super::ClientBuilder;
use crate::environment::Environment;

/// Variables that hold a key, or an address with a password.
const SECRET: [&str; 11] = [
    "CHROMA_API_KEY",
    "CHROMA_HOST",
    "CHROMA_ENDPOINT",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];
const PLAIN: [&str; 7] = [
    "CHROMA_PORT",
    "CHROMA_TENANT",
    "CHROMA_DATABASE",
    "MAX_RETRIES",
    "RETRY_DELAY_MS",
    "CONNECTION_TIMEOUT_MS",
    "REQUEST_TIMEOUT_MS",
];

#[cfg(unix)]
fn broken() -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"s3cret\x1b[2J\xff".to_vec())
}

#[cfg(windows)]
fn broken() -> OsString {
    let units: Vec<u16> = "s3cret\u{1b}[2J".encode_utf16().chain([0xd800]).collect();
    std::os::windows::ffi::OsStringExt::from_wide(&units)
}

/// Returns the error of a client with one broken variable, for a server over http or https.
fn error(variable: &str, host: &str) -> String {
    let lookup = |name: &str| match name {
        _ if name == variable => Some(broken()),
        "CHROMA_HOST" if variable != "CHROMA_ENDPOINT" => Some(host.into()),
        // The list of exceptions is read only if there is a proxy.
        "HTTP_PROXY" | "HTTPS_PROXY" if variable.eq_ignore_ascii_case("NO_PROXY") => {
            Some("http://proxy:3128".into())
        }
        _ => None,
    };
    let environment = Environment::of(&lookup);
    let client =
        ClientBuilder::read(&environment).and_then(|builder| builder.connect_in(&environment));
    client.unwrap_err().to_string()
}

#[test]
fn secure_02_a_variable_that_is_not_unicode_is_refused_for_that_reason() {
    for variable in SECRET.into_iter().chain(PLAIN) {
        let is_for_https = variable.eq_ignore_ascii_case("HTTPS_PROXY");
        if is_for_https && cfg!(not(feature = "tls")) {
            continue;
        }
        let host = if is_for_https {
            "https://chroma.example.com"
        } else {
            "chroma.example.com"
        };
        let error = error(variable, host);
        assert!(error.starts_with(&format!("{variable} is ")), "{error}");
        assert!(error.ends_with(": it is not valid Unicode"), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
        let is_shown = PLAIN.contains(&variable);
        assert_eq!(error.contains("s3cret"), is_shown, "{error}");
        assert_eq!(error.contains("<hidden>"), !is_shown, "{error}");
    }
}
