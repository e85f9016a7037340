//! Programs with secrets in their environment, and a local server. Tests share the environment of their
//! process, so each is a child process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

#[cfg(feature = "onnx")]
use chroma_blocking::embed::Onnx;
use chroma_blocking::{Client, ClientBuilder, Error, Gemini, LocalServer, Result};
use serde_json::json;

use crate::hostile::{self, Echo, Hostile, Shape};
use crate::observers;
use crate::search::SEARCH;
#[cfg(feature = "onnx")]
use crate::secrets::URL_PASSWORD;
use crate::secrets::{
    ENV_API_KEY, ENV_GEMINI_KEY, ENV_PROXY_PASSWORD, Form, OTHER_VARIABLE, REFUSED, Secret,
};
use crate::support::folder::Folder;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{self, operations};

/// The variables that may hold a secret.
const VARIABLES: [&str; 9] = [
    "CHROMA_API_KEY",
    "CHROMA_HOST",
    "CHROMA_ENDPOINT",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
];

/// The children print what the crate prints; every line is a place.
pub fn run(folder: &Folder) {
    keys_in_variables(folder);
    refused_variables();
    stored_settings();
    local_server(folder);
}

/// Starts the child process for a scenario, without variables that hold secrets.
fn child(scenario: &str) -> Command {
    let mut command = support::child("programs::child_process");
    for name in VARIABLES {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
        .env_remove("REQUEST_METHOD")
        .env("SCENARIO", scenario);
    command
}

/// Searches what a child process prints.
fn look(command: &mut Command, what: &str) -> String {
    SEARCH.case(what);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("1 passed"), "{what}: {text}");
    for line in output.stdout.split(|byte| *byte == b'\n') {
        SEARCH.look("standard output of a program", line);
    }
    for line in output.stderr.split(|byte| *byte == b'\n') {
        SEARCH.look("standard error of a program", line);
    }
    text
}

/// Keys and passwords from the environment are sent, and repeated by the proxy and by Google.
fn keys_in_variables(folder: &Folder) {
    let [proxy, google] = [Hostile::start(), Hostile::start()];
    let address = proxy.server.url().replace("http://", "");
    let (user, password) = (ENV_PROXY_PASSWORD.user.unwrap(), ENV_PROXY_PASSWORD.value);
    let url = format!("http://{user}:{password}@{address}");
    for (status, shape, form) in [
        (407, Shape::Message, Form::Raw),
        (401, Shape::Page, Form::Percent),
        (400, Shape::Google, Form::Base64),
        (403, Shape::Plain, Form::Raw),
    ] {
        let echo = |secrets: &[Secret]| Echo {
            status,
            shape,
            form,
            secrets: secrets.to_vec(),
            before: 0,
        };
        proxy.answer(Some(echo(&[ENV_API_KEY, ENV_PROXY_PASSWORD])));
        // Gemini retries after a failure of the server.
        google.answer(Some(Echo {
            status: 400,
            ..echo(&[ENV_GEMINI_KEY])
        }));
        look(
            child("calls")
                .env("CHROMA_HOST", "http://db.example.invalid:8000")
                .env("CHROMA_API_KEY", ENV_API_KEY.value)
                .env("GOOGLE_API_KEY", ENV_GEMINI_KEY.value)
                .env("GOOGLE_GEMINI_BASE_URL", google.server.url())
                .env("HTTP_PROXY", &url)
                .env("HTTPS_PROXY", &url),
            &format!("keys in variables: {status} {shape:?} {form:?}"),
        );
        // The download of a model.
        proxy.answer(Some(echo(&[ENV_PROXY_PASSWORD])));
        look(
            child("download")
                .env("HOME", folder.make("home"))
                .env("HTTP_PROXY", &url),
            &format!("download: {status} {shape:?} {form:?}"),
        );
    }
    #[cfg(feature = "onnx")]
    assert_eq!(proxy.server.requests_to("/onnx.tar.gz").len(), 4);
    let sent = format!(
        "{:?} {:?}",
        proxy.server.requests(),
        google.server.requests()
    );
    let login = &ENV_PROXY_PASSWORD.written(Form::Base64)[1];
    assert!(
        [ENV_API_KEY.value, ENV_GEMINI_KEY.value, login]
            .iter()
            .all(|text| sent.contains(*text))
    );
}

/// Values that no variable may have, in all variables and in each alone.
fn refused_variables() {
    let google = StandIn::start(|_| Answer::new(400, r#"{"error":{"message":"no"}}"#));
    let secret = REFUSED.value;
    let form = |form: &str| form.replace("{}", secret).into_bytes();
    let quoted = form("\"http://vogel:{}@127.0.0.1:1\"");
    let unicode = [&form("http://vogel:{}@127.0.0.1:1/")[..], b"\xff"].concat();
    let address = form("ftp://vogel:a?{}@127.0.0.1:1");
    let invisible = form("http://vogel:{}@127.0.0.1:1\u{200b}");
    for value in [&quoted, &unicode, &address, &invisible] {
        let shown = String::from_utf8_lossy(value).into_owned();
        let value = OsStr::from_bytes(value);
        look(
            child("calls").envs(VARIABLES.map(|name| (name, value))),
            &format!("refused: {shown}"),
        );
    }
    for name in VARIABLES {
        // As a key, an address would be sent to Chroma Cloud.
        let is_key = name == "CHROMA_API_KEY";
        for value in [&unicode, &address]
            .into_iter()
            .take(if is_key { 1 } else { 2 })
        {
            let mut command = child("calls");
            // The other requests stay on this machine.
            command.env("CHROMA_HOST", google.url());
            command.env("GOOGLE_GEMINI_BASE_URL", google.url());
            command.env(name, OsStr::from_bytes(value));
            look(&mut command, &format!("{name} is refused"));
        }
    }
}

/// A stored collection names a variable that belongs to something else.
fn stored_settings() {
    let google = StandIn::start(|_| Answer::new(400, r#"{"error":{"message":"no"}}"#));
    let config = json!({ "model_name": "gemini-embedding-001", "task_type": "RETRIEVAL_DOCUMENT",
        "dimension": 128, "api_key_env_var": OTHER_VARIABLE.name });
    let function = json!({ "type": "known", "name": "google_gemini", "config": config });
    let chroma = StandIn::start(move |request| {
        if request.path.ends_with("/abc") {
            let mut stored = operations::good("GET_COLLECTION", "abc", true);
            stored["configuration_json"] = json!({ "embedding_function": function });
            return Answer::ok(stored.to_string());
        }
        hostile::well(request)
    });
    for end in ["", "\u{200b}"] {
        look(
            child("calls")
                .env("CHROMA_HOST", chroma.url())
                .env("GOOGLE_GEMINI_BASE_URL", google.url())
                .env(
                    OTHER_VARIABLE.name,
                    format!("{}{end}", OTHER_VARIABLE.value),
                ),
            "stored settings",
        );
    }
    let sent = format!("{:?}", google.requests());
    SEARCH.look("request of stored settings", sent);
}

/// A local server gets no secret in its arguments, its environment or its files.
fn local_server(folder: &Folder) {
    // It writes what it got into its log, which the error quotes, and into a file.
    let script = "#!/bin/sh\n(cat /proc/$PPID/cmdline; tr '\\0' '\\n' </proc/self/environ; /usr/bin/env) \
                  >\"$0.seen\" 2>&1\ncat \"$0.seen\" >&2\nexit 3\n";
    let chroma = folder.script("chroma", script);
    let mut command = child("local");
    command
        .env("CHROMA_BIN", &chroma)
        .env("TMPDIR", folder.make("tmp"));
    for (name, secret) in [
        ("CHROMA_API_KEY", ENV_API_KEY),
        ("GOOGLE_API_KEY", ENV_GEMINI_KEY),
        ("HTTPS_PROXY", ENV_PROXY_PASSWORD),
        (OTHER_VARIABLE.name, OTHER_VARIABLE),
        ("PYTHON_KEYRING", REFUSED),
    ] {
        command.env(name, secret.value);
    }
    let printed = look(&mut command, "local server");
    assert!(
        printed.contains("RUST_LOG="),
        "the error does not quote the log: {printed}"
    );
    assert!(
        fs::read_to_string(folder.path("chroma.seen"))
            .unwrap()
            .contains("PATH=")
    );
}

/// The program of the children.
#[test]
#[ignore = "started by canary_no_secret_is_in_any_output"]
fn child_process() {
    observers::install();
    match std::env::var("SCENARIO").as_deref() {
        #[cfg(feature = "onnx")]
        Ok("download") => {
            let mirror = format!("http://vogel:{}@mirror.example.invalid", URL_PASSWORD.value);
            for url in [&mirror, "http://mirror.example.invalid/onnx.tar.gz"] {
                let download = Onnx::download().url(url);
                println!("{download:?}");
                print(download.run().map(drop));
            }
            print(Onnx::mini_lm().map(drop));
            print(Onnx::mini_lm_from(REFUSED.name).map(drop));
        }
        Ok("local") => print(LocalServer::builder().start().map(drop)),
        Ok("calls") => {
            print(Client::from_env().and_then(|client| {
                println!("{client:?}");
                client.version().map(drop)?;
                client
                    .collection("abc")
                    .get()?
                    .query("a text")
                    .run()
                    .map(drop)
            }));
            print(ClientBuilder::from_env().map(|builder| println!("{builder:?}")));
            print(Client::cloud_from_env().map(drop));
            print(Gemini::from_env().and_then(|gemini| {
                println!("{gemini:?}");
                gemini.embed_query("a text").map(drop)
            }));
        }
        _ => {}
    }
    // The findings in the logs and metrics of this process.
    for found in SEARCH.found() {
        println!("{found:?}");
    }
}

fn print(result: Result<()>) {
    if let Err(error) = result {
        let error: &Error = &error;
        observers::error(error);
        println!("{error}\n{error:#}\n{error:?}");
    }
}
