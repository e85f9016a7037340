//! Chroma's rules for the name of a collection.

use crate::error::InvalidInput;

/// Refuses a name that the server would refuse: 3 to 512 characters of `[a-zA-Z0-9._-]`, the first and the last a
/// letter or a digit (the server's own words, Chroma 1.0.0 to 1.5.9).
pub(crate) fn check(name: &str) -> Result<(), InvalidInput> {
    let bytes = name.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');

    let why = if !bytes.iter().all(inner) {
        "it has a character that is not allowed"
    } else if bytes.len() < 3 {
        "it is too short"
    } else if bytes.len() > 512 {
        "it is too long"
    } else if !edge(bytes.first()) || !edge(bytes.last()) {
        "its first or last character is neither a letter nor a digit"
    } else {
        return Ok(());
    };
    Err(InvalidInput::CollectionName {
        name: name.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_server_takes() {
        for name in ["abc", "a.b", "0_9", "A-Z", &"x".repeat(512)] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn refuses_what_the_server_refuses() {
        for name in [
            "",
            "ab",
            ".abc",
            "abc-",
            "a b",
            "a/b",
            "naïve",
            &"x".repeat(513),
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
