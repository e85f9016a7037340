//! [`Strings`]: a list of texts in one buffer.

use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// A list of texts, such as tags.
///
/// It holds the texts in one buffer, so a short text takes only a few bytes. [`len`](Strings::len) and
/// [`get`](Strings::get) take time proportional to the length of the list. To visit all texts, use
/// [`iter`](Strings::iter).
///
/// Lists of `String`s and `&str`s convert into it, and compare with it:
///
/// ```
/// use chroma_blocking::record::Strings;
///
/// let tags = Strings::from(["late", "open"]);
/// assert_eq!(tags, ["late", "open"]);
/// assert!(tags.contains("open"));
/// let owned: Vec<String> = tags.iter().map(str::to_owned).collect();
/// # assert_eq!(tags, owned);
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Strings {
    /// Each text, preceded by its length. A length has six bits in each byte, the lowest first, so all its
    /// bytes are ASCII.
    buffer: String,
}

/// The continuation bit: the length has another byte.
const MORE: u8 = 0x40;

static EMPTY: Strings = Strings::new();

impl Strings {
    /// Creates an empty list.
    pub const fn new() -> Strings {
        Strings {
            buffer: String::new(),
        }
    }

    /// Appends a text.
    pub fn push(&mut self, text: &str) {
        let mut length = text.len();
        while length >= usize::from(MORE) {
            self.buffer.push(char::from(MORE | (length & 0x3f) as u8));
            length >>= 6;
        }
        self.buffer.push(char::from(length as u8));
        self.buffer.push_str(text);
    }

    /// Returns the number of texts.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns `true` if there are no texts.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Returns the text at an index, or `None` if the index is out of range.
    pub fn get(&self, index: usize) -> Option<&str> {
        self.iter().nth(index)
    }

    /// Returns whether one of the texts is this one.
    pub fn contains(&self, text: &str) -> bool {
        self.iter().any(|other| other == text)
    }

    /// Iterates over the texts.
    pub fn iter(&self) -> StringsIter<'_> {
        StringsIter { rest: &self.buffer }
    }

    /// Returns the capacity of the buffer in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.buffer.shrink_to_fit();
    }
}

/// An iterator over the texts of [`Strings`].
#[derive(Debug, Clone)]
pub struct StringsIter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for StringsIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut length = 0;
        let mut digits = 0;
        for byte in self.rest.bytes() {
            length |= usize::from(byte & 0x3f) << (6 * digits);
            digits += 1;
            if byte & MORE == 0 {
                break;
            }
        }
        let (text, rest) = self.rest.get(digits..)?.split_at_checked(length)?;
        // The buffer is at its end.
        if digits == 0 {
            return None;
        }
        self.rest = rest;
        Some(text)
    }
}

impl<'a> IntoIterator for &'a Strings {
    type Item = &'a str;
    type IntoIter = StringsIter<'a>;

    fn into_iter(self) -> StringsIter<'a> {
        self.iter()
    }
}

impl<T: AsRef<str>> FromIterator<T> for Strings {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Strings {
        let mut strings = Strings::new();
        strings.extend(texts);
        strings
    }
}

impl<T: AsRef<str>> Extend<T> for Strings {
    fn extend<I: IntoIterator<Item = T>>(&mut self, texts: I) {
        texts.into_iter().for_each(|text| self.push(text.as_ref()));
    }
}

impl<T: AsRef<str>> From<Vec<T>> for Strings {
    fn from(texts: Vec<T>) -> Strings {
        texts.into_iter().collect()
    }
}

impl<T: AsRef<str>> From<&[T]> for Strings {
    fn from(texts: &[T]) -> Strings {
        texts.iter().collect()
    }
}

impl<T: AsRef<str>, const N: usize> From<[T; N]> for Strings {
    fn from(texts: [T; N]) -> Strings {
        texts.into_iter().collect()
    }
}

/// Returns an empty list, so that `as_strings().unwrap_or_default()` compiles.
impl Default for &Strings {
    fn default() -> Self {
        &EMPTY
    }
}

impl<T: AsRef<str>> PartialEq<[T]> for Strings {
    fn eq(&self, other: &[T]) -> bool {
        self.iter().eq(other.iter().map(AsRef::as_ref))
    }
}

impl<T: AsRef<str>> PartialEq<&[T]> for Strings {
    fn eq(&self, other: &&[T]) -> bool {
        *self == **other
    }
}

impl<T: AsRef<str>> PartialEq<Vec<T>> for Strings {
    fn eq(&self, other: &Vec<T>) -> bool {
        *self == **other
    }
}

impl<T: AsRef<str>, const N: usize> PartialEq<[T; N]> for Strings {
    fn eq(&self, other: &[T; N]) -> bool {
        *self == other[..]
    }
}

impl<T: AsRef<str>, const N: usize> PartialEq<[T; N]> for &Strings {
    fn eq(&self, other: &[T; N]) -> bool {
        **self == other[..]
    }
}

/// Prints the list like a `Vec` of texts.
impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl Serialize for Strings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strings, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = Strings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strings, A::Error> {
                let mut strings = Strings::new();
                while let Some(text) = seq.next_element::<std::borrow::Cow<'_, str>>()? {
                    strings.push(&text);
                }
                Ok(strings)
            }
        }

        deserializer.deserialize_seq(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_kept() {
        let texts: Vec<String> = [0, 1, 63, 64, 65, 4_095, 4_096, 300_000, 0, 2]
            .into_iter()
            .map(|length| "\u{e9}".repeat(length) + "x")
            .chain([String::new(), "\0".to_owned(), "@".repeat(64)])
            .collect();
        let strings: Strings = texts.iter().collect();
        assert_eq!(strings, texts);
        assert_eq!(strings.len(), texts.len());
        assert_eq!(strings.get(3), Some(texts[3].as_str()));
        assert_eq!(strings.get(texts.len()), None);
        assert!(strings.contains("") && !strings.contains("y"));
        assert_ne!(strings, texts[1..]);
        assert_eq!(format!("{:?}", Strings::from(["a", "b"])), r#"["a", "b"]"#);
    }

    #[test]
    fn json_is_a_list() {
        let tags = Strings::from(["late", "\"", ""]);
        let json = serde_json::to_string(&tags).unwrap();
        assert_eq!(json, r#"["late","\"",""]"#);
        assert_eq!(serde_json::from_str::<Strings>(&json).unwrap(), tags);
        assert!(Strings::new().is_empty() && Strings::from([""]).len() == 1);
    }
}
