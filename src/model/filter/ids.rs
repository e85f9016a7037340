//! Evaluates conditions on ids that servers do not support.

use std::collections::HashSet;
use std::slice;

use super::expr::{Condition, ID, Node, Operand, Operator, Where};
use crate::model::metadata::MetadataValue;

/// Asks a server for the ids of all records that pass a filter, or of all records.
type Ask<'a, E> = &'a dyn Fn(Option<&Where>) -> Result<HashSet<String>, E>;

impl Where {
    /// Whether the filter has a condition on ids.
    pub(crate) fn tests_ids(&self) -> bool {
        self.has(|condition| condition.key == ID)
    }

    /// Returns the ids of the records that pass, and perhaps ids without a record. `ask` is called with parts
    /// of the filter that have no condition on ids, and with `None` for the ids of all records.
    pub(crate) fn passing_ids<E>(&self, ask: Ask<'_, E>) -> Result<HashSet<String>, E> {
        match &self.node {
            _ if !self.tests_ids() => ask(Some(self)),
            Node::All(parts) => {
                // The parts without ids are one question.
                let (with_ids, others): (Vec<_>, Vec<_>) =
                    parts.iter().partition(|part| part.tests_ids());
                let mut passing = None;
                if !others.is_empty() {
                    passing = Some(ask(Some(&Where::all(others.into_iter().cloned())))?);
                }
                for part in with_ids {
                    let also = part.passing_ids(ask)?;
                    passing = Some(match passing {
                        Some(passing) => &passing & &also,
                        None => also,
                    });
                }
                Ok(passing.unwrap_or_default())
            }
            Node::Any(parts) => {
                let mut passing = HashSet::new();
                for part in parts {
                    passing.extend(part.passing_ids(ask)?);
                }
                Ok(passing)
            }
            Node::Condition(condition) => {
                let listed = condition.listed_ids();
                if matches!(condition.operator, Operator::Eq | Operator::In) {
                    return Ok(listed);
                }
                Ok(&ask(None)? - &listed)
            }
            // Refused before.
            Node::Everything | Node::TooDeep => ask(None),
        }
    }
}

impl Condition {
    /// Returns the ids in the condition. They may have no record.
    fn listed_ids(&self) -> HashSet<String> {
        let values = match &self.operand {
            Operand::One(value) => slice::from_ref(value),
            Operand::Many(values) => values.as_slice(),
        };
        let id = |value: &MetadataValue| match value {
            MetadataValue::String(id) => Some(id.clone()),
            _ => None,
        };
        values.iter().filter_map(id).collect()
    }
}
