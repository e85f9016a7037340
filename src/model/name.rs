//! Chroma's rules for the names of collections, databases and tenants, and for ids.

use std::net::Ipv4Addr;

use crate::invalid::InvalidInput;

/// Refuses the name of a new collection or database (`what`) if the server would refuse it. The rule is
/// Chroma 1.5.9's. Older servers have the same one for collections, with at most 63 characters on 1.0.0; that
/// version also accepts any database name of 3 characters or more.
pub(crate) fn check(what: &'static str, name: &str) -> Result<(), InvalidInput> {
    const RULE: &str = "a name has 3 to 512 characters of a-z, A-Z, 0-9, '.', '_' and '-', starts and ends with a \
                        letter or a digit, has no two periods in a row, and is not an IPv4 address";

    let bytes = name.as_bytes();
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let why = if !bytes.iter().all(is_inner) {
        "it has a character that is not allowed"
    } else if bytes.len() < 3 {
        "it is too short"
    } else if bytes.len() > 512 {
        "it is too long"
    } else if !is_edge(bytes.first()) || !is_edge(bytes.last()) {
        "its first or last character is neither a letter nor a digit"
    } else if name.contains("..") {
        "it has two periods in a row"
    } else if name.parse::<Ipv4Addr>().is_ok() {
        "it is an IPv4 address"
    } else {
        return Ok(());
    };
    Err(bad(what, name, format!("{why}; {RULE}")))
}

/// Refuses the name of a tenant if the server would refuse it. It has at least 3 characters, of any kind.
pub(crate) fn check_tenant(name: &str) -> Result<(), InvalidInput> {
    if name.chars().count() < 3 {
        return Err(bad(
            "tenant",
            name,
            "it has fewer than 3 characters".to_owned(),
        ));
    }
    check_in_path("tenant", name)
}

/// Refuses a name that cannot be a segment of a path: the empty string, `.` and `..`.
pub(crate) fn check_in_path(what: &'static str, name: &str) -> Result<(), InvalidInput> {
    match name {
        "" => Err(bad(what, name, "it is empty".to_owned())),
        "." | ".." => Err(bad(what, name, "it cannot be part of a URL".to_owned())),
        _ => Ok(()),
    }
}

/// Whether a text is a UUID: 32 hexadecimal digits, with all four hyphens, as servers send them, or without
/// hyphens. Servers also accept some other forms.
pub(crate) fn is_uuid(text: &str) -> bool {
    let has_hyphens = text.len() == 36;
    let is_right = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 if has_hyphens => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    (has_hyphens || text.len() == 32) && text.bytes().enumerate().all(is_right)
}

fn bad(what: &'static str, name: &str, why: String) -> InvalidInput {
    InvalidInput::Name {
        what,
        name: name.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_server_accepts_pass() {
        for name in [
            "abc",
            "a.b",
            "0_9",
            "A-Z",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "01.2.3.4",
            "1.2.3.4a",
            &"x".repeat(512),
        ] {
            assert_eq!(check("collection", name), Ok(()), "{name}");
        }
        assert_eq!(check_tenant("a b"), Ok(()));
        assert_eq!(check_tenant("\u{1F980}\u{1F980}/"), Ok(()));
    }

    #[test]
    fn names_that_the_server_refuses_are_errors() {
        for name in [
            "",
            "ab",
            ".abc",
            "abc-",
            "a b",
            "a/b",
            "naïve",
            "a..b",
            "a...b",
            "192.168.1.1",
            "0.0.0.0",
            &"x".repeat(513),
        ] {
            assert!(check("collection", name).is_err(), "{name}");
        }
        assert!(check_tenant("ab").is_err());
        assert!(check_in_path("database", "..").is_err());
    }
}
