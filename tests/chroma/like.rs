//! New collections with the settings of another one on the same server.

use chroma_blocking::{
    Collection, Error, Hashing, Metadata, Record, Space,
    collection::CollectionBuilder,
    schema::{
        EmbeddingFunctionConfiguration, HnswConfig, InvertedIndex, Schema, SpannConfig,
        VectorIndexConfig,
    },
};
use serde_json::json;

use crate::{Scratch, client, refused, unique_name, version};

fn new() -> CollectionBuilder {
    client().collection(unique_name())
}

fn hashing(dimension: usize) -> Hashing {
    Hashing::with_dimension(dimension).unwrap()
}

/// Returns whether the server reports no configuration.
fn reports_none() -> bool {
    version() == "1.0.0"
}

/// Creates a collection like another one, without losses.
#[track_caller]
fn made_like(source: &Collection) -> Scratch {
    created(new().like(source))
}

#[track_caller]
fn created(builder: CollectionBuilder) -> Scratch {
    assert_eq!(builder.losses().unwrap(), [""; 0], "{builder:?}");
    Scratch(builder.create().unwrap())
}

/// A function that this crate does not have.
fn unknown_function() -> EmbeddingFunctionConfiguration {
    let config = json!({ "model": "m", "parts": [1, { "deep": null }] });
    EmbeddingFunctionConfiguration::known("of-another-client", config)
}

fn schema_with(index: VectorIndexConfig) -> Schema {
    Schema::new().create_vector_index(index)
}

#[test]
fn a_collection_gets_each_kind_of_setting_of_another_one() {
    let hnsw = HnswConfig::new().ef_search(50).max_neighbors(20);
    let hnsw = hnsw.sync_threshold(40).batch_size(30).resize_factor(1.5);
    let mut sources = vec![
        new(),
        new()
            .metadata("a", 1)
            .metadata("b", 0.5)
            .metadata("c", true)
            .metadata("d", "é"),
        new().space(Space::Cosine),
        new().space(Space::Ip).hnsw(hnsw.clone()),
        new()
            .metadata("hnsw:space", "cosine")
            .metadata("hnsw:M", 20)
            .metadata("a", 1),
        new()
            .metadata("hnsw:batch_size", 30)
            .metadata("hnsw:num_threads", 1),
    ];
    if !reports_none() {
        sources.push(new().embedding_function(hashing(3)));
        for kind in ["legacy", "unknown"] {
            let nameless = EmbeddingFunctionConfiguration::new().kind(kind);
            let index = VectorIndexConfig::new().embedding_function(nameless);
            sources.push(new().schema(schema_with(index.space(Space::Cosine))));
        }
        let index = VectorIndexConfig::new().embedding_function(unknown_function());
        let index = index.hnsw(hnsw);
        sources.push(new().schema(schema_with(index)));
        let schema = Schema::new().delete_index("title", InvertedIndex::String);
        let schema = schema
            .delete_default_index(InvertedIndex::Int)
            .delete_full_text_index();
        sources.push(new().schema(schema).metadata("a", 1));
    }
    for source in sources {
        let source = Scratch(source.create().unwrap());
        source
            .upsert([Record::new("1").embedding([0.6, 0.8, 3.0])])
            .unwrap();
        let copy = made_like(&source);
        assert_eq!(copy.metadata(), source.metadata());
        assert_eq!(copy.configuration(), source.configuration());
        assert_eq!(copy.schema(), source.schema());
        assert_eq!(copy.dimension(), None, "is that of the first record");
        assert_eq!(
            copy.embedding_function().map(|function| function.config()),
            source
                .embedding_function()
                .map(|function| function.config())
        );
        if reports_none() {
            continue;
        }
        // And again, as a server reports it.
        let opened = client().collection(copy.name()).get().unwrap();
        let again = made_like(&opened);
        assert_eq!(again.configuration(), source.configuration());
        assert_eq!(again.schema(), source.schema());
    }
}

#[test]
fn the_functions_in_use_are_those_of_the_source() {
    let made = Scratch(new().create().unwrap());
    let source = client()
        .collection(made.name())
        .embedding_function(hashing(7));
    let source = source.get().unwrap();
    source
        .upsert([Record::new("1").document("a spiral galaxy")])
        .unwrap();
    let copy = made_like(&source);
    copy.upsert([Record::new("1").document("a spiral galaxy")])
        .unwrap();
    assert_eq!(copy.dimension(), Some(7));
    // Neither of the two stores it, unless the server does not tell.
    if !reports_none() {
        assert_eq!(copy.configuration().embedding_function, None);
    }
    let opened = new().like(&source).embedding_function(hashing(5));
    let opened = Scratch(opened.create().unwrap());
    assert_eq!(opened.embedding_function().unwrap().dimension(), Some(5));
}

#[test]
fn settings_that_are_set_afterwards_replace_those_of_the_source() {
    if reports_none() {
        return;
    }
    let hnsw = HnswConfig::new().ef_search(50).max_neighbors(20);
    let source = new()
        .space(Space::Ip)
        .hnsw(hnsw)
        .embedding_function(hashing(3));
    let source = Scratch(source.metadata("a", 1).metadata("b", 2).create().unwrap());
    let like = || new().like(&source);
    let index = |made: &Collection| made.configuration().hnsw.clone().unwrap();

    let made = created(like().embedding_function(hashing(9)));
    assert_eq!(
        made.space(),
        Some(Space::Ip),
        "not that of the new function"
    );
    assert_eq!(index(&made), index(&source));
    assert_eq!(made.embedding_function().unwrap().dimension(), Some(9));
    let stored = made.configuration().embedding_function.clone().unwrap();
    assert_eq!(stored.config, Some(json!({ "dimension": 9 })));
    if let Some(schema) = made.schema() {
        assert_eq!(schema.vector_index().embedding_function, Some(stored));
    }
    made.upsert([Record::new("1").document("a spiral galaxy")])
        .unwrap();

    let made = created(like().space(Space::Cosine));
    let expected = index(&source).space(Space::Cosine);
    assert_eq!(index(&made), expected);

    let made = created(like().hnsw(HnswConfig::new().ef_search(70)));
    assert_eq!(index(&made), index(&source).ef_search(70));

    let made = created(like().metadata("b", "two").metadata("c", true));
    let expected = Metadata::from([("a", 1)]).with("b", "two").with("c", true);
    assert_eq!(made.metadata(), &expected);

    let old = Scratch(
        new()
            .metadata("hnsw:space", "cosine")
            .metadata("hnsw:M", 20)
            .create()
            .unwrap(),
    );
    let made = created(new().like(&old).space(Space::L2));
    assert_eq!(made.space(), Some(Space::L2));
    assert_eq!(index(&made).max_neighbors, Some(20));
    assert_eq!(made.metadata(), &Metadata::from([("hnsw:M", 20)]));

    // Settings that were set before are gone.
    let made = created(new().metadata("z", 1).space(Space::L2).like(&source));
    assert_eq!(
        (made.space(), made.metadata()),
        (Some(Space::Ip), source.metadata())
    );

    if source.schema().is_some() {
        let schema = Schema::new().delete_index("title", InvertedIndex::String);
        let made = created(like().schema(schema));
        assert!(
            !made
                .schema()
                .unwrap()
                .has_index("title", InvertedIndex::String)
        );
        assert_eq!(made.space(), Some(Space::Ip));
        assert_eq!(
            index(&made).ef_search,
            Some(100),
            "the schema replaces the index"
        );
        assert_eq!(made.embedding_function().unwrap().dimension(), Some(3));
    }
}

#[test]
fn contradictory_settings_after_like_are_refused() {
    let source = Scratch(new().metadata("hnsw:space", "cosine").create().unwrap());
    let like = || new().like(&source);
    let ip = HnswConfig::new().space(Space::Ip);
    for (builder, words) in [
        (like().space(Space::L2).hnsw(ip.clone()), "space"),
        (
            like().hnsw(ip).spann(SpannConfig::new()),
            "one kind of index",
        ),
        (like().hnsw(HnswConfig::new().max_neighbors(1)), "2 or more"),
        (
            like().metadata("hnsw:space", "ip"),
            "\"ip\", but space is set to \"cosine\"",
        ),
        (like().metadata("hnsw:layers", 2), "hnsw:construction_ef"),
        (like().metadata("tags", ["a"]), "lists"),
        (
            like().schema(Schema::new()).space(Space::L2),
            "a schema is set as well",
        ),
        (
            like().schema(Schema::new()).metadata("hnsw:M", 20),
            "a schema is set as well",
        ),
    ] {
        let name = format!("{builder:?}");
        for error in [refused(builder.losses()), refused(builder.create())] {
            assert!(error.contains(words), "{error} {name}");
        }
    }
    let named = client().collection("a b").like(&source).losses();
    assert!(refused(named).contains("invalid collection name"));
}

#[test]
fn an_existing_collection_is_opened_with_the_functions_of_the_source() {
    let source = Scratch::hashing();
    source
        .upsert([Record::new("1").document("a spiral galaxy")])
        .unwrap();
    let existing = Scratch(new().metadata("kept", true).create().unwrap());
    let opened = client()
        .collection(existing.name())
        .like(&source)
        .get_or_create();
    let opened = opened.unwrap();
    assert_eq!(opened.id(), existing.id());
    assert_eq!(opened.metadata(), existing.metadata());
    assert!(opened.embedding_function().is_some());
    let taken = client()
        .collection(existing.name())
        .like(&source)
        .create()
        .unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");
}

#[test]
fn spann_becomes_hnsw_with_the_same_space_and_its_settings_are_listed() {
    if reports_none() {
        return;
    }
    let source = Scratch(new().space(Space::Cosine).create().unwrap());
    let made = created(
        new()
            .like(&source)
            .spann(SpannConfig::new().search_nprobe(64)),
    );
    assert_eq!(made.space(), Some(Space::Cosine));
    let builder = new()
        .like(&source)
        .spann(SpannConfig::new().search_nprobe(10));
    let losses = builder.losses().unwrap();
    if made.schema().is_none() || made.configuration().spann.is_none() {
        assert_eq!(losses.len(), 1, "{losses:?}");
        let words = "search_nprobe 10 of the index: a single-node server builds an HNSW index";
        assert!(losses[0].starts_with(words), "{losses:?}");
        let error = builder.clone().create().unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(&losses[0]), "{error}");
        assert_eq!(made.space(), Some(Space::Cosine));
    }
    let made = Scratch(builder.allow_losses(true).create().unwrap());
    assert_eq!(made.space(), Some(Space::Cosine));
}
