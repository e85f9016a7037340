//! The calls of this library that the tables of the guides name, so that each of them compiles. Nothing runs
//! them.

// The calls are written as in the tables, and their results are not used.
#![allow(unused)]
#![allow(clippy::no_effect, clippy::unnecessary_operation)]
#![allow(clippy::match_same_arms, clippy::needless_pass_by_value)]

use std::time::Duration;

use chroma_blocking::{
    Client, Collection, EmbeddingFunction, Embeddings, Error, GetResult, Hashing, Include,
    InvalidInput, Key, LocalServer, MetadataValue, QueryResult, Record, Result, RetryPolicy,
    Search, Space, Where,
    client::CircuitBreaker,
    collection::CollectionBuilder,
    embed::{Cached, EmbeddingError, MemoryCache},
    record::{Columns, SparseVector, Vectors},
    schema::{HnswConfig, Schema, SpannConfig, SparseVectorIndexConfig, VectorIndexConfig},
    search::{Knn, ReadLevel, Rrf},
};

fn connecting(key: &str, token: &str, breaker: CircuitBreaker) -> Result<()> {
    Client::builder().circuit_breaker(breaker);
    Client::new("db:8000")?;
    Client::from_env()?;
    Client::builder()
        .host("https://db:8000")
        .api_key(key)
        .build()?;
    Client::builder().bearer_token(token);
    Client::builder().basic_auth("user", "password");
    Client::builder().header("x-team", "search");
    Client::builder().replicas(["http://db-1:8000"]);
    Client::builder().retry(RetryPolicy::default().max_retries(5));
    Client::builder().request_timeout(Duration::from_secs(300));
    Client::cloud(key)?;
    Client::cloud_from_env()?;
    Client::builder()
        .cloud()
        .api_key(key)
        .tenant("acme")
        .database("shop")
        .build()?;
    Client::builder()
        .host("db:8000")
        .find_database(true)
        .build()?;
    let server = LocalServer::builder().install(true).start()?;
    LocalServer::builder().install(true).data("data").start()?;
    server.client()?;
    Ok(())
}

fn client(client: &Client) -> Result<()> {
    client.heartbeat()?;
    client.version()?;
    client.identity()?;
    client.pre_flight_checks()?.max_batch_size;
    client.reset()?;
    client.with_tenant("acme").with_database("shop");
    client.create_tenant("acme")?;
    client.get_tenant("acme")?;
    client.with_tenant("acme").create_database("shop")?;
    client.create_database("shop")?;
    client.get_database("shop")?;
    client.list_databases().run()?;
    client.delete_database("shop")?;
    client.with_tenant("acme").get_database("shop")?;
    client.with_tenant("acme").list_databases().run()?;
    client.with_tenant("acme").delete_database("shop")?;
    client.list_collections().run()?;
    client.list_collections().limit(10).offset(20).run()?;
    client.count_collections()?;
    client.delete_collection("notes")?;
    Ok(())
}

fn opening(client: &Client, id: &str) -> Result<()> {
    client.collection("notes").create()?;
    client.collection("notes").get()?;
    client.collection("notes").get_or_create()?;
    client.collection_by_id(id).get()?;
    let new = || client.collection("notes");
    new().metadata("lang", "en");
    new()
        .space(Space::Cosine)
        .hnsw(HnswConfig::new().ef_search(200));
    new().spann(SpannConfig::new().search_nprobe(32));
    new().schema(Schema::new().create_vector_index(VectorIndexConfig::new().space(Space::Cosine)));
    new().schema(Schema::new().create_sparse_vector_index("words", SparseVectorIndexConfig::new()));
    new().embedding_function(Hashing::default());
    Ok(())
}

#[cfg(feature = "gemini")]
fn gemini(new: CollectionBuilder) -> Result<()> {
    use chroma_blocking::Gemini;

    new.embedding_function(Gemini::from_env()?);
    Gemini::builder()
        .model("gemini-embedding-001")
        .dimension(768)
        .build()?;
    Ok(())
}

#[cfg(feature = "functions")]
fn functions() -> Result<()> {
    use chroma_blocking::embed::{
        ChromaCloudQwen, HttpFunction, Ollama, OpenAi, TextEmbeddingsInference,
    };

    HttpFunction::new(ChromaCloudQwen::new())?;
    HttpFunction::new(Ollama::new("nomic-embed-text"))?;
    HttpFunction::new(OpenAi::new("text-embedding-3-small"))?;
    HttpFunction::new(TextEmbeddingsInference::new("http://localhost:8080/embed"))?;
    Ok(())
}

#[cfg(feature = "onnx")]
fn onnx(folder: &str) -> Result<()> {
    use chroma_blocking::embed::{Onnx, Pooling};

    Onnx::mini_lm()?;
    Onnx::builder("BAAI/bge-small-en-v1.5", folder)
        .pooling(Pooling::Cls)
        .build()?;
    Ok(())
}

#[cfg(feature = "bm25")]
fn sparse() -> std::result::Result<(), EmbeddingError> {
    use chroma_blocking::embed::{Bm25, SparseEmbeddingFunction};

    Bm25::default().embed_documents(&["a text"])?;
    SparseVectorIndexConfig::new()
        .embedding_function(Bm25::default())
        .source_key("#document");
    Ok(())
}

fn collection(notes: &Collection) -> Result<()> {
    notes.name();
    notes.id();
    notes.metadata();
    notes.configuration();
    notes.schema();
    notes.embedding_function();
    notes
        .modify()
        .name("old-notes")
        .metadata([("lang", "fr")])
        .run()?;
    notes
        .modify()
        .hnsw(HnswConfig::new().ef_search(200))
        .run()?;
    notes.fork("copy")?;
    notes.fork_count()?;
    notes.indexing_status()?;
    notes
        .attach_function("statistics", "stats", "notes-stats")
        .run()?;
    notes.get_attached_function("stats")?;
    notes.detach_function("stats").run()?;
    notes.with_retry(RetryPolicy::none());
    Ok(())
}

fn writing(
    notes: &Collection,
    ids: Vec<String>,
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
    floats: Vec<f32>,
) -> Result<()> {
    notes.add([Record::new("1")
        .embedding([0.1, 0.2])
        .document("text")
        .metadata("year", 2015)])?;
    notes.upsert([Record::new("1").embedding([0.1, 0.2]).document("text")])?;
    notes.update([Record::new("1").metadata("year", 2016)])?;
    Record::new("1").remove_metadata("year");
    Record::new("1").uri("file:///a");
    notes.upsert(Columns::new(&ids).embeddings(&vectors).documents(&texts))?;
    notes.upsert(Columns::new(&ids).embeddings(Vectors::flat(&floats, 768)))?;
    notes.delete().ids(["1", "2"]).run()?;
    notes.delete().filter(Key::field("year").lt(2000)).run()?;
    notes
        .delete()
        .filter(Key::field("year").lt(2000))
        .limit(10)
        .run()?;
    let records = ids.iter().map(|id| Record::new(id).document("text"));
    notes.ingest(records).checkpoint("notes.ckpt").run()?;
    Ok(())
}

fn reading(notes: &Collection, vector: Vec<f32>, vectors: Vec<Vec<f32>>) -> Result<()> {
    notes.count()?;
    notes.count_at(ReadLevel::IndexOnly)?;
    notes.peek()?;
    notes.get().run()?;
    notes.get().limit(5).run()?;
    notes.get().ids(["1", "2"]).run()?;
    notes
        .get()
        .filter(Key::field("year").gte(2020))
        .limit(10)
        .offset(20)
        .run()?;
    notes.get().include([Include::Embeddings]).run()?;
    for record in notes.scan() {
        record?;
    }
    notes.query("a text").n_results(5).run()?;
    notes.query(&vector).run()?;
    notes
        .query(&vector)
        .n_results(5)
        .filter(Key::field("year").gte(2020))
        .run()?;
    notes.query(&vector).ids(["1", "2"]).run()?;
    notes.query_many(["one", "two"]).run()?;
    notes.query_many(&vectors).run()?;
    Ok(())
}

fn results(hits: QueryResult, got: GetResult, i: usize) {
    &hits[i].id;
    &hits[i].distance;
    &hits[i].document;
    hits[i].metadata.get("year");
    for hit in &hits {
        &hit.distance;
    }
    for row in &got {
        row.id;
    }
    got.ids;
    got.documents;
    got.metadatas;
    got.embeddings;
}

fn values(value: &MetadataValue, got: Embeddings) {
    value.as_str();
    value.as_int();
    value.as_float();
    value.as_bool();
    MetadataValue::String("text".into());
    MetadataValue::Int(1);
    got.as_flat();
    got.rows();
}

fn filters(
    a: Where,
    b: Where,
    c: Where,
    filters: Vec<Where>,
    others: Vec<Where>,
    json: &str,
) -> Result<()> {
    Key::field("year").eq(2020);
    Key::field("year").ne(2020);
    Key::field("year").gt(2020);
    Key::field("year").gte(2020);
    Key::field("year").lt(2020);
    Key::field("year").lte(2020);
    Key::field("lang").is_in(["en", "fr"]);
    Key::field("lang").not_in(["en", "fr"]);
    Key::field("tags").contains("rust");
    Key::field("tags").not_contains("rust");
    Key::document().contains("rust");
    Key::document().not_contains("rust");
    Key::document().regex("v[0-9]");
    Key::document().not_regex("v[0-9]");
    a & b | c;
    Where::all(filters);
    let filters = others;
    Where::any(filters);
    Where::from_json(json)?;
    Where::document_from_json(json)?;
    Ok(())
}

fn searching(notes: &Collection, filter: Where, one: Search, two: Search) -> Result<()> {
    let search = Search::new()
        .filter(filter)
        .rank(Knn::text("a text"))
        .limit(10)
        .select([Key::document(), Key::score(), Key::field("title")]);
    notes.search(search).run()?;
    notes.search_many([one, two]).run()?;
    Ok(())
}

fn searching_the_index(notes: &Collection, search: Search) -> Result<()> {
    notes
        .search(search)
        .read_level(ReadLevel::IndexOnly)
        .run()?;
    Ok(())
}

fn ranks(vector: Vec<f32>, sparse: SparseVector, other: SparseVector) {
    Knn::dense(vector);
    Knn::text("a text").key("words");
    0.7 * Knn::text("a text") + 0.3 * Knn::sparse("words", sparse).default(10);
    let sparse = other;
    Rrf::new([Knn::text("a text"), Knn::sparse("words", sparse)]).k(60);
}

/// An embedding function of the caller.
struct Model;

impl EmbeddingFunction for Model {
    fn name(&self) -> &'static str {
        "model"
    }
    fn embed_documents(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(Embeddings::default())
    }
    fn embed_queries(&self, _: &[&str]) -> Result<Embeddings, EmbeddingError> {
        Ok(Embeddings::default())
    }
}

fn embedding() {
    Cached::new(Model, MemoryCache::new(64 << 20));
}

fn errors(error: Error) {
    error.is_retryable();
    error.status();
    match error {
        Error::Invalid {
            reason: InvalidInput::DuplicateIds { .. },
            ..
        } => {}
        Error::Invalid {
            reason: InvalidInput::NoEmbeddingFunction { .. },
            ..
        } => {}
        Error::Invalid {
            reason: InvalidInput::StoredEmbeddingFunction { .. },
            ..
        } => {}
        Error::Invalid {
            reason: InvalidInput::EmbeddingFunctionConflict { .. },
            ..
        } => {}
        Error::Invalid { .. } => {}
        Error::NotFound { .. } => {}
        Error::AlreadyExists { .. } => {}
        Error::Unauthorized { .. } => {}
        Error::RateLimited { .. } => {}
        Error::Unsupported { .. } => {}
        Error::Server { status: 400, .. } => {}
        Error::Server { .. } => {}
        Error::Storage { .. } => {}
        Error::BrokenIndex { .. } => {}
        Error::Connection { .. } => {}
        Error::Timeout { .. } => {}
        Error::CircuitOpen { .. } => {}
        Error::Decode { .. } => {}
        Error::Embedding { .. } => {}
        Error::PartlyDone { .. } => {}
        _ => {}
    }
}

/// Checks the bounds of a thread and of tokio's `spawn_blocking`.
fn from_async_code(notes: Collection, vector: Vec<f32>) {
    fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        work()
    }
    spawn_blocking(move || notes.query(&vector).run());
}
