//! The calls of the crate `chromadb` in the tables of docs/from-chromadb.md. They must compile.

// The tables do not use the results.
#![allow(unused)]
#![allow(clippy::no_effect, clippy::unnecessary_operation)]

use std::error::Error;

use chromadb::client::{ChromaAuthMethod, ChromaClientOptions, ChromaTokenHeader};
use chromadb::collection::{CollectionEntries, GetOptions, GetResult, QueryOptions, QueryResult};
use chromadb::embeddings::EmbeddingFunction;
use chromadb::{ChromaClient, ChromaCollection};
use serde_json::{Map, Value, json};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() {}

async fn with_metadata(client: ChromaClient, metadata: Map<String, Value>) -> Result {
    client
        .get_or_create_collection("notes", Some(metadata))
        .await?;
    Ok(())
}

fn with_token(token: String) {
    ChromaAuthMethod::TokenAuth {
        token,
        header: ChromaTokenHeader::XChromaToken,
    };
}

async fn connecting(options: ChromaClientOptions, token: String) -> Result {
    ChromaClient::new(Default::default()).await?;
    ChromaClient::new(options).await?;
    ChromaClientOptions {
        url: Some("http://db:8000".into()),
        ..Default::default()
    };
    ChromaClientOptions {
        database: "shop".into(),
        ..Default::default()
    };
    ChromaAuthMethod::TokenAuth {
        token,
        header: ChromaTokenHeader::Authorization,
    };
    ChromaAuthMethod::BasicAuth {
        username: "user".into(),
        password: "password".into(),
    };
    Ok(())
}

async fn client(client: ChromaClient, metadata: Map<String, Value>, id: &str) -> Result {
    client.heartbeat().await?;
    client.version().await?;
    client.create_collection("notes", None, false).await?;
    client.create_collection("notes", None, true).await?;
    client.get_collection("notes").await?;
    client.list_collections().await?;
    client.delete_collection("notes").await?;
    client
        .update_collection(id, Some("old-notes"), Some(metadata))
        .await?;
    json!({"hnsw:space": "cosine"});
    Ok(())
}

async fn collection(notes: &ChromaCollection, metadata: &Map<String, Value>) -> Result {
    notes.name();
    notes.id();
    notes.metadata();
    notes.modify(Some("old-notes"), Some(metadata)).await?;
    notes.count().await?;
    notes.peek(5).await?;
    Ok(())
}

async fn writing(
    notes: &ChromaCollection,
    entries: [CollectionEntries<'static>; 4],
    function: Box<dyn EmbeddingFunction>,
) -> Result {
    let [first, second, third, texts] = entries;
    notes.add(first, None).await?;
    notes.upsert(second, None).await?;
    notes.update(third, None).await?;
    notes.upsert(texts, Some(function)).await?;
    CollectionEntries {
        ids: vec!["1"],
        embeddings: Some(vec![vec![0.1, 0.2]]),
        documents: Some(vec!["text"]),
        metadatas: None,
    };
    json!({"year": null});
    Ok(())
}

async fn deleting(notes: &ChromaCollection) -> Result {
    notes.delete(Some(vec!["1", "2"]), None, None).await?;
    notes
        .delete(None, Some(json!({"year": {"$lt": 2000}})), None)
        .await?;
    Ok(())
}

async fn reading(
    notes: &ChromaCollection,
    vector: Vec<f32>,
    vectors: Vec<Vec<f32>>,
    function: Box<dyn EmbeddingFunction>,
) -> Result {
    notes.get(Default::default()).await?;
    GetOptions {
        ids: vec!["1".into(), "2".into()],
        ..Default::default()
    };
    GetOptions {
        where_metadata: Some(json!({"year": {"$gte": 2020}})),
        ..Default::default()
    };
    GetOptions {
        limit: Some(10),
        offset: Some(20),
        ..Default::default()
    };
    GetOptions {
        include: Some(vec!["embeddings".into()]),
        ..Default::default()
    };
    let query = QueryOptions {
        query_embeddings: Some(vec![vector]),
        ..Default::default()
    };
    notes.query(query, None).await?;
    QueryOptions {
        query_embeddings: Some(vectors),
        ..Default::default()
    };
    let query = QueryOptions {
        query_texts: Some(vec!["a text"]),
        n_results: Some(5),
        ..Default::default()
    };
    notes.query(query, Some(function)).await?;
    QueryOptions {
        where_metadata: Some(json!({"year": {"$gte": 2020}})),
        ..Default::default()
    };
    Ok(())
}

fn results(hits: QueryResult, got: GetResult, i: usize) -> Option<()> {
    &hits.ids[0][i];
    hits.distances.as_ref()?[0][i];
    &hits.documents.as_ref()?[0][i];
    let metadata = &hits.metadatas.as_ref()?[0][i].as_ref()?;
    metadata.get("year")?.as_i64();
    metadata.get("lang")?.as_str();
    got.ids;
    got.documents;
    got.metadatas;
    got.embeddings;
    Some(())
}

fn filters(a: Value, b: Value) {
    json!({"year": 2020});
    json!({"year": {"$ne": 2020}});
    json!({"year": {"$gt": 2020}});
    json!({"year": {"$gte": 2020}});
    json!({"year": {"$lt": 2020}});
    json!({"year": {"$lte": 2020}});
    json!({"lang": {"$in": ["en", "fr"]}});
    json!({"lang": {"$nin": ["en", "fr"]}});
    json!({"tags": {"$contains": "rust"}});
    json!({"tags": {"$not_contains": "rust"}});
    json!({"$contains": "rust"});
    json!({"$not_contains": "rust"});
    json!({"$regex": "v[0-9]"});
    json!({"$not_regex": "v[0-9]"});
    json!({"$and": [a, b]});
    json!({"$or": [a, b]});
}

struct Model;

#[async_trait::async_trait]
impl EmbeddingFunction for Model {
    async fn embed(&self, docs: &[&str]) -> anyhow::Result<Vec<Vec<f32>>> {
        Ok(vec![vec![0.0]; docs.len()])
    }
}
