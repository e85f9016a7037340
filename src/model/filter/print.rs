//! Writes filters as Chroma's JSON.

use std::fmt::{self, Write as _};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::expr::{Condition, Node, Operand, Operator, Where};
use crate::printable::Escaping;

/// Shortens text that is too long for an error.
pub(super) fn short(mut text: String) -> String {
    const SHOWN: usize = 200;
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl Operator {
    pub(super) const ALL: [Operator; 12] = [
        Operator::Eq,
        Operator::Ne,
        Operator::Gt,
        Operator::Gte,
        Operator::Lt,
        Operator::Lte,
        Operator::In,
        Operator::NotIn,
        Operator::Contains,
        Operator::NotContains,
        Operator::Regex,
        Operator::NotRegex,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Operator::Eq => "$eq",
            Operator::Ne => "$ne",
            Operator::Gt => "$gt",
            Operator::Gte => "$gte",
            Operator::Lt => "$lt",
            Operator::Lte => "$lte",
            Operator::In => "$in",
            Operator::NotIn => "$nin",
            Operator::Contains => "$contains",
            Operator::NotContains => "$not_contains",
            Operator::Regex => "$regex",
            Operator::NotRegex => "$not_regex",
        }
    }

    pub(super) fn named(name: &str) -> Option<Operator> {
        let mut all = Operator::ALL.into_iter();
        all.find(|operator| operator.name() == name)
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        Escaping(f).write_str(&json)
    }
}

/// Writes a map with one entry.
fn entry<S: Serializer, V: Serialize + ?Sized>(
    serializer: S,
    key: &str,
    value: &V,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

impl Serialize for Where {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.node {
            Node::Everything => serializer.serialize_map(Some(0))?.end(),
            Node::All(parts) => entry(serializer, "$and", parts),
            Node::Any(parts) => entry(serializer, "$or", parts),
            Node::Condition(condition) => entry(serializer, &condition.key, &Comparison(condition)),
            Node::TooDeep => entry(serializer, "$and", "…"),
        }
    }
}

/// The operator and the operand of a condition: `{"$gte":2020}`.
struct Comparison<'a>(&'a Condition);

impl Serialize for Comparison<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = self.0.operator.name();
        match &self.0.operand {
            Operand::One(value) => entry(serializer, name, value),
            Operand::Many(values) => entry(serializer, name, values),
        }
    }
}

/// A filter on documents in the form of `where_document`, which leaves out the key.
pub(crate) struct Document<'a>(pub(crate) &'a Where);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, parts) = match &self.0.node {
            Node::All(parts) => ("$and", parts),
            Node::Any(parts) => ("$or", parts),
            Node::Condition(condition) => return Comparison(condition).serialize(serializer),
            Node::Everything | Node::TooDeep => return self.0.serialize(serializer),
        };
        let parts: Vec<_> = parts.iter().map(Document).collect();
        entry(serializer, key, &parts)
    }
}
