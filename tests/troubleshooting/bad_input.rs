//! Errors before a request.

use std::time::Duration;

use chroma_blocking::{
    Client, ClientBuilder, Collection, Key, Metadata, MetadataValue, Record, RetryPolicy, Search,
    Space, Where,
    client::CircuitBreaker,
    collection::{CollectionBuilder, STAMP},
    ingest::BadRecords,
    record::{Columns, SparseVector},
    schema::{HnswConfig, InvertedIndex, Schema, SpannConfig},
    search::{Knn, Rrf},
};
use serde_json::json;

use crate::messages::Messages;
use crate::support::stand_in::{Answer, StandIn};
use crate::support::{LIMITS, chroma, closed_port, collection};

pub fn all(seen: &mut Messages) {
    settings(seen);
    identities(seen);
    names(seen);
    let server = chroma(LIMITS, |_| Answer::ok("{}"));
    let abc = collection(&server);
    records(seen, &abc);
    metadata(seen, &abc);
    filters(seen, &abc);
    searches(seen, &abc);
    calls(seen, &abc);
    collections(seen, &server);
}

fn settings(seen: &mut Messages) {
    let settings: &[fn(ClientBuilder) -> ClientBuilder] = &[
        |to| to.host(""),
        |to| to.host("localhost:port"),
        |to| to.host("ftp://localhost"),
        |to| to.host("http://me:secret@localhost"),
        |to| to.host("http://localhost:8000/?key=1"),
        |to| to.connection_timeout(Duration::ZERO),
        |to| to.request_timeout(Duration::ZERO),
        |to| to.max_payload_size(0),
        |to| to.max_response_size(0),
        |to| to.circuit_breaker(CircuitBreaker::new().failures(0)),
        |to| to.replicas((0..64).map(|port| format!("localhost:{}", 9000 + port))),
        |to| to.replicas(["localhost:8000"]),
        |to| to.tenant(""),
        |to| to.database(""),
        |to| to.api_key("").host("localhost"),
        |to| to.bearer_token("a\nb"),
        |to| to.header("no name", "x"),
        |to| to.header("host", "x"),
        |to| to.proxy("socks5://localhost:1"),
        |to| to.proxy("http://"),
        |to| to.proxy("http://proxy/proxy.pac"),
        |to| to.proxy("http://u:a/b@proxy"),
        |to| to.proxy("http://u:%00@proxy"),
        |to| to.host("http://api.trychroma.com").api_key("k"),
        |to| to.api_key("\"k\""),
        |to| to.api_key("k\u{200b}"),
        |to| to.api_key("k "),
        |to| to.api_key("k k"),
        |to| to.api_key("k\u{e4}"),
        |to| to.api_key("Bearer k"),
        |to| to.api_key("api_key=k"),
        |to| to.api_key("${KEY}"),
        |to| to.basic_auth("a:b", "c"),
        |to| to.ca_certificates("no certificate"),
        |to| to.cloud(),
        |to| {
            to.api_key("k")
                .host("localhost")
                .header("x-chroma-token", "k")
        },
        |to| to.replicas(["localhost:1", "localhost:1"]),
        |to| to.basic_auth("a", "b").header("x", "\n"),
        |to| to.allow_key_variable("a-key"),
    ];
    for set in settings {
        seen.of(set(Client::builder()).build());
    }
    if cfg!(not(feature = "tls")) {
        seen.of(Client::new("https://localhost"));
    }
}

/// Keys with access to several tenants or databases.
fn identities(seen: &mut Messages) {
    for identity in [
        r#"{"tenant":"*","databases":["*"]}"#,
        r#"{"tenant":"t","databases":["a","b"]}"#,
        r#"{"tenant":"..","databases":["a"]}"#,
    ] {
        let server = StandIn::start(move |_| Answer::ok(identity));
        let client = Client::builder().host(server.url()).find_database(true);
        seen.of(client.build());
    }
}

fn names(seen: &mut Messages) {
    // The client sends nothing, so the address needs no server.
    let (_reserved, address) = closed_port();
    let client = Client::new(address.to_string()).unwrap();
    for name in ["a b c", "a..b", "10.0.0.1", "ab", &"x".repeat(513), "-abc"] {
        seen.of(client.collection(name).get());
        seen.of(client.create_database(name));
    }
    seen.of(client.create_tenant("ab"));
    seen.of(client.with_tenant("..").count_collections());
    seen.of(client.collection_by_id("abc").get());
    seen.of(client.collection_by_crn("abc").get());
}

fn point(id: &str) -> Record {
    Record::new(id).embedding([1.0, 2.0])
}

fn records(seen: &mut Messages, abc: &Collection) {
    for records in [
        vec![point("")],
        (0..12)
            .flat_map(|i| [point(&i.to_string()), point(&i.to_string())])
            .collect(),
        vec![point("a"), Record::new("b").embedding([1.0])],
        vec![Record::new("a").embedding([f32::NAN])],
        vec![point("a").metadata("k", f64::INFINITY)],
        vec![Record::new("a")],
        vec![Record::new("a").document("text")],
    ] {
        seen.of(abc.upsert(records));
    }
    seen.of(abc.upsert(Columns::new(&["a", "b"]).embeddings(&[[1.0, 2.0]])));
    seen.of(abc.query("text").run());
    seen.of(abc.query([f32::NAN]).run());
}

fn metadata(seen: &mut Messages, abc: &Collection) {
    let sparse = |indices: &[u32], values: &[f32]| SparseVector::new(indices, values);
    for (key, value) in [
        ("", MetadataValue::from(1)),
        ("$k", 1.into()),
        ("chroma:document", 1.into()),
        ("k", Vec::<String>::new().into()),
        ("k", vec![1_i64; 5_462].into()),
        ("k", sparse(&[1], &[]).into()),
        ("k", sparse(&[2, 1], &[1.0, 2.0]).into()),
    ] {
        seen.of(abc.upsert([point("a").metadata(key, value)]));
    }
    let keys = |count: usize, value: MetadataValue| {
        let pairs = (0..count).map(|i| (i.to_string(), value.clone()));
        pairs.collect::<Metadata>()
    };
    for metadata in [keys(5_462, 1.into()), keys(32_766, MetadataValue::Null)] {
        seen.of(abc.upsert([point("a").metadatas(metadata)]));
    }
    seen.of(abc.modify().metadata(keys(5_462, 1.into())).run());
    let builder = || abc.client().collection("abc");
    seen.of(builder().metadata("k", vec![1]).create());
    seen.of(builder().metadata("k", MetadataValue::Null).create());
    let stamped = builder().stamp_writes(true).get().unwrap();
    seen.of(stamped.upsert([point("a").metadata(STAMP, 1)]));

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Year {
        year: i64,
    }
    seen.of(Metadata::new().to_struct::<Year>());
    seen.of(Metadata::from_struct(&5));
    let nested = json!({ "year": { "month": 1 } });
    seen.of(Metadata::from_struct(&nested));
}

fn filters(seen: &mut Messages, abc: &Collection) {
    let field = || Key::field("k");
    let mut deep = field().eq(1);
    for level in 0..200 {
        deep = match level % 2 {
            0 => deep & field().eq(level),
            _ => deep | field().eq(level),
        };
    }
    for filter in [
        Where::any([]),
        deep,
        Key::document().contains(1),
        field().gt("2020"),
        field().is_in(Vec::<i64>::new()),
        Key::id().gt("a"),
        Key::id().eq(1),
        Key::field("").eq(1),
        Key::document().eq("text"),
        field().regex("a"),
        Key::field("$k").eq(1),
        field().eq(f64::NAN),
        Key::id().eq("a") | field().eq(1),
        field().not_in(0..20_000),
        Key::document().contains("x".repeat(50_000)),
    ] {
        seen.of(abc.get().filter(filter).run());
    }
    for json in [
        "{",
        r#"{"$and":[{}]}"#,
        r#"{"a":1,"b":2}"#,
        r#"{"k":{"$near":1}}"#,
        r#"{"$and":1}"#,
        r#"{"k":{"$in":1}}"#,
        r#"{"k":{"$eq":[1]}}"#,
        r#"{"k":{"$eq":99999999999999999999}}"#,
        r#"{"$contains":"x"}"#,
    ] {
        seen.of(Where::from_json(json));
    }
    seen.of(Where::document_from_json("5"));
}

fn searches(seen: &mut Messages, abc: &Collection) {
    let knn = || Knn::dense([1.0, 2.0]);
    for search in [
        Search::new().limit(0),
        Search::new().rank(Rrf::new(Vec::<Knn>::new())),
        Search::new().rank(Rrf::new([knn()]).k(0)),
        Search::new().rank(Rrf::new([knn()]).weights([1.0, 2.0])),
        Search::new().rank(knn().key("words")),
        Search::new().rank(Knn::text("words")),
        Search::new().select(["#words"]),
        Search::new().filter(Key::id().is_in(Vec::<String>::new())),
    ] {
        seen.of(abc.search(search).run());
    }
}

fn calls(seen: &mut Messages, abc: &Collection) {
    seen.of(abc.delete().run());
    seen.of(abc.delete().ids(["a"]).limit(1).run());
    seen.of(abc.modify().run());
    seen.of(abc.modify().metadata(Metadata::new()).run());
    seen.of(abc.modify().metadata([("hnsw:space", "l2")]).run());
    seen.of(abc.query([1.0]).max_distance(f32::NAN).run());
    seen.of(abc.query([1.0]).min_score(0.5).run());
    seen.of(abc.attach_function("a", "f", "out").params(json!(1)).run());
    seen.of(abc
        .get()
        .ids((0..20_000).map(|i| i.to_string()))
        .limit(1)
        .run());
    seen.of(abc.query([1.0]).max_distance(f32::NAN).run());
    seen.of(abc.query([1.0]).min_score(0.5).run());
    let mut transaction = abc.transaction();
    transaction.upsert([point("a")]).unwrap();
    seen.of(transaction.upsert([point("a")]));

    let none: [Record; 0] = [];
    seen.of(abc.ingest(none.clone()).concurrency(0).run());
    seen.of(abc.ingest(none.clone()).batch_size(0).run());
    seen.of(abc.ingest(none.clone()).sync(Where::everything()).run());
    seen.of(abc.ingest(none.clone()).shard(3, 3).run());
    let hasty = RetryPolicy::default().deadline(Duration::from_secs(1));
    seen.of(abc.ingest(none.clone()).retry(hasty).run());
    let nowhere = BadRecords::dead_letters("/no/such/folder/bad.jsonl");
    seen.of(abc.ingest(none).bad_records(nowhere).run());
}

fn collections(seen: &mut Messages, server: &StandIn) {
    let client = Client::new(server.url()).unwrap();
    let builder = || -> CollectionBuilder { client.collection("abc") };
    let (hnsw, spann) = (HnswConfig::new(), SpannConfig::new());
    seen.of(builder().hnsw(hnsw.clone()).spann(spann.clone()).create());
    let cosine = hnsw.clone().space(Space::Cosine);
    seen.of(builder().space(Space::L2).hnsw(cosine).create());
    let schema = Schema::new();
    seen.of(builder().space(Space::L2).schema(schema.clone()).create());
    let key = schema.create_index("#document", InvertedIndex::Int);
    seen.of(builder().schema(key).create());
    seen.of(builder().hnsw(hnsw.max_neighbors(1)).create());
    let old = |key: &str, value: &str| builder().metadata(key, value);
    seen.of(old("hnsw:space", "euclid").create());
    seen.of(old("hnsw:layers", "2").create());
    seen.of(old("hnsw:resize_factor", "2").create());
    seen.of(old("hnsw:space", "ip").space(Space::L2).create());
    seen.of(builder().metadata("hnsw:M", 32).spann(spann).create());
}
