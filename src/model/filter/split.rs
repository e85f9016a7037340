//! A filter's three places in a request.

use std::collections::HashSet;

use super::{DOCUMENT, ID, Node, Operand, Operator, Test, Where};
use crate::invalid::InvalidInput;

/// A filter in the three places where a request takes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Parts {
    /// The ids to look at; `Some` of nothing lets no record through.
    pub(crate) ids: Option<Vec<String>>,
    /// The request's `where`.
    pub(crate) fields: Option<Where>,
    /// The request's `where_document`, printed by [`Document`](super::Document).
    pub(crate) documents: Option<Where>,
}

impl Where {
    /// Whether it tests lists in metadata.
    pub(crate) fn tests_lists(&self) -> bool {
        self.has(|test| {
            test.key != DOCUMENT
                && matches!(test.operator, Operator::Contains | Operator::NotContains)
        })
    }

    fn has(&self, wanted: fn(&Test) -> bool) -> bool {
        match &self.node {
            Node::All(parts) | Node::Any(parts) => parts.iter().any(|part| part.has(wanted)),
            Node::Test(test) => wanted(test),
            Node::Everything | Node::TooDeep => false,
        }
    }
}

impl Parts {
    /// Whether there is something in it that the first servers of the v2 API do not know: a regular expression, or the
    /// document among fields.
    pub(crate) fn need_a_newer_server(&self) -> bool {
        let regex = |test: &Test| matches!(test.operator, Operator::Regex | Operator::NotRegex);
        let has = |part: &Option<Where>, wanted| part.as_ref().is_some_and(|part| part.has(wanted));
        has(&self.documents, regex) || has(&self.fields, |test| test.key == DOCUMENT)
    }

    /// Lets through only those of `ids`, too.
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
    /// Cuts the filter into the three places where a request takes it: ids, `where` and `where_document`, in words that
    /// a server understands as they are meant.
    ///
    /// What looks at documents alone goes to `where_document`, which every server knows; a mix under an "or" stays
    /// in `where`, which servers before 1.0.21 refuse.
    ///
    /// `mistakes` says of a field whether the server may mistake an integer in it for a fraction: a single-node server
    /// does, where integers of that field are indexed.
    pub(crate) fn split(self, mistakes: &dyn Fn(&str) -> bool) -> Result<Parts, InvalidInput> {
        self.check()?;
        let conjuncts = match self.node {
            Node::Everything => Vec::new(),
            Node::All(parts) => parts,
            _ => vec![self],
        };
        let mut parts = Parts::default();
        let (mut fields, mut documents) = (Vec::new(), Vec::new());
        for conjunct in conjuncts {
            if conjunct.has(|test| test.key == ID) {
                parts.narrow_ids(conjunct.ids()?);
            } else if conjunct.has(|test| test.key != DOCUMENT) {
                fields.push(conjunct);
            } else {
                documents.push(conjunct);
            }
        }
        let all = |filters: Vec<Where>| {
            let filter = (!filters.is_empty()).then(|| Where::all(filters));
            filter.map(|filter| filter.rewritten(mistakes)).transpose()
        };
        parts.fields = all(fields)?;
        parts.documents = all(documents)?;
        Ok(parts)
    }

    /// The ids that a filter on ids lets through.
    fn ids(&self) -> Result<Vec<String>, InvalidInput> {
        let no = || {
            self.bad(
                "ids can be filtered with eq and is_in only, and not under an \"or\"; ask with .ids(...), or in two calls",
            )
        };
        let Node::Test(test) = &self.node else {
            return Err(no());
        };
        let values = match (test.operator, &test.operand) {
            (Operator::Eq, Operand::One(value)) => std::slice::from_ref(value),
            (Operator::In, Operand::Many(values)) => values.as_slice(),
            _ => return Err(no()),
        };
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| self.bad("ids are texts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::filter::{Document, Key};

    fn field(name: &str) -> Key {
        Key::field(name)
    }

    fn json(filter: &Option<Where>) -> String {
        filter.as_ref().map(Where::to_string).unwrap_or_default()
    }

    #[test]
    fn each_part_goes_to_its_place() {
        let text = Key::document();
        let filter = field("a").eq(1)
            & text.clone().contains("x")
            & (text.clone().contains("y") | text.clone().contains("z"))
            & Key::id().is_in(["1", "2"])
            & Key::id().eq("2");
        let parts = filter.split(&|_| true).unwrap();
        assert_eq!(parts.ids, Some(vec!["2".to_owned()]));
        assert_eq!(json(&parts.fields), r#"{"a":{"$eq":1}}"#);
        let documents = serde_json::to_string(&Document(&parts.documents.unwrap())).unwrap();
        assert_eq!(
            documents,
            r#"{"$and":[{"$contains":"x"},{"$or":[{"$contains":"y"},{"$contains":"z"}]}]}"#
        );
    }

    #[test]
    fn a_mix_under_an_or_stays_together() {
        let parts = (field("a").eq(1) | Key::document().contains("x"))
            .split(&|_| true)
            .unwrap();
        assert_eq!(parts.documents, None);
        assert_eq!(
            json(&parts.fields),
            r##"{"$or":[{"a":{"$eq":1}},{"#document":{"$contains":"x"}}]}"##
        );
    }

    #[test]
    fn a_filter_that_every_record_passes_is_not_sent() {
        let parts = Where::everything().split(&|_| true).unwrap();
        assert_eq!(parts, Parts::default());
    }

    #[test]
    fn ids_where_they_cannot_be_asked_are_an_error() {
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
