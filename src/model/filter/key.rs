//! [`Key`]: the subject of a condition.

use serde::Serialize;

use super::expr::{DOCUMENT, ID, Operand, Operator, Where};
use crate::model::metadata::MetadataValue;

const EMBEDDING: &str = "#embedding";
const METADATA: &str = "#metadata";
const SCORE: &str = "#score";

/// The subject of a condition: a metadata field, the document or the id. A [`Search`](crate::Search) also
/// selects, groups and ranks by keys.
///
/// A string converts into the key of the metadata field with that name. So `["title", "year"]` can be passed
/// where keys are expected.
///
/// ```
/// use chroma_blocking::Key;
///
/// let recent = Key::field("year").gte(2020) & Key::document().contains("rust");
/// assert_eq!(
///     recent.to_string(),
///     r##"{"$and":[{"year":{"$gte":2020}},{"#document":{"$contains":"rust"}}]}"##
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[must_use = "a key does nothing until it is compared with a value, or selected"]
pub struct Key(String);

impl Key {
    /// Returns the key of a metadata field.
    pub fn field(name: impl Into<String>) -> Key {
        Key(name.into())
    }

    /// Returns the key of the document. It can be filtered with [`contains`](Key::contains),
    /// [`not_contains`](Key::not_contains), [`regex`](Key::regex) and [`not_regex`](Key::not_regex).
    pub fn document() -> Key {
        Key(DOCUMENT.to_owned())
    }

    /// Returns the key of the id. It can be filtered with [`eq`](Key::eq) and [`is_in`](Key::is_in), and not
    /// under an "or". Such a condition is sent as the request's `ids`, because a single-node server finds
    /// nothing for an id in a filter.
    ///
    /// In a [`Search`](crate::Search), it can also be under an "or", and be filtered with [`ne`](Key::ne) and
    /// [`not_in`](Key::not_in).
    pub fn id() -> Key {
        Key(ID.to_owned())
    }

    /// Returns the key of the vector, which a [`Search`](crate::Search) can select.
    pub fn embedding() -> Key {
        Key(EMBEDDING.to_owned())
    }

    /// Returns the key of all metadata, which a [`Search`](crate::Search) can select.
    pub fn metadata() -> Key {
        Key(METADATA.to_owned())
    }

    /// Returns the key of the score in a [`Search`](crate::Search). It can be selected, and a
    /// [`GroupBy`](crate::search::GroupBy) can order hits by it.
    pub fn score() -> Key {
        Key(SCORE.to_owned())
    }

    /// Returns the name in Chroma's API: that of the field, or one that starts with `#`.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Returns whether the key can be the name of a metadata field.
    pub(crate) fn is_field(&self) -> bool {
        !self.0.is_empty() && !self.0.starts_with('#')
    }

    /// Matches if the field equals the value.
    ///
    /// Integers and floats are compared as numbers: `eq(2)` also finds 2.0. An integer beyond 2⁵³ is compared
    /// with floats as the nearest float. Values of other types never equal each other: `eq(1)` finds neither
    /// `"1"` nor `true`. No value equals a list; use [`contains`](Key::contains) for lists.
    pub fn eq(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::Eq, value)
    }

    /// Matches if the field differs from the value. Also matches a field of another type (see
    /// [`eq`](Key::eq)), a list, and a record without the field.
    pub fn ne(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::Ne, value)
    }

    /// Matches if the field is a number greater than the value.
    pub fn gt(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::Gt, value)
    }

    /// Matches if the field is a number greater than or equal to the value.
    pub fn gte(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::Gte, value)
    }

    /// Matches if the field is a number less than the value.
    pub fn lt(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::Lt, value)
    }

    /// Matches if the field is a number less than or equal to the value.
    pub fn lte(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::Lte, value)
    }

    /// Matches if the field equals one of the values. The values must be of one type.
    pub fn is_in<V: Into<MetadataValue>>(self, values: impl IntoIterator<Item = V>) -> Where {
        self.compare_with_list(Operator::In, values)
    }

    /// Matches if the field equals none of the values. Also matches a list, and a record without the field.
    /// The values must be of one type.
    pub fn not_in<V: Into<MetadataValue>>(self, values: impl IntoIterator<Item = V>) -> Where {
        self.compare_with_list(Operator::NotIn, values)
    }

    /// Matches if the document contains the text, or if the field is a list with this value. Case matters.
    ///
    /// In a list, 2 and 2.0 differ, unlike in [`eq`](Key::eq). Every document contains the empty text, but a
    /// record without a document does not match. A server stops at a NUL character in a document;
    /// [`regex`](Key::regex) does not. Chroma 1.0.0 treats `%` and `_` in the text as wildcards.
    pub fn contains(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::Contains, value)
    }

    /// Matches if [`contains`](Key::contains) does not: also a record without a document or without the
    /// field, and a field that is not a list.
    pub fn not_contains(self, value: impl Into<MetadataValue>) -> Where {
        self.compare(Operator::NotContains, value)
    }

    /// Matches if a part of the document matches the regular expression, in the [syntax of Rust's `regex`
    /// crate](https://docs.rs/regex/latest/regex/#syntax): without look-around and backreferences. Chroma
    /// 1.0.0 does not support it.
    ///
    /// The server refuses an invalid pattern and reports the position of the mistake. If a pattern is too
    /// large, such as `\w{1000}`, the server fails with status 500 and the message `constraint failed`.
    pub fn regex(self, pattern: impl Into<String>) -> Where {
        self.compare(Operator::Regex, pattern.into())
    }

    /// Matches if [`regex`](Key::regex) does not: also a record without a document.
    pub fn not_regex(self, pattern: impl Into<String>) -> Where {
        self.compare(Operator::NotRegex, pattern.into())
    }

    fn compare(self, operator: Operator, value: impl Into<MetadataValue>) -> Where {
        Where::condition(self.0, operator, Operand::One(value.into()))
    }

    fn compare_with_list<V: Into<MetadataValue>>(
        self,
        operator: Operator,
        values: impl IntoIterator<Item = V>,
    ) -> Where {
        let values = values.into_iter().map(Into::into).collect();
        Where::condition(self.0, operator, Operand::Many(values))
    }
}

impl From<&str> for Key {
    fn from(name: &str) -> Key {
        Key::field(name)
    }
}

impl From<String> for Key {
    fn from(name: String) -> Key {
        Key::field(name)
    }
}
