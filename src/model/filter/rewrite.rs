//! Rewrites filters that servers misinterpret.

use super::expr::{Condition, DOCUMENT, Node, Operand, Operator, Where};
use crate::invalid::InvalidInput;
use crate::model::metadata::MetadataValue::{self, Float, Int, String as Text};

/// The maximum number of nested joins that a server reads.
const LEVELS: u8 = 60;
/// The maximum depth of the SQL expression that a server makes of the filter. `SQLite` refuses more than
/// 1,000 levels, or the server crashes. The difference is left for the rest of the expression, which holds
/// both `where` and `where_document`.
const SQL_LEVELS: usize = 400;
/// The maximum number of parts of a join in a filter that exceeds [`SQL_LEVELS`].
const GROUP: usize = 16;

impl Where {
    /// Returns an equivalent filter that servers interpret correctly. `truncates` returns whether the server
    /// may truncate a float that it compares with integers of the field.
    pub(super) fn rewritten(self, truncates: &dyn Fn(&str) -> bool) -> Result<Where, InvalidInput> {
        let mut filter = self.conditions_rewritten(truncates);
        if filter.sql_levels() > SQL_LEVELS {
            filter = filter.grouped();
        }
        if filter.depth > LEVELS || filter.sql_levels() > SQL_LEVELS {
            return Err(
                filter.bad("it is too wide and too deep for a server; split it into several calls")
            );
        }
        Ok(filter)
    }

    fn conditions_rewritten(self, truncates: &dyn Fn(&str) -> bool) -> Where {
        let all = |parts: Vec<Where>| {
            let parts = parts.into_iter();
            parts
                .map(|part| part.conditions_rewritten(truncates))
                .collect()
        };
        match self.node {
            Node::All(parts) => Where::of(Node::All, all(parts)),
            Node::Any(parts) => Where::of(Node::Any, all(parts)),
            Node::Condition(condition) => condition.rewritten(truncates),
            Node::Everything | Node::TooDeep => self,
        }
    }

    /// Returns the depth of the SQL expression: a join of n parts has n levels.
    fn sql_levels(&self) -> usize {
        match &self.node {
            Node::All(parts) | Node::Any(parts) => {
                parts.len() + parts.iter().map(Where::sql_levels).max().unwrap_or(0)
            }
            Node::Everything | Node::Condition(_) | Node::TooDeep => 4,
        }
    }

    /// Replaces each wide join by a tree of joins.
    fn grouped(self) -> Where {
        let (join, parts): (fn(_) -> _, _) = match self.node {
            Node::All(parts) => (Node::All, parts),
            Node::Any(parts) => (Node::Any, parts),
            Node::Everything | Node::Condition(_) | Node::TooDeep => return self,
        };
        let mut parts: Vec<Where> = parts.into_iter().map(Where::grouped).collect();
        while parts.len() > GROUP {
            let mut rest = parts.into_iter();
            parts = Vec::new();
            loop {
                let group: Vec<Where> = rest.by_ref().take(GROUP).collect();
                if group.is_empty() {
                    break;
                }
                parts.push(Where::of(join, group));
            }
        }
        Where::of(join, parts)
    }
}

impl Condition {
    fn rewritten(self, truncates: &dyn Fn(&str) -> bool) -> Where {
        match &self.operand {
            Operand::One(Text(text)) if self.key == DOCUMENT && text.contains('\0') => {
                let pattern = escaped(text);
                self.with_nul(pattern)
            }
            _ if !truncates(&self.key) => self.unchanged(),
            Operand::One(Float(float)) => match truncated(*float) {
                Some(int) => {
                    let float = *float;
                    self.without_truncation(float, int)
                }
                None => self.unchanged(),
            },
            Operand::Many(values) => {
                let ints = all_truncated(values);
                self.without_truncations(ints)
            }
            Operand::One(_) => self.unchanged(),
        }
    }

    fn unchanged(self) -> Where {
        Where::condition(self.key, self.operator, self.operand)
    }

    /// Replaces `contains`, which stops at the first NUL of the document, by a regular expression, which does
    /// not.
    fn with_nul(self, pattern: String) -> Where {
        let operator = match self.operator {
            Operator::Contains => Operator::Regex,
            Operator::NotContains => Operator::NotRegex,
            _ => return self.unchanged(),
        };
        Where::condition(self.key, operator, Operand::One(Text(pattern)))
    }

    /// Corrects the comparison with a float that is not an integer. A server compares floats with `float`,
    /// which is correct, but integers with `int`, the float truncated towards zero: it would find 2 for 2.7.
    fn without_truncation(self, float: f64, int: i64) -> Where {
        let also = |operator| Where::condition(self.key.clone(), operator, Operand::One(Int(int)));
        let is_truncated_down = float > 0.0;
        let (join, other): (fn(_) -> _, _) = match self.operator {
            Operator::Eq => (Node::All, also(Operator::Ne)),
            Operator::Ne => (Node::Any, also(Operator::Eq)),
            Operator::Gte if is_truncated_down => (Node::All, also(Operator::Ne)),
            Operator::Lte if !is_truncated_down => (Node::All, also(Operator::Ne)),
            Operator::Lt if is_truncated_down => (Node::Any, also(Operator::Lte)),
            Operator::Gt if !is_truncated_down => (Node::Any, also(Operator::Gte)),
            _ => return self.unchanged(),
        };
        Where::of(join, vec![self.unchanged(), other])
    }

    /// Corrects the comparison with a list of numbers. `ints` are the integers to which a server truncates
    /// its floats.
    fn without_truncations(self, ints: Vec<i64>) -> Where {
        let (join, operator): (fn(_) -> _, _) = match self.operator {
            _ if ints.is_empty() => return self.unchanged(),
            Operator::In => (Node::All, Operator::NotIn),
            Operator::NotIn => (Node::Any, Operator::In),
            _ => return self.unchanged(),
        };
        let ints = Operand::Many(ints.into_iter().map(Int).collect());
        let other = Where::condition(self.key.clone(), operator, ints);
        Where::of(join, vec![self.unchanged(), other])
    }
}

/// Returns the integer to which a server truncates a float, if that changes its value.
#[allow(clippy::float_cmp, reason = "any difference is a different number")]
fn truncated(float: f64) -> Option<i64> {
    let int = float as i64;
    (int as f64 != float).then_some(int)
}

/// Returns the integers to which a server truncates the floats of a list, without integers that are
/// themselves in the list.
#[allow(clippy::float_cmp, reason = "any difference is a different number")]
fn all_truncated(values: &[MetadataValue]) -> Vec<i64> {
    let floats = || {
        values.iter().filter_map(|value| match value {
            Float(float) => Some(*float),
            _ => None,
        })
    };
    let mut ints: Vec<i64> = floats().filter_map(truncated).collect();
    ints.sort_unstable();
    ints.dedup();
    ints.retain(|int| floats().all(|float| float != *int as f64));
    ints
}

/// Returns a regular expression that matches exactly this text.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(char) {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::Key;

    fn sent(filter: Where) -> String {
        filter.rewritten(&|_| true).unwrap().to_string()
    }

    fn x() -> Key {
        Key::field("x")
    }

    #[test]
    fn a_filter_that_servers_interpret_correctly_is_unchanged() {
        for filter in [
            x().eq(2),
            x().eq(2.0),
            x().lt(-0.0),
            x().eq("2.7"),
            x().is_in([1.0, -3.0]),
            x().is_in([2.0, 2.7]),
            x().gt(2.7),
            x().lte(2.7),
            x().gte(-2.7),
            x().lt(-2.7),
            x().eq(9_223_372_036_854_775_808.0),
            Key::document().contains("[a]"),
            x().contains("\0"),
            x().contains(2.7),
        ] {
            assert_eq!(sent(filter.clone()), filter.to_string());
        }
    }

    #[test]
    fn a_comparison_with_a_fraction_excludes_the_truncated_integer() {
        for (filter, expected) in [
            (
                x().eq(2.7),
                r#"{"$and":[{"x":{"$eq":2.7}},{"x":{"$ne":2}}]}"#,
            ),
            (
                x().ne(-2.7),
                r#"{"$or":[{"x":{"$ne":-2.7}},{"x":{"$eq":-2}}]}"#,
            ),
            (
                x().gte(0.5),
                r#"{"$and":[{"x":{"$gte":0.5}},{"x":{"$ne":0}}]}"#,
            ),
            (
                x().lt(0.5),
                r#"{"$or":[{"x":{"$lt":0.5}},{"x":{"$lte":0}}]}"#,
            ),
            (
                x().gt(-0.5),
                r#"{"$or":[{"x":{"$gt":-0.5}},{"x":{"$gte":0}}]}"#,
            ),
            (
                x().lte(-0.5),
                r#"{"$and":[{"x":{"$lte":-0.5}},{"x":{"$ne":0}}]}"#,
            ),
            (
                x().lt(1e19),
                r#"{"$or":[{"x":{"$lt":1e+19}},{"x":{"$lte":9223372036854775807}}]}"#,
            ),
            (
                x().is_in([2.7, 3.0, 3.5, 2.1]),
                r#"{"$and":[{"x":{"$in":[2.7,3.0,3.5,2.1]}},{"x":{"$nin":[2]}}]}"#,
            ),
            (
                x().not_in([2.7]),
                r#"{"$or":[{"x":{"$nin":[2.7]}},{"x":{"$in":[2]}}]}"#,
            ),
        ] {
            assert_eq!(sent(filter), expected);
        }
    }

    #[test]
    fn text_with_a_nul_is_sent_as_a_regular_expression() {
        assert_eq!(
            sent(Key::document().not_contains("a.\0")),
            r##"{"#document":{"$not_regex":"a\\.\u0000"}}"##
        );
    }

    #[test]
    fn wide_joins_become_trees_of_joins() {
        let wide = |n: i64| Where::all((0..n).map(|n| x().ne(n)));
        assert_eq!(wide(300).rewritten(&|_| true), Ok(wide(300)));
        for n in [400, 10_000] {
            let sent = wide(n).rewritten(&|_| true).unwrap();
            assert!(sent.sql_levels() < 100);
            assert_eq!(Where::all([sent.flat()]), wide(n));
        }
        let mut both = wide(30);
        for _ in 0..24 {
            both = Where::any((0..30).map(|n| x().eq(n)).chain([both]));
            both = Where::all((0..30).map(|n| x().ne(n)).chain([both]));
        }
        let error = both.rewritten(&|_| true).unwrap_err().to_string();
        assert!(error.contains("too wide and too deep"), "{error}");
    }

    impl Where {
        /// Flattens nested joins of the same kind.
        fn flat(self) -> Where {
            match self.node {
                Node::All(parts) => Where::all(parts.into_iter().map(Where::flat)),
                Node::Any(parts) => Where::any(parts.into_iter().map(Where::flat)),
                _ => self,
            }
        }
    }
}
