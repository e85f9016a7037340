//! How long a text is in JSON, without writing it.

/// The bytes that a text takes in JSON, its quotes included.
pub(crate) fn json_len(text: &str) -> usize {
    /// So few that their escapes are counted in a byte, which makes it possible to look at many at once.
    const SOME: usize = 32;

    let extra = |byte: &u8| {
        let long = *byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c);
        let escaped = *byte < 0x20 || *byte == b'"' || *byte == b'\\';
        u8::from(escaped) + 4 * u8::from(long)
    };
    let some = text.as_bytes().chunks(SOME);
    let extra = some.map(|some| usize::from(some.iter().map(extra).sum::<u8>()));
    2 + text.len() + extra.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_long_as_they_are_written() {
        let all: String = (0..0x250).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\u{1F980}", &all] {
            assert_eq!(json_len(text), serde_json::to_string(text).unwrap().len());
        }
    }
}
