//! Proxies that repeat their passwords and the keys of the servers after them.

use std::time::Duration;

use chroma_blocking::{Client, RetryPolicy};

use crate::hostile::{Echo, Hostile, Shape};
use crate::search::SEARCH;
use crate::secrets::{API_KEY, Form, PROXY_PASSWORD};
use crate::servers::{STATUSES, metrics_of};
use crate::support::closed_port;
use crate::{is_full, observers};

/// Returns a client with a proxy at this address (`host:port`).
fn client(server: &str, proxy: &str) -> Client {
    let user = PROXY_PASSWORD.user.unwrap();
    let password = Form::PercentAll.write(PROXY_PASSWORD.value);
    let builder = Client::builder()
        .host(server)
        .api_key(API_KEY.value)
        .proxy(format!("http://{user}:{password}@{proxy}"))
        .retry(RetryPolicy::none())
        .request_timeout(Duration::from_secs(30));
    observers::debug("ClientBuilder", &builder);
    let client = builder.build().unwrap();
    observers::debug("Client", &client);
    client
}

/// An `http` server is reached by a forwarded request, an `https` server by a tunnel.
const SERVERS: [&str; 2] = [
    "http://db.example.invalid:8000",
    "https://db.example.invalid",
];

pub fn run() {
    let proxy = Hostile::start();
    let address = proxy.server.url().replace("http://", "");
    for server in SERVERS {
        let client = client(server, &address);
        for number in 0..if is_full() { 24 * 16 * 12 } else { 72 } {
            let (status, shape) = (STATUSES[number % 24], Shape::ALL[number * 5 % 16]);
            let form = Form::ALL[(number + number / 24) % 12];
            SEARCH.case(format!("{server}: {status} {shape:?} {form:?}"));
            proxy.answer(Some(Echo {
                status,
                shape,
                form,
                secrets: vec![PROXY_PASSWORD, API_KEY],
                before: 0,
            }));
            if let Err(error) = client.version() {
                observers::error(&error);
            }
        }
        metrics_of(&client);
        let (_reserved, closed) = closed_port();
        let client = self::client(server, &closed.to_string());
        observers::error(&client.version().unwrap_err());
    }
    let login = PROXY_PASSWORD.written(Form::Base64).remove(1);
    let is_sent = |method: &str| {
        let mut requests = proxy.server.requests().into_iter();
        requests.any(|request| {
            let sent = request.header("proxy-authorization");
            request.method == method && sent == Some(&format!("Basic {login}"))
        })
    };
    assert!(is_sent("GET") && is_sent("CONNECT"));
}
