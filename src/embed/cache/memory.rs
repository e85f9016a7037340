//! [`MemoryCache`]: the vectors that were used last, as many as there is room for.

use std::collections::HashMap;
use std::fmt;
use std::mem::size_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EmbeddingCache;
use crate::embed::EmbeddingError;

/// Keeps vectors in memory, for as long as this value lives, and forgets those that were not used for longest when
/// there is no more room.
///
/// The bound is in bytes and holds for all of it: vectors, keys (which hold the texts) and what stands around them.
/// A vector of 768 floats takes 3.5 kB and its text; one that is larger than the bound is not kept.
pub struct MemoryCache {
    max_bytes: usize,
    entries: Mutex<Entries>,
}

impl MemoryCache {
    /// An empty one, of at most so many bytes.
    pub fn new(max_bytes: usize) -> MemoryCache {
        MemoryCache {
            max_bytes,
            entries: Mutex::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddingCache for MemoryCache {
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let mut entries = self.entries();
        Ok(keys
            .iter()
            .map(|key| entries.get(key).map(<[f32]>::to_vec))
            .collect())
    }

    fn put_many(&self, new: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
        let mut entries = self.entries();
        for (key, vector) in new {
            entries.put(key, vector, self.max_bytes);
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries();
        f.debug_struct("MemoryCache")
            .field("max_bytes", &self.max_bytes)
            .field("bytes", &entries.bytes)
            .field("vectors", &entries.slots.len())
            .finish()
    }
}

/// A hash table into slots, which are a list in the order of their last use: a ring, that `newest` is the start of.
#[derive(Default)]
struct Entries {
    slot_of: HashMap<Arc<[u8]>, usize>,
    slots: Vec<Slot>,
    newest: usize,
    bytes: usize,
}

struct Slot {
    key: Arc<[u8]>,
    vector: Box<[f32]>,
    /// The one that was used next after this; for the newest, the oldest.
    newer: usize,
    /// The one that was used last before this; for the oldest, the newest.
    older: usize,
}

/// A list or table with room for so many times what is in it gives half of that back.
const SPARE: usize = 4;
/// What an entry takes beside its key and vector, at most: its share of a list and of a hash table (which fills an
/// eighth less than its room), the counters of the `Arc`, and what an allocator puts around two pieces.
const OVERHEAD: usize =
    SPARE * size_of::<Slot>() + (SPARE + 1) * size_of::<(Arc<[u8]>, usize)>() + 16 + 2 * 16;

fn size(key: &[u8], vector: &[f32]) -> usize {
    key.len() + size_of_val(vector) + OVERHEAD
}

impl Entries {
    fn get(&mut self, key: &[u8]) -> Option<&[f32]> {
        let slot = *self.slot_of.get(key)?;
        self.take_out(slot);
        self.put_first(slot);
        Some(&self.slots[slot].vector)
    }

    fn put(&mut self, key: &[u8], vector: &[f32], max_bytes: usize) {
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
        self.put_first(slot);
        self.bytes += size;
    }

    /// Takes a slot that stands nowhere in the list to the start.
    fn put_first(&mut self, slot: usize) {
        let newest = self.newest;
        // The first one of all is a ring by itself.
        if newest != slot && self.slots.len() > 1 {
            let oldest = self.slots[newest].newer;
            self.slots[slot].older = newest;
            self.slots[slot].newer = oldest;
            self.slots[newest].newer = slot;
            self.slots[oldest].older = slot;
        }
        self.newest = slot;
    }

    /// Takes a slot out of the list.
    fn take_out(&mut self, slot: usize) {
        let Slot { newer, older, .. } = self.slots[slot];
        self.slots[newer].older = older;
        self.slots[older].newer = newer;
        if self.newest == slot {
            self.newest = older;
        }
    }

    /// Forgets an entry. The last slot moves to its place.
    fn remove(&mut self, slot: usize) {
        self.take_out(slot);
        let gone = self.slots.swap_remove(slot);
        self.slot_of.remove(&gone.key);
        self.bytes -= size(&gone.key, &gone.vector);
        let from = self.slots.len();
        if slot != from {
            self.moved(from, slot);
        }
        let room = |capacity: usize| capacity > 64 && capacity / SPARE > from;
        if room(self.slots.capacity()) {
            self.slots.shrink_to(2 * from);
        }
        if room(self.slot_of.capacity()) {
            self.slot_of.shrink_to(2 * from);
        }
    }

    /// Tells the others that a slot has moved.
    fn moved(&mut self, from: usize, to: usize) {
        let Slot { newer, older, .. } = self.slots[to];
        // The only one is its own neighbour.
        let now = |at: usize| if at == from { to } else { at };
        self.slots[now(newer)].older = to;
        self.slots[now(older)].newer = to;
        self.newest = now(self.newest);
        if let Some(place) = self.slot_of.get_mut(&self.slots[to].key) {
            *place = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &MemoryCache, key: &str) -> bool {
        cache.get_many(&[key.as_bytes()]).unwrap()[0].is_some()
    }

    fn put(cache: &MemoryCache, key: &str, vector: &[f32]) {
        cache.put_many(&[(key.as_bytes(), vector)]).unwrap();
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = MemoryCache::new(3 * size(b"a", &[0.0; 4]));
        for key in ["a", "b", "c"] {
            put(&cache, key, &[1.0; 4]);
        }
        assert!(kept(&cache, "a"));
        put(&cache, "d", &[1.0; 4]);
        assert!(!kept(&cache, "b"));
        assert!(kept(&cache, "a") && kept(&cache, "c") && kept(&cache, "d"));
    }

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept_and_drives_nothing_out() {
        let cache = MemoryCache::new(2 * OVERHEAD);
        put(&cache, "a", &[1.0; 2]);
        put(&cache, "b", &[1.0; 4000]);
        assert!(kept(&cache, "a") && !kept(&cache, "b"));
        put(&MemoryCache::new(0), "a", &[1.0]);
    }

    /// Against the plainest cache of the kind: a list, searched from its start.
    #[test]
    fn a_long_life_of_random_calls() {
        let mut random = 1_u64;
        let mut below = |n: usize| {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (random >> 33) as usize % n
        };
        for entries in [1, 2, 3, 10, 200] {
            let max_bytes = entries * (OVERHEAD + 20);
            let cache = MemoryCache::new(max_bytes);
            let mut list: Vec<(String, Vec<f32>)> = Vec::new();
            for _ in 0..5_000 {
                let key = below(3 * entries).to_string();
                let known = list.iter().position(|(k, _)| *k == key);
                if below(2) == 0 {
                    let got = cache.get_many(&[key.as_bytes()]).unwrap().remove(0);
                    assert_eq!(got, known.map(|at| list[at].1.clone()));
                    if let Some(at) = known {
                        let entry = list.remove(at);
                        list.push(entry);
                    }
                } else {
                    let vector = vec![below(100) as f32; 1 + below(4)];
                    put(&cache, &key, &vector);
                    if let Some(at) = known {
                        list.remove(at);
                    }
                    list.push((key, vector));
                    let bytes = |list: &[(String, Vec<f32>)]| -> usize {
                        list.iter()
                            .map(|(key, vector)| size(key.as_bytes(), vector))
                            .sum()
                    };
                    while bytes(&list) > max_bytes {
                        list.remove(0);
                    }
                    assert_eq!(cache.entries().bytes, bytes(&list));
                }
            }
        }
    }
}
