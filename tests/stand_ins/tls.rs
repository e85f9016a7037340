//! https with a private certificate authority. The certificates in `tests/data/tls` are for these tests only.
//! The server is Python's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use chroma_blocking::{Client, Error, RetryPolicy};

pub const AUTHORITY: &str = include_str!("../data/tls/authority.pem");
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/server.pem");

/// Prints its port. Answers the first GET of each connection with a heartbeat. Reads the second one, and
/// closes the connection with a TLS `close_notify`.
const PROGRAM: &str = r#"
import http.server, ssl, sys
class Heart(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served = False
    def do_GET(self):
        if self.served:
            self.close_connection = True
            self.connection.settimeout(1)
            try:
                self.connection.unwrap()
            except OSError:
                pass
            return
        self.served = True
        body = b'{"nanosecond heartbeat":7}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Heart)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// The server, killed when dropped.
pub struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Returns the server and its address.
    pub fn start() -> (Server, String) {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let child = Command::new(python)
            .args(["-c", PROGRAM, SERVER])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Server(child.unwrap());
        let mut port = String::new();
        let stdout = server.0.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut port).unwrap();
        (server, format!("https://localhost:{}", port.trim()))
    }
}

#[test]
fn only_certificates_of_a_trusted_authority_are_accepted() {
    let (_server, url) = Server::start();
    let builder = || Client::builder().host(&url).retry(RetryPolicy::none());

    let trusting = builder().ca_certificates(AUTHORITY).build().unwrap();
    for _ in 0..5 {
        assert_eq!(
            trusting.heartbeat().unwrap(),
            7,
            "whether it is kept or not"
        );
    }

    let wary = builder().build().unwrap();
    let error = wary.heartbeat().unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("certificate") && text.contains("ca_certificates"),
        "{text}"
    );
    assert!(!error.call().unwrap().may_have_acted, "nothing was sent");
}

#[test]
fn field_27_failures_of_tls_that_last_are_not_retried() {
    let (_server, url) = Server::start();
    // A server without TLS responds at once, since it does not understand the first bytes.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    for (host, hint) in [
        (url, "ca_certificates"),
        (format!("https://{plain}"), "use an address with http"),
    ] {
        let patient = RetryPolicy::default().base_delay(Duration::from_secs(3600));
        let client = Client::builder().host(&host).retry(patient);
        let client = client.build().unwrap();
        for error in [
            client.heartbeat().map(drop).unwrap_err(),
            client.create_tenant("tenant").unwrap_err(),
        ] {
            let call = error.call().unwrap();
            assert_eq!(
                (call.attempts, call.may_have_acted),
                (1, false),
                "{error:#}"
            );
            assert!(
                !error.is_retryable() && error.to_string().contains(hint),
                "{error:#}"
            );
        }
    }
}
