//! The work with the official crate `chroma`.

use std::ops::Range;

use chroma::client::ChromaHttpClientOptions;
use chroma::types::{
    GetResponse, Include, IncludeList, MetadataValue, QueryResponse, UpdateMetadata,
    UpdateMetadataValue,
};
use chroma::{ChromaCollection, ChromaHttpClient};
use peers::{Data, Peer, Result, Row};

struct Official {
    client: ChromaHttpClient,
    collection: ChromaCollection,
}

/// `upsert` takes all columns by value.
#[derive(Default)]
struct Batch {
    ids: Vec<String>,
    embeddings: Vec<Vec<f32>>,
    documents: Vec<Option<String>>,
    metadatas: Vec<Option<UpdateMetadata>>,
}

impl Peer for Official {
    type Batch = Batch;
    type Question = Vec<Vec<f32>>;
    type Page = GetResponse;
    type Hits = QueryResponse;

    async fn open(url: &str, name: &str) -> Result<Official> {
        let client = ChromaHttpClient::new(ChromaHttpClientOptions {
            endpoint: url.parse()?,
            tenant_id: Some("default_tenant".to_owned()),
            database_name: Some("default_database".to_owned()),
            ..Default::default()
        });
        let collection = client.create_collection(name, None, None).await?;
        Ok(Official { client, collection })
    }

    async fn count(&self) -> Result<usize> {
        Ok(self.collection.count().await? as usize)
    }

    fn batch(data: &'static Data, range: Range<usize>) -> Batch {
        let metadata = |index: usize| {
            let topic = UpdateMetadataValue::Str(data.topics[index].to_owned());
            let year = UpdateMetadataValue::Int(data.years[index]);
            Some([("topic".to_owned(), topic), ("year".to_owned(), year)].into())
        };
        let documents = data.documents[range.clone()].iter();
        Batch {
            ids: data.ids[range.clone()].to_vec(),
            embeddings: data.rows(range.clone()),
            documents: documents.cloned().map(Some).collect(),
            metadatas: range.map(metadata).collect(),
        }
    }

    async fn upsert(&self, batch: &mut Batch) -> Result<()> {
        let Batch {
            ids,
            embeddings,
            documents,
            metadatas,
        } = std::mem::take(batch);
        self.collection
            .upsert(ids, embeddings, Some(documents), None, Some(metadatas))
            .await?;
        Ok(())
    }

    async fn get(&self, offset: usize, limit: usize) -> Result<GetResponse> {
        let include = IncludeList(vec![
            Include::Document,
            Include::Metadata,
            Include::Embedding,
        ]);
        let (limit, offset) = (Some(limit as u32), Some(offset as u32));
        let page = self
            .collection
            .get(None, None, limit, offset, Some(include))
            .await?;
        Ok(page)
    }

    fn row(page: &GetResponse, index: usize) -> Option<Row<'_>> {
        let metadata = page.metadatas.as_ref()?.get(index)?.as_ref()?;
        Some(Row {
            id: page.ids.get(index)?,
            document: page.documents.as_ref()?.get(index)?.as_deref()?,
            vector: page.embeddings.as_ref()?.get(index)?,
            topic: match metadata.get("topic")? {
                MetadataValue::Str(topic) => topic,
                _ => return None,
            },
            year: match metadata.get("year")? {
                MetadataValue::Int(year) => *year,
                _ => return None,
            },
        })
    }

    fn question(vector: &'static [f32]) -> Vec<Vec<f32>> {
        vec![vector.to_vec()]
    }

    async fn query(&self, question: &mut Vec<Vec<f32>>, n: usize) -> Result<QueryResponse> {
        // The default: documents, metadata and distances.
        let question = std::mem::take(question);
        let hits = self
            .collection
            .query(question, Some(n as u32), None, None, None)
            .await?;
        Ok(hits)
    }

    fn complete(hits: &QueryResponse) -> usize {
        fn first<T>(column: &Option<Vec<Vec<Option<T>>>>) -> impl Iterator<Item = &T> {
            column.iter().flat_map(|lists| &lists[0]).flatten()
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
        .block_on(peers::work::<Official>())
}
