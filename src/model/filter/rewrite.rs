//! Filters that a server understands otherwise than they read, in words that it understands as they are meant.

use super::{DOCUMENT, Node, Operand, Operator, Test, Where};
use crate::invalid::InvalidInput;
use crate::model::metadata::MetadataValue::{Float, Int, String as Text};

/// The levels of "and" and "or" that a server reads.
const LEVELS: u8 = 60;
/// A server makes an SQL expression of the filter, and refuses one of more than 1,000 levels, or dies of it. This leaves
/// room for the rest of the expression: `where` and `where_document` are in one.
const SQL_LEVELS: usize = 400;
/// The most parts of a join when [`SQL_LEVELS`] do not suffice.
const GROUP: usize = 16;

impl Where {
    /// The filter in words that a server understands as they are meant. `mistakes` says of a field whether the server may
    /// mistake an integer in it for a fraction.
    pub(super) fn rewritten(self, mistakes: &dyn Fn(&str) -> bool) -> Result<Where, InvalidInput> {
        let mut filter = self.tests_rewritten(mistakes);
        if filter.sql_levels() > SQL_LEVELS {
            filter = filter.grouped();
        }
        if filter.depth > LEVELS || filter.sql_levels() > SQL_LEVELS {
            return Err(
                filter.bad("it is too wide and too deep for a server; ask in several calls")
            );
        }
        Ok(filter)
    }

    fn tests_rewritten(self, mistakes: &dyn Fn(&str) -> bool) -> Where {
        let all = |parts: Vec<Where>| {
            let parts = parts.into_iter();
            parts.map(|part| part.tests_rewritten(mistakes)).collect()
        };
        match self.node {
            Node::All(parts) => Where::of(Node::All, all(parts)),
            Node::Any(parts) => Where::of(Node::Any, all(parts)),
            Node::Test(test) => test.rewritten(mistakes),
            Node::Everything | Node::TooDeep => self,
        }
    }

    /// How deep the SQL expression is: a join of n parts is n levels.
    fn sql_levels(&self) -> usize {
        match &self.node {
            Node::All(parts) | Node::Any(parts) => {
                parts.len() + parts.iter().map(Where::sql_levels).max().unwrap_or(0)
            }
            Node::Everything | Node::Test(_) | Node::TooDeep => 4,
        }
    }

    /// With joins of joins in place of wide joins.
    fn grouped(self) -> Where {
        let (join, parts): (fn(_) -> _, _) = match self.node {
            Node::All(parts) => (Node::All, parts),
            Node::Any(parts) => (Node::Any, parts),
            Node::Everything | Node::Test(_) | Node::TooDeep => return self,
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

impl Test {
    fn rewritten(self, mistakes: &dyn Fn(&str) -> bool) -> Where {
        match &self.operand {
            Operand::One(Text(text)) if self.key == DOCUMENT && text.contains('\0') => {
                let pattern = escaped(text);
                self.with_nul(pattern)
            }
            _ if !mistakes(&self.key) => self.unchanged(),
            Operand::One(Float(float)) => match taken_for(*float) {
                Some(int) => {
                    let float = *float;
                    self.not_for_the_integer(float, int)
                }
                None => self.unchanged(),
            },
            Operand::Many(values) => {
                let ints = mistaken(values);
                self.not_for_the_integers(ints)
            }
            Operand::One(_) => self.unchanged(),
        }
    }

    fn unchanged(self) -> Where {
        Where::test(self.key, self.operator, self.operand)
    }

    /// `contains` compares texts only up to the first NUL; a regular expression goes on.
    fn with_nul(self, pattern: String) -> Where {
        let operator = match self.operator {
            Operator::Contains => Operator::Regex,
            Operator::NotContains => Operator::NotRegex,
            _ => return self.unchanged(),
        };
        Where::test(self.key, operator, Operand::One(Text(pattern)))
    }

    /// A server compares floats with `float`, as it should, and integers with `int`, which is cut off at the point (and
    /// so on the side of zero): it would find 2 where 2.7 is asked for.
    fn not_for_the_integer(self, float: f64, int: i64) -> Where {
        let also = |operator| Where::test(self.key.clone(), operator, Operand::One(Int(int)));
        let below = float > 0.0;
        let (join, other): (fn(_) -> _, _) = match self.operator {
            Operator::Eq => (Node::All, also(Operator::Ne)),
            Operator::Ne => (Node::Any, also(Operator::Eq)),
            Operator::Gte if below => (Node::All, also(Operator::Ne)),
            Operator::Lte if !below => (Node::All, also(Operator::Ne)),
            Operator::Lt if below => (Node::Any, also(Operator::Lte)),
            Operator::Gt if !below => (Node::Any, also(Operator::Gte)),
            _ => return self.unchanged(),
        };
        Where::of(join, vec![self.unchanged(), other])
    }

    /// The same for a list, where `ints` are those that a server would mistake for its floats.
    fn not_for_the_integers(self, ints: Vec<i64>) -> Where {
        let (join, operator): (fn(_) -> _, _) = match self.operator {
            _ if ints.is_empty() => return self.unchanged(),
            Operator::In => (Node::All, Operator::NotIn),
            Operator::NotIn => (Node::Any, Operator::In),
            _ => return self.unchanged(),
        };
        let ints = Operand::Many(ints.into_iter().map(Int).collect());
        let other = Where::test(self.key.clone(), operator, ints);
        Where::of(join, vec![self.unchanged(), other])
    }
}

/// The integer that a server takes for a float, where it is another number.
fn taken_for(float: f64) -> Option<i64> {
    let int = float as i64;
    (int as f64 != float).then_some(int)
}

/// The integers that a server takes for the floats of a list, without those that are in the list.
fn mistaken(values: &[super::MetadataValue]) -> Vec<i64> {
    let floats = || {
        values.iter().filter_map(|value| match value {
            Float(float) => Some(*float),
            _ => None,
        })
    };
    let mut ints: Vec<i64> = floats().filter_map(taken_for).collect();
    ints.sort_unstable();
    ints.dedup();
    ints.retain(|int| floats().all(|float| float != *int as f64));
    ints
}

/// A regular expression for exactly this text.
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
    fn what_a_server_understands_is_sent_as_it_is() {
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
            x().eq(9223372036854775808.0),
            Key::document().contains("[a]"),
            x().contains("\0"),
            x().contains(2.7),
        ] {
            assert_eq!(sent(filter.clone()), filter.to_string());
        }
    }

    #[test]
    fn a_fraction_is_not_taken_for_an_integer() {
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
    fn a_nul_is_asked_for_with_a_regular_expression() {
        assert_eq!(
            sent(Key::document().not_contains("a.\0")),
            r##"{"#document":{"$not_regex":"a\\.\u0000"}}"##
        );
    }

    #[test]
    fn wide_joins_become_joins_of_joins() {
        let wide = |n: i64| Where::all((0..n).map(|n| x().ne(n)));
        assert_eq!(wide(300).rewritten(&|_| true), Ok(wide(300)));
        for n in [400, 10_000] {
            let sent = wide(n).rewritten(&|_| true).unwrap();
            assert!(sent.sql_levels() < 100);
            let again = Where::all([sent.flat()]);
            assert_eq!(again, wide(n));
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
        /// Without joins inside joins of the same kind.
        fn flat(self) -> Where {
            match self.node {
                Node::All(parts) => Where::all(parts.into_iter().map(Where::flat)),
                Node::Any(parts) => Where::any(parts.into_iter().map(Where::flat)),
                _ => self,
            }
        }
    }
}
