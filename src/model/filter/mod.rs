//! [`Key`] and [`Where`]: filters on metadata, documents and ids, as typed expressions.

mod check;
mod json;
mod print;
mod read;
mod rewrite;
mod split;

use std::ops::{BitAnd, BitOr};

use serde::Serialize;

use super::metadata::MetadataValue;

pub(crate) use print::Document;
pub(crate) use split::Parts;

const DOCUMENT: &str = "#document";
const ID: &str = "#id";
const EMBEDDING: &str = "#embedding";
const METADATA: &str = "#metadata";
const SCORE: &str = "#score";

/// How many joins may be inside each other. A server reads 61; some are left for what [`rewrite`] adds.
const MAX_DEPTH: u8 = 50;

/// What a filter looks at (a metadata field, the document, or the id), and what a [`Search`](crate::Search) selects,
/// groups by and ranks.
///
/// A text is the key of that metadata field: `"title".into()`, or just `["title", "year"]` where keys are taken.
///
/// ```
/// use chroma_blocking::Key;
///
/// let recent = Key::field("year").gte(2020)
///     & (Key::field("lang").is_in(["en", "fr"]) | Key::document().contains("rust"));
/// assert_eq!(
///     recent.to_string(),
///     r##"{"$and":[{"year":{"$gte":2020}},{"$or":[{"lang":{"$in":["en","fr"]}},{"#document":{"$contains":"rust"}}]}]}"##
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[must_use = "a key does nothing until it is compared with something, or selected"]
pub struct Key(String);

impl Key {
    /// A metadata field.
    pub fn field(name: impl Into<String>) -> Key {
        Key(name.into())
    }

    /// The document's text: [`contains`](Key::contains), [`not_contains`](Key::not_contains),
    /// [`regex`](Key::regex) and [`not_regex`](Key::not_regex).
    pub fn document() -> Key {
        Key(DOCUMENT.to_owned())
    }

    /// The record's id: [`eq`](Key::eq) and [`is_in`](Key::is_in), and only where every record must meet them (not
    /// under an "or"): they become the request's `ids`, since a local server answers nothing for an id in a filter.
    ///
    /// In a [`Search`](crate::Search), which only other servers have, also under an "or", and with
    /// [`ne`](Key::ne) and [`not_in`](Key::not_in).
    pub fn id() -> Key {
        Key(ID.to_owned())
    }

    /// The record's vector: to be selected by a [`Search`](crate::Search).
    pub fn embedding() -> Key {
        Key(EMBEDDING.to_owned())
    }

    /// All of the record's metadata: to be selected by a [`Search`](crate::Search).
    pub fn metadata() -> Key {
        Key(METADATA.to_owned())
    }

    /// The record's score in a [`Search`](crate::Search): to be selected, and to choose by within a
    /// [`GroupBy`](crate::search::GroupBy).
    pub fn score() -> Key {
        Key(SCORE.to_owned())
    }

    /// Chroma's name for it: that of the field, or one that starts with `#`.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Whether it can be the name of a metadata field.
    pub(crate) fn is_field(&self) -> bool {
        !self.0.is_empty() && !self.0.starts_with('#')
    }

    /// The field equals the value.
    ///
    /// Numbers are compared as numbers: `eq(2)` finds 2.0 as well. Beyond 2⁵³ an integer is compared with floats as the
    /// float next to it. Otherwise kinds differ: `eq(1)` finds neither `"1"` nor `true`, and nothing equals a list, for
    /// which there is [`contains`](Key::contains).
    pub fn eq(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Eq, Operand::One(value.into()))
    }

    /// The field differs from the value, is of another kind (as [`eq`](Key::eq) tells kinds apart), is a list, or is not
    /// there.
    pub fn ne(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Ne, Operand::One(value.into()))
    }

    /// The field is a number greater than the value.
    pub fn gt(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Gt, Operand::One(value.into()))
    }

    /// The field is a number greater than the value, or equal to it.
    pub fn gte(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Gte, Operand::One(value.into()))
    }

    /// The field is a number less than the value.
    pub fn lt(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Lt, Operand::One(value.into()))
    }

    /// The field is a number less than the value, or equal to it.
    pub fn lte(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Lte, Operand::One(value.into()))
    }

    /// The field equals one of the values, which are of one kind.
    pub fn is_in<V: Into<MetadataValue>>(self, values: impl IntoIterator<Item = V>) -> Where {
        self.test(Operator::In, many(values))
    }

    /// The field equals none of the values, which are of one kind, or it is a list, or it is not there.
    pub fn not_in<V: Into<MetadataValue>>(self, values: impl IntoIterator<Item = V>) -> Where {
        self.test(Operator::NotIn, many(values))
    }

    /// The document holds the text (case matters), or the field is a list with the value in it.
    ///
    /// In a list, unlike in [`eq`](Key::eq), 2 and 2.0 differ. The empty text is in every document, but not in a record
    /// that has none. A server does not look behind a NUL character in a document; [`regex`](Key::regex) does. Chroma
    /// 1.0.0 takes `%` and `_` in the text for wildcards.
    pub fn contains(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::Contains, Operand::One(value.into()))
    }

    /// The opposite of [`contains`](Key::contains): it lets through what has no document or no such field, too, and
    /// fields that are no list.
    pub fn not_contains(self, value: impl Into<MetadataValue>) -> Where {
        self.test(Operator::NotContains, Operand::One(value.into()))
    }

    /// The document matches the regular expression somewhere: the [syntax of Rust's `regex`
    /// crate](https://docs.rs/regex/latest/regex/#syntax), without look-around and backreferences. Servers of 1.0.0 do
    /// not know it.
    ///
    /// The server refuses a pattern with a mistake in it and says where the mistake is. One that is too large for it
    /// (`\w{1000}` is, as there are many letters) it answers with HTTP 500 and `constraint failed`.
    pub fn regex(self, pattern: impl Into<String>) -> Where {
        self.test(Operator::Regex, Operand::One(pattern.into().into()))
    }

    /// The opposite of [`regex`](Key::regex): it lets through what has no document, too.
    pub fn not_regex(self, pattern: impl Into<String>) -> Where {
        self.test(Operator::NotRegex, Operand::One(pattern.into().into()))
    }

    fn test(self, operator: Operator, operand: Operand) -> Where {
        Where::test(self.0, operator, operand)
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

fn many<V: Into<MetadataValue>>(values: impl IntoIterator<Item = V>) -> Operand {
    Operand::Many(values.into_iter().map(Into::into).collect())
}

/// A filter: one test of a [`Key`], or several joined with `&` and `|`. Prints as Chroma's JSON, and reads it
/// ([`from_json`](Where::from_json)).
///
/// An "and" within an "or" within an "and" … goes 50 levels deep; what is deeper is refused by the call that it is given
/// to. Joins of the same kind are one level, however many there are.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a filter does nothing until it is given to a call"]
pub struct Where {
    node: Node,
    /// How many joins are inside each other.
    depth: u8,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Every record passes. Never a part of a join.
    Everything,
    All(Vec<Where>),
    Any(Vec<Where>),
    Test(Test),
    /// In place of a filter deeper than [`MAX_DEPTH`]: dropping, printing or comparing that could overflow the stack.
    TooDeep,
}

#[derive(Debug, Clone, PartialEq)]
struct Test {
    key: String,
    operator: Operator,
    operand: Operand,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    One(MetadataValue),
    Many(Vec<MetadataValue>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    NotIn,
    Contains,
    NotContains,
    Regex,
    NotRegex,
}

impl Where {
    fn test(key: String, operator: Operator, operand: Operand) -> Where {
        Where {
            node: Node::Test(Test {
                key,
                operator,
                operand,
            }),
            depth: 0,
        }
    }

    /// A filter that every record passes, which is also [`Where::default`]. Start from it to collect conditions in
    /// a loop.
    ///
    /// `everything & x` is `x`, and `everything | x` is `everything`. A request without other conditions is sent
    /// without a filter. A [`delete`](crate::Collection::delete) refuses it, as it refuses a call without a filter.
    /// As JSON it is `{}`.
    ///
    /// ```
    /// use chroma_blocking::{Key, Where};
    ///
    /// let mut filter = Where::everything();
    /// for word in ["memory", "safety"] {
    ///     filter = filter & Key::document().contains(word);
    /// }
    /// assert_eq!(
    ///     filter,
    ///     Key::document().contains("memory") & Key::document().contains("safety")
    /// );
    /// ```
    pub fn everything() -> Where {
        Where {
            node: Node::Everything,
            depth: 0,
        }
    }

    /// Joins any number of filters with "and". Of one filter, that filter; of none, [`Where::everything`].
    pub fn all(filters: impl IntoIterator<Item = Where>) -> Where {
        let filters: Vec<Where> = filters
            .into_iter()
            .filter(|filter| filter.node != Node::Everything)
            .collect();
        if filters.is_empty() {
            return Where::everything();
        }
        Where::joined(filters, Node::All, |node| match node {
            Node::All(parts) => Ok(parts),
            other => Err(other),
        })
    }

    /// Joins any number of filters with "or". Of one filter, that filter. An "or" of no filters, which no record
    /// could pass, is refused by the call that it is given to.
    pub fn any(filters: impl IntoIterator<Item = Where>) -> Where {
        let filters: Vec<Where> = filters.into_iter().collect();
        if filters.iter().any(|filter| filter.node == Node::Everything) {
            return Where::everything();
        }
        Where::joined(filters, Node::Any, |node| match node {
            Node::Any(parts) => Ok(parts),
            other => Err(other),
        })
    }

    /// Joins filters, and takes the parts of those that are joined the same way already, as Chroma's client does.
    fn joined(
        filters: Vec<Where>,
        join: fn(Vec<Where>) -> Node,
        open: fn(Node) -> Result<Vec<Where>, Node>,
    ) -> Where {
        let mut parts = Vec::new();
        let mut inner = 0;
        for Where { node, depth } in filters {
            match open(node) {
                // Of a long chain of joins, the parts so far are not copied, or looked at, at every link.
                Ok(opened) if parts.is_empty() => {
                    parts = opened;
                    inner = depth - 1;
                }
                Ok(opened) => {
                    parts.extend(opened);
                    inner = inner.max(depth - 1);
                }
                Err(node) => {
                    parts.push(Where { node, depth });
                    inner = inner.max(depth);
                }
            }
        }
        if parts.len() == 1 {
            return parts.remove(0);
        }
        if inner < MAX_DEPTH {
            return Where {
                node: join(parts),
                depth: inner + 1,
            };
        }
        Where {
            node: Node::TooDeep,
            // So that what it is joined with is too deep as well.
            depth: MAX_DEPTH,
        }
    }

    /// A join of exactly these parts, however deep.
    fn of(join: fn(Vec<Where>) -> Node, parts: Vec<Where>) -> Where {
        let inner = parts.iter().map(|part| part.depth).max().unwrap_or(0);
        Where {
            node: join(parts),
            depth: inner.saturating_add(1),
        }
    }
}

/// [`Where::everything`].
impl Default for Where {
    fn default() -> Where {
        Where::everything()
    }
}

/// Adds a condition to an optional filter, and leaves `None` if every record passes the result.
pub(crate) fn restrict(filter: &mut Option<Where>, condition: Where) {
    let joined = filter.take().unwrap_or_default() & condition;
    *filter = (joined.node != Node::Everything).then_some(joined);
}

impl BitAnd for Where {
    type Output = Where;

    fn bitand(self, other: Where) -> Where {
        Where::all([self, other])
    }
}

impl BitOr for Where {
    type Output = Where;

    fn bitor(self, other: Where) -> Where {
        Where::any([self, other])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> Key {
        Key::field(name)
    }

    #[test]
    fn every_operator_prints_as_chroma_does() {
        let all = [
            (field("a").eq(1), r#"{"a":{"$eq":1}}"#),
            (field("a").ne("x"), r#"{"a":{"$ne":"x"}}"#),
            (field("a").gt(1), r#"{"a":{"$gt":1}}"#),
            (field("a").gte(0.5), r#"{"a":{"$gte":0.5}}"#),
            (field("a").lt(1), r#"{"a":{"$lt":1}}"#),
            (field("a").lte(1), r#"{"a":{"$lte":1}}"#),
            (field("a").is_in([1, 2]), r#"{"a":{"$in":[1,2]}}"#),
            (field("a").not_in([true]), r#"{"a":{"$nin":[true]}}"#),
            (field("a").contains("x"), r#"{"a":{"$contains":"x"}}"#),
            (field("a").not_contains(1), r#"{"a":{"$not_contains":1}}"#),
            (
                Key::document().regex("^a"),
                r##"{"#document":{"$regex":"^a"}}"##,
            ),
            (
                Key::document().not_regex("b"),
                r##"{"#document":{"$not_regex":"b"}}"##,
            ),
        ];
        for (filter, json) in all {
            assert_eq!(filter.to_string(), json);
            assert_eq!(filter.check(), Ok(()), "{json}");
        }
    }

    #[test]
    fn joining_flattens_only_the_same_kind() {
        let [a, b, c] = ["a", "b", "c"].map(|name| field(name).eq(1));
        let flat = (a.clone() & b.clone()) & c.clone();
        assert_eq!(
            flat.to_string(),
            r#"{"$and":[{"a":{"$eq":1}},{"b":{"$eq":1}},{"c":{"$eq":1}}]}"#
        );
        let mixed = (a.clone() & b) | c;
        assert!(mixed.to_string().starts_with(r#"{"$or":[{"$and":["#));
        assert_eq!(Where::all([a.clone()]), a);
    }

    #[test]
    fn everything_is_neutral_in_and_and_absorbs_in_or() {
        let all = Where::everything;
        let [a, b] = ["a", "b"].map(|name| field(name).eq(1));
        let joined = a.clone() & b.clone();
        assert_eq!(all() & a.clone(), a);
        assert_eq!(a.clone() & all(), a);
        assert_eq!(all() & joined.clone() & all(), joined);
        assert_eq!(a.clone() & (b.clone() & all()), joined);
        assert_eq!(a.clone() & (b.clone() | all()), a);
        assert_eq!(all() | a.clone(), all());
        assert_eq!(a.clone() | b | all(), all());
        assert_eq!(all() & all(), all());
        assert_eq!(all() | all(), all());
        assert_eq!(Where::all([]), all());
        assert_eq!(Where::default(), all());
        assert_eq!(all().check(), Ok(()));
        assert_eq!(all().check_in_search(), Ok(()));

        let mut filter = None;
        restrict(&mut filter, all());
        assert_eq!(filter, None);
        restrict(&mut filter, a.clone());
        restrict(&mut filter, all());
        assert_eq!(filter, Some(a));
    }
}
