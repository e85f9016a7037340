//! [`Limits`]: how much one request to a server may ask for.

use super::Collection;
use crate::error::{InvalidInput, Result};
use crate::model::filter::{MAX_VARIABLES, Parts};
use crate::model::results::Include;
use crate::transport::Operation;

/// The maximum number of ids per request. A single-node server fails at 32,764 ids, the limit of variables in
/// an SQL statement.
pub(crate) const MAX_IDS: usize = 10_000;
/// The maximum number of records that Chroma Cloud returns for one request.
const CLOUD_MAX_RECORDS: usize = 300;
/// The maximum number of records with metadata per request. A single-node server fails at 32,767, and a query
/// at 32,764 hits.
const MAX_RECORDS: usize = 30_000;

/// The kind of a server, which decides its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limits {
    Cloud,
    /// A distributed server other than Chroma Cloud.
    Distributed,
    /// A server whose statements are limited by `SQLite`. Includes servers of an unknown kind.
    SingleNode,
}

impl Collection {
    /// Returns the limits of the collection's server.
    pub(super) fn limits(&self) -> Limits {
        if self.client().is_cloud() {
            Limits::Cloud
        } else if self.configuration().spann.is_some() {
            // Only distributed servers have SPANN indexes.
            Limits::Distributed
        } else {
            Limits::SingleNode
        }
    }

    /// Whether the limits of `SQLite` apply.
    pub(crate) fn is_single_node(&self) -> bool {
        self.limits() == Limits::SingleNode
    }

    /// Returns the maximum number of ids per request of a call that cannot be split, in addition to a filter.
    pub(super) fn max_ids(&self, filter: &Parts) -> usize {
        match self.limits() {
            Limits::Cloud => MAX_IDS,
            other => other.ids(filter),
        }
    }

    /// Refuses more ids than one request may have, for calls that cannot be split. `why` is the part of the
    /// call that prevents the split.
    pub(super) fn check_id_count(
        &self,
        operation: &Operation,
        parts: &Parts,
        why: &str,
    ) -> Result<()> {
        let max = self.max_ids(parts);
        match &parts.ids {
            Some(ids) if ids.len() > max => {
                let reason = InvalidInput::setting(
                    "ids",
                    format!("a list of {} ids", ids.len()),
                    format!("{why}, at most {max} ids are allowed"),
                );
                Err(self.unsent_call(operation).invalid(reason))
            }
            _ => Ok(()),
        }
    }
}

impl Limits {
    /// Returns the maximum number of ids per request, in addition to a filter.
    pub(super) fn ids(self, filter: &Parts) -> usize {
        match self {
            Limits::Cloud => CLOUD_MAX_RECORDS,
            Limits::Distributed => MAX_IDS,
            Limits::SingleNode => {
                let left = MAX_VARIABLES.saturating_sub(filter.variables());
                MAX_IDS.min(left).max(1)
            }
        }
    }

    /// Returns the maximum number of records that a `get` with this limit returns; `None` if there is none.
    pub(super) fn records(self, include: &[Include], limit: Option<usize>) -> Option<usize> {
        let has = |column| include.contains(&column);
        match self {
            // The quota for a given limit can be raised, and the server names it in its error.
            Limits::Cloud => limit.is_none().then_some(CLOUD_MAX_RECORDS),
            Limits::Distributed => None,
            // URIs are stored as metadata.
            Limits::SingleNode => {
                (has(Include::Metadatas) || has(Include::Uris)).then_some(MAX_RECORDS)
            }
        }
    }

    /// Returns the maximum number of hits that all queries of a request return; `None` if there is none.
    pub(super) fn hits(self, include: &[Include]) -> Option<usize> {
        // The server reads everything but vectors by the ids of the hits.
        let is_limited = include.iter().any(|column| *column != Include::Embeddings);
        (self == Limits::SingleNode && is_limited).then_some(MAX_RECORDS)
    }
}
