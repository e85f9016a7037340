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

/// The bytes that a text takes in JSON, its quotes included.
pub(crate) fn json_len(text: &str) -> usize {
    let extra = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    };
    2 + text.len() + text.bytes().map(extra).sum::<usize>()
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

    #[test]
    fn texts_are_as_long_as_they_are_written() {
        let all: String = (0..0x250).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\u{1F980}", &all] {
            assert_eq!(json_len(text), serde_json::to_string(text).unwrap().len());
        }
    }
}
