//! Builds an index of words by a scan, in bounded memory and on all cores.

use std::collections::HashMap;

use rayon::prelude::*;

use super::documents::{DocumentState, Documents};
use super::postings::{Decoder, List, Posting};
use super::shared::{OPERATION, Shared};
use super::state::{Full, ReadRecord, State};
use crate::collection::Collection;
use crate::embed::Bm25;
use crate::error::Result;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::results::{GetResult, Include};

/// Records per page of the scan: the most that it reads at once.
const PAGE_SIZE: usize = 9_000;
/// Texts that a thread splits in a row.
const TEXTS_PER_TASK: usize = 256;

/// An index in the making. The scan returns the newest record first, so all positions are reversed at the end.
#[derive(Default)]
struct Builder {
    documents: Documents,
    lists: HashMap<u32, (List, Vec<u8>)>,
}

impl Shared {
    pub(super) fn build(&self, collection: &Collection) -> Result<()> {
        self.build_with(collection, &mut |_| {})
    }

    /// Reads all records, and builds the index.
    pub(super) fn build_with(
        &self,
        collection: &Collection,
        on_progress: &mut dyn FnMut(&Progress),
    ) -> Result<()> {
        let mut builder = Builder::default();
        let total = collection.count()? as u64;
        let scan = collection.scan().include([Include::Documents]);
        for page in scan.page_size(PAGE_SIZE).read_ahead(true).pages() {
            for record in terms_of(page?, &self.bm25) {
                let pushed = builder.push(&record);
                pushed.map_err(|full| self.too_large(&full))?;
            }
            let done = builder.documents.live() as u64;
            let progress = Progress::new(OPERATION, ProgressStage::Reading, done);
            on_progress(&progress.out_of(total.max(done)));
        }
        *self.state_mut() = builder.finish();
        Ok(())
    }
}

/// Splits the documents of a page, on all cores.
pub(super) fn terms_of(page: GetResult, bm25: &Bm25) -> Vec<ReadRecord> {
    let documents = page.documents.unwrap_or_default();
    let rows: Vec<_> = page.ids.into_iter().zip(documents).collect();
    let task = || bm25.tokenizer();
    rows.into_par_iter()
        .with_min_len(TEXTS_PER_TASK)
        .map_init(task, |tokenizer, (id, document)| {
            ReadRecord::new(id, document.as_deref(), tokenizer)
        })
        .collect()
}

impl Builder {
    fn push(&mut self, record: &ReadRecord) -> std::result::Result<(), Full> {
        let print = record.fingerprint();
        let document = self.documents.push(&record.id, print, DocumentState::Base);
        let document = document.ok_or(Full)?;
        for &(term, count) in record.counts() {
            let (list, bytes) = self.lists.entry(term).or_default();
            list.push(Posting { document, count }, bytes);
        }
        Ok(())
    }

    fn finish(mut self) -> State {
        // A record that was deleted and added again during the scan comes twice. The first one is the newest.
        self.documents.index_ids();
        let order: Vec<u32> = self.documents.positions().rev().collect();
        let mut terms: Vec<u32> = self.lists.keys().copied().collect();
        terms.sort_unstable();
        let lists = &mut self.lists;
        State::assemble(&self.documents, &order, &terms, |term, to| {
            // Frees the list, since the new one takes its place.
            let list = lists.remove(&term).map(|(_, bytes)| bytes);
            to.extend(Decoder::new(&list.unwrap_or_default()));
        })
    }
}
