//! Settings that are refused, and the `Debug` output of what holds secrets.

use chroma_blocking::{Client, ClientBuilder, Error, Gemini, RetryPolicy};

use crate::observers;
use crate::search::SEARCH;
use crate::secrets::{
    API_KEY, BEARER, Form, GEMINI_KEY, HEADER, PASSWORD, PROXY_PASSWORD, URL_PASSWORD,
};

/// Returns a secret as it may be copied wrongly.
fn spoiled(secret: &str) -> Vec<String> {
    let plain = [
        "{}\n",
        " {}",
        "\"{}\"",
        "'{}'",
        "“{}”",
        "{}\u{200b}",
        "\u{feff}{}",
        "{}\0",
        "a\r\nx: {}",
        "{} {}",
        "Bearer {}",
        "Authorization: Basic {}",
        "CHROMA_API_KEY={}",
        "export GOOGLE_API_KEY={}",
        "${{}}",
        "<{}>",
        "{}é",
    ];
    plain
        .iter()
        .map(|form| form.replace("{}", secret))
        .collect()
}

/// Returns addresses with a password in them, in ways that are refused.
fn addresses(secret: &str) -> Vec<String> {
    let (head, tail) = secret.split_at(secret.len() / 2);
    let percent = Form::PercentAll.write(secret);
    vec![
        format!("http://vogel:{secret}@db:8000"),
        format!("https://{secret}@db.example.invalid"),
        format!("vogel:{secret}@db"),
        format!("http://vogel:{percent}@db"),
        format!("ftp://vogel:{secret}@db"),
        format!("http://vogel:{secret}/@db"),
        format!("http://vogel:a?{secret}@db"),
        format!("http://vogel:a#{secret}@db"),
        format!("http://vogel:{secret}?@db"),
        format!("http://vogel:{secret}#{secret}@db"),
        format!("http://vogel:{head}@{tail}@db"),
        format!("http://vogel:{secret}@"),
        format!("http://vogel:{secret}@db:99999"),
        format!("http://vogel:{secret}@db:port"),
        format!("http://vogel:{secret}@db\u{200b}"),
        format!("http://vogel:{secret} @db"),
        format!("http:/vogel:{secret}@db"),
        format!("http//vogel:{secret}@db"),
        format!("http:vogel:{secret}@db"),
        format!("//vogel:{secret}@db"),
        format!("http://db?token={secret}"),
        format!("http://db/path#{secret}"),
        format!("\"http://vogel:{secret}@db\""),
    ]
}

type Set = fn(ClientBuilder, &str) -> ClientBuilder;

const KEYS: [(&str, Set, &str); 6] = [
    (
        "api_key",
        |builder, key| builder.api_key(key),
        API_KEY.value,
    ),
    (
        "bearer_token",
        |builder, key| builder.bearer_token(key),
        BEARER.value,
    ),
    (
        "password",
        |builder, key| builder.basic_auth("vogel", key),
        PASSWORD.value,
    ),
    (
        "user",
        |builder, key| builder.basic_auth(format!("{key}:"), "p"),
        PASSWORD.value,
    ),
    (
        "header",
        |builder, key| builder.header("x-key", key),
        HEADER.value,
    ),
    (
        "name of a header",
        |builder, key| builder.header(format!("x-key: {key}"), "v"),
        HEADER.value,
    ),
];

const ADDRESSES: [(&str, Set, &str); 4] = [
    ("host", |builder, url| builder.host(url), URL_PASSWORD.value),
    (
        "cloud",
        |builder, url| builder.cloud().host(url).api_key("k"),
        URL_PASSWORD.value,
    ),
    (
        "replicas",
        |builder, url| builder.host("db").replicas([url]),
        URL_PASSWORD.value,
    ),
    (
        "proxy",
        |builder, url| builder.host("http://db").proxy(url),
        PROXY_PASSWORD.value,
    ),
];

/// Prints a builder and the error of what it builds.
fn look(builder: ClientBuilder) {
    observers::debug("ClientBuilder", &builder);
    match builder.retry(RetryPolicy::none()).build() {
        Err(error) => observers::error(&error),
        Ok(client) => observers::debug("Client", &client),
    }
}

fn look_at_gemini(builder: chroma_blocking::embed::GeminiBuilder) {
    observers::debug("GeminiBuilder", &builder);
    match builder.build() {
        Err(error) => observers::error(&error),
        Ok(gemini) => observers::debug("Gemini", &gemini),
    }
}

pub fn run() {
    for (name, set, secret) in KEYS {
        for value in spoiled(secret) {
            SEARCH.case(format!("{name} is {value:?}"));
            look(set(Client::builder().host("db"), &value));
        }
    }
    for (name, set, secret) in ADDRESSES {
        for value in addresses(secret) {
            SEARCH.case(format!("{name} is {value:?}"));
            look(set(Client::builder(), &value));
        }
    }
    for value in spoiled(GEMINI_KEY.value) {
        SEARCH.case(format!("Gemini::api_key is {value:?}"));
        look_at_gemini(Gemini::builder().api_key(&value));
        SEARCH.case(format!("Gemini::api_key_env_var is {value:?}"));
        look_at_gemini(Gemini::builder().api_key_env_var(&value));
    }
    for value in addresses(URL_PASSWORD.value) {
        SEARCH.case(format!("Gemini::base_url is {value:?}"));
        look_at_gemini(Gemini::builder().api_key(GEMINI_KEY.value).base_url(&value));
    }
    constructors();
}

/// The constructors without a builder.
fn constructors() {
    SEARCH.case("constructors");
    let bad = [
        Client::new(format!("http://vogel:{}@db", URL_PASSWORD.value)),
        Client::cloud(format!("{}\n", API_KEY.value)),
    ];
    for error in bad.into_iter().map(Result::unwrap_err) {
        let text: &Error = &error;
        observers::error(text);
    }
}
