//! Backups that were written to do harm: each is refused with an error, and nothing is written.

use std::fs;
use std::path::Path;
use std::process::Command;

use chroma_blocking::Error;
use chroma_blocking::serde_json::{self, Value, json};

use crate::backup::back_up;
use crate::servers::{filled, one, records, unique_name};
use crate::support::folder::Folder;

/// Makes the checksums of a changed backup match.
fn sign(backup: &Path) {
    let signed = Command::new("sh")
        .args(["-c", "sha256sum 0000/* manifest.json > SHA256SUMS"])
        .current_dir(backup)
        .status();
    assert!(signed.unwrap().success());
}

#[test]
fn a_hostile_manifest_is_refused_and_nothing_is_written() {
    let folder = Folder::new();
    let backup = folder.path("backup");
    let source = filled(&one(), &records(0..5));
    back_up(&source, &backup);
    let target = unique_name();
    let file = backup.join("manifest.json");
    let good: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let refused = |what: &str, manifest: &str, words: &str| {
        fs::write(&file, manifest).unwrap();
        sign(&backup);
        let restore = one().restore(&backup).name(source.name(), &target);
        let error = restore.run().expect_err(what).to_string();
        assert!(error.contains(words), "{what}: {error}");
        let is_printable = |c: char| !c.is_control();
        assert!(
            error.len() < 1_000 && error.chars().all(is_printable),
            "{what}: {error:?}"
        );
        assert!(one().restore(&backup).check().is_err(), "{what}");
    };
    let part = "/collections/0/parts/0";
    let long = "x".repeat(1 << 20);
    let huge = u64::MAX;
    for (place, value, words) in [
        ("/format", json!(2), "the format 2"),
        ("/format", json!(huge), "manifest.json"),
        (
            "/collections/0/parts/0/file",
            json!("../../etc/passwd"),
            "not the name of a file",
        ),
        (
            "/collections/0/parts/0/file",
            json!("/etc/passwd"),
            "not the name of a file",
        ),
        (
            "/collections/0/parts/0/file",
            json!("0000/000001.jsonl"),
            "not the name of a file",
        ),
        (
            "/collections/0/parts/0/file",
            json!(long),
            "not the name of a file",
        ),
        (
            "/collections/0/parts/0/bytes",
            json!(huge),
            "cannot have this size",
        ),
        (
            "/collections/0/parts/0/bytes",
            json!(50),
            "more than 50 bytes",
        ),
        (
            "/collections/0/parts/0/bytes",
            json!(100_000),
            "instead of 100000",
        ),
        (
            "/collections/0/parts/0/lines",
            json!(huge),
            "cannot have this size",
        ),
        ("/collections/0/parts/0/lines", json!(-1), "manifest.json"),
        ("/collections/0/records", json!(huge), "5 lines"),
        ("/collections/0/records", json!(4), "5 lines"),
        ("/collections/0/hash", json!("0"), "with the hash"),
        ("/collections/0/hash", json!(long), "with the hash"),
        ("/collections/0/incremental", json!(true), "has no base"),
        (
            "/collections/0/name",
            json!("a\u{1b}[2J\n"),
            "manifest.json",
        ),
        ("/collections/0/name", json!(long), "manifest.json"),
        ("/collections/0/database", json!(".."), "manifest.json"),
        ("/collections/0/database", json!(""), "manifest.json"),
        (
            "/collections",
            json!([good["collections"][0], good["collections"][0]]),
            "manifest.json",
        ),
        (
            "/base",
            json!({ "sha256": "", "folder": "../.." }),
            "not the name of a folder",
        ),
        (
            "/base",
            json!({ "sha256": "", "folder": "a\u{0}\u{1b}[2J" }),
            "as its base",
        ),
        (
            "/base",
            json!({ "sha256": "", "folder": "backup" }),
            "not the backup that",
        ),
        (
            "/base",
            json!({ "sha256": "", "folder": long }),
            "not the name of a folder",
        ),
        (part, json!({}), "manifest.json"),
    ] {
        let mut bad = good.clone();
        if place == "/base" {
            bad["base"] = value;
        } else {
            *bad.pointer_mut(place).unwrap() = value;
        }
        refused(place, &bad.to_string(), words);
    }
    let deep = "[".repeat(200_000);
    refused("deep JSON", &deep, "manifest.json");
    let mut with_deep = good.clone();
    with_deep["collections"][0]["settings"] = json!("deep");
    let deep = format!("{deep}{}", "]".repeat(200_000));
    refused(
        "deep settings",
        &with_deep.to_string().replace("\"deep\"", &deep),
        "manifest.json",
    );
    let exists = one().collection(target).get();
    assert!(matches!(exists, Err(Error::NotFound { .. })));

    // The good one is not refused.
    fs::write(&file, good.to_string()).unwrap();
    sign(&backup);
    one().restore(&backup).check().unwrap();
}

#[test]
fn a_hostile_line_is_refused_and_nothing_is_written() {
    let folder = Folder::new();
    let backup = folder.path("backup");
    let source = filled(&one(), &records(0..2));
    back_up(&source, &backup);
    let target = unique_name();
    let (file, part) = (
        backup.join("manifest.json"),
        backup.join("0000/000000.jsonl"),
    );
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let first = fs::read_to_string(&part).unwrap();
    let first = first.lines().next().unwrap();
    let deep = format!(r#"{{"id":"a","metadata":{}"#, "[".repeat(200_000));
    for (bad, words) in [
        (deep.as_str(), "line 2"),
        (r#"{"id":"a","deleted":true}"#, "records of the collection"),
        (r#"{"id":"a","embedding":[1e999,0,0]}"#, "line 2"),
        (r#"{"id":7}"#, "line 2"),
        ("", "line 2"),
        ("\u{1b}[2J", "line 2"),
    ] {
        let text = format!("{first}\n{bad}\n");
        manifest["collections"][0]["parts"][0]["bytes"] = json!(text.len());
        fs::write(&part, text).unwrap();
        fs::write(&file, manifest.to_string()).unwrap();
        sign(&backup);
        let restore = one().restore(&backup).name(source.name(), &target);
        let error = restore.run().expect_err(words).to_string();
        assert!(error.contains(words) && error.len() < 1_000, "{error}");
    }
    let exists = one().collection(target).get();
    assert!(matches!(exists, Err(Error::NotFound { .. })));
}
