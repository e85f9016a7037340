//! [`batches`]: which texts run through a model together.

use std::ops::Range;

/// The most tokens of a batch. More take more time for each, since they no longer fit into the cache of a core.
const MAX_TOKENS: usize = 512;

/// Splits texts into batches of similar length. `lengths` are the numbers of their tokens, in ascending order.
pub(super) fn batches(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let mut start = 0;
    for (at, length) in lengths.iter().enumerate() {
        let texts = at + 1 - start;
        // A padded text costs as much as the longest one.
        let is_alike = *length <= lengths[start] + lengths[start] / 8 + 2;
        if texts > 1 && (texts * length > MAX_TOKENS || !is_alike) {
            batches.push(start..at);
            start = at;
        }
    }
    if start < lengths.len() {
        batches.push(start..lengths.len());
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_one_batch_with_others_of_similar_length() {
        let lengths = [vec![10; 60], vec![100; 7], vec![256; 2]].concat();
        assert_eq!(batches(&lengths), [0..51, 51..60, 60..65, 65..67, 67..69]);
        assert_eq!(batches(&[]), []);
        assert_eq!(batches(&[2000, 2000]), [0..1, 1..2]);
    }
}
