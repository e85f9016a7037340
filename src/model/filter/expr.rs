//! [`Where`]: the expression tree of a filter.

use std::ops::{BitAnd, BitOr};

use crate::model::metadata::MetadataValue;

/// Chroma's names for the document and the id among keys.
pub(super) const DOCUMENT: &str = "#document";
pub(super) const ID: &str = "#id";

/// The maximum number of nested joins. A server reads 61; the difference is left for rewriting.
pub(super) const MAX_DEPTH: u8 = 50;

/// The reason why a filter that is nested too deep is refused.
pub(super) fn too_deep() -> String {
    format!("it is nested deeper than {MAX_DEPTH} levels; rewrite it with fewer levels")
}

/// A filter: a condition on a [`Key`](crate::Key), or several conditions joined with `&` and `|`. It prints
/// as Chroma's JSON; [`from_json`](Where::from_json) reads that.
///
/// Joins can be nested at most 50 levels deep ("and" in "or" in "and" and so on). A call refuses deeper
/// filters. Nested joins of the same kind count as one level.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a filter does nothing until it is given to a call"]
pub struct Where {
    pub(super) node: Node,
    /// The number of nested joins.
    pub(super) depth: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Every record passes. It is never a part of a join.
    Everything,
    All(Vec<Where>),
    Any(Vec<Where>),
    Condition(Condition),
    /// Replaces a filter deeper than [`MAX_DEPTH`], because dropping, printing or comparing it could overflow
    /// the stack.
    TooDeep,
}

/// A comparison of a key with one or several values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    pub(super) key: String,
    pub(super) operator: Operator,
    pub(super) operand: Operand,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    One(MetadataValue),
    Many(Vec<MetadataValue>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
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
    pub(super) fn condition(key: String, operator: Operator, operand: Operand) -> Where {
        Where {
            node: Node::Condition(Condition {
                key,
                operator,
                operand,
            }),
            depth: 0,
        }
    }

    /// Returns a filter that every record passes. This is also the [default](Where::default).
    ///
    /// `everything & x` is `x`, and `everything | x` is `everything`. A call with this filter is the same as
    /// a call without a filter: a [`delete`](crate::Collection::delete) without ids refuses both. As JSON it
    /// is `{}`.
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

    /// Joins any number of filters with "and". Returns a single filter unchanged, and [`Where::everything`]
    /// for none.
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

    /// Joins any number of filters with "or". Returns a single filter unchanged. No record passes an "or" of
    /// no filters, so calls refuse it.
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

    /// Joins filters. Parts of filters that are joined the same way are flattened, as Chroma's client does.
    fn joined(
        filters: Vec<Where>,
        join: fn(Vec<Where>) -> Node,
        open: fn(Node) -> Result<Vec<Where>, Node>,
    ) -> Where {
        let mut parts = Vec::new();
        let mut inner = 0;
        for Where { node, depth } in filters {
            match open(node) {
                // In a long chain of joins, each link reuses the list of the parts so far.
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
            // Every filter that contains it is too deep as well.
            depth: MAX_DEPTH,
        }
    }

    /// Joins exactly these parts, at any depth.
    pub(super) fn of(join: fn(Vec<Where>) -> Node, parts: Vec<Where>) -> Where {
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
    use crate::model::filter::Key;

    fn field(name: &str) -> Key {
        Key::field(name)
    }

    #[test]
    fn every_operator_prints_as_in_chroma() {
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
    fn joins_of_the_same_kind_are_flattened() {
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
