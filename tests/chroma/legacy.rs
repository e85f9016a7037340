//! Collections whose index settings are in their metadata: those that Chroma 0.5 left in a data folder, and new
//! ones that are created in the old way.

use std::process::Command;

use chroma_blocking::{
    Client, Collection, Hashing, LocalServer, Metadata, Record, Space,
    collection::CollectionBuilder,
    schema::{HnswConfig, Schema, SpannConfig, VectorIndexConfig},
};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::{Scratch, client, refused, server, unique_name, version};

/// Turns collections into those that chromadb 0.5.23 leaves in a data folder, and that every later server
/// keeps: the configuration has only defaults, in a form that later servers cannot read, and the metadata of
/// the collection and of its vectors have the settings.
const AS_CHROMA_0_5: &str = r#"
import json, sqlite3, sys
hnsw = {"space": "l2", "ef_construction": 100, "ef_search": 10, "num_threads": 2, "M": 16, "resize_factor": 1.2,
        "batch_size": 100, "sync_threshold": 1000, "_type": "HNSWConfigurationInternal"}
configuration = json.dumps({"hnsw_configuration": hnsw, "_type": "CollectionConfigurationInternal"})
database = sqlite3.connect(sys.argv[1])
columns = [column[1] for column in database.execute("PRAGMA table_info(collections)")]
for name, metadata in json.loads(sys.argv[2]).items():
    (id,) = database.execute("SELECT id FROM collections WHERE name = ?", (name,)).fetchone()
    database.execute("UPDATE collections SET config_json_str = ? WHERE id = ?", (configuration, id))
    if "schema_str" in columns:
        database.execute("UPDATE collections SET schema_str = NULL WHERE id = ?", (id,))
    (segment,) = database.execute(
        "SELECT id FROM segments WHERE collection = ? AND scope = 'VECTOR'", (id,)).fetchone()
    for key, value in metadata.items():
        row = [value if isinstance(value, kind) else None for kind in (str, int, float)]
        tables = {"collection_metadata": ("collection_id", id)}
        if key.startswith("hnsw:"):
            tables["segment_metadata"] = ("segment_id", segment)
        for table, (owner, owner_id) in tables.items():
            database.execute(f"INSERT INTO {table} ({owner}, key, str_value, int_value, float_value) "
                             "VALUES (?, ?, ?, ?, ?)", (owner_id, key, *row))
database.commit()
"#;

/// A server with a data folder of Chroma 0.5.
struct Legacy {
    client: Client,
    _server: LocalServer,
    _folder: Folder,
}

impl Legacy {
    /// Starts a server with these collections. `None` with a server in `CHROMA_HOST`, whose data folder is
    /// unknown.
    fn start(collections: &Value) -> Option<Legacy> {
        if server::is_given() {
            return None;
        }
        let folder = Folder::new();
        let start = || server::local().data(&folder.0).start().unwrap();
        let first = start();
        for name in collections.as_object().unwrap().keys() {
            let client = first.client().unwrap();
            client.collection(name).create().unwrap();
        }
        drop(first);
        let python = Command::new("python3")
            .args(["-c", AS_CHROMA_0_5])
            .arg(folder.path("chroma.sqlite3"))
            .arg(collections.to_string())
            .status();
        assert!(python.unwrap().success());
        let server = start();
        Some(Legacy {
            client: server.client().unwrap(),
            _server: server,
            _folder: folder,
        })
    }

    fn open(&self, name: &str) -> Collection {
        self.client.collection(name).get().unwrap()
    }
}

/// Asserts that a collection ranks by this space.
#[track_caller]
fn ranks_by(collection: &Collection, space: Space) {
    let vectors = [("far", [10.0, 0.0]), ("near", [0.9, 0.3])];
    let records = vectors.map(|(id, vector)| Record::new(id).embedding(vector));
    collection.upsert(records).unwrap();
    let expected = match space {
        Space::Cosine => [0.0, 0.051_317],
        Space::Ip => [-9.0, 0.1],
        _ => [81.0, 0.1],
    };
    let hits = collection.query([1.0, 0.0]).n_results(2).run().unwrap();
    for ((id, _), expected) in vectors.iter().zip(expected) {
        let hit = hits.iter().find(|hit| hit.id == *id).unwrap();
        let difference: f32 = hit.distance - expected;
        assert!(difference.abs() < 1e-4, "{space:?}: {}", hit.distance);
    }
}

/// Returns whether the server reports no configuration.
fn reports_none() -> bool {
    version() == "1.0.0"
}

#[test]
fn field_04_a_collection_of_chroma_0_5_tells_the_settings_of_its_metadata() {
    let all = json!({
        "hnsw:space": "cosine", "hnsw:M": 32, "hnsw:construction_ef": 77, "hnsw:search_ef": 55,
        "hnsw:batch_size": 7, "hnsw:sync_threshold": 9, "hnsw:num_threads": 2, "hnsw:resize_factor": 1.75,
    });
    let Some(legacy) = Legacy::start(&json!({
        "cosine": { "hnsw:space": "cosine" },
        "inner": { "hnsw:space": "ip", "shelf": "A" },
        "plain": { "shelf": "A" },
        "all": all,
    })) else {
        return;
    };
    let spaces = [
        ("cosine", Space::Cosine),
        ("inner", Space::Ip),
        ("plain", Space::L2),
        ("all", Space::Cosine),
    ];
    for (name, space) in spaces {
        let old = legacy.open(name);
        ranks_by(&old, space);
        if reports_none() {
            assert_eq!(old.space(), None, "it may be another one");
            continue;
        }
        assert_eq!(old.space(), Some(space), "{name}");
        let in_schema = old.schema().map(|schema| schema.vector_index().space);
        assert!(
            in_schema.is_none_or(|in_schema| in_schema == Some(space)),
            "{name}"
        );
        let copy = legacy.client.collection(unique_name());
        let copy = copy.space(old.space().unwrap()).create().unwrap();
        ranks_by(&copy, space);
        let builder = legacy.client.collection(unique_name());
        if let Some(schema) = old.schema() {
            ranks_by(&builder.schema(schema.clone()).create().unwrap(), space);
        }
    }
    let mut listed = legacy.client.list_collections().run().unwrap();
    listed.retain(|collection| collection.name() == "all");
    if !reports_none() {
        let found = listed[0].configuration().hnsw.clone().unwrap();
        let expected = HnswConfig::new()
            .space(Space::Cosine)
            .ef_construction(77)
            .max_neighbors(32)
            .ef_search(55)
            .num_threads(2)
            .batch_size(7)
            .sync_threshold(9)
            .resize_factor(1.75);
        assert_eq!(found, expected);
        let schema = listed[0].schema().map(|schema| schema.vector_index().hnsw);
        let mut in_schema = expected;
        in_schema.space = None;
        assert!(schema.is_none_or(|found| found == Some(in_schema)));
    }
}

#[test]
fn a_collection_like_one_of_chroma_0_5_has_its_settings() {
    let Some(legacy) = Legacy::start(&json!({
        "cosine": { "hnsw:space": "cosine" },
        "plain": { "shelf": "A" },
        "all": {
            "hnsw:space": "ip", "hnsw:M": 32, "hnsw:construction_ef": 77, "hnsw:search_ef": 55,
            "hnsw:batch_size": 7, "hnsw:sync_threshold": 9, "hnsw:resize_factor": 1.75, "shelf": "A",
        },
    })) else {
        return;
    };
    for (name, space) in [
        ("cosine", Space::Cosine),
        ("plain", Space::L2),
        ("all", Space::Ip),
    ] {
        let old = legacy.open(name);
        ranks_by(&old, space);
        let builder = legacy.client.collection(unique_name()).like(&old);
        assert_eq!(builder.losses().unwrap(), [""; 0], "{name}");
        let copy = builder.create().unwrap();
        ranks_by(&copy, space);
        assert_eq!(copy.metadata(), old.metadata());
        // Servers return it only in a schema.
        let without_batch_size = |collection: &Collection| {
            let mut hnsw = collection.configuration().hnsw.clone();
            let hnsw_of = hnsw.as_mut();
            hnsw_of.map(|hnsw| hnsw.batch_size.take());
            hnsw
        };
        assert_eq!(without_batch_size(&copy), without_batch_size(&old));
        if let Some(schema) = copy.schema() {
            let expected = if name == "all" { 7 } else { 100 };
            assert_eq!(
                schema.vector_index().hnsw.unwrap().batch_size,
                Some(expected)
            );
        }
        // With a new function, the distance function stays.
        let function = Hashing::with_dimension(2).unwrap();
        let builder = legacy.client.collection(unique_name()).like(&old);
        ranks_by(
            &builder.embedding_function(function).create().unwrap(),
            space,
        );
    }
}

#[test]
fn field_05_metadata_keep_the_settings_that_only_they_tell() {
    let Some(legacy) = Legacy::start(&json!({
        "cosine": { "hnsw:space": "cosine", "hnsw:search_ef": 55, "shelf": "A" },
    })) else {
        return;
    };
    let old = legacy.open("cosine");
    // As the documents say: a clone, with a change.
    let changed = old.metadata().clone().with("shelf", "B");
    let old = old.modify().metadata(changed.clone()).run().unwrap();
    assert_eq!(old.metadata(), &changed);
    // Metadata are replaced, but for these keys.
    let old = old.modify().metadata([("room", 1)]).run().unwrap();
    let expected = Metadata::from([("room", 1)]).with("hnsw:space", "cosine");
    let expected = expected.with("hnsw:search_ef", 55);
    assert_eq!(old.metadata(), &expected);
    let cosine = old.metadata().clone();
    for (metadata, words) in [
        (
            cosine.clone().with("hnsw:space", "l2"),
            "key \"hnsw:space\": \"l2\" would have no effect, space stays \"cosine\"",
        ),
        (
            cosine.clone().with("hnsw:search_ef", 56),
            "ef_search stays 55",
        ),
        (cosine.clone().with("hnsw:M", 17), "max_neighbors stays"),
        (
            cosine.clone().with("hnsw:layers", 2),
            "hnsw:space, hnsw:construction_ef",
        ),
    ] {
        let error = refused(old.modify().metadata(metadata).run());
        assert!(error.contains(words), "{error}");
    }
    // The server would rank by L2 after its next restart.
    let error = refused(old.modify().hnsw(HnswConfig::new().ef_search(200)).run());
    assert!(error.contains("new collection"), "{error}");
    let old = old
        .modify()
        .embedding_function(Hashing::with_dimension(2).unwrap())
        .run()
        .unwrap();
    let old = old.modify().name("renamed").run().unwrap();
    ranks_by(&old, Space::Cosine);
    assert_eq!(old.space(), (!reports_none()).then_some(Space::Cosine));
}

fn new() -> CollectionBuilder {
    client().collection(unique_name())
}

#[test]
fn field_04_settings_in_the_metadata_and_outside_of_them_are_joined() {
    let cosine = || new().metadata("hnsw:space", "cosine");
    let cases = [
        (cosine(), Space::Cosine),
        (
            cosine().hnsw(HnswConfig::new().ef_search(50)),
            Space::Cosine,
        ),
        (cosine().space(Space::Cosine), Space::Cosine),
        (
            cosine().embedding_function(Hashing::with_dimension(2).unwrap()),
            Space::Cosine,
        ),
        (
            new()
                .metadata("hnsw:space", "l2")
                .embedding_function(Hashing::with_dimension(2).unwrap()),
            Space::L2,
        ),
        (new().metadata("hnsw:M", 20).space(Space::Ip), Space::Ip),
    ];
    for (builder, space) in cases {
        let made = Scratch(builder.clone().create().unwrap());
        ranks_by(&made, space);
        let opened = builder.clone().get_or_create();
        let Ok(opened) = opened else {
            panic!("{opened:?}")
        };
        for collection in [&made.0, &opened] {
            assert_eq!(
                collection.space(),
                (!reports_none()).then_some(space),
                "{builder:?}"
            );
        }
    }
    let made = Scratch(
        new()
            .metadata("hnsw:M", 20)
            .space(Space::Ip)
            .create()
            .unwrap(),
    );
    let neighbors = made
        .configuration()
        .hnsw
        .as_ref()
        .map(|hnsw| hnsw.max_neighbors);
    assert!(neighbors.is_none_or(|neighbors| neighbors == Some(20)));
}

#[test]
fn field_04_settings_that_contradict_those_in_the_metadata_are_refused() {
    let cosine = || new().metadata("hnsw:space", "cosine");
    for (builder, words) in [
        // The server would take the space of the metadata, or that of the configuration, without an error.
        (
            cosine().space(Space::L2),
            "\"cosine\", but space is set to \"l2\"",
        ),
        (cosine().hnsw(HnswConfig::new().space(Space::Ip)), "\"ip\""),
        (
            cosine().spann(SpannConfig::new().space(Space::Ip)),
            "\"ip\"",
        ),
        (
            new()
                .metadata("hnsw:M", 20)
                .hnsw(HnswConfig::new().max_neighbors(21)),
            "max_neighbors is set to 21",
        ),
        (
            new().metadata("hnsw:M", 20).spann(SpannConfig::new()),
            "one kind of index",
        ),
        (cosine().schema(Schema::new()), "schema"),
        (
            cosine().schema(Schema::new().create_vector_index(VectorIndexConfig::new())),
            "schema",
        ),
        // It would answer only "Failed to parse hnsw parameters from segment metadata".
        (new().metadata("hnsw:space", "euclid"), "l2, cosine or ip"),
        (new().metadata("hnsw:space", "Cosine"), "l2, cosine or ip"),
        (new().metadata("hnsw:M", "32"), "whole number"),
        (new().metadata("hnsw:M", 32.0), "whole number"),
        (new().metadata("hnsw:construction_ef", -1), "whole number"),
        (new().metadata("hnsw:resize_factor", true), "a number"),
        (
            new().metadata("hnsw:layers", 2),
            "hnsw:space, hnsw:construction_ef",
        ),
        (new().metadata("hnsw:batch_size", 1), "2 or more"),
        (new().metadata("hnsw:sync_threshold", 0), "2 or more"),
        // It would crash.
        (new().metadata("hnsw:M", 1), "2 or more"),
    ] {
        let error = refused(builder.clone().create());
        assert!(error.contains(words), "{error}");
        assert_eq!(refused(builder.get_or_create()), error);
    }
}

#[test]
fn field_05_a_collection_that_tells_its_settings_takes_new_metadata() {
    let cosine = Metadata::from([("hnsw:space", "cosine")]).with("hnsw:search_ef", 55);
    let builder = new()
        .metadata("hnsw:space", "cosine")
        .metadata("hnsw:search_ef", 55);
    let made = Scratch(builder.create().unwrap());
    let changed = cosine.clone().with("shelf", "B");
    let same = made.modify().metadata(changed.clone()).run().unwrap();
    assert_eq!(same.metadata(), &changed);
    for (metadata, words) in [
        (
            cosine.clone().with("hnsw:space", "l2"),
            "space stays \"cosine\"; another value needs a new collection",
        ),
        (
            cosine.with("hnsw:search_ef", 56),
            "ef_search stays 55; to change it, use .hnsw(...)",
        ),
    ] {
        let error = refused(same.modify().metadata(metadata).run());
        assert!(error.contains(words), "{error}");
    }
    if reports_none() {
        return;
    }
    // The configuration has the settings, so the metadata need not.
    let without = same.modify().metadata([("shelf", "C")]).run().unwrap();
    assert_eq!(without.metadata(), &Metadata::from([("shelf", "C")]));
    assert_eq!(without.space(), Some(Space::Cosine));
    let more = without
        .modify()
        .hnsw(HnswConfig::new().ef_search(99))
        .run()
        .unwrap();
    assert_eq!(
        more.configuration().hnsw.as_ref().unwrap().ef_search,
        Some(99)
    );
    ranks_by(&more, Space::Cosine);
}
