//! [`json_len`]: the length of text in JSON.

/// Returns the number of bytes of a text in JSON, with its quotes, without writing it.
pub(crate) fn json_len(text: &str) -> usize {
    /// The extra bytes of a chunk fit into a `u8`, at most 5 for each byte. This allows the compiler to
    /// vectorize the sum.
    const CHUNK: usize = 32;

    let extra = |byte: &u8| {
        let is_long = *byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c);
        let is_escaped = *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        u8::from(is_escaped) + 4 * u8::from(is_long)
    };
    let chunks = text.as_bytes().chunks(CHUNK);
    let extra = chunks.map(|chunk| usize::from(chunk.iter().map(extra).sum::<u8>()));
    2 + text.len() + extra.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_that_of_the_written_json() {
        let all: String = (0..0x250).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\u{1F980}", &all] {
            assert_eq!(json_len(text), serde_json::to_string(text).unwrap().len());
        }
    }
}
