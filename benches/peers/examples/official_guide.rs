//! The program of docs/from-official-crate.md, which quotes all that follows, by the official crate.

use std::error::Error;

use chroma::ChromaHttpClient;
use chroma::client::ChromaHttpClientError;
use chroma::types::{Key, MetadataValue, Schema, Space, VectorIndexConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = ChromaHttpClient::from_env()?; // CHROMA_HOST, or http://localhost:8000
    let index = VectorIndexConfig {
        space: Some(Space::Cosine),
        embedding_function: None,
        source_key: None,
        hnsw: None,
        spann: None,
    };
    let schema = Schema::default().create_index(None, index.into())?;
    let metadata = [("shelf".to_owned(), "A to M".into())].into();
    let novels = client
        .get_or_create_collection("guide-novels", Some(schema), Some(metadata))
        .await?;

    novels
        .add(
            vec!["emma".into(), "moby-dick".into(), "dracula".into()],
            vec![
                vec![0.9, 0.1, 0.1],
                vec![0.1, 0.3, 0.9],
                vec![0.2, 0.9, 0.4],
            ],
            Some(vec![
                Some("A matchmaker errs in her village.".into()),
                Some("A captain hunts a whale across the sea.".into()),
                Some("A count crosses the sea to England.".into()),
            ]),
            None,
            Some(vec![
                Some([("year".into(), 1815.into())].into()),
                Some([("year".into(), 1851.into())].into()),
                Some([("year".into(), 1897.into())].into()),
            ]),
        )
        .await?;
    println!("{} novels", novels.count().await?);

    let hits = novels
        .query(
            vec![vec![0.1, 0.8, 0.6]],
            Some(2),
            Some(Key::field("year").gte(1850) & Key::Document.contains("sea")),
            None,
            None,
        )
        .await?;
    let distances = hits.distances.unwrap_or_default();
    let documents = hits.documents.unwrap_or_default();
    for (i, id) in hits.ids[0].iter().enumerate() {
        let distance = distances[0][i].unwrap_or_default();
        let document = documents[0][i].as_deref().unwrap_or_default();
        println!("{distance:.3}  {id}: {document}");
    }

    let read = [("read".into(), true.into())].into();
    novels
        .update(
            vec!["emma".into()],
            None,
            None,
            None,
            Some(vec![Some(read)]),
        )
        .await?;
    novels
        .upsert(
            vec!["persuasion".into()],
            vec![vec![0.8, 0.1, 0.5]],
            Some(vec![Some("A captain comes back from the sea.".into())]),
            None,
            Some(vec![Some(
                [("year".into(), 1817.into()), ("read".into(), true.into())].into(),
            )]),
        )
        .await?;
    let read = novels
        .get(None, Some(Key::field("read").eq(true)), None, None, None)
        .await?;
    let metadatas = read.metadatas.unwrap_or_default();
    for (id, metadata) in read.ids.iter().zip(metadatas) {
        match metadata.unwrap_or_default().get("year") {
            Some(MetadataValue::Int(year)) => println!("read: {id}, {year}"),
            _ => println!("read: {id}, 0"),
        }
    }

    novels
        .delete(None, Some(Key::field("year").lt(1850)), None)
        .await?;
    println!("{} novels are left", novels.count().await?);

    match client.get_collection("guide-poems").await {
        Err(ChromaHttpClientError::ApiError(_, status)) if status == 404 => println!("no poems"),
        other => println!("poems: {other:?}"),
    }
    client.delete_collection("guide-novels").await?;
    Ok(())
}
