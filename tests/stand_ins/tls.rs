//! https with a private certificate authority. The certificates in `tests/data/tls` are for these tests only.
//! The server is Python's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use chroma_blocking::{Client, Error, RetryPolicy};

pub const AUTHORITY: &str = include_str!("../data/tls/authority.pem");
pub const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/server.pem");

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
        Server::running(PROGRAM, SERVER)
    }

    /// Returns a server with the key and the certificate in a file.
    fn with_certificate(file: &str) -> (Server, String) {
        Server::running(PROGRAM, file)
    }

    /// Returns a server that runs this program, and its address. The program is passed the file with its key
    /// and its certificate, and prints its port.
    pub fn running(program: &str, certificate: &str) -> (Server, String) {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let child = Command::new(python)
            .args(["-c", program, certificate])
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

/// Connects to a server with a certificate, whose only authority is the one in `pem`.
fn heartbeat(server: &str, pem: &str) -> Result<u128, Error> {
    let (_server, url) = Server::with_certificate(server);
    let client = Client::builder().host(url).retry(RetryPolicy::none());
    client.ca_certificates(pem).build().unwrap().heartbeat()
}

#[test]
fn secure_15_each_reason_to_refuse_a_certificate_has_a_hint_that_helps() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/refused");
    for (name, authority, hint) in [
        (
            "ca_as_server",
            None,
            "certificate of an authority (CA:TRUE)",
        ),
        ("v1", None, "version 1, which cannot name a server"),
        (
            "other_name",
            None,
            "connect by a name that the certificate lists",
        ),
        ("expired", None, "renew the server's certificate"),
        ("client_only", None, "extendedKeyUsage is serverAuth"),
        ("self_signed", Some("same_name"), "another key"),
        ("self_signed", Some("other_name"), "another key"),
        (
            "self_signed",
            Some("../authority"),
            "its authority to ca_certificates",
        ),
    ] {
        let file = format!("{folder}/{name}.pem");
        let authority = authority.unwrap_or(name);
        let pem = std::fs::read_to_string(format!("{folder}/{authority}.pem")).unwrap();
        let error = heartbeat(&file, &pem).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(hint), "{name}, {authority}: {error:#}");
        assert!(!error.is_retryable() && !error.call().unwrap().may_have_acted);
    }
    let file = format!("{folder}/self_signed.pem");
    let pem = std::fs::read_to_string(&file).unwrap();
    assert_eq!(heartbeat(&file, &pem).unwrap(), 7);
}

/// Runs the command in the hint, and uses what it makes. Needs `openssl`.
#[test]
#[cfg(unix)]
fn secure_15_the_command_in_the_hint_makes_a_certificate_that_is_accepted() {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/refused");
    let file = format!("{folder}/ca_as_server.pem");
    let pem = std::fs::read_to_string(&file).unwrap();
    let shown = heartbeat(&file, &pem).unwrap_err().to_string();
    let (_, rest) = shown.split_once("for this server: ").unwrap();
    let (command, _) = rest.split_once("; then").unwrap();
    let made = crate::support::folder::Folder::new();
    let status = Command::new("sh")
        .args(["-c", command])
        .current_dir(&made.0)
        .output()
        .unwrap();
    assert!(status.status.success(), "{command}: {status:?}");
    let read = |name| std::fs::read_to_string(made.path(name)).unwrap();
    let (key, certificate) = (read("key.pem"), read("cert.pem"));
    let both = made.path("both.pem");
    std::fs::write(&both, format!("{key}{certificate}")).unwrap();
    assert_eq!(heartbeat(both.to_str().unwrap(), &certificate).unwrap(), 7);
}
