//! [`Lru`]: vectors in the order of their last use.
//!
//! The crate `lru` would bring one to three crates, and counts entries instead of bytes. These 100 lines
//! replace it.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::Arc;

/// Vectors in the order of their last use: a hash table of slots, which form a ring that starts at `newest`.
#[derive(Default)]
pub(super) struct Lru {
    slot_of: HashMap<Arc<[u8]>, usize>,
    slots: Vec<Slot>,
    newest: usize,
    bytes: usize,
}

struct Slot {
    key: Arc<[u8]>,
    vector: Box<[f32]>,
    /// The slot that was used next. For the newest slot: the oldest one.
    newer: usize,
    /// The slot that was used before. For the oldest slot: the newest one.
    older: usize,
}

/// A list or table shrinks to twice its length when it has room for this many times its length.
const SPARE: usize = 4;
/// The most that an entry takes in addition to its key and vector: its share of the list and of the hash
/// table (of which an eighth stays empty), the counters of the `Arc`, and what an allocator adds to two
/// allocations.
pub(super) const OVERHEAD: usize =
    SPARE * size_of::<Slot>() + (SPARE + 1) * size_of::<(Arc<[u8]>, usize)>() + 16 + 2 * 16;

pub(super) fn size(key: &[u8], vector: &[f32]) -> usize {
    key.len() + size_of_val(vector) + OVERHEAD
}

impl Lru {
    /// The bytes that all entries take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns a vector, and marks it as the newest.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<&[f32]> {
        let slot = *self.slot_of.get(key)?;
        self.unlink(slot);
        self.link_as_newest(slot);
        Some(&self.slots[slot].vector)
    }

    /// Adds or replaces a vector, and removes the oldest ones until all take at most `max_bytes`.
    pub(super) fn put(&mut self, key: &[u8], vector: &[f32], max_bytes: usize) {
        if let Some(&slot) = self.slot_of.get(key) {
            self.remove(slot);
        }
        let size = size(key, vector);
        if size > max_bytes {
            return;
        }
        while self.bytes > max_bytes - size {
            let oldest = self.slots[self.newest].newer;
            self.remove(oldest);
        }
        let key: Arc<[u8]> = key.into();
        let slot = self.slots.len();
        self.slot_of.insert(key.clone(), slot);
        self.slots.push(Slot {
            key,
            vector: vector.into(),
            newer: slot,
            older: slot,
        });
        self.link_as_newest(slot);
        self.bytes += size;
    }

    /// Inserts a slot that is not in the ring as the newest one.
    fn link_as_newest(&mut self, slot: usize) {
        let newest = self.newest;
        // The only slot is a ring already.
        if newest != slot && self.slots.len() > 1 {
            let oldest = self.slots[newest].newer;
            self.slots[slot].older = newest;
            self.slots[slot].newer = oldest;
            self.slots[newest].newer = slot;
            self.slots[oldest].older = slot;
        }
        self.newest = slot;
    }

    /// Removes a slot from the ring.
    fn unlink(&mut self, slot: usize) {
        let Slot { newer, older, .. } = self.slots[slot];
        self.slots[newer].older = older;
        self.slots[older].newer = newer;
        if self.newest == slot {
            self.newest = older;
        }
    }

    /// Removes an entry. The last slot of the list moves to its place.
    fn remove(&mut self, slot: usize) {
        self.unlink(slot);
        let gone = self.slots.swap_remove(slot);
        self.slot_of.remove(&gone.key);
        self.bytes -= size(&gone.key, &gone.vector);
        let from = self.slots.len();
        if slot != from {
            self.relink(from, slot);
        }
        let is_sparse = |capacity: usize| capacity > 64 && capacity / SPARE > from;
        if is_sparse(self.slots.capacity()) {
            self.slots.shrink_to(2 * from);
        }
        if is_sparse(self.slot_of.capacity()) {
            self.slot_of.shrink_to(2 * from);
        }
    }

    /// Updates the links to a slot that has moved from index `from`: those in its neighbours and in the
    /// table.
    fn relink(&mut self, from: usize, to: usize) {
        let Slot { newer, older, .. } = self.slots[to];
        // The only slot is its own neighbour.
        let now = |at: usize| if at == from { to } else { at };
        self.slots[now(newer)].older = to;
        self.slots[now(older)].newer = to;
        self.newest = now(self.newest);
        if let Some(place) = self.slot_of.get_mut(&self.slots[to].key) {
            *place = to;
        }
    }
}
