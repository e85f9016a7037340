//! Runs the example `quickstart` as a user does.

#[cfg(feature = "onnx")]
use std::collections::BTreeSet;
use std::process::Output;
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "onnx")]
use chroma_blocking::serde_json::{self, Value};

#[cfg(feature = "onnx")]
use crate::support::example::cargo_run;
use crate::support::example::{chroma, run};
use crate::support::folder::Folder;
use crate::support::gemini::{Google, KEY};

/// Held while the example runs: cargo replaces the program by that of other features.
static RUNNING: Mutex<()> = Mutex::new(());

/// Runs the example with only these settings.
fn quickstart(folder: &Folder, settings: &[(&str, &str)]) -> Output {
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    run("quickstart", folder, &[], settings)
}

/// Returns the ids of the first hit of each table.
fn first_hits(stdout: &str) -> Vec<&str> {
    let rows = stdout.lines().filter(|line| line.starts_with("  1  "));
    rows.map(|line| line.split_whitespace().nth(2).unwrap())
        .collect()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn uses_the_server_in_the_environment() {
    let (url, _server) = chroma();
    let folder = Folder::new();
    let output = quickstart(&folder, &[("CHROMA_HOST", &url)]);
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");

    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for part in [url.as_str(), "CHROMA_HOST", "Hashing", "GEMINI_API_KEY"] {
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
    for line in stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    // The first hit of each table: one for each question, before and after the update, and after the delete.
    let [
        pcr,
        comet,
        cards,
        basketball,
        kimchi,
        before,
        updated,
        deleted,
    ] = first_hits(&stdout)[..]
    else {
        panic!("{stdout}");
    };
    assert_eq!(
        [pcr, comet, cards, basketball, kimchi],
        [
            "biology-13",
            "astronomy-21",
            "computing-02",
            "sports-03",
            "cooking-21"
        ]
    );
    assert_eq!(updated, "astronomy-01");
    assert_eq!([before, deleted], ["astronomy-12"; 2]);
    assert!(
        stdout.contains("168 documents") && stdout.contains("167 documents"),
        "{stdout}"
    );

    let client = chroma_blocking::Client::new(url).unwrap();
    let name = stdout.split('"').nth(1).unwrap();
    assert!(name.starts_with("quickstart-"), "{stdout}");
    let left = client.collection(name).get();
    assert!(left.is_err(), "the example deletes its collection");
}

#[test]
fn embeds_with_gemini_if_a_key_is_set_and_does_not_log_it() {
    let (url, _server) = chroma();
    let google = Google::start();
    let settings = [
        ("CHROMA_HOST", url.as_str()),
        ("GOOGLE_API_KEY", KEY),
        ("GOOGLE_GEMINI_BASE_URL", &google.url()),
        ("RUST_LOG", "debug"),
    ];
    let output = quickstart(&Folder::new(), &settings);
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");

    assert!(stderr.contains("gemini-embedding-001"), "{stderr}");
    let corpus = include_str!("../../examples/data/corpus.jsonl");
    assert!(google.paid().len() > corpus.lines().count());
    // Both loggers that could print the key are active; without this, the test would prove nothing.
    for source in ["DEBUG chroma_blocking", "DEBUG ureq"] {
        assert!(stderr.contains(source), "no {source}");
    }
    assert!(
        !stderr.contains(KEY) && !stdout.contains(KEY),
        "{stdout}{stderr}"
    );
}

#[test]
fn reads_the_env_file_and_reports_errors() {
    let folder = Folder::new();
    // A port without a listener: reserved for multiplexing services, RFC 1078.
    std::fs::write(
        folder.0.join(".env"),
        "CHROMA_HOST=127.0.0.1:1\nMAX_RETRIES=0\n",
    )
    .unwrap();
    let output = quickstart(&folder, &[]);
    let stderr = text(output.stderr);
    assert!(!output.status.success());
    for part in ["http://127.0.0.1:1", "cannot connect", "docker compose up"] {
        assert!(stderr.contains(part), "{part} in {stderr}");
    }
    // Variables of the environment take precedence over the file.
    let stderr = text(quickstart(&folder, &[("MAX_RETRIES", "many")]).stderr);
    assert!(stderr.contains("MAX_RETRIES is \"many\""), "{stderr}");
}

#[test]
fn refuses_unknown_arguments_and_a_download_without_the_feature() {
    for (argument, part) in [
        ("--donwload", "unknown argument \"--donwload\""),
        ("--download", "--features onnx"),
    ] {
        let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let output = run("quickstart", &Folder::new(), &[argument], &[]);
        let stderr = text(output.stderr);
        assert!(!output.status.success(), "{argument}: {stderr}");
        assert!(stderr.contains(part), "{argument}: {stderr}");
    }
}

/// Runs the example with all features, as these tests are built, so that cargo need not build the library again.
#[cfg(feature = "onnx")]
fn quickstart_with_onnx(folder: &Folder, settings: &[(&str, &str)]) -> (String, String) {
    let options = ["--all-features", "--example", "quickstart"];
    let mut command = cargo_run(&options, folder, &[]);
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let output = command.envs(settings.iter().copied()).output().unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    (stdout, stderr)
}

/// Questions of the example, and the document that answers each.
#[cfg(feature = "onnx")]
const IN_OTHER_WORDS: [(&str, &str); 3] = [
    ("Which athlete raced with bare feet?", "sports-16"),
    ("How were antibiotics discovered?", "biology-09"),
    (
        "Which politician was murdered by his colleagues?",
        "history-02",
    ),
];

/// Words that say little about a text.
#[cfg(feature = "onnx")]
const STOP_WORDS: [&str; 6] = ["by", "his", "how", "was", "were", "which"];

#[cfg(feature = "onnx")]
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty()).map(str::to_lowercase);
    words
        .filter(|word| !STOP_WORDS.contains(&&**word))
        .collect()
}

#[cfg(feature = "onnx")]
#[test]
fn finds_answers_that_share_no_word_with_the_question() {
    let corpus = include_str!("../../examples/data/corpus.jsonl");
    let documents = corpus.lines().map(serde_json::from_str);
    let documents = documents.collect::<Result<Vec<Value>, _>>().unwrap();
    for (question, answer) in IN_OTHER_WORDS {
        let document = documents.iter().find(|document| document["id"] == answer);
        let text = document.unwrap()["text"].as_str().unwrap();
        let shared = &words(question) & &words(text);
        assert!(shared.is_empty(), "{question}: {shared:?}");
    }

    let Some(model) = crate::support::model::folder() else {
        return;
    };
    let (url, _server) = chroma();
    let settings = [
        ("CHROMA_HOST", url.as_str()),
        ("CHROMA_ONNX_MODEL", model.to_str().unwrap()),
    ];
    let (stdout, stderr) = quickstart_with_onnx(&Folder::new(), &settings);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("all-MiniLM-L6-v2"), "{stderr}");
    for (question, answer) in IN_OTHER_WORDS {
        let (_, table) = stdout.split_once(&format!("\n{question}")).unwrap();
        assert_eq!(first_hits(table)[0], answer, "{question}: {stdout}");
    }
}

#[cfg(feature = "onnx")]
#[test]
fn says_how_to_get_a_model_and_continues_without_one() {
    let (url, _server) = chroma();
    let folder = Folder::new();
    let home = std::env::home_dir().unwrap();
    let tools = |variable, folder| match std::env::var(variable) {
        Ok(path) => path,
        Err(_) => home.join(folder).to_str().unwrap().to_owned(),
    };
    // A home folder without a model. Cargo still needs its own folders.
    let own = folder.0.to_str().unwrap();
    let settings = [
        ("CHROMA_HOST", url.as_str()),
        ("CARGO_HOME", &tools("CARGO_HOME", ".cargo")),
        ("RUSTUP_HOME", &tools("RUSTUP_HOME", ".rustup")),
        ("HOME", own),
        ("USERPROFILE", own),
    ];
    let (stdout, stderr) = quickstart_with_onnx(&folder, &settings);
    for way in [
        "mini_lm_from",
        "CHROMA_ONNX_MODEL",
        "-- --download",
        "Hashing",
    ] {
        assert!(stderr.contains(way), "{way} in {stderr}");
    }
    assert_eq!(first_hits(&stdout).len(), 8, "{stdout}");
}
