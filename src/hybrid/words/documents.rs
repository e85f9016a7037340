//! [`Documents`]: the records of a collection, as an index of words knows them.

use std::collections::HashMap;

use twox_hash::XxHash3_64;

/// The records of a collection, in the order in which they were added. A record is named by its position.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// All ids, one after the other.
    ids: String,
    /// The end of each id in `ids`.
    ends: Vec<u32>,
    hashes: Vec<u64>,
    /// The number of words of each document.
    lengths: Vec<u32>,
    states: Vec<DocumentState>,
    /// The positions of the first records, in the order of their ids.
    by_id: Vec<u32>,
    /// The positions of the records after these, by id.
    recent: HashMap<String, u32>,
    live: usize,
    with_text: usize,
}

/// Where the postings of a document are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DocumentState {
    /// In the lists that do not change.
    Base,
    /// Among the recent postings. Those in the lists are out of date.
    Recent,
    /// Nowhere: the record was deleted.
    Removed,
}

/// The hash and the length of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// See [`content_hash`].
    pub(super) hash: u64,
    /// The number of words.
    pub(super) length: u32,
}

/// The hash of a record without a document.
pub(super) const NO_DOCUMENT: u64 = 0;

/// The bytes of a hash. With fewer, the file is smaller; one in 2⁴⁸ changes goes unseen.
pub(super) const HASH_LEN: usize = 6;

/// Returns the hash of a document (the lowest 48 bits of XXH3), and [`NO_DOCUMENT`] for none.
pub(super) fn content_hash(document: Option<&str>) -> u64 {
    const MASK: u64 = (1 << (8 * HASH_LEN)) - 1;
    match document {
        Some(text) => (XxHash3_64::oneshot(text.as_bytes()) & MASK).max(1),
        None => NO_DOCUMENT,
    }
}

impl Documents {
    /// Appends a record whose id is not known yet. Returns its position, or `None` if there is no space: ids
    /// have at most 4 GiB together.
    pub(super) fn push(
        &mut self,
        id: &str,
        print: Fingerprint,
        state: DocumentState,
    ) -> Option<u32> {
        let position = u32::try_from(self.ends.len()).ok()?;
        let end = u32::try_from(self.ids.len() + id.len()).ok()?;
        self.ids.push_str(id);
        self.ends.push(end);
        self.hashes.push(print.hash);
        self.lengths.push(print.length);
        self.states.push(state);
        self.live += 1;
        self.with_text += usize::from(print.hash != NO_DOCUMENT);
        Some(position)
    }

    /// Appends a record that [`find`](Documents::find) is to find at once.
    pub(super) fn push_recent(&mut self, id: &str, print: Fingerprint) -> Option<u32> {
        let position = self.push(id, print, DocumentState::Recent)?;
        self.recent.insert(id.to_owned(), position);
        Some(position)
    }

    /// Makes all records so far known by their ids. Of several with the same id, the first one stays.
    pub(super) fn index_ids(&mut self) {
        self.recent = HashMap::new();
        let mut by_id: Vec<u32> = (0..self.ends.len() as u32).collect();
        by_id.sort_unstable_by_key(|position| (self.id(*position), *position));
        let mut repeated = Vec::new();
        by_id.dedup_by(|position, before| {
            let is_same = self.id(*position) == self.id(*before);
            if is_same {
                repeated.push(*position);
            }
            is_same
        });
        for position in repeated {
            self.remove(position);
        }
        self.by_id = by_id;
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.ids.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.hashes.shrink_to_fit();
        self.lengths.shrink_to_fit();
        self.states.shrink_to_fit();
        self.by_id.shrink_to_fit();
    }

    /// Returns the position of a record, unless it was removed.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        let position = if let Some(position) = self.recent.get(id) {
            *position
        } else {
            let found = self
                .by_id
                .binary_search_by_key(&id, |position| self.id(*position));
            *self.by_id.get(found.ok()?)?
        };
        (self.state(position) != DocumentState::Removed).then_some(position)
    }

    pub(super) fn id(&self, position: u32) -> &str {
        let position = position as usize;
        let start = position
            .checked_sub(1)
            .and_then(|before| self.ends.get(before));
        let range = start.map_or(0, |start| *start as usize)
            ..self.ends.get(position).map_or(0, |end| *end as usize);
        self.ids.get(range).unwrap_or_default()
    }

    pub(super) fn state(&self, position: u32) -> DocumentState {
        let state = self.states.get(position as usize);
        state.copied().unwrap_or(DocumentState::Removed)
    }

    pub(super) fn fingerprint(&self, position: u32) -> Fingerprint {
        let position = position as usize;
        Fingerprint {
            hash: self.hashes.get(position).copied().unwrap_or(NO_DOCUMENT),
            length: self.lengths.get(position).copied().unwrap_or(0),
        }
    }

    /// Replaces the content of a record, whose postings become recent.
    pub(super) fn replace(&mut self, position: u32, print: Fingerprint) {
        let index = position as usize;
        let had_text = self.fingerprint(position).hash != NO_DOCUMENT;
        self.with_text -= usize::from(had_text);
        self.with_text += usize::from(print.hash != NO_DOCUMENT);
        self.hashes[index] = print.hash;
        self.lengths[index] = print.length;
        self.states[index] = DocumentState::Recent;
    }

    /// Marks a record as deleted.
    pub(super) fn remove(&mut self, position: u32) {
        self.live -= 1;
        self.with_text -= usize::from(self.fingerprint(position).hash != NO_DOCUMENT);
        self.states[position as usize] = DocumentState::Removed;
    }

    /// Returns the positions of all records that were not removed, in order.
    pub(super) fn positions(&self) -> impl DoubleEndedIterator<Item = u32> + use<'_> {
        let all = 0..self.ends.len() as u32;
        all.filter(|position| self.state(*position) != DocumentState::Removed)
    }

    /// Returns the number of records that were not removed.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Returns the number of these that have a document.
    pub(super) fn with_text(&self) -> usize {
        self.with_text
    }

    /// Returns the number of positions, also of removed records.
    pub(super) fn positions_len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the bytes of memory. That of the recent ids is estimated.
    pub(super) fn memory(&self) -> usize {
        let recent = self.recent.keys().map(|id| id.capacity() + 48);
        self.ids.capacity()
            + self.ends.capacity() * size_of::<u32>()
            + self.hashes.capacity() * size_of::<u64>()
            + self.lengths.capacity() * size_of::<u32>()
            + self.states.capacity() * size_of::<DocumentState>()
            + self.by_id.capacity() * size_of::<u32>()
            + recent.sum::<usize>()
    }
}
