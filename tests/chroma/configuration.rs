//! The configuration of collections on a real server: set, read back, modified; and the stored embedding
//! function.

use chroma_blocking::{
    Error, Hashing, InvalidInput, Key, Metadata, Record, Space,
    collection::CollectionBuilder,
    embed::{Cached, MemoryCache},
    schema::{
        EmbeddingFunctionConfiguration, HnswConfig, InvertedIndex, Schema, SpannConfig,
        SparseVectorIndexConfig, VectorIndexConfig,
    },
};
use serde_json::json;

use crate::{Scratch, client, refused, unique_name};

fn new() -> CollectionBuilder {
    client().collection(unique_name())
}

fn scratch(builder: CollectionBuilder) -> Scratch {
    Scratch(builder.create().unwrap())
}

/// Returns whether the server omits the configuration of a collection, as Chroma 1.0.0 does.
fn omits_configuration() -> bool {
    let omits_configuration = Scratch::new().configuration().hnsw.is_none();
    if omits_configuration {
        eprintln!("this server does not tell the configuration of a collection");
    }
    omits_configuration
}

/// Returns whether the server lacks schemas, as Chroma does before 1.3.
fn lacks_schemas() -> bool {
    let none = Scratch::new().schema().is_none();
    if none {
        let error = new().schema(Schema::new()).create().unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        eprintln!("this server has no schemas");
    }
    none
}

#[test]
fn index_settings_are_read_back() {
    let settings = HnswConfig::new()
        .ef_construction(200)
        .max_neighbors(32)
        .ef_search(150)
        .sync_threshold(50)
        .batch_size(20)
        .num_threads(1)
        .resize_factor(1.5);
    let made = scratch(new().space(Space::Cosine).hnsw(settings));
    made.upsert((0..100_u8).map(|i| Record::new(i.to_string()).embedding([f32::from(i), 1.0])))
        .unwrap();
    assert_eq!(made.query([7.0, 1.0]).n_results(1).run().unwrap().len(), 1);
    if omits_configuration() {
        return;
    }
    let opened = client().collection(made.name()).get().unwrap();
    for collection in [&made.0, &opened] {
        assert_eq!(collection.space(), Some(Space::Cosine));
        let stored = collection.configuration().hnsw.clone().unwrap();
        let expected = HnswConfig::new()
            .space(Space::Cosine)
            .ef_construction(200)
            .max_neighbors(32)
            .ef_search(150)
            .sync_threshold(50)
            .resize_factor(1.5);
        assert_eq!(stored, expected, "servers do not return the other settings");
    }
}

#[test]
fn a_single_node_server_builds_hnsw_instead_of_spann() {
    let settings = SpannConfig::new().space(Space::Ip).ef_search(100);
    let made = match new().spann(settings).create() {
        Ok(made) => Scratch(made),
        Err(error) => {
            assert!(omits_configuration(), "{error}");
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            return;
        }
    };
    assert_eq!(made.space(), Some(Space::Ip));
    if made.configuration().spann.is_none() {
        let words = refused(made.modify().spann(SpannConfig::new().ef_search(9)).run());
        assert!(words.contains("without an error"), "{words}");
    }
}

#[test]
fn contradictory_settings_are_refused() {
    let cosine = HnswConfig::new().space(Space::Cosine);
    let cases = [
        (
            new().hnsw(cosine.clone()).spann(SpannConfig::new()),
            "one kind",
        ),
        (new().hnsw(cosine.clone()).space(Space::L2), "cosine"),
        (new().schema(Schema::new()).hnsw(cosine.clone()), "schema"),
        (
            new().schema(Schema::new()).spann(SpannConfig::new()),
            "schema",
        ),
        (new().schema(Schema::new()).space(Space::L2), "schema"),
        (new().hnsw(HnswConfig::new().max_neighbors(1)), "2 or more"),
        (
            new().spann(SpannConfig::new().search_nprobe(129)),
            "128 or less",
        ),
        (new().metadata("tags", ["a", "b"]), "lists"),
        (
            new().schema(Schema::new().create_index("#mine", InvertedIndex::Int)),
            "reserved for Chroma",
        ),
    ];
    for (builder, words) in cases {
        let error = refused(builder.clone().create());
        assert!(error.contains(words), "{error}");
        assert_eq!(refused(builder.get_or_create()), error);
    }
    let other = EmbeddingFunctionConfiguration::known("other", json!({}));
    let index = VectorIndexConfig::new().embedding_function(other);
    let builder = new().schema(Schema::new().create_vector_index(index));
    let error = refused(builder.embedding_function(Hashing::default()).create());
    assert!(error.contains("\"other\""), "{error}");
    // Set twice, to the same value.
    scratch(new().hnsw(cosine).space(Space::Cosine));
}

#[test]
fn modified_settings_are_read_back() {
    let made = Scratch::hashing();
    let name = unique_name();
    let mut modify = made.modify().name(&name).metadata([("a", 1), ("b", 2)]);
    if !omits_configuration() {
        let settings = HnswConfig::new().ef_search(33).sync_threshold(77);
        modify = modify.hnsw(settings.num_threads(1).batch_size(9).resize_factor(2.0));
    }
    let changed = Scratch(modify.run().unwrap());
    assert_eq!((changed.name(), changed.id()), (name.as_str(), made.id()));
    assert_eq!(changed.metadata(), &Metadata::from([("a", 1), ("b", 2)]));
    assert!(changed.embedding_function().is_some());
    if !omits_configuration() {
        let hnsw = changed.configuration().hnsw.as_ref().unwrap();
        assert_eq!((hnsw.ef_search, hnsw.sync_threshold), (Some(33), Some(77)));
        assert_eq!(hnsw.resize_factor, Some(2.0));
        assert_eq!(changed.space(), Some(Space::Cosine));
    }
    // The old handle still writes to it.
    made.upsert([Record::new("1").document("a spiral galaxy")])
        .unwrap();
    assert_eq!(changed.query("galaxies").run().unwrap().len(), 1);

    // Metadata is replaced, not merged.
    let again = changed.modify().metadata([("c", true)]).run().unwrap();
    assert_eq!(again.metadata(), &Metadata::from([("c", true)]));
    assert_eq!(again.name(), name);
    // The same modification again changes nothing.
    again.modify().name(&name).run().unwrap();
    let gone = client().collection(made.name()).get().unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
}

#[test]
fn invalid_modifications_are_refused() {
    let made = Scratch::new();
    let cases = [
        (made.modify(), "nothing to modify"),
        (made.modify().hnsw(HnswConfig::new()), "nothing to modify"),
        (made.modify().metadata(Metadata::new()), "at least one key"),
        (
            made.modify().metadata([("hnsw:space", "ip")]),
            "new collection",
        ),
        (made.modify().metadata([("list", vec![1_i64])]), "lists"),
        (made.modify().metadata([("nan", f64::NAN)]), "NaN"),
        (made.modify().name("a b"), "invalid collection name"),
        (
            made.modify().hnsw(HnswConfig::new().ef_construction(1)),
            "cannot change",
        ),
        (
            made.modify().hnsw(HnswConfig::new().space(Space::Ip)),
            "cannot change",
        ),
        (
            made.modify().hnsw(HnswConfig::new().batch_size(1)),
            "2 or more",
        ),
        (
            made.modify()
                .hnsw(HnswConfig::new().ef_search(1))
                .spann(SpannConfig::new().ef_search(1)),
            "one kind",
        ),
    ];
    for (modify, words) in cases {
        let error = refused(modify.run());
        assert!(error.contains(words), "{error}");
    }

    let other = Scratch::new();
    let taken = made.modify().name(other.name()).run().unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");

    let gone = client().collection(unique_name()).create().unwrap();
    client().delete_collection(gone.name()).unwrap();
    let error = gone.modify().name(unique_name()).run().unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[test]
fn a_collection_opens_with_its_stored_function() {
    let hashing = Hashing::with_dimension(32).unwrap();
    let made = scratch(new().embedding_function(hashing));
    made.upsert([Record::new("1").document("a spiral galaxy")])
        .unwrap();
    if omits_configuration() {
        return;
    }
    let opened = client().collection(made.name()).get().unwrap();
    assert_eq!(opened.embedding_function().unwrap().dimension(), Some(32));
    assert_eq!(opened.query("galaxies").run().unwrap().len(), 1);
    let listed = client().list_collections().run().unwrap();
    let listed = listed.iter().find(|one| one.id() == made.id()).unwrap();
    assert!(listed.embedding_function().is_some());

    // A function with a cache is the same function.
    let cached = Cached::new(
        Hashing::with_dimension(32).unwrap(),
        MemoryCache::new(1 << 20),
    );
    let opened = client().collection(made.name()).embedding_function(cached);
    let opened = opened.get().unwrap();
    for _ in 0..2 {
        assert_eq!(opened.query("galaxies").run().unwrap().len(), 1);
    }

    let builder = client().collection(made.name());
    let error = refused_late(
        builder
            .embedding_function(Hashing::default())
            .get_or_create(),
    );
    let InvalidInput::EmbeddingFunctionConflict { stored, given, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(stored, "chroma_blocking_hashing, 32 floats");
    assert_eq!(given, "chroma_blocking_hashing, 768 floats");
}

/// The reason of a refusal after the server has answered.
fn refused_late<T: std::fmt::Debug>(result: chroma_blocking::Result<T>) -> InvalidInput {
    match result.unwrap_err() {
        Error::Invalid { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[cfg(feature = "gemini")]
#[test]
fn secure_01_gemini_is_stored_without_its_key_and_reads_only_an_allowed_variable() {
    use chroma_blocking::{Client, Gemini};

    let gemini = |variable: &str| {
        let builder = Gemini::builder().api_key("k-never-stored");
        builder.api_key_env_var(variable).build().unwrap()
    };
    let made = scratch(new().embedding_function(gemini("NO_SUCH_KEY")));
    assert!(made.embedding_function().is_some());
    if omits_configuration() {
        return;
    }
    let opened = client().collection(made.name()).get().unwrap();
    let stored = opened.configuration().embedding_function.clone().unwrap();
    assert_eq!(stored.name.as_deref(), Some("google_gemini"));
    assert!(
        !format!("{:?} {:?}", opened.configuration(), opened.schema()).contains("never-stored")
    );
    opened
        .upsert([Record::new("1").embedding(vec![0.5; 768])])
        .unwrap();
    let error = refused(opened.query("text").run());
    let line = "allow_key_variable(\"NO_SUCH_KEY\")";
    assert!(error.contains(line), "{error}");
    let trusting = Client::builder()
        .host(client().url())
        .allow_key_variable("NO_SUCH_KEY");
    let trusting = trusting.build().unwrap().collection(made.name());
    let error = refused(trusting.get().unwrap().query("text").run());
    assert!(error.contains("that variable holds no key"), "{error}");

    // Settings that do not change vectors may differ.
    let moved = opened
        .modify()
        .embedding_function(gemini("ANOTHER_KEY"))
        .run()
        .unwrap();
    let stored = moved.configuration().embedding_function.clone().unwrap();
    assert_eq!(stored.config.unwrap()["api_key_env_var"], "ANOTHER_KEY");
    let conflict = refused(moved.modify().embedding_function(Hashing::default()).run());
    assert!(conflict.contains("google_gemini"), "{conflict}");
}

#[test]
fn a_function_can_be_added_to_a_collection_without_one() {
    if omits_configuration() {
        return;
    }
    let made = Scratch::new();
    let given = made
        .modify()
        .embedding_function(Hashing::default())
        .run()
        .unwrap();
    given.upsert([Record::new("1").document("a")]).unwrap();
    let opened = client().collection(made.name()).get().unwrap();
    assert_eq!(opened.query("a").run().unwrap().len(), 1);
}

#[test]
fn a_schema_disables_indexes() {
    if lacks_schemas() {
        return;
    }
    let odd = "odd key/%\"\u{1F980}";
    let hnsw = HnswConfig::new().ef_search(150);
    let schema = Schema::new()
        .create_vector_index(VectorIndexConfig::new().space(Space::Cosine).hnsw(hnsw))
        .delete_index("title", InvertedIndex::String)
        .delete_index(odd, InvertedIndex::String)
        .delete_default_index(InvertedIndex::Int)
        .create_index("year", InvertedIndex::Int)
        .delete_full_text_index();
    let made = scratch(new().schema(schema).embedding_function(Hashing::default()));
    let opened = client().collection(made.name()).get().unwrap();
    assert_eq!(opened.space(), Some(Space::Cosine));
    let read = opened.schema().unwrap();
    assert!(!read.has_index("title", InvertedIndex::String));
    assert!(!read.has_index(odd, InvertedIndex::String));
    assert!(read.has_index("year", InvertedIndex::Int));
    assert!(!read.has_index("pages", InvertedIndex::Int));
    assert!(!read.has_full_text_index());
    let index = read.vector_index();
    assert_eq!(index.hnsw.unwrap().ef_search, Some(150));
    let function = index.embedding_function.unwrap();
    assert_eq!(function.name.as_deref(), Some("chroma_blocking_hashing"));

    let record = Record::new("1")
        .document("a spiral galaxy")
        .metadata("title", "x");
    opened
        .upsert([record
            .metadata(odd, "y")
            .metadata("year", 2015)
            .metadata("pages", 3)])
        .unwrap();
    assert_eq!(opened.query("galaxies").run().unwrap().len(), 1);
    let found = opened
        .get()
        .filter(Key::field("year").eq(2015))
        .run()
        .unwrap();
    assert_eq!(found.ids, ["1"]);
    for filter in [
        Key::field("title").eq("x"),
        Key::field(odd).eq("y"),
        Key::field("pages").eq(3),
    ] {
        let error = opened.get().filter(filter).run().unwrap_err();
        assert!(
            error.to_string().contains("indexing is disabled"),
            "{error}"
        );
    }
    // Chroma 1.3.7 searches documents all the same.
    if let Err(error) = opened
        .get()
        .filter(Key::document().contains("spiral"))
        .run()
    {
        assert!(
            error.to_string().contains("indexing is disabled"),
            "{error}"
        );
    }
}

#[test]
fn a_single_node_server_refuses_a_sparse_index() {
    if lacks_schemas() {
        return;
    }
    let bm25 = SparseVectorIndexConfig::new().bm25(true);
    let function = EmbeddingFunctionConfiguration::known("chroma_bm25", json!({}));
    let filled_in = bm25.clone().embedding_function(function);
    for index in [bm25, filled_in.source_key("#document")] {
        let schema = Schema::new().create_sparse_vector_index("words", index);
        let error = new().schema(schema).create().unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        let words = "Sparse vector indexing is not enabled in local";
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn an_empty_schema_equals_the_default() {
    if lacks_schemas() {
        return;
    }
    let plain = Scratch::new();
    let with = scratch(new().schema(Schema::new()));
    assert_eq!(with.schema(), plain.schema());
    assert_eq!(with.configuration(), plain.configuration());
}

#[test]
fn fractions_are_compared_without_an_integer_index() {
    let schema = Schema::new().delete_index("x", InvertedIndex::Int);
    let made = client().collection(unique_name()).schema(schema).create();
    let made = match made {
        Ok(made) => Scratch(made),
        Err(Error::Unsupported { .. }) => return, // no schemas before 1.3
        Err(error) => panic!("{error}"),
    };
    let point = |id: &str, x: f64| Record::new(id).embedding([1.0]).metadata("x", x);
    made.upsert([point("a", 2.7), point("b", 0.5)]).unwrap();
    let x = || Key::field("x");
    for (filter, expected) in [
        (x().eq(2.7), "a"),
        (x().gte(0.5), "ab"),
        (x().lt(0.7), "b"),
        (x().is_in([2.7, 3.5]), "a"),
    ] {
        let mut ids = made.get().filter(filter).run().unwrap().ids;
        ids.sort();
        assert_eq!(ids.concat(), expected);
    }
}
