//! Requests through proxies. The proxies are stand-ins on loopback, and answer in place of servers whose names
//! lead nowhere.

use std::sync::Mutex;
use std::time::Duration;

use chroma_blocking::{Client, Error, Record, RetryPolicy};

use crate::support;
use crate::support::stand_in::{Answer, Request, StandIn, lock};
use crate::support::*;

/// Some systems look for a name that leads nowhere for half a minute.
const SHORT: Duration = Duration::from_millis(300);
const SERVER: &str = "http://db.example.invalid:8000";

/// Starts a proxy that answers in place of the server, as one that forwards requests.
fn forwarding() -> StandIn {
    StandIn::start(|request| match request.path.strip_prefix(SERVER) {
        Some("/api/v2/heartbeat") => Answer::ok(r#"{"nanosecond heartbeat":7}"#),
        Some("/api/v2/pre-flight-checks") => Answer::ok(LIMITS),
        Some(path) if path.ends_with("/collections/abc") => Answer::ok(COLLECTION),
        Some(path) if path.ends_with("/count") => Answer::ok("2"),
        Some(_) => Answer::ok("{}"),
        None => Answer::new(400, "a proxy expects whole URLs"),
    })
}

/// Returns the error of a heartbeat through a proxy that is set in code.
fn refused(server: &str, proxy: &str) -> Error {
    let client = Client::builder().host(server).proxy(proxy).retry(fast());
    client.build().unwrap().heartbeat().unwrap_err()
}

#[test]
fn field_07_requests_to_an_http_server_reach_the_proxy_with_the_whole_url() {
    let proxy = forwarding();
    let with_login = proxy.url().replace("http://", "http://user:p%40ss@");
    let client = builder(SERVER)
        .api_key("the-key")
        .proxy(with_login)
        .build()
        .unwrap();
    assert_eq!(client.heartbeat().unwrap(), 7);
    let abc = client.collection("abc").get().unwrap();
    // Larger than all buffers on the way.
    let large = |id: &str, x| Record::new(id).embedding(vec![x; 300_000]);
    abc.upsert([large("1", 0.5), large("2", 0.25)]).unwrap();
    assert_eq!(abc.count().unwrap(), 2);

    let requests = proxy.requests();
    for Request { path, .. } in &requests {
        assert!(
            path.starts_with("http://db.example.invalid:8000/api/v2/"),
            "{path}"
        );
    }
    for request in &requests {
        assert_eq!(request.header("host"), Some("db.example.invalid:8000"));
        assert_eq!(request.header("x-chroma-token"), Some("the-key"));
        // Squid would otherwise keep the responses to GET.
        assert_eq!(request.header("cache-control"), Some("no-cache, no-store"));
        // RFC 7617: the characters of "user:p@ss" in Base64.
        assert_eq!(
            request.header("proxy-authorization"),
            Some("Basic dXNlcjpwQHNz")
        );
    }
    let upsert = requests
        .iter()
        .find(|request| request.path.ends_with("/upsert"))
        .unwrap();
    assert!(upsert.body.starts_with(b"{") && upsert.body.ends_with(b"}"));
    assert!(upsert.body.len() > 1 << 20);
    assert_eq!(
        client.metrics().pool.opened,
        1,
        "the connection to the proxy is kept"
    );
}

#[test]
fn field_07_the_request_for_the_proxy_has_the_path_of_a_gateway_and_the_query() {
    let proxy = StandIn::start(|_| Answer::ok("[]"));
    let client = builder("http://gw.example.invalid/chroma").proxy(proxy.url());
    client
        .build()
        .unwrap()
        .list_collections()
        .limit(3)
        .run()
        .unwrap();
    let path = &proxy.requests()[0].path;
    let start = "http://gw.example.invalid/chroma/api/v2/tenants/default_tenant/";
    assert!(
        path.starts_with(start) && path.contains("limit=3"),
        "{path}"
    );
}

#[test]
fn field_07_a_kept_connection_that_the_proxy_closed_is_replaced() {
    let proxy = StandIn::start(|_| Answer::ok(r#"{"nanosecond heartbeat":7}"#).then_close());
    let client = builder(SERVER)
        .proxy(proxy.url())
        .retry(RetryPolicy::none());
    let client = client.build().unwrap();
    for _ in 0..3 {
        assert_eq!(client.heartbeat().unwrap(), 7);
    }
    for request in proxy.requests() {
        assert_eq!(request.path, format!("{SERVER}/api/v2/heartbeat"));
    }
}

#[test]
fn field_07_a_proxy_that_is_down_is_named_without_its_password() {
    let (_reserved, address) = closed_port();
    let error = refused(SERVER, &format!("http://user:s3cret-pw@{address}"));
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    let shown = format!("{error:#} {error:?}");
    let name = format!("cannot connect to the proxy http://{address} (from ClientBuilder::proxy)");
    assert!(
        shown.contains(&name) && shown.contains(".proxy(...)"),
        "{shown}"
    );
    assert!(
        !shown.contains("s3cret") && !shown.contains("start a server"),
        "{shown}"
    );
}

#[test]
fn field_07_a_proxy_whose_name_leads_nowhere_is_named() {
    let client = Client::builder()
        .host(SERVER)
        .proxy("proxy.example.invalid:3128")
        .connection_timeout(SHORT)
        .retry(RetryPolicy::none());
    let shown = client.build().unwrap().heartbeat().unwrap_err().to_string();
    let name = "the proxy http://proxy.example.invalid:3128 (from ClientBuilder::proxy)";
    assert!(shown.contains(name), "{shown}");
}

#[test]
fn field_07_a_proxy_that_hangs_is_named() {
    let proxy = StandIn::start(|_| Answer::hang());
    let client = Client::builder()
        .host("https://db.example.invalid")
        .proxy(proxy.url())
        .connection_timeout(SHORT)
        .retry(RetryPolicy::none());
    if cfg!(feature = "tls") {
        let error = client.build().unwrap().heartbeat().unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(error.to_string().contains(&proxy.url()), "{error}");
        assert!(!error.call().unwrap().may_have_acted);
    }
}

#[test]
fn field_07_a_page_in_place_of_a_response_names_the_proxy() {
    // The login page of a network, and the redirect to it.
    for answer in [
        Answer::html(200),
        Answer::new(302, "").header("location", "http://login.example.com/"),
    ] {
        let proxy = StandIn::start(move |_| answer.clone());
        let shown = refused(SERVER, &proxy.url()).to_string();
        let name = format!("from the proxy {} (from ClientBuilder::proxy)", proxy.url());
        assert!(shown.contains(&name), "{shown}");
    }
    let proxy = StandIn::start(|_| Answer::ok("{}"));
    let shown = refused(SERVER, &proxy.url()).to_string();
    assert!(
        !shown.contains("proxy"),
        "JSON comes from the server: {shown}"
    );
}

#[test]
fn field_07_a_proxy_may_speak_http_1_0() {
    let body = r#"{"nanosecond heartbeat":7}"#;
    let proxy = StandIn::start(move |_| Answer::raw(format!("HTTP/1.0 200 OK\r\n\r\n{body}")));
    let client = builder(SERVER).proxy(proxy.url()).build().unwrap();
    for _ in 0..2 {
        assert_eq!(client.heartbeat().unwrap(), 7);
    }
}

#[test]
fn field_09_the_login_of_a_proxy_is_hidden_in_what_the_proxy_repeats() {
    let repeating = |request: &Request| {
        let sent = request.header("proxy-authorization").unwrap_or_default();
        Answer::new(403, format!("no: {sent} s3cret-pw"))
    };
    let proxy = StandIn::start(repeating);
    let with_login = proxy.url().replace("http://", "http://user:s3cret-pw@");
    let error = refused(SERVER, &with_login);
    let shown = format!("{error:#} {error:?}");
    assert!(shown.contains("<hidden>"), "{shown}");
    assert!(
        !shown.contains("s3cret") && !shown.contains("dXNlcjp"),
        "{shown}"
    );
    let client = builder(SERVER).proxy(with_login);
    let shown = format!("{client:?} {:?}", client.clone().build().unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn field_07_a_refusal_that_the_proxy_may_have_made_names_it() {
    for (status, words) in [
        (407, "set it as .proxy(\"http://user:password@127.0.0.1"),
        (403, "this may come from the proxy http://127.0.0.1"),
        (404, "this may come from the proxy http://127.0.0.1"),
        (502, "this may come from the proxy http://127.0.0.1"),
        (503, "this may come from the proxy http://127.0.0.1"),
    ] {
        let proxy = StandIn::start(move |_| Answer::html(status));
        let error = refused(SERVER, &proxy.url());
        assert!(error.to_string().contains(words), "{error}");
        // The key of the server is not at fault.
        assert!(!matches!(error, Error::Unauthorized { .. }), "{error}");
        let tries = if status > 500 { 3 } else { 1 };
        assert_eq!(proxy.requests().len(), tries, "{status}");
    }
    // An error of Chroma is one of the server, not of the proxy.
    let proxy = StandIn::start(|_| chroma_error(403));
    let error = refused(SERVER, &proxy.url());
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    assert!(!error.to_string().contains("proxy"), "{error}");
}

#[test]
#[cfg(feature = "tls")]
fn field_07_a_tunnel_that_the_proxy_refuses_names_it_and_what_must_be_allowed() {
    for (status, words, tries) in [
        (407, "set it as .proxy(\"http://user:password@127.0.0.1", 1),
        (403, "acl SSL_ports port 8443", 1),
        (502, "that the proxy can reach it", 3),
    ] {
        let proxy = StandIn::start(move |_| Answer::new(status, "no tunnels here"));
        let error = refused("https://db.example.invalid:8443", &proxy.url());
        let shown = error.to_string();
        assert!(shown.contains(&format!("HTTP {status}")), "{shown}");
        assert_eq!(error.is_retryable(), tries > 1, "{shown}");
        let name = format!("the proxy {} (from ClientBuilder::proxy)", proxy.url());
        assert!(shown.contains(&name) && shown.contains(words), "{shown}");
        assert!(shown.contains("db.example.invalid:8443"), "{shown}");
        assert!(!error.call().unwrap().may_have_acted, "nothing was sent");
        let asked = proxy.requests();
        assert_eq!(asked.len(), tries, "{status}");
        assert_eq!(
            (asked[0].method.as_str(), asked[0].path.as_str()),
            ("CONNECT", "db.example.invalid:8443")
        );
    }
}

#[test]
#[cfg(feature = "tls")]
fn field_07_a_server_that_is_no_proxy_is_named() {
    for answer in ["SSH-2.0-OpenSSH_9.6\r\n\r\n", "", "HTTP/1.1 2"] {
        let proxy = StandIn::start(move |_| Answer::raw(answer));
        let error = refused("https://db.example.invalid", &proxy.url());
        assert!(matches!(error, Error::Connection { .. }), "{error}");
        let name = format!("cannot connect to the proxy {}", proxy.url());
        assert!(error.to_string().contains(&name), "{error}");
    }
}

#[cfg(feature = "tls")]
mod tunnel {
    use std::io::{self, Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use crate::tls::{AUTHORITY, Server};

    /// Starts a proxy that opens tunnels. The thread ends after `tunnels` of them, and returns the heads of their requests.
    fn proxy(tunnels: usize) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pipe = |mut from: TcpStream, mut to: TcpStream| {
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            })
        };
        let thread = thread::spawn(move || {
            let mut targets = Vec::new();
            for _ in 0..tunnels {
                let (mut client, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    client.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap().to_owned();
                let server = TcpStream::connect(&target).unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                pipe(client.try_clone().unwrap(), server.try_clone().unwrap());
                pipe(server, client);
                targets.push(head);
            }
            targets
        });
        (url, thread)
    }

    #[test]
    fn field_07_an_https_server_is_reached_through_a_tunnel() {
        let (_server, url) = Server::start();
        let (proxy, tunnels) = proxy(1);
        let with_login = proxy.replace("http://", "http://user:p%40ss@");
        let client = builder(&url).proxy(with_login).ca_certificates(AUTHORITY);
        assert_eq!(client.build().unwrap().heartbeat().unwrap(), 7);
        let head = &tunnels.join().unwrap()[0];
        let target = url.replace("https://", "");
        assert!(
            head.starts_with(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n")),
            "{head}"
        );
        assert!(
            head.contains("\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n"),
            "{head}"
        );
    }

    #[test]
    fn field_07_a_proxy_may_be_reached_by_tls() {
        let (_server, url) = Server::start();
        let client = builder(SERVER).proxy(&url).ca_certificates(AUTHORITY);
        let client = client.build().unwrap();
        for _ in 0..3 {
            assert_eq!(client.heartbeat().unwrap(), 7);
        }
        let shown = refused(SERVER, &url).to_string();
        let name = format!("through the proxy {url} (from ClientBuilder::proxy); if you trust");
        assert!(shown.contains(&name), "{shown}");
        let shown = refused(SERVER, &url.replace("https", "http")).to_string();
        assert!(shown.contains("the proxy http://localhost"), "{shown}");
    }

    #[test]
    fn field_07_a_certificate_that_is_refused_behind_a_proxy_comes_with_the_usual_advice() {
        let (_server, url) = Server::start();
        let (proxy, _) = proxy(9);
        let shown = refused(&url, &proxy).to_string();
        assert!(
            shown.contains("through the proxy") && shown.contains("ca_certificates"),
            "{shown}"
        );
    }
}

#[test]
fn proxies_of_other_kinds_are_refused() {
    for kind in ["socks4", "socks4a", "socks5", "socks5h", "ftp", "tcp"] {
        let refused = Client::builder()
            .host(SERVER)
            .proxy(format!("{kind}://u:s3cret@127.0.0.1:1"));
        let words = refused.build().unwrap_err().to_string();
        assert!(
            words.contains("proxy is \"<hidden>\"") && words.contains(kind),
            "{words}"
        );
        assert!(!words.contains("s3cret"), "{words}");
    }
}

/// Marks a server that no proxy answers for.
const NOWHERE: &str = "nowhere:";

/// Returns what a child process prints that calls the servers in `hosts` with these variables. Tests share the
/// environment of their process.
fn child(hosts: &[&str], variables: &[(&str, &str)]) -> String {
    let output = support::child("proxies::child_process")
        .env("PROXIED_HOSTS", hosts.join(","))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "started by other tests"]
fn child_process() {
    let hosts = std::env::var("PROXIED_HOSTS").unwrap();
    let results: Vec<_> = hosts
        .split(',')
        .map(|host| {
            let mut client = Client::builder().retry(RetryPolicy::none());
            if let Some(host) = host.strip_prefix(NOWHERE) {
                client = client.host(host).connection_timeout(SHORT);
            } else {
                client = client.host(host);
            }
            client.build().and_then(|client| client.heartbeat())
        })
        .collect();
    for result in results {
        match result {
            Ok(time) => println!("responded {time}"),
            Err(error) => println!("{error:#}"),
        }
    }
}

#[test]
fn field_07_the_environment_decides_by_scheme_host_and_port() {
    let proxy = forwarding();
    let (url, other) = (proxy.url(), "nowhere:http://other.internal.invalid");
    // As in the field: a proxy for https only does not concern an http server.
    let shown = child(&[&format!("{NOWHERE}{SERVER}")], &[("HTTPS_PROXY", &url)]);
    assert!(!shown.contains("proxy http"), "{shown}");
    assert_eq!(proxy.requests().len(), 0);

    let hosts = [SERVER, other, "http://10.9.8.7.example.invalid"];
    let exceptions = "10.0.0.0/8,internal.invalid,db.example.invalid:9000";
    let shown = child(&hosts, &[("HTTP_PROXY", &url), ("NO_PROXY", exceptions)]);
    assert!(shown.contains("responded 7"), "{shown}");
    let paths: Vec<_> = proxy
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(
        paths,
        [
            format!("{SERVER}/api/v2/heartbeat"),
            "http://10.9.8.7.example.invalid/api/v2/heartbeat".to_owned()
        ]
    );
}

#[test]
fn field_07_the_variable_of_a_proxy_that_is_down_is_named() {
    let (_reserved, address) = closed_port();
    let proxy = format!("http://user:s3cret-pw@{address}");
    let shown = child(&[SERVER], &[("http_proxy", &proxy)]);
    let name = format!(
        "cannot connect to the proxy http://{address} (from http_proxy); check http_proxy, or list"
    );
    assert!(
        shown.contains(&name) && shown.contains("NO_PROXY"),
        "{shown}"
    );
    assert!(
        !shown.contains("s3cret") && !shown.contains("start a server"),
        "{shown}"
    );
}

#[test]
fn field_07_a_server_on_this_machine_is_reached_whatever_the_proxy_variables_say() {
    let server = chroma(LIMITS, |_| Answer::ok("0"));
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    let (a, b) = (format!("0.0.0.0:{port}"), format!("LOCALHOST:{port}"));
    let shown = child(
        &[&a, &b],
        &[
            ("HTTP_PROXY", "\"http://u:s3cret@p\""),
            ("ALL_PROXY", "socks5://p"),
        ],
    );
    assert_eq!(shown.matches("responded").count(), 2, "{shown}");
}

#[test]
fn field_07_replicas_with_different_hosts_have_different_proxies() {
    let seen = std::sync::Arc::new(Mutex::new(0));
    let count = seen.clone();
    let proxy = StandIn::start(move |_| {
        *lock(&count) += 1;
        Answer::new(503, "down")
    });
    let server = chroma(LIMITS, |_| Answer::ok("0"));
    let hosts = format!("{SERVER} {}", server.url());
    let output = support::child("proxies::child_with_replica")
        .env("PROXIED_HOSTS", hosts)
        .env("ALL_PROXY", proxy.url())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("responded"), "{shown}");
    assert_eq!(*lock(&seen), 1, "the primary is tried through the proxy");
}

#[test]
#[ignore = "started by another test"]
fn child_with_replica() {
    let hosts = std::env::var("PROXIED_HOSTS").unwrap();
    let (primary, replica) = hosts.split_once(' ').unwrap();
    let client = builder(primary).replicas([replica]).build().unwrap();
    println!("responded {}", client.heartbeat().unwrap());
}
