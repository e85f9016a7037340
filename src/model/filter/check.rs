//! What is refused before it is sent, because a server would refuse it or misread it.

use super::{DOCUMENT, ID, MAX_DEPTH, Node, Operand, Operator, Test, Where};
use crate::invalid::InvalidInput;
use crate::model::metadata::{MetadataValue, too_large};

impl Where {
    pub(super) fn bad(&self, why: impl Into<String>) -> InvalidInput {
        InvalidInput::Filter {
            filter: self.to_string(),
            why: why.into(),
        }
    }

    /// Refuses what a server would refuse, or answer wrongly without a word.
    pub(crate) fn check(&self) -> Result<(), InvalidInput> {
        match &self.node {
            Node::Everything => Ok(()),
            Node::All(parts) | Node::Any(parts) if parts.is_empty() => {
                Err(self.bad("it joins no filters, so no record would pass; skip the call"))
            }
            Node::All(parts) | Node::Any(parts) => parts.iter().try_for_each(Where::check),
            Node::Test(test) => test.check().map_err(|why| self.bad(why)),
            Node::TooDeep => Err(self.bad(too_deep())),
        }
    }
}

impl Where {
    /// As [`check`](Where::check), for a search: there the filter stays whole, and servers look up ids in it.
    pub(crate) fn check_in_search(&self) -> Result<(), InvalidInput> {
        fn ids(filter: &Where) -> Result<(), InvalidInput> {
            match &filter.node {
                Node::All(parts) | Node::Any(parts) => parts.iter().try_for_each(ids),
                Node::Test(test) if test.key == ID => {
                    test.check_id().map_err(|why| filter.bad(why))
                }
                Node::Test(_) | Node::Everything | Node::TooDeep => Ok(()),
            }
        }
        self.check()?;
        ids(self)
    }
}

/// Why a filter that is nested too deep is refused.
pub(super) fn too_deep() -> String {
    format!("it is nested deeper than {MAX_DEPTH} levels; write it with fewer levels")
}

impl Test {
    /// Why a server would not take this test, or not as it is meant.
    pub(super) fn check(&self) -> Result<(), String> {
        use Operator::*;

        self.check_key()?;
        let operator = self.operator;
        match &self.operand {
            Operand::One(value) => {
                let kind = kind(value)?;
                if self.key == DOCUMENT && kind != Kind::Text {
                    return Err("documents are compared with texts".into());
                }
                if matches!(operator, Gt | Gte | Lt | Lte)
                    && !matches!(kind, Kind::Int | Kind::Float)
                {
                    return Err("greater and less compare numbers".into());
                }
                Ok(())
            }
            Operand::Many(values) => {
                let kinds = values.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
                match kinds.split_first() {
                    None if self.key == ID => Ok(()),
                    None => Err("the list of values is empty".into()),
                    Some((first, rest)) if rest.iter().any(|kind| kind != first) => {
                        Err("the values of a list are of one kind: all integers, all floats, all texts or all booleans".into())
                    }
                    Some(_) => Ok(()),
                }
            }
        }
    }

    /// Why a search would find nothing by this test of an id, whatever there is.
    fn check_id(&self) -> Result<(), &'static str> {
        use Operator::{Eq, In, Ne, NotIn};

        let values = match &self.operand {
            Operand::One(value) => std::slice::from_ref(value),
            Operand::Many(values) => values.as_slice(),
        };
        if !matches!(self.operator, Eq | Ne | In | NotIn) {
            Err("ids can be filtered with eq, ne, is_in and not_in only")
        } else if values.is_empty() {
            Err("the list of ids is empty")
        } else if values.iter().any(|value| value.as_str().is_none()) {
            Err("ids are texts")
        } else {
            Ok(())
        }
    }

    /// Why there is no such key, or why the operator is none for it.
    fn check_key(&self) -> Result<(), String> {
        use Operator::*;

        match self.key.as_str() {
            "" => Err("the key is empty".to_owned()),
            DOCUMENT if matches!(self.operator, Contains | NotContains | Regex | NotRegex) => {
                Ok(())
            }
            DOCUMENT => Err(
                "documents are filtered with contains, not_contains, regex and not_regex".into(),
            ),
            _ if matches!(self.operator, Regex | NotRegex) => {
                Err("regex and not_regex look at documents only: Key::document()".into())
            }
            ID => Ok(()),
            // The server would take the one for an operator, and say that no record has the other.
            key if key.starts_with(['$', '#']) => Err(format!(
                "{key} cannot be the name of a field: those do not start with $ or #"
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
        _ => Err("a filter compares with a boolean, a number or a text".to_owned()),
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
    fn what_the_server_would_refuse_is_refused_here() {
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
        let nothing = Where::any([]);
        assert!(nothing.check().is_err());
        assert!((field("ok").eq(1) & nothing).check().is_err());
    }

    #[test]
    fn a_search_takes_ids_in_its_filter_where_servers_look_them_up() {
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
    fn a_very_deep_filter_is_an_error_and_overflows_nothing() {
        let test = || field("a").eq(1);
        let mut filter = test();
        for _ in 0..100_000 {
            filter = (filter & test()) | test();
        }
        assert_eq!(filter, filter.clone());
        assert!(format!("{filter:?}{filter}").len() < 1_000);
        let error = filter.check().unwrap_err().to_string();
        assert!(error.contains("50 levels"), "{error}");

        let mut filter = test();
        for _ in 0..25 {
            filter = (filter & test()) | test();
        }
        assert_eq!(filter.check(), Ok(()));
        assert!((filter & test()).check().is_err());
    }

    #[test]
    fn a_long_filter_is_not_a_deep_one() {
        let mut filter = field("a").ne(0);
        for n in 1..20_000 {
            filter = filter & field("a").ne(n);
        }
        assert_eq!(filter.check(), Ok(()));
        assert_eq!(filter.depth, 1);
    }
}
