//! [`State`]: the content of an index of words: lists that do not change, and what has changed since.

use std::collections::HashMap;

use super::documents::{DocumentState, Documents, Fingerprint, content_hash};
use super::postings::{Posting, Postings};
use crate::embed::{Terms, Tokenizer};

/// Changes are merged into the lists when they are more than this many records and a tenth of all.
const MAX_RECENT: usize = 1_000;

/// The content of an index.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) documents: Documents,
    pub(super) base: Postings,
    /// The postings of changed and new documents, by term, in any order.
    recent: HashMap<u32, Vec<Posting>>,
    /// The terms of these documents, by position.
    recent_terms: HashMap<u32, Vec<u32>>,
}

/// A record that was read, with the terms of its document.
#[derive(Debug)]
pub(super) struct ReadRecord {
    pub(super) id: String,
    hash: u64,
    terms: Terms,
}

impl ReadRecord {
    pub(super) fn new(id: String, document: Option<&str>, tokenizer: &Tokenizer) -> ReadRecord {
        ReadRecord {
            id,
            hash: content_hash(document),
            terms: document
                .map(|text| tokenizer.terms(text))
                .unwrap_or_default(),
        }
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            hash: self.hash,
            length: self.terms.length,
        }
    }

    /// Returns the numbers of the terms, and how often each occurs.
    pub(super) fn counts(&self) -> &[(u32, u32)] {
        &self.terms.counts
    }
}

/// The index holds no more records.
#[derive(Debug)]
pub(super) struct Full;

impl State {
    /// Makes a state of records and lists. `order` has the positions of the records that stay, in their new
    /// order. `terms` are all terms, ascending. `postings` appends the postings of a term, in any order.
    pub(super) fn assemble(
        old: &Documents,
        order: &[u32],
        terms: &[u32],
        mut postings: impl FnMut(u32, &mut Vec<Posting>),
    ) -> State {
        const GONE: u32 = u32::MAX;
        let mut state = State::default();
        let mut moved = vec![GONE; old.positions_len()];
        for position in order {
            let print = old.fingerprint(*position);
            let new = state
                .documents
                .push(old.id(*position), print, DocumentState::Base);
            // There was space for more records before.
            moved[*position as usize] = new.unwrap_or(GONE);
        }
        state.documents.index_ids();
        state.documents.shrink_to_fit();
        let mut list = Vec::new();
        for term in terms {
            list.clear();
            postings(*term, &mut list);
            for posting in &mut list {
                posting.document = moved
                    .get(posting.document as usize)
                    .map_or(GONE, |new| *new);
            }
            list.retain(|posting| posting.document != GONE);
            list.sort_unstable();
            state.base.push(*term, &list);
        }
        state.base.shrink_to_fit();
        state
    }

    /// Returns a state without changes.
    pub(super) fn of(documents: Documents, base: Postings) -> State {
        State {
            documents,
            base,
            ..State::default()
        }
    }

    /// Adds a record, or replaces its content. Returns whether anything changed.
    pub(super) fn put(&mut self, record: &ReadRecord) -> Result<bool, Full> {
        let print = record.fingerprint();
        let position = match self.documents.find(&record.id) {
            Some(position) if self.documents.fingerprint(position).hash == print.hash => {
                return Ok(false);
            }
            Some(position) => {
                self.detach(position);
                self.documents.replace(position, print);
                position
            }
            None => self.documents.push_recent(&record.id, print).ok_or(Full)?,
        };
        for &(term, count) in record.counts() {
            let postings = self.recent.entry(term).or_default();
            postings.push(Posting {
                document: position,
                count,
            });
        }
        let terms = record.counts().iter().map(|(term, _)| *term).collect();
        self.recent_terms.insert(position, terms);
        Ok(true)
    }

    /// Removes a record, if it is there.
    pub(super) fn remove(&mut self, id: &str) {
        if let Some(position) = self.documents.find(id) {
            self.detach(position);
            self.documents.remove(position);
        }
    }

    /// Removes the recent postings of a document. Those in the lists count only while its state is `Base`.
    fn detach(&mut self, position: u32) {
        for term in self.recent_terms.remove(&position).unwrap_or_default() {
            if let Some(postings) = self.recent.get_mut(&term) {
                postings.retain(|posting| posting.document != position);
            }
        }
    }

    /// Returns all terms, ascending.
    fn terms(&self) -> Vec<u32> {
        let mut terms: Vec<u32> = self.recent.keys().copied().collect();
        terms.extend(self.base.terms());
        terms.sort_unstable();
        terms.dedup();
        terms
    }

    /// Appends the postings of a term that are up to date.
    pub(super) fn postings(&self, term: u32, to: &mut Vec<Posting>) {
        let is_base =
            |posting: &Posting| self.documents.state(posting.document) == DocumentState::Base;
        to.extend(self.base.of(term).filter(is_base));
        to.extend(self.recent.get(&term).into_iter().flatten());
    }

    /// Whether [`merge`](State::merge) is due.
    pub(super) fn is_merge_due(&self) -> bool {
        let gone = self.documents.positions_len() - self.documents.live();
        let changed = self.recent_terms.len() + gone;
        changed > MAX_RECENT.max(self.documents.live() / 10)
    }

    /// Whether something has changed since the lists were made.
    pub(super) fn has_changed(&self) -> bool {
        !self.recent_terms.is_empty() || self.documents.positions_len() > self.documents.live()
    }

    /// Merges all changes into the lists. With `order`, the records get this order; it has all positions of
    /// records that were not removed.
    pub(super) fn merge(&mut self, order: Option<&[u32]>) {
        let same: Vec<u32>;
        let order = if let Some(order) = order {
            order
        } else {
            same = self.documents.positions().collect();
            &same
        };
        *self = State::assemble(&self.documents, order, &self.terms(), |term, list| {
            self.postings(term, list);
        });
    }

    /// Returns the bytes of memory. That of recent changes is estimated.
    pub(super) fn memory(&self) -> usize {
        const OF_ENTRY: usize = 48;
        let lists = self
            .recent
            .values()
            .map(|list| list.capacity() * size_of::<Posting>());
        let terms = self
            .recent_terms
            .values()
            .map(|list| list.capacity() * size_of::<u32>());
        self.documents.memory()
            + self.base.memory()
            + lists
                .chain(terms)
                .map(|bytes| bytes + OF_ENTRY)
                .sum::<usize>()
    }

    /// Returns the number of postings.
    pub(super) fn postings_len(&self) -> usize {
        let mut list = Vec::new();
        let count = |term: u32| {
            list.clear();
            self.postings(term, &mut list);
            list.len()
        };
        self.terms().into_iter().map(count).sum()
    }
}
