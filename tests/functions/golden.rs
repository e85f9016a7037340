//! The requests equal those of Chroma's Python client, which were recorded (`tests/data/functions`).
//!
//! `GOLDEN_FUNCTIONS=FOLDER` takes the recordings of another folder.

use std::path::PathBuf;

use chroma_blocking::embed::{EmbeddingContext, HttpFunction, Purpose};
use chroma_blocking::schema::EmbeddingFunctionConfiguration;
use chroma_blocking::search::Knn;
use chroma_blocking::{Collection, EmbeddingFunction, Error, Gemini, InvalidInput, Search};
use serde_json::{Value, json};

use crate::answers::answer;
use crate::recording::{Difference, Recording, compare, path, sent, texts};
use crate::sparse;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{self, COLLECTION, client, fast};

/// The functions that cannot run here; a collection that stores them says why.
const CANNOT_RUN: [&str; 5] = [
    "amazon_bedrock",
    "google_palm",
    "google_vertex",
    "nomic",
    "roboflow",
];

/// The names of Gemini.
const GOOGLE: [&str; 5] = [
    "google_gemini",
    "google-gemini",
    "google_genai",
    "google-generative-ai",
    "google_generative_ai",
];

fn folder() -> PathBuf {
    let own = || concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/functions").into();
    std::env::var("GOLDEN_FUNCTIONS").map_or_else(|_| own(), PathBuf::from)
}

/// Whether the function cannot run here, which its name or its settings tell.
fn cannot_run(recording: &Recording) -> bool {
    let config = recording.config();
    let model = config["model_name"].as_str().unwrap_or_default();
    let is_shut_down = ["embedding-001", "text-embedding-004"]
        .contains(&model.strip_prefix("models/").unwrap_or(model));
    let is_google = GOOGLE.contains(&recording.name());
    let is_of_vertex = config["vertexai"] == true;
    CANNOT_RUN.contains(&recording.name()) || is_google && (is_shut_down || is_of_vertex)
}

/// Returns the reason why a collection with this function takes no texts. It opens.
fn sentence(recording: &Recording) -> Result<(), String> {
    let function =
        json!({ "type": "known", "name": recording.name(), "config": recording.config() });
    let configuration = json!({ "embedding_function": function });
    let collection = COLLECTION.replace("{}", &configuration.to_string());
    let server = StandIn::start(move |_| Answer::ok(collection.clone()));
    let collection = client(&server)
        .collection("abc")
        .get()
        .map_err(|error| error.to_string())?;
    match collection.query("a").run().unwrap_err() {
        Error::Invalid {
            reason: InvalidInput::StoredEmbeddingFunction { why, .. },
            ..
        } if !why.contains("no function of that name") => Ok(()),
        Error::Invalid {
            reason: InvalidInput::RetiredModel { .. },
            ..
        } => Ok(()),
        other => Err(format!("no sentence: {other}")),
    }
}

/// Checks that a stored function is made, or that its collection says why not.
fn opens(recording: &Recording) -> Result<(), String> {
    let (name, config) = (recording.name(), recording.config());
    let is_made = if GOOGLE.contains(&name) {
        Gemini::from_config(name, config).is_ok()
    } else {
        HttpFunction::from_config(name, config).is_ok()
    };
    if is_made { Ok(()) } else { sentence(recording) }
}

/// Makes the function that Python would make, which sends its requests to `server`. Functions whose address is
/// not stored append their path to `prefix`, which is the recorder's.
fn function(
    recording: &Recording,
    server: &str,
    prefix: &str,
) -> Result<Box<dyn EmbeddingFunction>, String> {
    let (name, key) = (recording.name(), recording.key());
    let url = format!("{server}{prefix}");
    if GOOGLE.contains(&name) {
        let builder = Gemini::from_config(name, recording.config());
        let builder = builder.map_err(|error| error.to_string())?;
        let version = recording.version().unwrap_or_default();
        let builder = builder.as_python(true).api_version(version).base_url(url);
        let gemini = builder.api_key(key.unwrap_or_default()).retry(fast());
        return gemini
            .build()
            .map(|gemini| Box::new(gemini) as _)
            .map_err(|error| error.to_string());
    }
    let mut config = recording.config().clone();
    let is_stored = ["url", "api_base"]
        .iter()
        .any(|name| move_to(server, &mut config[*name]));
    let builder = HttpFunction::from_config(name, &config).map_err(|error| error.to_string())?;
    let mut builder = builder.as_python(true).retry(fast());
    if !is_stored {
        builder = builder.base_url(url);
    }
    if let Some(key) = key {
        builder = builder.api_key(key);
    }
    builder
        .build()
        .map(|function| Box::new(function) as _)
        .map_err(|error| error.to_string())
}

/// Replaces the host and the port of a stored address. Returns whether there is one.
pub fn move_to(server: &str, address: &mut Value) -> bool {
    let Some((_, rest)) = address
        .as_str()
        .and_then(|address| address.split_once("://"))
    else {
        return false;
    };
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    *address = format!("{server}{path}").into();
    true
}

/// Embeds texts with the function that a schema stores. A child process has the variables with the address and
/// the key.
fn splade(recording: &Recording, url: String, texts: &str, purpose: Purpose) -> Result<(), String> {
    let config = recording.config();
    let stored = EmbeddingFunctionConfiguration::known(recording.name(), config.clone());
    let chroma = sparse::server(&sparse::words(stored));
    let variable = config["api_key_env_var"]
        .as_str()
        .unwrap_or("CHROMA_API_KEY");
    let test = match purpose {
        Purpose::Queries => "golden::child_with_queries",
        _ => "golden::child_with_documents",
    };
    let mut command = support::child(test);
    command
        .env("CHROMA_HOST", chroma.url())
        .env("CHROMA_EMBED_URL", url)
        .env("GOLDEN_KEY_VARIABLE", variable)
        .env("GOLDEN_TEXTS", texts)
        .env(variable, recording.key().unwrap_or_default());
    let output = command.output().map_err(|error| error.to_string())?;
    let [words, errors] = [output.stdout, output.stderr].map(|out| String::from_utf8(out).unwrap());
    if words.contains("1 passed") {
        Ok(())
    } else {
        Err(format!("{words}{errors}"))
    }
}

/// Opens the collection of a child process. Returns the texts as well.
fn of_child() -> (Collection, Vec<String>) {
    let variable = |name| std::env::var(name).unwrap();
    let client = support::builder(&variable("CHROMA_HOST"))
        .allow_key_variable(variable("GOLDEN_KEY_VARIABLE"))
        .build()
        .unwrap();
    let texts = serde_json::from_str(&variable("GOLDEN_TEXTS")).unwrap();
    (client.collection("abc").get().unwrap(), texts)
}

#[test]
#[ignore = "run by golden_requests_equal_those_of_the_python_client"]
fn child_with_documents() {
    let (abc, texts) = of_child();
    let record = |(id, text): (usize, &String)| sparse::record(&id.to_string()).document(text);
    let records: Vec<_> = texts.iter().enumerate().map(record).collect();
    abc.upsert(records).unwrap();
}

#[test]
#[ignore = "run by golden_requests_equal_those_of_the_python_client"]
fn child_with_queries() {
    let (abc, texts) = of_child();
    let search = |text: String| Search::new().rank(Knn::text(text).key("words"));
    abc.search_many(texts.into_iter().map(search))
        .run()
        .unwrap();
}

/// Embeds texts, and returns the requests that were sent for them.
fn call(
    recording: &Recording,
    (purpose, texts): (Purpose, &[&str]),
    prefix: &str,
) -> Result<Vec<Value>, String> {
    let server = StandIn::start(answer);
    let result = if recording.name() == "chroma-cloud-splade" {
        let url = format!("{}{prefix}", server.url());
        splade(recording, url, &json!(texts).to_string(), purpose)
    } else {
        let function = function(recording, &server.url(), prefix)?;
        let mut context = EmbeddingContext::new(purpose);
        let vectors = function.embed_with(texts, &mut context);
        vectors.map(drop).map_err(|error| format!("{error:#}"))
    };
    result?;
    Ok(server.requests().iter().map(sent).collect())
}

/// Compares the calls of a recording. Prints the differences that a rule permits.
fn compare_calls(recording: &Recording) -> Result<(), String> {
    if recording.calls().is_empty() {
        return Err("no requests to compare".to_owned());
    }
    for (purpose, recorded) in recording.calls() {
        let texts = texts(&recorded);
        if texts.is_empty() {
            return Err(format!("{purpose:?}: no texts to compare"));
        }
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let call = |prefix: &str| call(recording, (purpose, &texts), prefix);
        let mut sent = call("")?;
        let own = path(&sent[0]);
        let own = if own == "/" { "" } else { &own };
        if let Some(prefix) = path(&recorded[0]).strip_suffix(own) {
            sent = call(prefix)?;
        }
        match compare(&sent, &recorded).map_err(|shown| format!("{purpose:?}:{shown}"))? {
            Difference::None => {}
            other @ Difference::Batches { .. } => {
                println!("{}: {purpose:?}: {other:?}", recording.file);
            }
        }
    }
    Ok(())
}

/// The use of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Compared,
    CannotRun,
    /// Only texts are embedded.
    Images,
    /// Python sent nothing.
    Empty,
}

fn kind(recording: &Recording) -> Kind {
    if cannot_run(recording) {
        Kind::CannotRun
    } else if recording.has_images() {
        Kind::Images
    } else if recording.is_empty() {
        Kind::Empty
    } else {
        Kind::Compared
    }
}

#[test]
fn golden_requests_equal_those_of_the_python_client() {
    let all = Recording::all(&folder());
    let mut faults = Vec::new();
    for recording in &all {
        let result = match kind(recording) {
            Kind::Compared => compare_calls(recording),
            Kind::CannotRun => sentence(recording),
            Kind::Images => function(recording, "http://localhost", "").map(drop),
            Kind::Empty => opens(recording),
        };
        if let Err(what) = result {
            faults.push(format!("{}: {what}", recording.file));
        }
    }
    let count = |one: Kind| {
        all.iter()
            .filter(|recording| kind(recording) == one)
            .count()
    };
    println!(
        "compared {} of {}; {} cannot run here and say why, {} have images, {} have no requests",
        count(Kind::Compared),
        all.len(),
        count(Kind::CannotRun),
        count(Kind::Images),
        count(Kind::Empty)
    );
    assert!(
        count(Kind::Compared) > 0,
        "no recording in {}",
        folder().display()
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
