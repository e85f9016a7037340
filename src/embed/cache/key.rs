//! [`key`]: the key of a vector.

/// Returns the bytes that a vector is stored under. Each part follows its length, so that different inputs
/// never have the same key.
///
/// Files of `DiskCache` hold hashes of these keys. Any change to them invalidates every cache.
pub(in crate::embed) fn key(function_key: &str, title: Option<&str>, text: &str) -> Vec<u8> {
    let parts = [Some(function_key), title, Some(text)];
    let length: usize = parts.iter().flatten().map(|part| part.len()).sum();
    let mut key = Vec::with_capacity(length + 8 * parts.len());
    for part in parts {
        // No text is that long.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        key.extend_from_slice(&length.to_le_bytes());
        key.extend_from_slice(part.unwrap_or_default().as_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_inputs_have_different_keys() {
        let inputs = [
            ("f", None, "ab"),
            ("f", Some(""), "ab"),
            ("f", Some("a"), "b"),
            ("f", Some("ab"), ""),
            ("fa", None, "b"),
            ("", None, "fab"),
        ];
        let mut keys = inputs
            .map(|(function_key, title, text)| key(function_key, title, text))
            .to_vec();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), inputs.len());
    }
}
