//! The calls of the official crate in the tables of docs/from-official-crate.md. They must compile.

// The tables do not use the results.
#![allow(unused)]
#![allow(clippy::no_effect, clippy::unnecessary_operation)]

use std::error::Error;

use chroma::client::{
    ChromaAuthMethod, ChromaHttpClientError, ChromaHttpClientOptions, ChromaRetryOptions,
};
use chroma::embed::EmbeddingFunction;
use chroma::embed::bm25::BM25SparseEmbeddingFunction;
use chroma::embed::chroma_cloud::ChromaCloudQwenEmbeddingFunction;
use chroma::embed::ollama::OllamaEmbeddingFunction;
use chroma::types::{
    GetResponse, Include, IncludeList, Key, Metadata, MetadataValue, QueryResponse, QueryVector,
    RankExpr, ReadLevel, Schema, SearchPayload, SparseVector, SparseVectorIndexConfig,
    UpdateMetadata, UpdateMetadataValue, VectorIndexConfig, Where, rrf,
};
use chroma::{ChromaCollection, ChromaHttpClient};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() {}

fn connecting(url: &str, auth: ChromaAuthMethod) -> Result {
    ChromaHttpClient::from_env()?;
    ChromaHttpClient::cloud()?;
    let options = ChromaHttpClientOptions::cloud("key", "shop")?;
    let client = ChromaHttpClient::new(options);
    ChromaHttpClientOptions {
        endpoint: url.parse()?,
        ..Default::default()
    };
    ChromaHttpClientOptions {
        endpoints: vec![url.parse()?],
        auth_method: auth.clone(),
        retry_options: ChromaRetryOptions {
            max_retries: 5,
            ..Default::default()
        },
        tenant_id: Some("acme".into()),
        database_name: None,
        ..Default::default()
    };
    match auth {
        ChromaAuthMethod::HeaderAuth { header, value } => {}
        ChromaAuthMethod::None => {}
    }
    client.set_tenant_id("acme");
    client.set_database_name("shop");
    client.with_scope(ChromaAuthMethod::None, "acme", "shop");
    Ok(())
}

async fn client(client: ChromaHttpClient, metadata: Metadata, schema: Schema, id: &str) -> Result {
    client.heartbeat().await?.nanosecond_heartbeat;
    client.get_auth_identity().await?;
    client.create_database("shop").await?;
    client.list_databases().await?;
    client.delete_database("shop").await?;
    client.create_collection("notes", None, None).await?;
    client.get_collection("notes").await?;
    client.get_or_create_collection("notes", None, None).await?;
    client
        .get_or_create_collection("notes", Some(schema), Some(metadata))
        .await?;
    client.get_collection_by_id(id).await?;
    client.list_collections(100, None).await?;
    client.list_collections(10, Some(20)).await?;
    client.count_collections().await?;
    client.delete_collection("notes").await?;
    Ok(())
}

fn schemas(index: VectorIndexConfig, sparse: SparseVectorIndexConfig) -> Result {
    Schema::default().create_index(None, index.into())?;
    Schema::default().create_index(Some("words"), sparse.into())?;
    Ok(())
}

async fn collection(mut notes: ChromaCollection, metadata: Metadata) -> Result {
    notes.name();
    notes.id();
    notes.metadata();
    notes.schema();
    notes.modify(Some("old-notes"), Some(metadata)).await?;
    notes.fork("copy").await?;
    notes.fork_count().await?;
    notes.get_indexing_status().await?;
    notes
        .attach_function("statistics", "stats", "notes-stats", None)
        .await?;
    notes.get_attached_function("stats").await?;
    notes.detach_function("stats", false).await?;
    notes.embed_query(&["a text"]).await?;
    notes.embed_documents(&["a text"]).await?;
    let function = ChromaCloudQwenEmbeddingFunction::builder().build()?;
    notes.set_embedding_function(Some(function));
    OllamaEmbeddingFunction::new("http://localhost:11434", "nomic-embed-text").await?;
    BM25SparseEmbeddingFunction::default_murmur3_abs().encode("a text")?;
    Ok(())
}

struct Model;

#[async_trait::async_trait]
impl EmbeddingFunction for Model {
    type Embedding = Vec<f32>;
    type Error = std::fmt::Error;

    async fn embed_strs(&self, _: &[&str]) -> std::result::Result<Vec<Vec<f32>>, Self::Error> {
        Ok(Vec::new())
    }

    async fn embed_query_strs(
        &self,
        _: &[&str],
    ) -> std::result::Result<Vec<Vec<f32>>, Self::Error> {
        Ok(Vec::new())
    }
}

struct Columns {
    ids: Vec<String>,
    vectors: Vec<Vec<f32>>,
    changed: Vec<Option<Vec<f32>>>,
    texts: Vec<Option<String>>,
    uris: Vec<Option<String>>,
    metadatas: Vec<Option<Metadata>>,
    updates: Vec<Option<UpdateMetadata>>,
}

async fn add(notes: &ChromaCollection, columns: Columns) -> Result {
    let Columns {
        ids,
        vectors,
        texts,
        metadatas,
        ..
    } = columns;
    notes
        .add(ids, vectors, Some(texts), None, Some(metadatas))
        .await?;
    Ok(())
}

async fn upsert(notes: &ChromaCollection, columns: Columns) -> Result {
    let Columns {
        ids,
        vectors,
        texts,
        uris,
        updates,
        ..
    } = columns;
    notes
        .upsert(ids, vectors, Some(texts), Some(uris), Some(updates))
        .await?;
    Ok(())
}

async fn embed(notes: &ChromaCollection, columns: Columns) -> Result {
    let Columns { ids, texts, .. } = columns;
    notes.upsert(ids, None, Some(texts), None, None).await?;
    Ok(())
}

async fn update(notes: &ChromaCollection, columns: Columns) -> Result {
    let Columns {
        ids,
        changed,
        texts,
        updates,
        ..
    } = columns;
    notes
        .update(ids.clone(), Some(changed), Some(texts), None, None)
        .await?;
    notes.update(ids, None, None, None, Some(updates)).await?;
    UpdateMetadataValue::None;
    Ok(())
}

async fn delete(notes: &ChromaCollection, ids: Vec<String>) -> Result {
    notes.delete(Some(ids), None, None).await?;
    notes
        .delete(None, Some(Key::field("year").lt(2000)), None)
        .await?;
    notes
        .delete(None, Some(Key::field("year").lt(2000)), Some(10))
        .await?;
    Ok(())
}

async fn counting(notes: &ChromaCollection) -> Result {
    notes.count().await?;
    notes.count_with_options(ReadLevel::IndexOnly).await?;
    Ok(())
}

async fn getting(notes: &ChromaCollection, ids: Vec<String>) -> Result {
    notes.get(None, None, None, None, None).await?;
    notes.get(Some(ids), None, None, None, None).await?;
    notes
        .get(
            None,
            Some(Key::field("year").gte(2020)),
            Some(10),
            Some(20),
            None,
        )
        .await?;
    notes
        .get(
            None,
            None,
            None,
            None,
            Some(IncludeList(vec![Include::Embedding])),
        )
        .await?;
    Ok(())
}

async fn querying(notes: &ChromaCollection, vector: Vec<f32>, vectors: Vec<Vec<f32>>) -> Result {
    notes
        .query(
            vec![vector],
            Some(5),
            Some(Key::field("year").gte(2020)),
            None,
            None,
        )
        .await?;
    notes.query(vectors, None, None, None, None).await?;
    Ok(())
}

async fn querying_some(notes: &ChromaCollection, vector: Vec<f32>, ids: Vec<String>) -> Result {
    notes
        .query(vec![vector], None, None, Some(ids), None)
        .await?;
    Ok(())
}

fn results(hits: QueryResponse, got: GetResponse, i: usize, value: MetadataValue) -> Option<()> {
    &hits.ids[0][i];
    hits.distances.as_ref()?[0][i];
    &hits.documents.as_ref()?[0][i];
    &hits.metadatas.as_ref()?[0][i];
    got.ids;
    got.documents;
    got.metadatas;
    got.embeddings;
    match value {
        MetadataValue::Str(text) => {}
        MetadataValue::Int(number) => {}
        _ => {}
    }
    Some(())
}

fn filters(a: Where, b: Where, c: Where) {
    Key::field("year").eq(2020);
    Key::field("year").ne(2020);
    Key::field("year").gt(2020);
    Key::field("year").gte(2020);
    Key::field("year").lt(2020);
    Key::field("year").lte(2020);
    Key::field("lang").is_in(["en", "fr"]);
    Key::field("lang").not_in(["en", "fr"]);
    Key::field("tags").contains_value("rust");
    Key::field("tags").not_contains_value("rust");
    Key::Document.contains("rust");
    Key::Document.not_contains("rust");
    Key::Document.regex("v[0-9]");
    Key::Document.not_regex("v[0-9]");
    a & b | c;
}

async fn searching(notes: &ChromaCollection, filter: Where, rank: RankExpr) -> Result {
    let search = SearchPayload::default()
        .r#where(filter)
        .rank(rank)
        .limit(Some(10), 0)
        .select([Key::Document, Key::Score, Key::field("title")]);
    notes.search(vec![search]).await?;
    Ok(())
}

async fn searching_more(
    notes: &ChromaCollection,
    search: SearchPayload,
    one: SearchPayload,
    two: SearchPayload,
) -> Result {
    notes.search(vec![one, two]).await?;
    notes
        .search_with_options(vec![search], ReadLevel::IndexOnly)
        .await?;
    Ok(())
}

fn ranks(vector: Vec<f32>, sparse: SparseVector, a: RankExpr, b: RankExpr) -> RankExpr {
    QueryVector::Sparse(sparse);
    RankExpr::Knn {
        query: QueryVector::Dense(vector),
        key: Key::Embedding,
        limit: 16,
        default: None,
        return_rank: false,
    };
    a * 0.7 + b * 0.3
}

fn fused(a: RankExpr, b: RankExpr) -> Result<RankExpr> {
    Ok(rrf(vec![a, b], Some(60), None, false)?)
}

fn errors(error: ChromaHttpClientError) {
    match error {
        ChromaHttpClientError::ApiError(_, status) if status == 404 => {}
        ChromaHttpClientError::ApiError(_, status) if status == 409 => {}
        ChromaHttpClientError::ApiError(_, status) if status == 401 || status == 403 => {}
        ChromaHttpClientError::ApiError(_, status) if status == 429 => {}
        ChromaHttpClientError::ApiError(_, status) if status == 501 => {}
        ChromaHttpClientError::ApiError(_, status) => {}
        ChromaHttpClientError::RequestError(_) => {}
        ChromaHttpClientError::SerdeError(_) => {}
        ChromaHttpClientError::ValidationError(_) => {}
        ChromaHttpClientError::InvalidWhere => {}
        ChromaHttpClientError::MissingEmbeddingFunction => {}
        ChromaHttpClientError::MissingDocumentsForEmbedding => {}
        ChromaHttpClientError::EmbeddingFunctionError(_) => {}
        ChromaHttpClientError::NoBackendAvailable => {}
        ChromaHttpClientError::CouldNotResolveDatabaseId(_) => {}
    }
}
