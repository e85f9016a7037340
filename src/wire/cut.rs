//! Cutting a large call into requests, by count and by bytes, without moving anything.

use std::ops::Range;

/// Consecutive ranges over `sizes` (bytes per entry) of at most `max_count` entries and `max_bytes` bytes each. An
/// entry that is larger than `max_bytes` stands alone.
pub(crate) fn cut(
    sizes: impl IntoIterator<Item = usize>,
    max_count: usize,
    max_bytes: usize,
) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0_usize);
    for size in sizes {
        let full = end - start >= max_count.max(1) || bytes.saturating_add(size) > max_bytes;
        if full && end > start {
            ranges.push(start..end);
            (start, bytes) = (end, 0);
        }
        end += 1;
        bytes = bytes.saturating_add(size);
    }
    if end > start {
        ranges.push(start..end);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_by_count_and_by_bytes() {
        assert_eq!(cut([1; 5], 2, 100), [0..2, 2..4, 4..5]);
        assert_eq!(cut([40, 40, 40, 10], 100, 100), [0..2, 2..4]);
        assert_eq!(cut([500, 1, 500], 100, 100), [0..1, 1..2, 2..3]);
        assert_eq!(cut([usize::MAX, usize::MAX], 100, 100), [0..1, 1..2]);
        assert_eq!(cut([], 2, 100), []);
        assert_eq!(cut([1; 3], 0, 100), [0..1, 1..2, 2..3]);
    }
}
