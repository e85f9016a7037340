//! [`WordIndex`]: an index of the words of a collection's documents, kept by the client.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::bm25::Match;
use super::documents::content_hash;
use super::freshness::Freshness;
use super::shared::Shared;
use crate::collection::Collection;
use crate::embed::Bm25;
use crate::error::Result;

/// An index of the words of a collection's documents. With it, a [`Search`](crate::Search) finds documents by
/// their words on servers that have no such index.
///
/// The client keeps it: in memory, and in a file if the builder names one. Servers know nothing of it. It
/// ranks by BM25, exactly as Chroma's function `chroma_bm25` ([`Bm25`]) with an index that has the setting
/// `bm25`. Clones are cheap and share one index; threads can search at the same time.
///
/// ```no_run
/// use chroma_blocking::search::Rrf;
/// use chroma_blocking::{Client, Hashing, Search};
///
/// let notes = Client::from_env()?
///     .collection("notes")
///     .embedding_function(Hashing::default())
///     .get()?;
/// let words = notes.word_index().file("notes.words").open()?;
/// let search = Search::new().rank(Rrf::hybrid("memory safety")).limit(10);
/// let hits = notes.search(search).words(&words).run()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Freshness
/// A single-node server does not report writes. Each search chooses how the index finds them:
/// [`RunSearch::freshness`](crate::search::RunSearch::freshness).
///
/// | written by | [`Checked`](Freshness::Checked) sees it |
/// |---|---|
/// | this process, through the handle that opened the index, or a clone of it | yes |
/// | a handle that [stamps its writes](crate::collection::CollectionBuilder::stamp_writes), additions and changes | yes |
/// | anyone, if the number of records has changed | yes |
/// | anyone, a document among the hits of the search | yes: the documents of the hits are compared |
/// | another program without stamps, a document that is not among the hits | no |
/// | another program without stamps, as many additions as deletions since the last look | no |
///
/// An earlier run of the program counts as another program: what it wrote after it had written the file is
/// seen only by the rules for others. So call [`refresh`](WordIndex::refresh) before the program ends. The
/// handle that [`modify`](Collection::modify) returns also counts as another program.
///
/// A look and a rebuild lock the index for other looks. A checked search waits until they end, whatever its
/// deadline is. "Sees" holds for what was acknowledged before the search began. A stamped write is seen if it
/// took less time than the [lookback](crate::hybrid::WordIndexBuilder::lookback), and if the clocks of the
/// machines differ by less. To see everything, call [`rebuild`](WordIndex::rebuild) or search with
/// [`Freshness::Rebuilt`].
///
/// # Cost
/// Opening without a file reads all documents once. For each pair of a record and a word in it, an index of
/// 117,000 short texts takes 7.4 bytes of memory, and 4.8 bytes of the file; for 10,000, 9.2 and 5.3 bytes.
/// While it is built, the memory is twice that and two pages of documents.
#[derive(Clone)]
pub struct WordIndex(pub(super) Arc<Shared>);

impl WordIndex {
    /// Asks the server what has changed, as [`Freshness::Checked`] does, and writes the file.
    ///
    /// # Errors
    /// The errors of any request, and [`Error::Io`](crate::Error::Io) if the file cannot be written.
    pub fn refresh(&self) -> Result<()> {
        self.0.look(&self.0.collection, Instant::now())?;
        self.0.save()
    }

    /// Reads all documents again, and writes the file.
    ///
    /// # Errors
    /// As for [`refresh`](WordIndex::refresh).
    pub fn rebuild(&self) -> Result<()> {
        self.0.rebuild(&self.0.collection)?;
        self.0.save()
    }

    /// Returns the number of records, with or without a document.
    pub fn len(&self) -> usize {
        self.0.state().documents.live()
    }

    /// Whether the collection has no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of pairs of a document and a word in it. Counts all, so it takes some milliseconds.
    pub fn postings(&self) -> usize {
        self.0.state().postings_len()
    }

    /// Returns the bytes of memory that the index takes.
    pub fn memory(&self) -> usize {
        self.0.state().memory()
    }

    /// Returns the metadata key that the index stands for, if it was set.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Returns the function that splits texts into words.
    pub fn bm25(&self) -> &Bm25 {
        &self.0.bm25
    }

    /// Builds an index in memory for one search.
    pub(in crate::hybrid) fn temporary(collection: &Collection) -> Result<WordIndex> {
        collection.word_index().open()
    }

    pub(in crate::hybrid) fn collection(&self) -> &Collection {
        &self.0.collection
    }

    /// Does what a search with this freshness needs first.
    pub(in crate::hybrid) fn prepare(
        &self,
        collection: &Collection,
        freshness: Freshness,
        began: Instant,
    ) -> Result<()> {
        match freshness {
            Freshness::Checked => self.0.look(collection, began),
            Freshness::Snapshot => Ok(()),
            Freshness::Rebuilt => self.0.rebuild(collection),
        }
    }

    /// Returns the ids of the nearest documents to terms with values, and their distances.
    pub(in crate::hybrid) fn nearest(
        &self,
        query: &[(u32, f32)],
        passing: Option<&dyn Fn(&str) -> bool>,
        limit: usize,
    ) -> Vec<(String, f32)> {
        let state = self.0.state();
        let documents = &state.documents;
        let by_position = passing.map(|passing| move |at: u32| passing(documents.id(at)));
        let passes = by_position
            .as_ref()
            .map(|passes| passes as &dyn Fn(u32) -> bool);
        let found = state.nearest(&self.0.bm25, query.iter().copied(), passes, limit);
        let with_id = |found: &Match| (documents.id(found.position).to_owned(), found.distance);
        found.iter().map(with_id).collect()
    }

    /// Returns the position of each record in the order in which they were added, or `None` if the index does
    /// not know all of them.
    pub(in crate::hybrid) fn positions(&self, ids: &[String]) -> Option<Vec<u32>> {
        let state = self.0.state();
        ids.iter().map(|id| state.documents.find(id)).collect()
    }

    /// Compares documents with those that were indexed. Reads those again that differ, and removes records
    /// that do not exist. Returns whether there were any.
    pub(in crate::hybrid) fn mend<'a>(
        &self,
        collection: &Collection,
        records: impl Iterator<Item = (&'a str, Option<Option<&'a str>>)>,
    ) -> Result<bool> {
        let differing: Vec<String> = {
            let state = self.0.state();
            let differs = |id: &str, found: Option<Option<&str>>| {
                let known = state.documents.find(id);
                let known = known.map(|position| state.documents.fingerprint(position).hash);
                known != found.map(content_hash)
            };
            records
                .filter(|(id, found)| differs(id, *found))
                .map(|(id, _)| id.to_owned())
                .collect()
        };
        let any = !differing.is_empty();
        if any {
            self.0.mend(collection, differing)?;
        }
        Ok(any)
    }
}

impl fmt::Debug for WordIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordIndex")
            .field("collection", &self.0.collection.name())
            .field("records", &self.len())
            .field("file", &self.0.path)
            .finish_non_exhaustive()
    }
}
