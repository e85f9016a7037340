//! Refuses filters that a server would refuse or misinterpret.

use super::expr::{Condition, DOCUMENT, ID, Node, Operand, Operator, Where, too_deep};
use super::print::short;
use crate::invalid::InvalidInput;
use crate::model::metadata::{MetadataValue, too_large};

impl Where {
    pub(super) fn bad(&self, why: impl Into<String>) -> InvalidInput {
        InvalidInput::Filter {
            filter: short(self.to_string()),
            why: why.into(),
        }
    }

    /// Refuses what a server would refuse, or evaluate wrongly without an error.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        match &self.node {
            Node::Everything => Ok(()),
            Node::All(parts) | Node::Any(parts) if parts.is_empty() => {
                Err(self.bad("it joins no filters, so no record would pass; skip the call"))
            }
            Node::All(parts) | Node::Any(parts) => parts.iter().try_for_each(Where::check),
            Node::Condition(condition) => condition.check().map_err(|why| self.bad(why)),
            Node::TooDeep => Err(self.bad(too_deep())),
        }
    }

    /// Checks the filter of a search. It is sent whole, and servers look up ids in it.
    pub(crate) fn check_in_search(&self) -> Result<(), InvalidInput> {
        fn check_ids(filter: &Where) -> Result<(), InvalidInput> {
            match &filter.node {
                Node::All(parts) | Node::Any(parts) => parts.iter().try_for_each(check_ids),
                Node::Condition(condition) if condition.key == ID => {
                    condition.check_id().map_err(|why| filter.bad(why))
                }
                Node::Condition(_) | Node::Everything | Node::TooDeep => Ok(()),
            }
        }
        self.check()?;
        check_ids(self)
    }
}

impl Condition {
    /// Returns why a server would refuse or misinterpret this condition.
    pub(super) fn check(&self) -> Result<(), String> {
        use Operator::{Gt, Gte, Lt, Lte};

        self.check_key()?;
        let operator = self.operator;
        match &self.operand {
            Operand::One(value) => {
                let kind = kind(value)?;
                if self.key == DOCUMENT && kind != Kind::Text {
                    return Err("a document can only be compared with text".into());
                }
                if matches!(operator, Gt | Gte | Lt | Lte)
                    && !matches!(kind, Kind::Int | Kind::Float)
                {
                    return Err("gt, gte, lt and lte can only compare numbers".into());
                }
                Ok(())
            }
            Operand::Many(values) => {
                let kinds = values.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
                match kinds.split_first() {
                    None if self.key == ID => Ok(()),
                    None => Err(self.empty_list().into()),
                    Some((first, rest)) if rest.iter().any(|kind| kind != first) => {
                        Err("the values of a list must all be integers, all floats, all text or all booleans".into())
                    }
                    Some(_) => Ok(()),
                }
            }
        }
    }

    /// Returns why a search with this condition on ids would never find a record.
    fn check_id(&self) -> Result<(), &'static str> {
        use Operator::{Eq, In, Ne, NotIn};

        let values = match &self.operand {
            Operand::One(value) => std::slice::from_ref(value),
            Operand::Many(values) => values.as_slice(),
        };
        if !matches!(self.operator, Eq | Ne | In | NotIn) {
            Err("ids can only be filtered with eq, ne, is_in and not_in")
        } else if values.is_empty() {
            Err("the list of ids is empty")
        } else if values.iter().any(|value| value.as_str().is_none()) {
            Err("ids must be text")
        } else {
            Ok(())
        }
    }

    /// Returns what is wrong with a comparison with no values.
    fn empty_list(&self) -> &'static str {
        if self.operator == Operator::NotIn {
            "the list of values is empty, so every record would pass; leave the condition out"
        } else {
            "the list of values is empty, so no record would pass; skip the call"
        }
    }

    /// Returns why the key is invalid, or does not support the operator.
    fn check_key(&self) -> Result<(), String> {
        use Operator::{Contains, NotContains, NotRegex, Regex};

        match self.key.as_str() {
            "" => Err("the key is empty".to_owned()),
            DOCUMENT if matches!(self.operator, Contains | NotContains | Regex | NotRegex) => {
                Ok(())
            }
            DOCUMENT => Err(
                "documents can only be filtered with contains, not_contains, regex and not_regex"
                    .into(),
            ),
            _ if matches!(self.operator, Regex | NotRegex) => {
                Err("regex and not_regex can only filter documents; use Key::document()".into())
            }
            ID => Ok(()),
            // A server would treat $ as an operator, and find no record for #.
            key if key.starts_with(['$', '#']) => Err(format!(
                "the name of a field must not start with $ or #, as {key} does"
            )),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Float,
    Text,
}

fn kind(value: &MetadataValue) -> Result<Kind, String> {
    match value {
        MetadataValue::Bool(_) => Ok(Kind::Bool),
        MetadataValue::Int(_) => Ok(Kind::Int),
        MetadataValue::TooLarge(value) => Err(too_large(*value)),
        MetadataValue::Float(value) if value.is_finite() => Ok(Kind::Float),
        MetadataValue::Float(value) => Err(format!("{value} is not a finite number")),
        MetadataValue::String(_) => Ok(Kind::Text),
        _ => Err("a filter can only compare with a boolean, a number or text".to_owned()),
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
    fn a_filter_that_the_server_would_refuse_is_an_error() {
        let bad = [
            field("").eq(1),
            field("$and").eq(1),
            field("#embedding").eq(1),
            field("a").gt("x"),
            field("a").eq(f64::NAN),
            field("a").eq(u64::MAX),
            field("a").is_in([1, u64::MAX]),
            field("a").eq(MetadataValue::Null),
            field("a").is_in(Vec::<i64>::new()),
            field("a").is_in([MetadataValue::Int(1), MetadataValue::Float(1.0)]),
            field("a").eq(vec![1_i64]),
            field("a").regex("x"),
            Key::document().eq("x"),
            Key::document().contains(1),
            Key::id().regex("x"),
            Key::score().gt(0.5),
            Key::metadata().eq("x"),
        ];
        for filter in bad {
            assert!(filter.check().is_err(), "{filter}");
            let nested = field("ok").eq(1) & (field("ok").eq(2) | filter);
            assert!(nested.split(&|_| true).is_err());
        }
        let message = |filter: Where| filter.check().unwrap_err().to_string();
        let none: [i64; 0] = [];
        assert!(message(field("a").is_in(none)).contains("no record would pass"));
        assert!(message(field("a").not_in(none)).contains("every record would pass"));
        let nothing = Where::any([]);
        assert!(nothing.check().is_err());
        assert!((field("ok").eq(1) & nothing).check().is_err());
    }

    #[test]
    fn the_filter_of_a_search_may_hold_conditions_on_ids() {
        let id = Key::id;
        for fine in [
            id().eq("1") | field("a").eq(1),
            id().ne("1"),
            id().is_in(["1", "2"]) & Key::document().contains("x"),
            id().not_in(["1"]),
        ] {
            assert_eq!(fine.check_in_search(), Ok(()), "{fine}");
        }
        for bad in [
            id().gt(1),
            id().eq(1),
            id().contains("1"),
            id().is_in(Vec::<String>::new()),
            field("a").gt("x"),
        ] {
            assert!((field("b").eq(1) | bad).check_in_search().is_err());
        }
    }

    #[test]
    fn a_very_deep_filter_is_an_error_and_does_not_overflow_the_stack() {
        let condition = || field("a").eq(1);
        let mut filter = condition();
        for _ in 0..100_000 {
            filter = (filter & condition()) | condition();
        }
        assert_eq!(filter, filter.clone());
        assert!(format!("{filter:?}{filter}").len() < 1_000);
        let error = filter.check().unwrap_err().to_string();
        assert!(error.contains("50 levels"), "{error}");

        let mut filter = condition();
        for _ in 0..25 {
            filter = (filter & condition()) | condition();
        }
        assert_eq!(filter.check(), Ok(()));
        assert!((filter & condition()).check().is_err());
    }

    #[test]
    fn a_long_chain_of_ands_is_one_level() {
        let mut filter = field("a").ne(0);
        for n in 1..20_000 {
            filter = filter & field("a").ne(n);
        }
        assert_eq!(filter.check(), Ok(()));
        assert_eq!(filter.depth, 1);
    }
}
