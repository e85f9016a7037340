//! The work with the crate `chromadb`.

use std::ops::Range;

use chromadb::ChromaClient;
use chromadb::ChromaCollection;
use chromadb::client::ChromaClientOptions;
use chromadb::collection::{CollectionEntries, GetOptions, GetResult, QueryOptions, QueryResult};
use peers::{Data, Peer, Result, Row};

struct Chromadb {
    client: ChromaClient,
    collection: ChromaCollection,
}

impl Peer for Chromadb {
    /// Borrows texts; takes vectors and metadata by value.
    type Batch = CollectionEntries<'static>;
    type Question = Vec<Vec<f32>>;
    type Page = GetResult;
    type Hits = QueryResult;

    async fn open(url: &str, name: &str) -> Result<Chromadb> {
        let client = ChromaClient::new(ChromaClientOptions {
            url: Some(url.to_owned()),
            ..Default::default()
        })
        .await?;
        let collection = client.create_collection(name, None, false).await?;
        Ok(Chromadb { client, collection })
    }

    async fn count(&self) -> Result<usize> {
        Ok(self.collection.count().await?)
    }

    fn batch(data: &'static Data, range: Range<usize>) -> CollectionEntries<'static> {
        let metadata = |index: usize| {
            let topic = data.topics[index].into();
            let year = data.years[index].into();
            [("topic".to_owned(), topic), ("year".to_owned(), year)]
                .into_iter()
                .collect()
        };
        fn strs(strings: &[String]) -> Vec<&str> {
            strings.iter().map(String::as_str).collect()
        }
        CollectionEntries {
            ids: strs(&data.ids[range.clone()]),
            documents: Some(strs(&data.documents[range.clone()])),
            embeddings: Some(data.rows(range.clone())),
            metadatas: Some(range.map(metadata).collect()),
        }
    }

    async fn upsert(&self, batch: &mut CollectionEntries<'static>) -> Result<()> {
        self.collection.upsert(std::mem::take(batch), None).await?;
        Ok(())
    }

    async fn get(&self, offset: usize, limit: usize) -> Result<GetResult> {
        let include = ["documents", "metadatas", "embeddings"];
        let options = GetOptions {
            offset: Some(offset),
            limit: Some(limit),
            include: Some(include.map(str::to_owned).into()),
            ..Default::default()
        };
        Ok(self.collection.get(options).await?)
    }

    fn row(page: &GetResult, index: usize) -> Option<Row<'_>> {
        let metadata = page.metadatas.as_ref()?.get(index)?.as_ref()?;
        Some(Row {
            id: page.ids.get(index)?,
            document: page.documents.as_ref()?.get(index)?.as_deref()?,
            vector: page.embeddings.as_ref()?.get(index)?.as_ref()?,
            topic: metadata.get("topic")?.as_str()?,
            year: metadata.get("year")?.as_i64()?,
        })
    }

    fn question(vector: &'static [f32]) -> Vec<Vec<f32>> {
        vec![vector.to_vec()]
    }

    async fn query(&self, question: &mut Vec<Vec<f32>>, n: usize) -> Result<QueryResult> {
        // The default: documents, metadata and distances.
        let options = QueryOptions {
            query_embeddings: Some(std::mem::take(question)),
            n_results: Some(n),
            ..Default::default()
        };
        Ok(self.collection.query(options, None).await?)
    }

    fn complete(hits: &QueryResult) -> usize {
        fn first<T>(column: &Option<Vec<Vec<T>>>) -> impl Iterator<Item = &T> {
            column.iter().flat_map(|lists| &lists[0])
        }
        let distances = first(&hits.distances).zip(first(&hits.documents));
        let all = distances.zip(first(&hits.metadatas)).zip(&hits.ids[0]);
        all.count()
    }

    async fn delete(self) -> Result<()> {
        let name = self.collection.name();
        Ok(self.client.delete_collection(name).await?)
    }
}

fn main() -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(peers::work::<Chromadb>())
}
