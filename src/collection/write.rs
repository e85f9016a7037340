//! Writing records: check, embed, cut into requests, send.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::Collection;
use crate::client::{PreFlightChecks, operations as op};
use crate::embed::Purpose;
use crate::error::{Error, Result};
use crate::model::metadata::{Metadata, MetadataValue};
use crate::model::record::{self, Row, Rows};
use crate::transport::Operation;
use crate::wire::cut::{cut, json_len};
use crate::wire::read;
use crate::wire::write::Batch;

/// A request is cut at about this size. The server's limit is 40 MiB unless it is set otherwise; where this is too
/// much, its 413 cuts again.
const MAX_REQUEST: usize = 16 << 20;

impl Collection {
    pub(super) fn write(&self, operation: &'static Operation, rows: &dyn Rows) -> Result<()> {
        self.with_vectors(operation, rows, |limits, vectors| {
            let sizes = vectors.iter().enumerate();
            let sizes = sizes.map(|(index, vector)| size(rows.row(index), *vector));
            let mut waiting = VecDeque::from(cut(sizes, limits.max_batch_size, MAX_REQUEST));
            let mut body = Vec::new();
            while let Some(range) = waiting.pop_front() {
                body.clear();
                Batch {
                    rows,
                    vectors,
                    range: range.clone(),
                    nulls: operation.name != op::ADD.name,
                    base64: limits.supports_base64_encoding,
                }
                .write(&mut body);
                match self.send(operation, Some(&body), read::done) {
                    Ok(()) => {}
                    Err(Error::Server { status: 413, .. }) if range.len() > 1 => {
                        let middle = range.start + range.len() / 2;
                        waiting.push_front(middle..range.end);
                        waiting.push_front(range.start..middle);
                    }
                    Err(error) => {
                        let ids: Vec<&str> = (0..rows.len()).map(|i| rows.row(i).id).collect();
                        return Err(error.stopped(&ids, range));
                    }
                }
            }
            if let Some(vector) = vectors.iter().flatten().next() {
                self.0.dimension.store(vector.len(), Ordering::Relaxed);
            }
            Ok(())
        })
    }

    /// Checks records, embeds those that have a text and no vector, and goes on with a vector for each that has one.
    /// Without records there is nothing to go on with.
    pub(super) fn with_vectors(
        &self,
        operation: &'static Operation,
        rows: &dyn Rows,
        go_on: impl FnOnce(PreFlightChecks, &[Option<&[f32]>]) -> Result<()>,
    ) -> Result<()> {
        let partial = operation.name == op::UPDATE.name;
        let function = self.embedding_function();
        let dimension = self.dimension().or(function.and_then(|f| f.dimension()));
        let to_embed = record::check(rows, dimension, partial)
            .map_err(|reason| self.at(operation).invalid(reason))?;
        if rows.is_empty() {
            return Ok(());
        }
        // Before embedding, which costs: no server, no need.
        let limits = self.0.client.pre_flight_checks()?;
        self.refuse_sparse_where_they_break(operation, rows)?;
        let texts: Vec<&str> = to_embed
            .iter()
            .map(|index| rows.row(*index).document.unwrap_or_default())
            .collect();
        let embedded = match to_embed.first() {
            Some(first) => self.embed(operation, &texts, Purpose::Documents, || {
                format!("record {:?}", rows.row(*first).id)
            })?,
            None => Default::default(),
        };
        let mut vectors: Vec<Option<&[f32]>> = (0..rows.len())
            .map(|index| rows.row(index).embedding)
            .collect();
        for (index, vector) in to_embed.iter().zip(embedded.rows()) {
            vectors[*index] = Some(vector);
        }
        self.one_dimension(operation, rows, &vectors)?;
        go_on(limits, &vectors)
    }

    /// A sparse vector ends a server of Chroma 1.0.21 or 1.1 for good.
    fn refuse_sparse_where_they_break(&self, operation: &Operation, rows: &dyn Rows) -> Result<()> {
        let sparse = |metadata: &Metadata| {
            let mut values = metadata.iter().map(|(_, value)| value);
            values.any(|value| matches!(value, MetadataValue::SparseVector(_)))
        };
        let any = (0..rows.len()).any(|index| rows.row(index).metadata.is_some_and(sparse));
        if any && !self.client().can(|server| server.sparse_vectors)? {
            return Err(self.unsupported(
                operation,
                "it would fail on sparse vectors, and from then on",
            ));
        }
        Ok(())
    }

    /// Vectors that were given and vectors that were made have one dimension.
    fn one_dimension(
        &self,
        operation: &Operation,
        rows: &dyn Rows,
        vectors: &[Option<&[f32]>],
    ) -> Result<()> {
        let mut expected = self.dimension();
        for (index, vector) in vectors.iter().enumerate() {
            let Some(vector) = vector else { continue };
            let expected = *expected.get_or_insert(vector.len());
            if vector.len() != expected {
                let reason = crate::InvalidInput::Dimension {
                    of: format!("record {:?}", rows.row(index).id),
                    expected,
                    found: vector.len(),
                };
                return Err(self.at(operation).invalid(reason));
            }
        }
        Ok(())
    }
}

/// About how many bytes a record takes in a request.
fn size(row: Row<'_>, vector: Option<&[f32]>) -> usize {
    /// Quotes, commas and nulls.
    const AROUND: usize = 32;
    /// A float as text; in base64 it takes half of that.
    const FLOAT: usize = 11;
    let text = |text: Option<&str>| text.map_or(0, json_len);
    json_len(row.id)
        + text(row.document)
        + text(row.uri)
        + row.metadata.map_or(0, Metadata::json_len)
        + vector.map_or(0, |vector| vector.len() * FLOAT)
        + AROUND
}
