//! The work with chroma-blocking.

use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use chroma_blocking::{
    Client, Collection, GetResult, Include, Metadata, QueryResult,
    record::{Columns, Vectors},
};
use peers::{DIMENSION, Data, Peer, Result, Row};

struct Ours(Collection);

/// Borrows all columns; only metadata must have the type of the library.
struct Batch {
    ids: &'static [String],
    documents: &'static [String],
    floats: &'static [f32],
    metadatas: Vec<Metadata>,
}

impl Peer for Ours {
    type Batch = Batch;
    type Question = &'static [f32];
    type Page = GetResult;
    type Hits = QueryResult;

    async fn open(url: &str, name: &str) -> Result<Ours> {
        Ok(Ours(Client::new(url)?.collection(name).create()?))
    }

    async fn count(&self) -> Result<usize> {
        Ok(self.0.count()?)
    }

    fn batch(data: &'static Data, range: Range<usize>) -> Batch {
        let metadata = |index| {
            let mut metadata = Metadata::new();
            metadata.insert("topic", data.topics[index]);
            metadata.insert("year", data.years[index]);
            metadata
        };
        Batch {
            ids: &data.ids[range.clone()],
            documents: &data.documents[range.clone()],
            floats: data.floats(range.clone()),
            metadatas: range.map(metadata).collect(),
        }
    }

    async fn upsert(&self, batch: &mut Batch) -> Result<()> {
        let columns = Columns::new(batch.ids)
            .documents(batch.documents)
            .embeddings(Vectors::flat(batch.floats, DIMENSION))
            .metadatas(&batch.metadatas);
        Ok(self.0.upsert(columns)?)
    }

    async fn get(&self, offset: usize, limit: usize) -> Result<GetResult> {
        let include = [Include::Documents, Include::Metadatas, Include::Embeddings];
        let get = self.0.get().offset(offset).limit(limit);
        Ok(get.include(include).run()?)
    }

    fn row(page: &GetResult, index: usize) -> Option<Row<'_>> {
        let row = page.get(index)?;
        let metadata = row.metadata;
        Some(Row {
            id: row.id,
            document: row.document?,
            vector: row.embedding?,
            topic: metadata.get("topic")?.as_str()?,
            year: metadata.get("year")?.as_int()?,
        })
    }

    fn question(vector: &'static [f32]) -> &'static [f32] {
        vector
    }

    async fn query(&self, question: &mut &'static [f32], n: usize) -> Result<QueryResult> {
        Ok(self.0.query(*question).n_results(n).run()?)
    }

    fn complete(hits: &QueryResult) -> usize {
        let complete = hits.iter().filter(|hit| {
            hit.document.is_some() && hit.metadata.get("year").is_some() && hit.distance >= 0.0
        });
        complete.count()
    }

    async fn delete(self) -> Result<()> {
        Ok(self.0.client().delete_collection(self.0.name())?)
    }
}

fn main() -> Result<()> {
    // The client blocks, so the first poll completes.
    let mut work = pin!(peers::work::<Ours>());
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err("a blocking client must not return Pending".into()),
    }
}
