//! `Onnx::download`, which the unit tests also run with small archives. Tests share the environment of their
//! process, so each download is a child process with a new home folder.

use std::fs;
use std::path::Path;

use chroma_blocking::embed::Onnx;

use crate::support;
use crate::support::folder::Folder;
use crate::support::model;
use crate::support::stand_in::{Answer, StandIn};

/// Returns what a child process prints that downloads the model from this address and loads it.
fn child(home: &Path, url: &str) -> String {
    let mut command = support::child("download::child_process");
    let home_is = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    command.env(home_is, home).env("DOWNLOAD_URL", url);
    let output = command.env_remove("CHROMA_ONNX_MODEL").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "run by the other tests"]
fn child_process() {
    let Ok(url) = std::env::var("DOWNLOAD_URL") else {
        return;
    };
    match Onnx::download().url(url).run() {
        Ok(folder) => println!("@installed {}", folder.display()),
        Err(error) => println!("@error {error:#}"),
    }
    match Onnx::mini_lm() {
        Ok(function) => println!("@loaded {function:?}"),
        Err(error) => println!("@none {error:#}"),
    }
}

#[test]
fn only_chromas_own_archive_is_installed() {
    // A file in the format gzip.
    let other = [vec![0x1f, 0x8b, 8, 0], vec![7; 3 << 20]].concat();
    let server = StandIn::start(move |_| Answer::new(200, other.clone()));
    let home = Folder::new();
    let printed = child(&home.0, &format!("{}/onnx.tar.gz", server.url()));
    assert_eq!(server.requests_to("/onnx.tar.gz").len(), 1, "{printed}");
    let expected = "that of Chroma's archive is \
                    913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3";
    assert!(
        printed.contains("@error download \"all-MiniLM-L6-v2\" at "),
        "{printed}"
    );
    assert!(printed.contains(expected), "{printed}");
    // Nothing is left, and the model is still missing.
    let folder = home.path(".cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    assert!(
        printed.contains("@none onnx: model is \"all-MiniLM-L6-v2\": it is not on this machine (CHROMA_ONNX_MODEL is not set, "),
        "{printed}"
    );
}

#[test]
fn a_model_that_is_there_is_found_and_not_downloaded() {
    let Some(home) = model::home() else {
        return;
    };
    let server = StandIn::start(|_| Answer::new(404, ""));
    let printed = child(home, &server.url());
    let folder = model::folder().unwrap();
    assert!(
        printed.contains(&format!("@installed {}", folder.display())),
        "{printed}"
    );
    assert!(printed.contains("@loaded Onnx"), "{printed}");
    assert!(server.requests().is_empty());
}
