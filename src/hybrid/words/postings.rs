//! [`Postings`]: for each term, the documents in which it occurs, in compressed lists.

/// A document in which a term occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Posting {
    /// The position of the document in [`Documents`](super::documents::Documents).
    pub(super) document: u32,
    /// How often the term occurs in it.
    pub(super) count: u32,
}

/// The lists of all terms, in ascending order of the terms. They do not change.
#[derive(Debug, Default)]
pub(super) struct Postings {
    terms: Vec<u32>,
    /// The end of each term's list in `bytes`.
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

impl Postings {
    /// Appends the list of a term that is greater than all before. The documents must be ascending. A term
    /// without a document is left out.
    pub(super) fn push(&mut self, term: u32, postings: &[Posting]) {
        if postings.is_empty() {
            return;
        }
        let mut list = List::default();
        for posting in postings {
            list.push(*posting, &mut self.bytes);
        }
        self.terms.push(term);
        self.ends.push(self.bytes.len());
    }

    /// Appends a list that is encoded already.
    pub(super) fn push_encoded(&mut self, term: u32, list: &[u8]) {
        self.bytes.extend_from_slice(list);
        self.terms.push(term);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.terms.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// Returns all terms, ascending.
    pub(super) fn terms(&self) -> &[u32] {
        &self.terms
    }

    /// Iterates over the terms and their encoded lists.
    pub(super) fn lists(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let encoded = |index: usize| self.encoded(index).unwrap_or_default();
        let terms = self.terms.iter().enumerate();
        terms.map(move |(index, term)| (*term, encoded(index)))
    }

    /// Returns the list of a term, which is empty for an unknown one.
    pub(super) fn of(&self, term: u32) -> Decoder<'_> {
        let index = self.terms.binary_search(&term).ok();
        Decoder::new(
            index
                .and_then(|index| self.encoded(index))
                .unwrap_or_default(),
        )
    }

    fn encoded(&self, index: usize) -> Option<&[u8]> {
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..*self.ends.get(index)?)
    }

    /// Returns the bytes of memory.
    pub(super) fn memory(&self) -> usize {
        self.terms.capacity() * size_of::<u32>()
            + self.ends.capacity() * size_of::<usize>()
            + self.bytes.capacity()
    }
}

/// Encodes a list.
///
/// A posting is the distance from the document before, with one bit that tells whether the term occurs more
/// than once. If so, the count follows. Most postings take one or two bytes.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The document that follows the last one.
    next: u32,
}

impl List {
    /// Appends a posting. Its document must be greater than all before.
    pub(super) fn push(&mut self, posting: Posting, bytes: &mut Vec<u8>) {
        let distance = u64::from(posting.document.wrapping_sub(self.next));
        write_number(distance << 1 | u64::from(posting.count > 1), bytes);
        if posting.count > 1 {
            write_number(u64::from(posting.count), bytes);
        }
        self.next = posting.document.wrapping_add(1);
    }
}

/// Decodes a list. Ends at the first byte that makes no sense, so damaged bytes give a shorter list.
#[derive(Debug, Clone)]
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    next: u32,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, next: 0 }
    }

    /// Whether the whole list has been decoded.
    pub(super) fn is_finished(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl Iterator for Decoder<'_> {
    type Item = Posting;

    fn next(&mut self) -> Option<Posting> {
        let mut rest = self.bytes;
        let number = read_number(&mut rest)?;
        let distance = u32::try_from(number >> 1).ok()?;
        let document = self.next.checked_add(distance)?;
        let count = if number & 1 == 1 {
            u32::try_from(read_number(&mut rest)?).ok()?
        } else {
            1
        };
        self.next = document.checked_add(1)?;
        self.bytes = rest;
        Some(Posting { document, count })
    }
}

/// Writes a number in groups of seven bits, the lowest first (LEB128).
pub(super) fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads what [`write_number`] wrote. Returns `None` if the bytes end too early, or the number is too large.
pub(super) fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postings(pairs: &[(u32, u32)]) -> Vec<Posting> {
        let posting = |&(document, count)| Posting { document, count };
        pairs.iter().map(posting).collect()
    }

    #[test]
    fn lists_are_read_back() {
        let lists = [
            (
                3,
                postings(&[(0, 1), (1, 2), (130, 1), (4_000_000_000, 300)]),
            ),
            (7, postings(&[(u32::MAX - 1, 1)])),
            (u32::MAX, postings(&[(5, 1)])),
        ];
        let mut all = Postings::default();
        for (term, list) in &lists {
            all.push(*term, list);
        }
        all.push(9, &[]);
        for (term, list) in &lists {
            assert_eq!(all.of(*term).collect::<Vec<_>>(), *list);
        }
        assert_eq!(all.of(4).count(), 0);
        assert_eq!(all.terms(), [3, 7, u32::MAX]);
        let mut copy = Postings::default();
        for (term, list) in all.lists() {
            copy.push_encoded(term, list);
        }
        assert_eq!(copy.of(3).collect::<Vec<_>>(), lists[0].1);
    }

    #[test]
    fn a_frequent_term_takes_one_byte_for_a_document() {
        let mut all = Postings::default();
        let list: Vec<_> = (0..1000).map(|document| (document * 3, 1)).collect();
        all.push(1, &postings(&list));
        assert_eq!(all.bytes.len(), 1000);
    }

    #[test]
    fn damaged_lists_end() {
        for bytes in [
            &[0x80][..],
            &[0xff; 11],
            &[0x01],
            &[0xff, 0xff, 0xff, 0xff, 0x1f, 0x00],
        ] {
            let mut list = Decoder::new(bytes);
            assert_eq!(list.next(), None, "{bytes:?}");
            assert!(!list.is_finished());
        }
    }
}
