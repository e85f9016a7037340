//! [`TextSource`]: the records of a collection that have a text to embed.

use std::cell::Cell;
use std::collections::HashSet;

use crate::collection::Collection;
use crate::error::{Call, InvalidInput, Result};
use crate::model::record::Record;
use crate::model::results::Include;
use crate::transfer::ids::IDS_PER_LINE;
use crate::transfer::source::{CollectionSource, IdGroups, Page, Pages, Source};

/// The name of the operation in errors and progress.
pub(super) const REEMBED: &str = "reembed";

/// The records of a collection that have a text to embed.
pub(super) struct TextSource {
    collection: Collection,
    records: CollectionSource,
    /// Whether records without a text are left out. Otherwise, they are an error.
    skips: bool,
    /// The number of records that the last pass has left out.
    left_out: Cell<u64>,
}

impl TextSource {
    pub(super) fn new(collection: Collection, records: CollectionSource, skips: bool) -> Self {
        TextSource {
            collection,
            records,
            skips,
            left_out: Cell::new(0),
        }
    }

    /// Returns the number of records that are listed, including those without a text.
    pub(super) fn listed(&self) -> u64 {
        self.records.len()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out.get()
    }

    pub(super) fn close(self) {
        self.records.close();
    }

    /// Removes the records without a text from a page.
    fn select(&self, mut page: Page) -> Result<Page> {
        let (before, mut without) = (page.records.len() as u64, Vec::new());
        page.records.retain(|record| {
            let is_kept = has_text(record.document.as_deref());
            if !is_kept {
                without.push(record.id.clone());
            }
            is_kept
        });
        let count = without.len() as u64;
        if count > 0 && !self.skips {
            let call = Call::new(REEMBED, Some(self.collection.name()));
            return Err(call.invalid(without_text(count, before, &without)));
        }
        self.left_out.set(self.left_out.get() + count);
        Ok(page)
    }
}

impl Source for TextSource {
    fn len(&self) -> u64 {
        self.records.len()
    }

    fn pages(&self, from: u64) -> Result<Pages<'_>> {
        self.left_out.set(0);
        let pages = self.records.pages(from)?;
        Ok(Box::new(pages.map(|page| self.select(page?))))
    }

    /// Records whose text was removed count as missing if records without one are left out.
    fn missing(&self, ids: Vec<String>) -> Result<Vec<String>> {
        if !self.skips {
            return self.records.missing(ids);
        }
        let documents = vec![Include::Documents];
        let mut reader = self.collection.page_reader(documents, IDS_PER_LINE);
        let mut found = HashSet::new();
        let mut rest = ids.as_slice();
        while !rest.is_empty() {
            let (page, after) = rest.split_at(reader.page_size().min(rest.len()));
            let records = reader.read(page.to_vec())?.into_iter();
            let with_text = records.filter(|record: &Record| has_text(record.document.as_deref()));
            found.extend(with_text.map(|record| record.id));
            rest = after;
        }
        let mut missing = ids;
        missing.retain(|id| !found.contains(id));
        Ok(missing)
    }

    fn refresh(&mut self) -> Result<()> {
        self.records.refresh()
    }

    fn listed_before(&self) -> IdGroups<'_> {
        self.records.listed_before()
    }

    fn has_lost_ids(&self) -> bool {
        self.records.has_lost_ids()
    }
}

/// Whether there is a text to embed. Batch jobs leave out blank ones as well.
pub(super) fn has_text(document: Option<&str>) -> bool {
    document.is_some_and(|text| !text.trim().is_empty())
}

/// Returns the error for records without a text.
pub(super) fn without_text(count: u64, of: u64, ids: &[String]) -> InvalidInput {
    const SHOWN: usize = 5;
    let mut shown = ids.iter().take(SHOWN).map(|id| format!("{id:?}"));
    let mut first = shown.by_ref().collect::<Vec<_>>().join(", ");
    if count > SHOWN as u64 {
        first.push_str(", …");
    }
    let why = format!(
        "{count} of {of} records have no text to embed ({first}); give them documents, or leave them out with .skip_without_document(true)"
    );
    InvalidInput::setting("skip_without_document", "false", why)
}
