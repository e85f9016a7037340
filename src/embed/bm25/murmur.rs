//! [`murmur3`]: the hash that numbers tokens.

/// Returns the hash `MurmurHash3_x86_32` with seed 0, as Python's `mmh3.hash` does before it is read as
/// signed. (Austin Appleby, public domain; the constants are the algorithm's.)
pub(super) fn murmur3(bytes: &[u8]) -> u32 {
    let scrambled = |word: u32| {
        let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15);
        word.wrapping_mul(0x1b87_3593)
    };
    let (words, rest) = bytes.split_at(bytes.len() - bytes.len() % 4);
    let mut hash = 0_u32;
    for word in words.chunks_exact(4) {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        hash = (hash ^ scrambled(word)).rotate_left(13);
        hash = hash.wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let last = rest.iter().rev();
    let last = last.fold(0, |word, byte| word << 8 | u32::from(*byte));
    if !rest.is_empty() {
        hash ^= scrambled(last);
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the Python package `mmh3` 5.3.1
    #[test]
    fn hashes_are_those_of_python() {
        for (text, hash) in [
            ("", 0),
            ("a", 1_009_084_850),
            ("rust", -326_552_902),
            ("chroma", -133_657_604),
            ("café", 605_818_632),
            ("日本語", -1_515_949_417),
            ("garbag", -804_031_678),
        ] {
            assert_eq!(murmur3(text.as_bytes()) as i32, hash, "{text}");
        }
    }
}
