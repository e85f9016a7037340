//! Limits of the SQL statement that a single-node server makes of a filter, and filters that are cut to stay
//! below them.

use super::expr::{Condition, DOCUMENT, ID, Node, Operand, Operator, Where};
use super::split::Parts;
use crate::invalid::InvalidInput;
use crate::model::metadata::MetadataValue;

/// The maximum number of variables of a statement: 32,766 in `SQLite`, without those that a server adds for
/// the segment, the limit and the offset.
pub(crate) const MAX_VARIABLES: usize = 32_700;
/// The maximum length of a text that documents are searched for, in bytes. `SQLite` accepts patterns of
/// 50,000 bytes; two of them are wildcards.
const MAX_CONTAINED: usize = 49_998;
/// The smallest number of variables that must be left for a list that is cut, and for many ids. With fewer,
/// there would be too many requests.
const MIN_SPARE: usize = 1_000;

/// The number of variables for a float.
#[derive(Clone, Copy)]
enum PerFloat {
    /// Of a filter that is sent. The server compares with a float and with an integer.
    Sent = 2,
    /// Of a filter that may be [rewritten](Where::split) to correct such comparisons.
    BeforeRewriting = 4,
}

impl Parts {
    /// Returns the number of SQL variables, without those for ids.
    pub(crate) fn variables(&self) -> usize {
        let parts = [&self.fields, &self.documents].into_iter().flatten();
        parts.map(|part| part.variables(PerFloat::Sent)).sum()
    }

    /// Refuses a filter that exceeds a limit of `SQLite`. Many ids can be split over several requests.
    pub(crate) fn check_limits(&self) -> Result<(), InvalidInput> {
        let ids = self.ids.as_ref().map_or(0, Vec::len).min(MIN_SPARE);
        let variables = self.variables();
        for part in [&self.fields, &self.documents].into_iter().flatten() {
            part.check_contained()?;
            if variables + ids > MAX_VARIABLES {
                let values = part.values();
                return Err(part.bad(format!(
                    "it compares with {values} values, which take {variables} variables of SQL (text takes one, \
                     a number at least two); a statement of a single-node server may have {MAX_VARIABLES}, ids included; \
                     split the filter into several calls"
                )));
            }
        }
        Ok(())
    }
}

impl Where {
    /// Returns the number of SQL variables.
    fn variables(&self, per_float: PerFloat) -> usize {
        match &self.node {
            // A server starts each join with a constant.
            Node::All(parts) | Node::Any(parts) => {
                let parts = parts.iter();
                1 + parts.map(|part| part.variables(per_float)).sum::<usize>()
            }
            Node::Condition(condition) => condition.variables(per_float),
            Node::Everything | Node::TooDeep => 0,
        }
    }

    /// Returns the number of values that are compared with.
    fn values(&self) -> usize {
        match &self.node {
            Node::All(parts) | Node::Any(parts) => parts.iter().map(Where::values).sum(),
            Node::Condition(condition) => condition.values().len(),
            Node::Everything | Node::TooDeep => 0,
        }
    }

    /// Refuses a search for a text that is too long for `SQLite`.
    fn check_contained(&self) -> Result<(), InvalidInput> {
        let bytes = match &self.node {
            Node::All(parts) | Node::Any(parts) => {
                return parts.iter().try_for_each(Where::check_contained);
            }
            Node::Condition(condition) => condition.contained_bytes(),
            Node::Everything | Node::TooDeep => 0,
        };
        if bytes <= MAX_CONTAINED {
            return Ok(());
        }
        Err(self.bad(format!(
            "the text takes {bytes} bytes (%, _ and \\ take two), and a single-node server searches documents for \
             at most {MAX_CONTAINED}; search for a part of it"
        )))
    }

    /// Cuts a filter that has more than `max` SQL variables into several filters. A record that passes the
    /// whole filter passes one of them, and no other record does.
    ///
    /// Only the longest [`is_in`](super::Key::is_in) list that every record must pass can be cut. A filter
    /// without one is returned unchanged, and so is a filter whose other conditions take almost all variables.
    pub(crate) fn cut(self, max: usize) -> Vec<Where> {
        let per_float = PerFloat::BeforeRewriting;
        let all = self.variables(per_float);
        if all <= max {
            return vec![self];
        }
        let conjuncts = match &self.node {
            Node::All(parts) => parts.as_slice(),
            _ => std::slice::from_ref(&self),
        };
        let lists = conjuncts.iter().enumerate();
        let lists = lists.filter_map(|(index, part)| Some((index, part.list()?)));
        let Some((longest, list)) = lists.max_by_key(|(_, list)| list.values().len()) else {
            return vec![self];
        };
        let rest = all - list.variables(per_float);
        let spare = max.saturating_sub(rest);
        if spare < MIN_SPARE {
            return vec![self];
        }
        let others = || conjuncts[..longest].iter().chain(&conjuncts[longest + 1..]);
        let of_values = |values: &[MetadataValue]| {
            let operand = Operand::Many(values.to_vec());
            let list = Where::condition(list.key.clone(), list.operator, operand);
            Where::all(others().cloned().chain([list]))
        };
        // One variable is for the key.
        let in_each = spare / list.copies(per_float) - 1;
        list.values().chunks(in_each).map(of_values).collect()
    }

    /// Returns the condition if it is a list that can be cut.
    fn list(&self) -> Option<&Condition> {
        match &self.node {
            Node::Condition(condition) if condition.is_list() => Some(condition),
            _ => None,
        }
    }
}

impl Condition {
    /// Whether a record passes if its field has one of several values. An empty list cannot be cut.
    fn is_list(&self) -> bool {
        let is_of_field = self.key != ID && self.key != DOCUMENT;
        self.operator == Operator::In && is_of_field && !self.values().is_empty()
    }

    fn values(&self) -> &[MetadataValue] {
        match &self.operand {
            Operand::One(value) => std::slice::from_ref(value),
            Operand::Many(values) => values,
        }
    }

    fn variables(&self, per_float: PerFloat) -> usize {
        if self.key == DOCUMENT {
            return 1;
        }
        self.copies(per_float) * (1 + self.values().len())
    }

    /// Returns how often the condition is in the statement: a number is compared with the integers of the
    /// field, and with its floats.
    fn copies(&self, per_float: PerFloat) -> usize {
        match self.values().first() {
            _ if matches!(self.operator, Operator::Contains | Operator::NotContains) => 1,
            Some(MetadataValue::Int(_)) => 2,
            Some(MetadataValue::Float(_)) => per_float as usize,
            _ => 1,
        }
    }

    /// Returns the length of the text that documents are searched for, as a part of a pattern.
    fn contained_bytes(&self) -> usize {
        match (&self.operand, self.operator) {
            (
                Operand::One(MetadataValue::String(text)),
                Operator::Contains | Operator::NotContains,
            ) if self.key == DOCUMENT => {
                text.len() + text.bytes().filter(|byte| b"%_\\".contains(byte)).count()
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::Key;

    fn parts(filter: Where) -> Parts {
        filter.split(&|_| true).unwrap()
    }

    fn texts(count: usize) -> Vec<String> {
        (0..count).map(|i| i.to_string()).collect()
    }

    #[test]
    fn variables_are_those_of_a_real_server() {
        let x = || Key::field("x");
        for (filter, variables) in [
            (x().eq("a"), 2),
            (x().eq(1), 4),
            (x().eq(1.5), 9),
            (x().contains(1), 2),
            (x().is_in(texts(32_699)), 32_700),
            (x().is_in(0..16_349), 32_700),
            (x().is_in([1.0, 2.0]), 6),
            (x().is_in([1.5, 2.5]), 13),
            (x().eq("a") & x().eq(true), 5),
            (Key::document().contains("a"), 1),
            (x().eq("a") & Key::document().regex("a"), 3),
            (Key::id().is_in(texts(40_000)), 0),
        ] {
            let parts = parts(filter);
            assert_eq!(parts.variables(), variables, "{parts:?}");
            assert_eq!(parts.check_limits(), Ok(()));
        }
        for filter in [
            x().is_in(texts(32_700)),
            x().not_in(0..16_350),
            x().eq("a") | x().is_in(texts(32_700)),
        ] {
            let message = parts(filter).check_limits().unwrap_err().to_string();
            assert!(message.contains("variables of SQL"), "{message}");
            assert!(message.len() < 1_000, "{}", message.len());
        }
    }

    #[test]
    fn a_filter_is_cut_at_a_list_that_every_record_must_pass() {
        let x = || Key::field("x");
        let few = x().is_in(0..16_000) & x().ne(1);
        assert_eq!(few.clone().cut(MAX_VARIABLES), [few]);
        let floats: Vec<f64> = (0..40_000).map(|i| f64::from(i) / 7.0).collect();
        let ints: Vec<i64> = (0..20_000).collect();
        for (filter, expected, values) in [
            (x().is_in(texts(40_000)), 2, 40_000),
            (x().is_in(0..40_000), 3, 40_000),
            (x().is_in(floats) & Key::document().contains("a"), 5, 40_000),
            (x().is_in(ints.clone()) & x().not_in(0..10_000), 4, 20_000),
            (
                x().is_in(texts(9_000)) & x().is_in(texts(30_000)),
                2,
                30_000,
            ),
        ] {
            let cut = filter.cut(MAX_VARIABLES);
            assert_eq!(cut.len(), expected);
            let longest = |part: &Where| match &part.node {
                Node::All(parts) => parts.last().unwrap().values(),
                _ => part.values(),
            };
            assert_eq!(cut.iter().map(longest).sum::<usize>(), values);
            for part in cut {
                assert_eq!(parts(part).check_limits(), Ok(()));
            }
        }
        for filter in [
            x().not_in(texts(40_000)),
            x().is_in(texts(40_000)) | x().eq(1),
            x().is_in(texts(9)) & x().not_in(texts(40_000)),
        ] {
            assert_eq!(filter.clone().cut(MAX_VARIABLES).len(), 1);
            let uncut = parts(filter.cut(MAX_VARIABLES).remove(0));
            assert!(uncut.check_limits().is_err());
        }
    }

    #[test]
    fn field_02_a_filter_with_an_empty_list_is_not_cut_at_that_list() {
        let (x, y) = (|| Key::field("x"), || Key::field("y"));
        for filter in [
            x().not_in(texts(40_000)) & y().is_in(texts(0)),
            y().is_in(texts(0)) & x().not_in(texts(40_000)),
        ] {
            let cut = filter.cut(MAX_VARIABLES);
            assert_eq!(cut.len(), 1);
            let message = cut[0].clone().split(&|_| true).unwrap_err().to_string();
            assert!(message.contains("the list of values is empty"), "{message}");
        }
    }

    #[test]
    fn a_text_that_is_longer_than_a_pattern_is_refused() {
        let check = |text: &str| parts(Key::document().contains(text)).check_limits();
        assert_eq!(check(&"x".repeat(49_998)), Ok(()));
        assert!(check(&"x".repeat(49_999)).is_err());
        assert!(check(&"%".repeat(25_000)).is_err());
        let message = check(&"é".repeat(30_000)).unwrap_err().to_string();
        assert!(message.contains("60000 bytes"), "{message}");
        assert!(message.len() < 1_000, "{}", message.len());
    }
}
