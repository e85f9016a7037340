//! [`Fields`]: reads what a search selects.

use std::collections::HashMap;

use super::order::Ranked;
use crate::collection::{Collection, STAMP};
use crate::error::Result;
use crate::model::filter::Key;
use crate::model::metadata::Metadata;
use crate::model::record::Record;
use crate::model::results::Include;
use crate::model::search::{Search, SearchHit};

/// The fields that a search selects.
pub(super) struct Fields<'a> {
    keys: &'a [Key],
    include: Vec<Include>,
    has_score: bool,
}

/// The records that were read, by id. `None`: nothing had to be read.
pub(super) type Read = Option<HashMap<String, Record>>;

impl<'a> Fields<'a> {
    /// With `compares`, documents are read even if they are not selected.
    pub(super) fn new(search: &'a Search, compares: bool) -> Fields<'a> {
        let keys = &search.select;
        let has = |key: Key| keys.contains(&key);
        let mut include = Vec::new();
        if has(Key::document()) || compares {
            include.push(Include::Documents);
        }
        if has(Key::metadata()) || keys.iter().any(Key::is_field) {
            include.push(Include::Metadatas);
        }
        if has(Key::embedding()) {
            include.push(Include::Embeddings);
        }
        Fields {
            keys,
            include,
            has_score: has(Key::score()) && search.rank.is_some(),
        }
    }

    fn has(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }

    /// Reads the records of a page, if something of them is needed.
    pub(super) fn read(&self, collection: &Collection, page: &[Ranked]) -> Result<Read> {
        if self.include.is_empty() || page.is_empty() {
            return Ok(None);
        }
        let ids: Vec<&str> = page.iter().map(|record| record.id.as_str()).collect();
        let collection = if self.has(&Key::field(STAMP)) {
            &collection.showing_stamps()
        } else {
            collection
        };
        let found = collection
            .get()
            .ids(ids)
            .include(self.include.iter().copied())
            .run()?;
        let by_id = found.into_iter().map(|record| (record.id.clone(), record));
        Ok(Some(by_id.collect()))
    }

    /// Returns the hits, without those that were deleted since.
    pub(super) fn hits(&self, page: Vec<Ranked>, mut read: Read) -> Vec<SearchHit> {
        let hit = |Ranked { id, score }: Ranked| {
            let record = match &mut read {
                Some(read) => read.remove(&id)?,
                None => Record::new(id),
            };
            Some(self.hit(record, score))
        };
        page.into_iter().filter_map(hit).collect()
    }

    fn hit(&self, record: Record, score: f32) -> SearchHit {
        let mut metadata = record.metadata;
        if !self.has(&Key::metadata()) {
            let fields = self.keys.iter().filter(|key| key.is_field());
            let selected = fields.filter_map(|key| {
                let value = metadata.get(key.name())?.clone();
                Some((key.name().to_owned(), value))
            });
            metadata = selected.collect::<Metadata>();
        }
        SearchHit {
            id: record.id,
            score: (self.has_score && score.is_finite()).then_some(score),
            document: record.document.filter(|_| self.has(&Key::document())),
            metadata,
            embedding: record.embedding,
        }
    }
}

/// Returns the document of each record of a page; `None` for a record that does not exist any more.
pub(super) fn documents<'a>(
    page: &'a [Ranked],
    read: &'a Read,
) -> impl Iterator<Item = (&'a str, Option<Option<&'a str>>)> {
    page.iter().filter_map(move |Ranked { id, .. }| {
        let found = read.as_ref()?.get(id);
        Some((id.as_str(), found.map(|record| record.document.as_deref())))
    })
}
