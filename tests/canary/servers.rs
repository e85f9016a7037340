//! Chroma servers that repeat the secrets of a client.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use chroma_blocking::{Client, ClientBuilder, Collection, Hashing, RetryPolicy};

use crate::hostile::{self, Echo, Hostile, Shape};
use crate::search::SEARCH;
use crate::secrets::{API_KEY, BEARER, Form, HEADER, PASSWORD, PLAIN_KEY, SHORT_KEY, Secret};
use crate::support::folder::Folder;
use crate::support::operations;
use crate::support::stand_in::{Answer, StandIn};
use crate::{calls, files, is_full, observers};

/// Successes that cannot be read, redirects, refusals and failures.
pub const STATUSES: [u16; 24] = [
    200, 201, 301, 302, 307, 400, 401, 403, 404, 405, 407, 408, 409, 412, 413, 418, 422, 429, 500,
    501, 502, 503, 504, 599,
];

/// A client and the secrets that it sends.
pub struct Sender {
    pub secrets: Vec<Secret>,
    pub builder: ClientBuilder,
}

/// Returns the builders that together set every kind of credential.
pub fn senders(url: &str) -> Vec<Sender> {
    let new = || {
        Client::builder()
            .host(url)
            .retry(RetryPolicy::none())
            .request_timeout(Duration::from_secs(30))
    };
    let tokens = new()
        .api_key(API_KEY.value)
        .bearer_token(BEARER.value)
        .header("x-signature", HEADER.value);
    let user = PASSWORD.user.unwrap();
    vec![
        Sender {
            secrets: vec![API_KEY, BEARER, HEADER],
            builder: tokens,
        },
        Sender {
            secrets: vec![PASSWORD],
            builder: new().basic_auth(user, PASSWORD.value),
        },
        Sender {
            secrets: vec![SHORT_KEY],
            builder: new().api_key(SHORT_KEY.value),
        },
    ]
}

/// Opens the collection.
pub fn open(server: &Hostile, sender: &Sender) -> Collection {
    server.answer(None);
    let builder = sender.builder.clone();
    observers::debug("ClientBuilder", &builder);
    let client = builder.build().unwrap();
    client.pre_flight_checks().unwrap();
    let abc = client
        .collection("abc")
        .embedding_function(Hashing::default());
    observers::debug("CollectionBuilder", &abc);
    let abc = abc.get().unwrap();
    observers::debug("Client", &client);
    observers::debug("Collection", &abc);
    abc
}

/// Searches the metrics of a client.
pub fn metrics_of(client: &Client) {
    observers::shown("Client::metrics()", &client.metrics());
}

/// Makes every call against every status, and some calls against every combination.
pub fn run(folder: &Path) {
    let server = Hostile::start();
    for sender in senders(&server.server.url()) {
        let abc = open(&server, &sender);
        let retrying = abc.with_retry(
            RetryPolicy::default()
                .max_retries(1)
                .base_delay(Duration::from_millis(1)),
        );
        let mut number = 0;
        for name in calls::names() {
            calls::make(name, &abc, folder);
            for _ in 0..if is_full() { STATUSES.len() } else { 2 } {
                number += 1;
                let status = STATUSES[number % STATUSES.len()];
                // No two of these lengths have a common pattern for long.
                let shape = Shape::ALL[number * 5 % Shape::ALL.len()];
                let form = Form::ALL[(number + number / 24) % Form::ALL.len()];
                let abc = if number % 8 == 0 { &retrying } else { &abc };
                repeat(&server, &sender, (status, shape, form));
                calls::make(name, abc, folder);
                server.answer(None);
            }
        }
        every_combination(&server, &sender, &abc, folder);
        broken_connections(&sender, folder);
        metrics_of(abc.client());
        assert_sent(&server, &sender);
    }
    files::look_into(folder);
}

fn every_combination(server: &Hostile, sender: &Sender, abc: &Collection, folder: &Path) {
    let statuses: &[u16] = if is_full() { &STATUSES } else { &[200, 400] };
    let is_first = sender.secrets.contains(&API_KEY);
    let mut number = 0;
    for &status in statuses {
        for shape in Shape::ALL {
            for form in Form::ALL {
                number += 1;
                // 5 has no factor in common with the number of forms.
                if !is_first && !is_full() && number % 5 != 0 {
                    continue;
                }
                repeat(server, sender, (status, shape, form));
                // A count expects no string.
                let name = if status == 200 { "COUNT" } else { "GET" };
                calls::make(name, abc, folder);
            }
        }
    }
    server.answer(None);
}

/// Servers that close, reset or stall the connection.
fn broken_connections(sender: &Sender, folder: &Path) {
    let answers = [
        Answer::close(),
        Answer::reset(),
        Answer::ok("{").announcing(9),
        Answer::ok("{}").then_reset(),
        Answer::hang(),
    ];
    for answer in answers {
        SEARCH.case(format!("{answer:?}"));
        let server = StandIn::start(move |request| {
            if request.path.ends_with("/count") {
                answer.clone()
            } else {
                hostile::well(request)
            }
        });
        let builder = sender.builder.clone().host(server.url());
        let client = builder
            .request_timeout(Duration::from_millis(200))
            .build()
            .unwrap();
        // On a busy machine, another request may take longer than that.
        match client.collection("abc").get() {
            Ok(abc) => calls::make("COUNT", &abc, folder),
            Err(error) => observers::error(&error),
        }
    }
}

/// Makes the server repeat the secrets of a client.
fn repeat(server: &Hostile, sender: &Sender, (status, shape, form): (u16, Shape, Form)) {
    let echo = Echo {
        status,
        shape,
        form,
        secrets: sender.secrets.clone(),
        before: 0,
    };
    SEARCH.case(format!("{status} {shape:?} {form:?}"));
    server.answer(Some(echo));
}

/// Checks that the server received the secrets, so that it could repeat them.
fn assert_sent(server: &Hostile, sender: &Sender) {
    let requests = server.server.requests();
    for secret in &sender.secrets {
        let written = [Form::Raw, Form::Base64].map(|form| secret.written(form));
        let is_sent = requests.iter().any(|request| {
            let holds = |value: &str| {
                written
                    .iter()
                    .flatten()
                    .any(|text| value.contains(text.as_str()))
            };
            request.headers.iter().any(|(_, value)| holds(value))
        });
        assert!(is_sent, "{}", secret.name);
    }
}

/// The places where a response, a message or a quotation is cut: 200 characters, 2,000 bytes, 64 KiB, 1 MiB.
pub fn cuts() {
    let server = Hostile::start();
    let folder = Folder::new();
    let mut number = 0;
    for sender in senders(&server.server.url()) {
        let abc = open(&server, &sender);
        for (cut, shapes, step) in CUTS {
            // A quotation of a long string ends 100 characters after its end.
            let step = if is_full() { 1 } else { *step };
            for before in (cut - 160..cut + 2).step_by(step) {
                for &shape in *shapes {
                    number += 1;
                    let form = FORMS[number % FORMS.len()];
                    let status = if number % 2 == 0 { 200 } else { 400 };
                    SEARCH.case(format!("cut at {before}: {status} {shape:?} {form:?}"));
                    server.answer(Some(Echo {
                        status,
                        shape,
                        form,
                        secrets: sender.secrets.clone(),
                        before,
                    }));
                    calls::make("COUNT", &abc, &folder.0);
                }
            }
        }
    }
}

const SHAPES: &[Shape] = &[
    Shape::Message,
    Shape::Plain,
    Shape::BadBytes,
    Shape::List,
    Shape::Field,
];
const FORMS: &[Form] = &[
    Form::Raw,
    Form::JsonUnicode,
    Form::Percent,
    Form::Base64,
    Form::Html,
];
/// The number of bytes before a cut, the shapes, and the step between two tries.
const CUTS: &[(usize, &[Shape], usize)] = &[
    (200, SHAPES, 3),
    (2_000, SHAPES, 7),
    (64 << 10, &[Shape::Message, Shape::BadBytes], 31),
    (1 << 20, &[Shape::List], 67),
];

/// Valid responses with secrets in their fields. The fields are returned as they are, but logs, spans, metrics
/// and later errors do not show them.
pub fn fields() {
    let folder = Folder::new();
    for secret in [API_KEY, PLAIN_KEY] {
        let refuses = Arc::new(AtomicBool::new(false));
        let answering = refuses.clone();
        let server = StandIn::start(move |request| {
            if answering.load(Relaxed) {
                return Answer::new(400, r#"{"error":"InvalidArgumentError","message":"no"}"#);
            }
            hostile::well_with(request, secret.value)
        });
        let builder = Client::builder().host(server.url()).api_key(secret.value);
        let client = builder.retry(RetryPolicy::none()).build().unwrap();
        SEARCH.case(format!("fields with {}", secret.name));
        {
            let opened = client
                .collection("abc")
                .embedding_function(Hashing::default())
                .get();
            let listed = client.list_collections().run();
            let by_id = client.collection_by_id(operations::ID).get();
            let all = [
                opened.map(|one| vec![one]),
                listed,
                by_id.map(|one| vec![one]),
            ];
            for result in all {
                match result {
                    Err(error) => observers::error(&error),
                    Ok(opened) => {
                        for abc in opened {
                            for refuse in [false, true] {
                                refuses.store(refuse, Relaxed);
                                calls::names().for_each(|name| calls::make(name, &abc, &folder.0));
                            }
                            refuses.store(false, Relaxed);
                        }
                    }
                }
            }
            metrics_of(&client);
        }
    }
    files::look_into(&folder.0);
}
