//! Collections like another one, on a server of another version or of another kind.

use std::sync::OnceLock;

use chroma_blocking::{
    Client, Collection, Error, Hashing, LocalServer, Record, Space,
    collection::CollectionBuilder,
    schema::{
        EmbeddingFunctionConfiguration, HnswConfig, InvertedIndex, Schema, SparseVectorIndexConfig,
        VectorIndexConfig,
    },
};
use serde_json::{Value, json};

use crate::support::server::{local, unique_name};
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{builder, chroma_error};

/// Returns a client of a server of this version. The server ends with this process.
fn of(version: &str) -> Client {
    static SERVERS: [OnceLock<LocalServer>; 3] = [const { OnceLock::new() }; 3];
    let versions = ["1.5.9", "1.3.7", "1.0.0"];
    let at = versions.iter().position(|known| *known == version).unwrap();
    let server = SERVERS[at].get_or_init(|| local().version(version).start().unwrap());
    server.client().unwrap()
}

fn new(version: &str) -> CollectionBuilder {
    of(version).collection(unique_name())
}

fn hashing() -> Hashing {
    Hashing::with_dimension(2).unwrap()
}

/// Creates a collection like another one, without losses.
#[track_caller]
fn made_like(source: &Collection, version: &str) -> Collection {
    let builder = new(version).like(source);
    assert_eq!(builder.losses().unwrap(), [""; 0], "{source:?}");
    builder.create().unwrap()
}

/// Asserts that a collection ranks by this space.
#[track_caller]
fn ranks_by(collection: &Collection, space: Space) {
    write(collection);
    let expected = match space {
        Space::Cosine => [0.0, 0.051_317],
        Space::Ip => [-9.0, 0.1],
        _ => [81.0, 0.1],
    };
    let hits = collection.query([1.0, 0.0]).n_results(2).run().unwrap();
    for (id, expected) in ["far", "near"].into_iter().zip(expected) {
        let hit = hits.iter().find(|hit| hit.id == id).unwrap();
        let difference: f32 = hit.distance - expected;
        assert!(difference.abs() < 1e-4, "{space:?}: {}", hit.distance);
    }
}

fn write(collection: &Collection) {
    let records = [("far", [10.0, 0.0]), ("near", [0.9, 0.3])];
    let records = records.map(|(id, vector)| Record::new(id).embedding(vector));
    collection.upsert(records).unwrap();
}

/// Returns builders of collections with each kind of setting.
fn sources(version: &str) -> Vec<CollectionBuilder> {
    let function = EmbeddingFunctionConfiguration::known("of-another-client", json!({ "a": [1] }));
    let legacy = EmbeddingFunctionConfiguration::new().kind("legacy");
    let index = VectorIndexConfig::new;
    let settings = HnswConfig::new()
        .ef_search(50)
        .sync_threshold(40)
        .batch_size(30);
    let with = |index| new(version).schema(Schema::new().create_vector_index(index));
    vec![
        new(version)
            .metadata("a", 1)
            .metadata("b", 0.5)
            .metadata("c", "é"),
        new(version)
            .space(Space::Ip)
            .hnsw(settings)
            .embedding_function(hashing()),
        new(version)
            .metadata("hnsw:space", "cosine")
            .metadata("hnsw:M", 20),
        with(index().space(Space::Cosine).embedding_function(function)),
        with(index().embedding_function(legacy)),
        new(version).schema(Schema::new().delete_index("title", InvertedIndex::String)),
    ]
}

#[test]
fn all_settings_move_between_versions_with_schemas() {
    for [from, to] in [["1.5.9", "1.3.7"], ["1.3.7", "1.5.9"]] {
        for source in sources(from) {
            let source = source.create().unwrap();
            let copy = made_like(&source, to);
            assert_eq!(copy.metadata(), source.metadata(), "from {from} to {to}");
            assert_eq!(copy.configuration(), source.configuration());
            assert_eq!(copy.schema(), source.schema());
        }
    }
}

#[test]
fn a_server_without_schemas_lists_what_it_cannot_store_and_creates_the_rest() {
    let source = new("1.5.9").space(Space::Cosine).create().unwrap();
    ranks_by(&made_like(&source, "1.0.0"), Space::Cosine);

    let schema = Schema::new()
        .create_vector_index(VectorIndexConfig::new().space(Space::Ip))
        .delete_index("title", InvertedIndex::String)
        .delete_default_index(InvertedIndex::Bool);
    let source = new("1.5.9").schema(schema).embedding_function(hashing());
    let source = source.metadata("a", 1).create().unwrap();
    let name = unique_name();
    let like = || of("1.0.0").collection(&name).like(&source);
    let losses = like().losses().unwrap();
    assert_eq!(
        losses,
        [
            "the default indexes of all keys: the server has no schemas, which need Chroma 1.3",
            "the indexes of the key \"title\": the server has no schemas, which need Chroma 1.3",
            "the embedding function \"chroma_blocking_hashing\": the server does not return it, so programs have to \
             set it when they open the collection",
        ]
    );
    for error in [
        like().create().unwrap_err(),
        like().get_or_create().unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        let message = error.to_string();
        assert!(
            losses.iter().all(|loss| message.contains(loss)),
            "{message}"
        );
        assert!(message.contains(".allow_losses(true)"), "{message}");
    }
    let absent = of("1.0.0").collection(&name).get().unwrap_err();
    assert!(
        matches!(absent, Error::NotFound { .. }),
        "nothing was written"
    );

    let copy = like().allow_losses(true).create().unwrap();
    assert_eq!(copy.metadata(), source.metadata());
    copy.upsert([Record::new("1").document("a galaxy")])
        .unwrap();
    copy.delete().ids(["1"]).run().unwrap();
    ranks_by(&copy, Space::Ip);
}

#[test]
fn the_distance_function_of_a_server_that_does_not_report_it_is_measured() {
    for space in [Space::L2, Space::Cosine, Space::Ip] {
        let source = new("1.0.0").space(space).embedding_function(hashing());
        let source = source.create().unwrap();
        assert_eq!(source.space(), None);
        write(&source);
        let copy = made_like(&source, "1.5.9");
        assert_eq!(copy.space(), Some(space));
        let stored = copy.configuration().embedding_function.clone();
        assert_eq!(
            stored.unwrap().name.as_deref(),
            Some("chroma_blocking_hashing")
        );
    }
    let source = new("1.0.0").metadata("hnsw:space", "ip").create().unwrap();
    assert_eq!(made_like(&source, "1.5.9").space(), Some(Space::Ip));

    let empty = new("1.0.0").space(Space::Cosine).create().unwrap();
    let losses = new("1.5.9").like(&empty).losses().unwrap();
    assert!(losses[0].contains("set it with .space(...)"), "{losses:?}");
    let chosen = new("1.5.9").like(&empty).space(Space::Cosine);
    assert_eq!(chosen.losses().unwrap(), [""; 0]);
    assert_eq!(chosen.create().unwrap().space(), Some(Space::Cosine));
}

/// The vector index in a schema, and its default.
const VECTOR_INDEXES: [&str; 2] = [
    "/keys/#embedding/float_list/vector_index/config",
    "/defaults/float_list/vector_index/config",
];

/// A collection of Chroma Cloud.
fn of_cloud() -> Value {
    let source = VectorIndexConfig::new().space(Space::Cosine);
    let words = SparseVectorIndexConfig::new()
        .source_key("#document")
        .bm25(true);
    let function = EmbeddingFunctionConfiguration::known("chroma_bm25", json!({}));
    let words = words.embedding_function(function);
    let schema = Schema::new()
        .create_vector_index(source)
        .create_sparse_vector_index("words", words)
        .delete_index("title", InvertedIndex::String);
    let mut schema = json!(schema);
    schema["cmek"] = json!({ "gcp": "projects/p" });
    schema["source_attached_function_id"] = json!("0b7d9f0a-1c2d-4e3f-8a9b-112233445566");
    for index in VECTOR_INDEXES {
        let field = schema.pointer_mut(index).unwrap();
        field["spann"] = json!({ "search_nprobe": 10, "write_nprobe": 32, "quantize": "four_bit_rabit_q_with_u_search" });
    }
    schema["keys"]["#document"]["string"]["fts_index"]["config"] =
        json!({ "algorithm": "token_bitmap" });
    json!({
        "id": "6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11", "name": "abc", "metadata": { "a": 1 }, "dimension": 2,
        "configuration_json": {
            "spann": { "space": "cosine", "search_nprobe": 10, "write_nprobe": 32 }, "hnsw": null,
            "embedding_function": { "type": "known", "name": "of-another-client", "config": { "a": 1 } },
        },
        "schema": schema,
    })
}

/// Opens that collection.
fn opened_on_cloud() -> Collection {
    let server = StandIn::start(|_| Answer::ok(of_cloud().to_string()));
    let client = builder(&server.url()).build().unwrap();
    client.collection("abc").get().unwrap()
}

#[test]
fn a_single_node_server_lists_what_only_distributed_servers_have() {
    let source = opened_on_cloud();
    let builder = new("1.5.9").like(&source);
    assert_eq!(
        builder.losses().unwrap(),
        [
            "search_nprobe 10 of the index: a single-node server builds an HNSW index instead of SPANN",
            "the sparse vector index of the key \"words\": a single-node server has none; sparse vectors stay in the \
             metadata of the records",
            "the encryption key (cmek): a single-node server has none",
            "the setting \"schema.keys.#document.string.fts_index.config.algorithm\": the server does not know it",
        ]
    );
    assert!(matches!(
        builder.clone().create(),
        Err(Error::Unsupported { .. })
    ));
    let copy = builder.allow_losses(true).create().unwrap();
    assert_eq!(copy.metadata(), source.metadata());
    assert_eq!(copy.space(), Some(Space::Cosine));
    assert_eq!(
        copy.configuration().hnsw.as_ref().unwrap().ef_search,
        Some(100)
    );
    assert_eq!(
        copy.configuration().embedding_function,
        source.configuration().embedding_function
    );
    let schema = copy.schema().unwrap();
    assert!(!schema.has_index("title", InvertedIndex::String));
    assert_eq!(schema.sparse_vector_index("words"), None);
}

/// Creates a collection like another one on a distributed server. Returns the losses and the body of the
/// request.
fn on_distributed(source: &Collection) -> (Vec<String>, Value) {
    let described = ureq::get(format!("{}/openapi.json", of("1.5.9").url())).call();
    let described = described.unwrap().body_mut().read_to_vec().unwrap();
    let server = StandIn::start(move |request| match request.path.as_str() {
        "/openapi.json" => Answer::ok(described.clone()),
        path if path.ends_with("/detach") => Answer::new(
            404,
            r#"{"error":"NotFoundError","message":"no such collection"}"#,
        ),
        path if path.ends_with("/collections") => {
            let mut stored: Value = serde_json::from_slice(&request.body).unwrap();
            stored["id"] = json!("6f4c0b6e-9f3c-4d43-8d0e-0c1f4b0f6a11");
            Answer::ok(stored.to_string())
        }
        _ => chroma_error(500),
    });
    let client = builder(&server.url()).build().unwrap();
    let like = client.collection("copy").like(source).allow_losses(true);
    let losses = like.losses().unwrap();
    like.create().unwrap();
    let sent = server.requests_to("/collections").pop().unwrap();
    (losses, serde_json::from_slice(&sent.body).unwrap())
}

#[test]
fn a_distributed_server_gets_spann_and_sparse_indexes_as_they_are() {
    let (losses, sent) = on_distributed(&opened_on_cloud());
    let unknown = "schema.keys.#document.string.fts_index.config.algorithm";
    assert_eq!(
        losses,
        [format!(
            "the setting {unknown:?}: the server does not know it"
        )]
    );
    let mut expected = of_cloud()["schema"].take();
    expected["keys"]["#document"]["string"]["fts_index"]["config"] = json!({});
    expected
        .as_object_mut()
        .unwrap()
        .remove("source_attached_function_id");
    let function = of_cloud()["configuration_json"]["embedding_function"].take();
    for index in VECTOR_INDEXES {
        let field = expected.pointer_mut(index).unwrap();
        field["embedding_function"] = function.clone();
    }
    assert_eq!(sent["schema"], expected);
    assert_eq!(sent["metadata"], json!({ "a": 1 }));
    assert_eq!(sent.get("configuration"), None);
}

#[test]
fn a_distributed_server_gets_the_space_of_hnsw_and_its_settings_are_listed() {
    let plain = new("1.5.9").space(Space::Ip).create().unwrap();
    let (losses, sent) = on_distributed(&plain);
    assert_eq!(losses, [""; 0]);
    let index = |sent: &Value| sent["schema"].pointer(VECTOR_INDEXES[0]).unwrap().clone();
    assert_eq!(
        index(&sent),
        json!({ "space": "ip", "source_key": "#document" })
    );

    let settings = HnswConfig::new().ef_search(50).batch_size(30);
    let special = new("1.5.9")
        .space(Space::Ip)
        .hnsw(settings)
        .create()
        .unwrap();
    let (losses, sent) = on_distributed(&special);
    assert_eq!(
        losses,
        [
            "batch_size 30, ef_search 50 of the index: a distributed server builds a SPANN index instead of HNSW"
        ]
    );
    assert_eq!(
        index(&sent),
        json!({ "space": "ip", "source_key": "#document" })
    );
}
