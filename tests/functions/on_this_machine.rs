//! Collections that store a model on this machine, as Chroma's clients store it. They open with the model by
//! themselves, on a real server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chroma_blocking::embed::{Onnx, Pooling};
use chroma_blocking::{Client, Collection, EmbeddingFunction, Include, Record, Space};
use serde_json::{Value, json};

use crate::stored::{Chroma, child_with, why};
use crate::support::folder::Folder;
use crate::support::model;
use crate::support::server::unique_name;

const VARIABLE: &str = "CHROMA_ONNX_MODEL";
const XENOVA: &str = "Xenova/all-MiniLM-L6-v2";

/// Runs a test in a child process that has the model in its environment, if this machine has it.
fn child_with_model(test: &str) {
    if let Some(folder) = model::folder() {
        child_with(test, |command| {
            command.env(VARIABLE, folder);
        });
    }
}

/// Returns the folder of the model, in such a child process.
fn folder() -> PathBuf {
    std::env::var_os(VARIABLE).unwrap().into()
}

/// Runs a test in a child process that finds no model by itself. The variable `COPY` names a copy of one,
/// if this machine has it.
fn child_with_copy(test: &str, variable: &str) {
    let (Some(model), copy) = (model::folder(), Folder::new()) else {
        return;
    };
    model::link(&model, &copy.0, &["model.onnx", "tokenizer.json"]);
    let empty = Folder::new();
    child_with(test, |command| {
        without_model(command, &empty);
        command.env(variable, &copy.0);
    });
}

/// Takes all ways to a model from a child process.
fn without_model(command: &mut Command, empty: &Folder) {
    command.env_remove(VARIABLE);
    for home in ["HOME", "USERPROFILE"] {
        command.env(home, &empty.0);
    }
}

/// Adds the parts that all stored functions have.
fn known(name: &str, config: &Value) -> Value {
    json!({ "type": "known", "name": name, "config": config })
}

fn sentence_transformer(model: &str) -> Value {
    json!({ "model_name": model, "device": "cpu", "normalize_embeddings": false, "kwargs": {} })
}

/// Writes a text, and returns its vector as the server has it.
fn written(notes: &Collection, text: &str) -> Vec<f32> {
    let id = unique_name();
    notes
        .upsert([Record::new(id.as_str()).document(text)])
        .unwrap();
    let found = notes.get().ids([id]).include([Include::Embeddings]).run();
    found.unwrap().embeddings.unwrap().as_flat().to_vec()
}

/// Whether vectors are equal, except for the rounding of a server that measures the cosine.
fn is_equal(stored: &[f32], expected: &[f32]) -> bool {
    let mut pairs = stored.iter().zip(expected);
    stored.len() == expected.len() && pairs.all(|(one, other)| (one - other).abs() < 1e-5)
}

fn vector(function: &dyn EmbeddingFunction, text: &str) -> Vec<f32> {
    let vectors = function.embed_documents(&[text]).unwrap();
    vectors.as_flat().to_vec()
}

/// The names and settings of the default model, and the most tokens that the client embeds.
fn default_model() -> Vec<(&'static str, Value, usize)> {
    let mut trusting = sentence_transformer("sentence-transformers/all-MiniLM-L6-v2");
    trusting["kwargs"] = json!({ "trust_remote_code": true, "list": [1] });
    vec![
        ("default", json!({}), 256),
        (
            "default",
            json!({ "model_name": XENOVA, "revision": "main", "dtype": "fp32", "quantized": false }),
            512,
        ),
        (
            "default",
            json!({ "model": XENOVA, "revision": "main", "quantized": false }),
            512,
        ),
        (
            "transformers",
            json!({ "model": XENOVA, "revision": "main", "quantized": true }),
            512,
        ),
        ("onnx_mini_lm_l6_v2", json!({}), 256),
        (
            "onnx_mini_lm_l6_v2",
            json!({ "preferred_providers": ["CPUExecutionProvider"] }),
            256,
        ),
        (
            "sentence_transformer",
            sentence_transformer("all-MiniLM-L6-v2"),
            256,
        ),
        ("sentence_transformer", trusting, 256),
    ]
}

#[test]
fn collections_with_the_default_model_open_with_it_under_each_name() {
    child_with_model("on_this_machine::child_with_the_default_model");
}

#[test]
#[ignore = "started by collections_with_the_default_model_open_with_it_under_each_name"]
fn child_with_the_default_model() {
    let chroma = Chroma::new();
    let given = Onnx::mini_lm().unwrap();
    // More than 256 tokens, and less than 512.
    let long = format!("{} {}", "bread ".repeat(300), "galaxy ".repeat(100));
    for (name, config, tokens) in default_model() {
        let stored = known(name, &config);
        let created = chroma.create(&stored);
        let notes = chroma.client.collection(&created).get().unwrap();
        let function = notes.embedding_function().unwrap();
        assert_eq!(function.dimension(), Some(384));
        let is_given = |text: &str| is_equal(&written(&notes, text), &vector(&given, text));
        assert!(is_given("a galaxy"), "{stored}");
        assert_eq!(is_given(&long), tokens == 256, "{stored}");
        written(&notes, "how to bake sourdough");
        // It shares no word with the document.
        let hits = notes.query("stars in space").run().unwrap();
        assert_eq!(hits[0].document.as_deref(), Some("a galaxy"), "{stored}");

        notes
            .modify()
            .embedding_function(function.clone())
            .metadata([("by", "a program")])
            .run()
            .unwrap();
        assert_eq!(chroma.stored(&created), stored, "modified");
        let open = chroma.client.collection(&created);
        open.embedding_function(given.clone()).get().unwrap();
    }
    let ollama = known("ollama", &json!({ "model_name": "all-minilm" }));
    let open = chroma.client.collection(chroma.create(&ollama));
    open.embedding_function(given.clone()).get().unwrap();
    let twelve_layers = json!({ "model_name": "Xenova/all-MiniLM-L12-v2" });
    let created = chroma.create(&known("default", &twelve_layers));
    let open = chroma.client.collection(created);
    let conflict = open
        .embedding_function(given)
        .get()
        .unwrap_err()
        .to_string();
    assert!(
        conflict.contains("\"default, all-MiniLM-L12-v2\"")
            && conflict.contains("\"default, all-MiniLM-L6-v2\""),
        "{conflict}"
    );
}

#[test]
fn a_new_collection_stores_the_default_function_as_python_does() {
    child_with_model("on_this_machine::child_that_creates");
}

#[test]
#[ignore = "started by a_new_collection_stores_the_default_function_as_python_does"]
fn child_that_creates() {
    let chroma = Chroma::new();
    let create = |function: Onnx| {
        let new = chroma.client.collection(unique_name());
        new.embedding_function(function).create().unwrap()
    };
    let notes = create(Onnx::mini_lm().unwrap());
    assert_eq!(chroma.stored(notes.name()), known("default", &json!({})));
    let space = |notes: &Collection| notes.configuration().hnsw.as_ref().unwrap().space;
    assert_eq!(space(&notes), Some(Space::L2));

    let e5 = Onnx::builder("intfloat/e5-small", folder())
        .query_prefix("query: ")
        .document_prefix("passage: ")
        .max_tokens(128)
        .build()
        .unwrap();
    let notes = create(e5);
    assert_eq!(space(&notes), Some(Space::Cosine));
    let mut config = sentence_transformer("intfloat/e5-small");
    config["normalize_embeddings"] = json!(true);
    for (name, value) in [
        ("pooling", json!("mean")),
        ("max_tokens", json!(128)),
        ("document_prefix", json!("passage: ")),
        ("query_prefix", json!("query: ")),
    ] {
        config[name] = value;
    }
    assert_eq!(
        chroma.stored(notes.name()),
        known("sentence_transformer", &config)
    );
}

/// The files are those of the default model; the names stand for other models.
#[test]
fn another_model_opens_if_the_program_registered_it() {
    child_with_model("on_this_machine::child_that_registers");
}

#[test]
#[ignore = "started by another_model_opens_if_the_program_registered_it"]
fn child_that_registers() {
    let chroma = Chroma::new();
    let registered = || {
        let builder = Onnx::builder("intfloat/e5-small", folder());
        builder.document_prefix("passage: ").query_prefix("query: ")
    };
    let function = registered().build().unwrap();
    let builder = Client::builder().host(chroma.client.url());
    let client = builder.allow_onnx_model(function.clone()).build().unwrap();
    let embeds_as = |client: &Client, name: &str, function: &Onnx| {
        let notes = client.collection(name).get().unwrap();
        is_equal(&written(&notes, "a galaxy"), &vector(function, "a galaxy"))
    };

    // Python's collection: as the program registered it.
    let created = chroma.create(&known(
        "sentence_transformer",
        &sentence_transformer("intfloat/e5-small"),
    ));
    assert!(embeds_as(&client, &created, &function));
    let notes = chroma.client.collection(&created).get().unwrap();
    let refused = why(notes.query("a galaxy").run().unwrap_err());
    assert!(
        refused.contains(".allow_onnx_model(Onnx::builder(\"intfloat/e5-small\", folder)"),
        "{refused}"
    );

    // This crate's collection: as it was created.
    let other = registered()
        .pooling(Pooling::Cls)
        .normalize(false)
        .document_prefix("");
    let other = other.build().unwrap();
    let new = chroma.client.collection(unique_name());
    let new = new.embedding_function(other.clone()).create().unwrap();
    assert!(embeds_as(&client, new.name(), &other));
    assert!(!embeds_as(&client, new.name(), &function));

    // JavaScript's collection: as JavaScript embeds.
    let config = json!({ "model_name": "Xenova/e5-small", "revision": "main", "dtype": "fp32", "quantized": false });
    let registered = Onnx::builder("e5-small", folder()).pooling(Pooling::Cls);
    let registered = registered.build().unwrap();
    let builder = Client::builder().host(chroma.client.url());
    let client = builder.allow_onnx_model(registered).build().unwrap();
    let created = chroma.create(&known("default", &config));
    let javascripts = Onnx::mini_lm_from(folder()).unwrap();
    assert!(embeds_as(&client, &created, &javascripts));
}

#[test]
fn a_folder_in_code_is_used_for_the_default_model() {
    child_with_copy("on_this_machine::child_with_a_folder_in_code", "COPY");
}

#[test]
#[ignore = "started by a_folder_in_code_is_used_for_the_default_model"]
fn child_with_a_folder_in_code() {
    let chroma = Chroma::new();
    let function = Onnx::mini_lm_from(std::env::var_os("COPY").unwrap()).unwrap();
    let builder = Client::builder().host(chroma.client.url());
    let client = builder.allow_onnx_model(function.clone()).build().unwrap();
    for (name, config, _) in default_model() {
        let created = chroma.create(&known(name, &config));
        let notes = client.collection(&created).get().unwrap();
        let stored = written(&notes, "a galaxy");
        assert!(is_equal(&stored, &vector(&function, "a galaxy")), "{name}");
        let notes = chroma.client.collection(&created).get().unwrap();
        why(notes.query("a galaxy").run().unwrap_err());
    }
}

#[test]
fn the_model_is_loaded_once_for_a_process() {
    child_with_copy("on_this_machine::child_that_opens_again", VARIABLE);
}

#[test]
#[ignore = "started by the_model_is_loaded_once_for_a_process"]
fn child_that_opens_again() {
    let chroma = Chroma::new();
    let created = chroma.create(&known("default", &json!({})));
    let open = || chroma.client.collection(&created).get().unwrap();
    written(&open(), "a galaxy");
    let file = folder().join("model.onnx");
    fs::remove_file(&file).unwrap();
    fs::write(file, "no model").unwrap();
    written(&open(), "a galaxy");
}

#[test]
fn secure_01_a_stored_path_is_not_opened_although_a_model_is_there() {
    child_with_model("on_this_machine::child_with_a_path");
}

#[test]
#[ignore = "started by secure_01_a_stored_path_is_not_opened_although_a_model_is_there"]
fn child_with_a_path() {
    let chroma = Chroma::new();
    let path = folder().into_os_string().into_string().unwrap();
    for (name, config) in [
        ("sentence_transformer", sentence_transformer(&path)),
        ("default", json!({ "model_name": path })),
        ("transformers", json!({ "model": path })),
    ] {
        let created = chroma.create(&known(name, &config));
        let notes = chroma.client.collection(&created).get().unwrap();
        let refused = why(notes.query("a galaxy").run().unwrap_err());
        assert!(refused.contains(".allow_onnx_model("), "{refused}");
        notes.upsert([Record::new("1").embedding([0.5])]).unwrap();
    }
}

#[test]
fn without_the_model_vectors_work_and_a_text_says_how_to_get_it() {
    let empty = Folder::new();
    child_with("on_this_machine::child_without_the_model", |command| {
        without_model(command, &empty);
    });
}

#[test]
#[ignore = "started by without_the_model_vectors_work_and_a_text_says_how_to_get_it"]
fn child_without_the_model() {
    let chroma = Chroma::new();
    for (name, config, _) in default_model() {
        let created = chroma.create(&known(name, &config));
        let notes = chroma.client.collection(&created).get().unwrap();
        let record = Record::new("1").embedding(vec![0.5; 384]);
        notes.upsert([record]).unwrap();
        assert_eq!(notes.query(vec![0.5; 384]).run().unwrap().len(), 1);
        let refused = why(notes.query("a galaxy").run().unwrap_err());
        assert!(refused.contains("it is not on this machine"), "{refused}");
        for way in ["Onnx::mini_lm_from", VARIABLE, "Onnx::download()"] {
            assert!(refused.contains(way), "{name}: {refused}");
        }
    }
}
