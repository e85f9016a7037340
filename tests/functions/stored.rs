//! Collections open with the functions that other clients stored.

use chroma_blocking::embed::HttpFunction;
use serde_json::Value;

/// Stored by the packages `@chroma-core/*` of npm.
#[test]
fn settings_that_the_javascript_client_stores_are_read() {
    let file = include_str!("../data/functions/js-stored-configs.json");
    let all: Value = serde_json::from_str(file).unwrap();
    let others = ["google-gemini", "chroma-cloud-splade", "chroma_bm25"];
    let mut read = 0;
    for (_, entry) in all.as_object().unwrap() {
        let (name, config) = (&entry["stored"]["name"], &entry["stored"]["config"]);
        let name = name.as_str().unwrap();
        if others.contains(&name) {
            continue;
        }
        let builder = HttpFunction::from_config(name, config).unwrap();
        assert!(builder.api_key("key").build().is_ok(), "{name}");
        read += 1;
    }
    assert_eq!(read, 12);
}
