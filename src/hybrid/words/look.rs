//! Finds out what has changed in a collection, and changes its index.

use std::collections::HashSet;
use std::time::Instant;

use super::build::terms_of;
use super::own_writes::{WrittenRecords, lock};
use super::shared::{LastLook, Shared};
use crate::collection::{Collection, STAMP};
use crate::error::Result;
use crate::model::filter::Key;
use crate::model::results::{GetResult, Include};

/// The extent of a look.
enum Looked {
    /// Documents written with a stamp, or all documents.
    AtStamps,
    /// The number of records, and own writes.
    AtCount,
}

impl Shared {
    /// Asks the server what has changed, unless another thread has done so since `began`.
    pub(super) fn look(&self, collection: &Collection, began: Instant) -> Result<()> {
        let mut last = lock(&self.last_look);
        if last.began >= began {
            return Ok(());
        }
        let now = LastLook::now();
        // Taken before anything is read, so that a write in between counts for the next look.
        let own = self.own_writes.take();
        // If the clock was set back, stamps of now are smaller than the time of the last look.
        match self.look_since(collection, last.at.min(now.at), &own) {
            Ok(Looked::AtStamps) => *last = now,
            // A later look reads all stamps since the last one that did.
            Ok(Looked::AtCount) => last.began = now.began,
            Err(error) => {
                self.own_writes.put_back(own);
                return Err(error);
            }
        }
        Ok(())
    }

    fn look_since(&self, collection: &Collection, at: i64, own: &WrittenRecords) -> Result<Looked> {
        let is_stamped = self.collection.stamps_writes() || collection.stamps_writes();
        // Own writes have stamps only if the handle of the index stamps.
        if own.has_more && !self.collection.stamps_writes() {
            self.build(collection)?;
            return Ok(Looked::AtStamps);
        }
        // A record that exists again is the last one now, even if its document is the same.
        let deleted = own.ids.iter().filter(|(_, is_deleted)| **is_deleted);
        self.remove(&deleted.map(|(id, _)| id.clone()).collect::<Vec<_>>());
        // In the order in which they were added, so before own writes.
        if is_stamped {
            let lookback = i64::try_from(self.lookback.as_micros()).unwrap_or(i64::MAX);
            let since = at.saturating_sub(lookback);
            let stamped = collection.get().filter(Key::field(STAMP).gt(since));
            self.put(stamped.include([Include::Documents]).run()?)?;
        }
        if !own.has_more {
            self.read_again(collection, own.ids.keys().cloned().collect())?;
        }
        let is_unknown = own.has_more || own.has_deleted;
        if is_unknown || collection.count()? != self.state().documents.live() {
            self.list(collection)?;
        }
        Ok(if is_stamped {
            Looked::AtStamps
        } else {
            Looked::AtCount
        })
    }

    /// Lists the ids of all records. Removes those that were deleted, and reads new ones.
    fn list(&self, collection: &Collection) -> Result<()> {
        let ids = collection.get().include([]).run()?.ids;
        let (new, deleted) = {
            let state = self.state();
            let known: HashSet<&str> = ids.iter().map(String::as_str).collect();
            let new: Vec<String> = ids
                .iter()
                .filter(|id| state.documents.find(id).is_none())
                .cloned()
                .collect();
            let positions = state.documents.positions().map(|at| state.documents.id(at));
            let deleted = positions.filter(|id| !known.contains(id));
            (new, deleted.map(str::to_owned).collect::<Vec<_>>())
        };
        self.remove(&deleted);
        if !new.is_empty() {
            self.put(read(collection, new)?)?;
        }
        self.restore_order(&ids);
        Ok(())
    }

    /// Reads records again whose documents are not those that were indexed. Looks and mends take turns, so
    /// that what was read first is never put in place of what was read later.
    pub(super) fn mend(&self, collection: &Collection, ids: Vec<String>) -> Result<()> {
        let _turn = lock(&self.last_look);
        self.read_again(collection, ids)
    }

    /// Reads some records again, by their ids.
    fn read_again(&self, collection: &Collection, ids: Vec<String>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let found = read(collection, ids.clone())?;
        let existing: HashSet<&str> = found.ids.iter().map(String::as_str).collect();
        let gone = ids.iter().filter(|id| !existing.contains(id.as_str()));
        let gone: Vec<String> = gone.cloned().collect();
        self.remove(&gone);
        self.put(found)
    }

    fn remove(&self, ids: &[String]) {
        let mut state = self.state_mut();
        for id in ids {
            state.remove(id);
        }
    }

    /// Adds records, or replaces their documents.
    fn put(&self, page: GetResult) -> Result<()> {
        let records = terms_of(page, &self.bm25);
        let mut state = self.state_mut();
        for record in &records {
            state.put(record).map_err(|full| self.too_large(&full))?;
        }
        if state.is_merge_due() {
            state.merge(None);
        }
        Ok(())
    }

    /// Gives the records the order of `ids`, if they have another one: a write of another program was found
    /// before an earlier one.
    fn restore_order(&self, ids: &[String]) {
        let mut state = self.state_mut();
        let listed = ids.iter().filter_map(|id| state.documents.find(id));
        let mut order: Vec<u32> = listed.collect();
        if order.is_sorted() {
            return;
        }
        let listed: HashSet<u32> = order.iter().copied().collect();
        let others = state.documents.positions();
        order.extend(others.filter(|position| !listed.contains(position)));
        state.merge(Some(&order));
    }
}

fn read(collection: &Collection, ids: Vec<String>) -> Result<GetResult> {
    collection
        .get()
        .ids(ids)
        .include([Include::Documents])
        .run()
}
