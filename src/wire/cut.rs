//! Cuts a large call into requests, by number of entries and by bytes. Only ranges are computed; nothing is
//! copied.

use std::ops::Range;

/// Returns the entries from `start` on that fit into one request, and their size in bytes. There are `count`
/// entries in total. A request has at most `max_count` entries and `max_bytes` bytes; an entry larger than
/// `max_bytes` gets a request to itself.
pub(crate) fn fit(
    start: usize,
    count: usize,
    size: impl Fn(usize) -> usize,
    max_count: usize,
    max_bytes: usize,
) -> (Range<usize>, usize) {
    let last = count.min(start.saturating_add(max_count.max(1)));
    let (mut end, mut bytes) = (start, 0_usize);
    while end < last {
        let more = bytes.saturating_add(size(end));
        if more > max_bytes && end > start {
            break;
        }
        (end, bytes) = (end + 1, more);
    }
    (start..end, bytes)
}

/// Cuts a range in two. If the length is odd, the first half is the smaller one.
pub(crate) fn halves(range: Range<usize>) -> [Range<usize>; 2] {
    let middle = range.start + range.len() / 2;
    [range.start..middle, middle..range.end]
}

/// Returns consecutive ranges that cover all entries, each as large as [`fit`] allows.
#[cfg(any(test, feature = "gemini"))]
pub(crate) fn cut(
    count: usize,
    size: impl Fn(usize) -> usize,
    max_count: usize,
    max_bytes: usize,
) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let (range, _) = fit(start, count, &size, max_count, max_bytes);
        start = range.end;
        (!range.is_empty()).then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_cover_the_range() {
        assert_eq!(halves(3..8), [3..5, 5..8]);
        assert_eq!(halves(3..4), [3..3, 3..4]);
    }

    #[test]
    fn cuts_by_count_and_by_bytes() {
        let cut = |sizes: &[usize], max_count, max_bytes| -> Vec<_> {
            cut(sizes.len(), |index| sizes[index], max_count, max_bytes).collect()
        };
        assert_eq!(cut(&[1; 5], 2, 100), [0..2, 2..4, 4..5]);
        assert_eq!(cut(&[40, 40, 40, 10], 100, 100), [0..2, 2..4]);
        assert_eq!(cut(&[500, 1, 500], 100, 100), [0..1, 1..2, 2..3]);
        assert_eq!(cut(&[usize::MAX, usize::MAX], 100, 100), [0..1, 1..2]);
        assert_eq!(cut(&[], 2, 100), []);
        assert_eq!(cut(&[1; 3], 0, 100), [0..1, 1..2, 2..3]);
        assert_eq!(cut(&[1; 3], usize::MAX, 2), [0..2, 2..3]);
        assert_eq!(fit(1, 3, |_| 40, 10, 100), (1..3, 80));
    }
}
