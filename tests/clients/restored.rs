//! Data of earlier versions of Chroma that this crate has backed up and restored, as Chroma's Python client reads
//! them.

use std::path::Path;
use std::process::Command;

use chroma_blocking::serde_json::{self, Value};
use chroma_blocking::{Client, LocalServer, Record, Space};

use crate::support::folder::Folder;
use crate::support::{other_client, server};

/// Reads a collection with Chroma's Python client.
fn read(client: &Client, name: &str) -> Value {
    let output = other_client("PYTHON_CLIENT", "tests/clients/read.py")
        .args([client.url(), name])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the numbers in nested lists.
fn numbers(of: &Value) -> Vec<f64> {
    match of {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}

#[track_caller]
fn assert_near(what: &str, one: f64, other: f64) {
    let is_near = (one - other).abs() <= 1e-4 * (1.0 + other.abs());
    assert!(is_near, "{what}: {one} and {other}");
}

/// Backs up the collections of a server, restores them on another one, and compares what Python reads from
/// both.
#[track_caller]
fn assert_restored(client: &Client, names: &[&str]) {
    let folder = Folder::new();
    let backup = folder.path("backup");
    client.backup().to_folder(&backup).unwrap();
    for name in names {
        let copy = server::unique_name();
        let restore = server::client().restore(&backup).collections([*name]);
        restore.name(*name, &copy).run().unwrap();
        let (here, there) = (read(server::client(), &copy), read(client, name));
        assert_eq!(here["metadata"], there["metadata"], "{name}");
        assert_eq!(here["records"], there["records"], "{name}");
        let vectors = [&here, &there].map(|found| numbers(&found["embeddings"]));
        assert_eq!(vectors[0].len(), vectors[1].len());
        // Servers return the vectors of cosine collections with a length of 1 or not.
        for (one, other) in vectors[0].iter().zip(&vectors[1]) {
            if *name != "cosine" {
                assert_near(name, *one, *other);
            }
        }
        // An index finds most of the records.
        let distances = [&here, &there].map(|found| found["distances"].as_object().unwrap());
        let both = distances[0]
            .iter()
            .filter_map(|(id, one)| Some((one, distances[1].get(id)?)));
        let both: Vec<_> = both.collect();
        assert!(both.len() > 25, "{} distances of {name}", both.len());
        for (one, other) in both {
            assert_near(name, one.as_f64().unwrap(), other.as_f64().unwrap());
        }
    }
}

fn newest(data: &Path) -> LocalServer {
    server::local().data(data).start().unwrap()
}

#[test]
#[ignore = "scripts/test-clients.sh installs the client"]
fn a_data_folder_of_chroma_0_5() {
    let data = Folder::new();
    let unpacked = Command::new("tar")
        .args(["-xzf", "tests/data/chroma-0.5/data.tar.gz", "-C"])
        .arg(&data.0)
        .status();
    assert!(unpacked.unwrap().success());
    let server = newest(&data.0);
    assert_restored(&server.client().unwrap(), &["plain", "cosine", "inner"]);
}

#[test]
#[ignore = "scripts/test-clients.sh installs the client"]
fn a_data_folder_of_chroma_1_0_0() {
    let data = Folder::new();
    let old = LocalServer::builder().install(true).version("1.0.0");
    let old = old.data(&data.0).start().unwrap();
    let spaces = [
        ("plain", Space::L2),
        ("cosine", Space::Cosine),
        ("inner", Space::Ip),
    ];
    for (name, space) in spaces {
        let builder = old.client().unwrap().collection(name).space(space);
        let records = (0..60).map(|i| {
            let record = Record::new(format!("id {i}")).metadata("float", f64::from(i) / 4.0);
            let record = record.document(format!("text {i} \u{1f980}"));
            record.embedding([i as f32, 0.5, -1.0 / (i as f32 + 1.0)])
        });
        builder.create().unwrap().add(records).unwrap();
    }
    drop(old);
    let server = newest(&data.0);
    assert_restored(&server.client().unwrap(), &["plain", "cosine", "inner"]);
}
