//! Runs the example `quickstart` as a user does.

use std::process::Output;

use crate::support::example::{chroma, run};
use crate::support::folder::Folder;
use crate::support::gemini::{Google, KEY};

/// Runs the example with only these settings.
fn quickstart(folder: &Folder, settings: &[(&str, &str)]) -> Output {
    run("quickstart", folder, &[], settings)
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
    let first: Vec<_> = stdout
        .lines()
        .filter(|line| line.starts_with("  1  "))
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    let [
        pcr,
        comet,
        cards,
        basketball,
        kimchi,
        before,
        updated,
        deleted,
    ] = first[..]
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
