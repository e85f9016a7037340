//! [`Parts`]: a filter, divided among the fields of a request.

use std::collections::HashSet;

use super::expr::{Condition, DOCUMENT, ID, Node, Operand, Operator, Where};
use crate::invalid::InvalidInput;

/// A filter, divided among the three fields of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Parts {
    /// The request's `ids`. No record passes an empty list.
    pub(crate) ids: Option<Vec<String>>,
    /// The request's `where`.
    pub(crate) fields: Option<Where>,
    /// The request's `where_document`. Write it as a [`Document`](super::Document).
    pub(crate) documents: Option<Where>,
}

impl Where {
    /// Returns whether the filter has a condition on a list in metadata.
    pub(crate) fn tests_lists(&self) -> bool {
        self.has(|condition| {
            condition.key != DOCUMENT
                && matches!(
                    condition.operator,
                    Operator::Contains | Operator::NotContains
                )
        })
    }

    pub(super) fn has(&self, wanted: fn(&Condition) -> bool) -> bool {
        match &self.node {
            Node::All(parts) | Node::Any(parts) => parts.iter().any(|part| part.has(wanted)),
            Node::Condition(condition) => wanted(condition),
            Node::Everything | Node::TooDeep => false,
        }
    }
}

impl Parts {
    /// Returns whether the request has a part that the first servers with API v2 do not support: a regular
    /// expression, or a condition on the document among those on fields.
    pub(crate) fn need_a_newer_server(&self) -> bool {
        let is_regex = |condition: &Condition| {
            matches!(condition.operator, Operator::Regex | Operator::NotRegex)
        };
        let has = |part: &Option<Where>, wanted| part.as_ref().is_some_and(|part| part.has(wanted));
        has(&self.documents, is_regex) || has(&self.fields, |condition| condition.key == DOCUMENT)
    }

    /// Restricts the request to these ids.
    pub(crate) fn narrow_ids(&mut self, ids: Vec<String>) {
        match &mut self.ids {
            Some(old) => {
                let ids: HashSet<String> = ids.into_iter().collect();
                old.retain(|id| ids.contains(id));
            }
            none => *none = Some(ids),
        }
    }
}

impl Where {
    /// Divides the filter among the fields of a request: `ids`, `where` and `where_document`. Conditions that
    /// servers misinterpret are rewritten.
    ///
    /// Conditions on documents alone go to `where_document`, which every server supports. If they are joined
    /// with other conditions by "or", they stay in `where`, which servers before 1.0.21 refuse.
    ///
    /// `truncates` returns whether the server may truncate a float that it compares with integers of the
    /// field. A single-node server does, if integers of the field are indexed.
    pub(crate) fn split(self, truncates: &dyn Fn(&str) -> bool) -> Result<Parts, InvalidInput> {
        self.check()?;
        let conjuncts = match self.node {
            Node::Everything => Vec::new(),
            Node::All(parts) => parts,
            _ => vec![self],
        };
        let mut parts = Parts::default();
        let (mut fields, mut documents) = (Vec::new(), Vec::new());
        for conjunct in conjuncts {
            if conjunct.has(|condition| condition.key == ID) {
                parts.narrow_ids(conjunct.ids()?);
            } else if conjunct.has(|condition| condition.key != DOCUMENT) {
                fields.push(conjunct);
            } else {
                documents.push(conjunct);
            }
        }
        if !fields.is_empty() {
            parts.fields = Some(Where::all(fields).rewritten(truncates)?);
        }
        if !documents.is_empty() {
            parts.documents = Some(Where::all(documents).rewritten(truncates)?);
        }
        Ok(parts)
    }

    /// Returns the ids that pass a filter on ids.
    fn ids(&self) -> Result<Vec<String>, InvalidInput> {
        let unsupported = || {
            self.bad(
                "ids can only be filtered with eq and is_in, and not under an \"or\"; use .ids(...), or two calls",
            )
        };
        let Node::Condition(condition) = &self.node else {
            return Err(unsupported());
        };
        let values = match (condition.operator, &condition.operand) {
            (Operator::Eq, Operand::One(value)) => std::slice::from_ref(value),
            (Operator::In, Operand::Many(values)) => values.as_slice(),
            _ => return Err(unsupported()),
        };
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| self.bad("ids must be text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::{Document, Key};

    fn field(name: &str) -> Key {
        Key::field(name)
    }

    fn json(filter: Option<&Where>) -> String {
        filter.map(Where::to_string).unwrap_or_default()
    }

    #[test]
    fn each_condition_goes_to_its_field_of_the_request() {
        let text = Key::document();
        let filter = field("a").eq(1)
            & text.clone().contains("x")
            & (text.clone().contains("y") | text.clone().contains("z"))
            & Key::id().is_in(["1", "2"])
            & Key::id().eq("2");
        let parts = filter.split(&|_| true).unwrap();
        assert_eq!(parts.ids, Some(vec!["2".to_owned()]));
        assert_eq!(json(parts.fields.as_ref()), r#"{"a":{"$eq":1}}"#);
        let documents = serde_json::to_string(&Document(&parts.documents.unwrap())).unwrap();
        assert_eq!(
            documents,
            r#"{"$and":[{"$contains":"x"},{"$or":[{"$contains":"y"},{"$contains":"z"}]}]}"#
        );
    }

    #[test]
    fn an_or_of_a_field_and_the_document_stays_in_where() {
        let parts = (field("a").eq(1) | Key::document().contains("x"))
            .split(&|_| true)
            .unwrap();
        assert_eq!(parts.documents, None);
        assert_eq!(
            json(parts.fields.as_ref()),
            r##"{"$or":[{"a":{"$eq":1}},{"#document":{"$contains":"x"}}]}"##
        );
    }

    #[test]
    fn a_filter_that_every_record_passes_is_not_sent() {
        let parts = Where::everything().split(&|_| true).unwrap();
        assert_eq!(parts, Parts::default());
    }

    #[test]
    fn unsupported_conditions_on_ids_are_an_error() {
        for filter in [
            Key::id().eq("1") | field("a").eq(1),
            Key::id().ne("1"),
            Key::id().eq(1),
        ] {
            let error = filter.split(&|_| true).unwrap_err().to_string();
            assert!(error.contains("ids"), "{error}");
        }
        let none = Key::id()
            .is_in(Vec::<String>::new())
            .split(&|_| true)
            .unwrap();
        assert_eq!(none.ids, Some(vec![]));
    }
}
