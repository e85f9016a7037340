//! The server itself, and creating, opening, listing, counting and deleting collections.

use chroma_blocking::{
    EmbeddingFunction, Embeddings, Error, Hashing, InvalidInput, Metadata, Space,
    embed::EmbeddingError,
};

use crate::{Scratch, client, unique_name, version};

#[test]
fn heartbeat_version_limits_and_identity_are_read() {
    assert!(client().heartbeat().unwrap() > 1_700_000_000_000_000_000);
    assert_eq!(client().version().unwrap(), "1.0.0");
    assert!(client().pre_flight_checks().unwrap().max_batch_size > 0);
    let identity = client().identity().unwrap();
    assert_eq!(identity.tenant, client().tenant());
    assert!(
        identity
            .databases
            .iter()
            .any(|database| database == client().database())
    );
}

#[test]
fn creates_opens_and_deletes_a_collection() {
    let name = unique_name();
    let made = client()
        .collection(&name)
        .metadata("owner", "tests")
        .space(Space::Ip)
        .create()
        .unwrap();
    let opened = client().collection(&name).get().unwrap();
    assert_eq!(opened.id(), made.id());
    assert_eq!(opened.name(), name);
    assert_eq!(opened.metadata(), &Metadata::from([("owner", "tests")]));
    // Chroma 1.0.0 does not return the configuration.
    if version() != "1.0.0" {
        assert_eq!(opened.space(), Some(Space::Ip));
    }
    assert_eq!(opened.dimension(), None);

    client().delete_collection(&name).unwrap();
    let gone = client().collection(&name).get().unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    assert!(gone.to_string().contains(&name), "{gone}");
    let gone = opened.count().unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    let gone = client().delete_collection(&name).unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
}

#[test]
fn creating_an_existing_collection_is_an_error() {
    let taken = Scratch::new();
    let again = client().collection(taken.name()).create().unwrap_err();
    assert!(matches!(again, Error::AlreadyExists { .. }), "{again}");
    assert_eq!(again.status(), Some(409));

    let builder = client().collection(taken.name()).metadata("ignored", true);
    let opened = builder.get_or_create().unwrap();
    assert_eq!(opened.id(), taken.id());
    assert!(
        opened.metadata().is_empty(),
        "an existing collection keeps its metadata"
    );
}

#[test]
fn lists_all_collections_or_a_page() {
    let mine = [Scratch::new(), Scratch::new(), Scratch::new()];
    let all = client().list_collections().run().unwrap();
    for collection in &mine {
        let listed = all
            .iter()
            .find(|listed| listed.id() == collection.id())
            .unwrap();
        assert_eq!(listed.name(), collection.name());
    }
    assert!(client().count_collections().unwrap() >= mine.len());
    assert_eq!(client().list_collections().limit(2).run().unwrap().len(), 2);
    assert!(
        client()
            .list_collections()
            .limit(0)
            .run()
            .unwrap()
            .is_empty()
    );
    assert!(
        client()
            .list_collections()
            .offset(1_000_000)
            .run()
            .unwrap()
            .is_empty()
    );
}

struct Other;

impl EmbeddingFunction for Other {
    fn name(&self) -> &'static str {
        "other"
    }

    fn embed_documents(&self, documents: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(Embeddings::new(vec![0.5; documents.len()], 1)?)
    }
}

#[test]
fn the_embedding_function_is_stored() {
    if version() == "1.0.0" {
        return; // it stores no function
    }
    let made = Scratch::hashing();
    assert_eq!(
        made.space(),
        Some(Space::Cosine),
        "the space of the function"
    );

    let open = || client().collection(made.name());
    open().embedding_function(Hashing::default()).get().unwrap();
    for conflict in [
        open().embedding_function(Other).get().unwrap_err(),
        open()
            .embedding_function(Other)
            .get_or_create()
            .unwrap_err(),
    ] {
        let Error::Invalid { reason, .. } = &conflict else {
            panic!("{conflict}");
        };
        let InvalidInput::EmbeddingFunctionConflict { stored, given, .. } = reason else {
            panic!("{conflict}");
        };
        assert_eq!(
            (stored.as_str(), given.as_str()),
            ("chroma_blocking_hashing, 768 floats", "other")
        );
    }
    // Opened without a function, it uses the stored one.
    let opened = open().get().unwrap();
    let name = opened.embedding_function().map(EmbeddingFunction::name);
    assert_eq!(name, Some("chroma_blocking_hashing"));
}

#[test]
fn a_function_without_a_description_is_not_stored() {
    let name = unique_name();
    let builder = client().collection(&name).embedding_function(Other);
    let made = Scratch(builder.create().unwrap());
    client()
        .collection(made.name())
        .embedding_function(Hashing::default())
        .get()
        .unwrap();
}

#[test]
fn tests_use_the_server_in_chroma_host() {
    // Runs one of these tests in a process that can neither find nor install a server. It passes only with
    // the server in CHROMA_HOST.
    let nowhere = std::env::temp_dir().join("no-such-folder");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "queries::hits_are_sorted_by_distance"])
        .env("CHROMA_HOST", client().url())
        .env("CHROMA_BLOCKING_CACHE", &nowhere)
        .env("PYTHON", &nowhere)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}"
    );
    assert!(!nowhere.exists());
}
