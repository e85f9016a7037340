//! The program of docs/from-chromadb.md, which quotes all that follows, by the crate `chromadb`.

use std::error::Error;

use chromadb::ChromaClient;
use chromadb::collection::{CollectionEntries, GetOptions, QueryOptions};
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = ChromaClient::new(Default::default()).await?; // CHROMA_HOST, or http://localhost:8000
    let metadata = map(json!({"shelf": "A to M", "hnsw:space": "cosine"}));
    let novels = client
        .get_or_create_collection("guide-novels", Some(metadata))
        .await?;

    let entries = CollectionEntries {
        ids: vec!["emma", "moby-dick", "dracula"],
        embeddings: Some(vec![
            vec![0.9, 0.1, 0.1],
            vec![0.1, 0.3, 0.9],
            vec![0.2, 0.9, 0.4],
        ]),
        documents: Some(vec![
            "A matchmaker errs in her village.",
            "A captain hunts a whale across the sea.",
            "A count crosses the sea to England.",
        ]),
        metadatas: Some(vec![
            map(json!({"year": 1815})),
            map(json!({"year": 1851})),
            map(json!({"year": 1897})),
        ]),
    };
    novels.add(entries, None).await?;
    println!("{} novels", novels.count().await?);

    let query = QueryOptions {
        query_embeddings: Some(vec![vec![0.1, 0.8, 0.6]]),
        where_metadata: Some(json!({"year": {"$gte": 1850}})),
        where_document: Some(json!({"$contains": "sea"})),
        n_results: Some(2),
        ..Default::default()
    };
    let hits = novels.query(query, None).await?;
    let distances = hits.distances.unwrap_or_default();
    let documents = hits.documents.unwrap_or_default();
    for (i, id) in hits.ids[0].iter().enumerate() {
        println!("{:.3}  {id}: {}", distances[0][i], documents[0][i]);
    }

    let entries = CollectionEntries {
        ids: vec!["emma"],
        metadatas: Some(vec![map(json!({"read": true}))]),
        ..Default::default()
    };
    novels.update(entries, None).await?;
    let entries = CollectionEntries {
        ids: vec!["persuasion"],
        embeddings: Some(vec![vec![0.8, 0.1, 0.5]]),
        documents: Some(vec!["A captain comes back from the sea."]),
        metadatas: Some(vec![map(json!({"year": 1817, "read": true}))]),
    };
    novels.upsert(entries, None).await?;
    let options = GetOptions {
        where_metadata: Some(json!({"read": true})),
        ..Default::default()
    };
    let read = novels.get(options).await?;
    let metadatas = read.metadatas.unwrap_or_default();
    for (id, metadata) in read.ids.iter().zip(metadatas) {
        let metadata = metadata.unwrap_or_default();
        let year = metadata.get("year").and_then(Value::as_i64);
        println!("read: {id}, {}", year.unwrap_or_default());
    }

    novels
        .delete(None, Some(json!({"year": {"$lt": 1850}})), None)
        .await?;
    println!("{} novels are left", novels.count().await?);

    match client.get_collection("guide-poems").await {
        Err(error) if error.to_string().starts_with("404") => println!("no poems"),
        other => println!("poems: {:?}", other?.name()),
    }
    client.delete_collection("guide-novels").await?;
    Ok(())
}
