//! Writing records: check, embed, cut into requests, send.

use std::sync::atomic::Ordering;

use super::Collection;
use super::batches::Batches;
use crate::client::{PreFlightChecks, operations as op};
use crate::embed::{self, Purpose};
use crate::error::Result;
use crate::model::check::{CheckedRecords, check_records};
use crate::model::records::Records;
use crate::transport::Operation;
use crate::wire::read;
use crate::wire::write::{self, Batch};

impl Collection {
    pub(crate) fn write(&self, operation: &'static Operation, rows: &dyn Records) -> Result<()> {
        self.with_vectors(operation, rows, |limits, vectors| {
            let base64 = limits.supports_base64_encoding;
            let mut body = Vec::new();
            let send = |range, bytes| {
                body.clear();
                // Not twice as much because the last request was a little smaller.
                body.reserve_exact(bytes);
                Batch {
                    rows,
                    vectors,
                    range,
                    nulls: operation.name != op::ADD.name,
                    base64,
                }
                .write(&mut body);
                self.request(operation).body(&body).send(read::done)
            };
            let batches = Batches {
                operation,
                count: rows.len(),
                entry_size: |index: usize| write::size(rows.record(index), vectors[index], base64),
                overhead: 0,
                max_count: limits.max_batch_size,
            };
            let sent = batches.send(self, send).map_err(|failed| {
                let ids: Vec<&str> = (0..rows.len()).map(|i| rows.record(i).id).collect();
                failed.with_ids(&ids)
            })?;
            if let Some(bytes) = sent.reduced_payload {
                self.client().limit_payload_size(bytes);
            }
            if let Some(vector) = vectors.iter().flatten().next() {
                self.inner.dimension.store(vector.len(), Ordering::Relaxed);
            }
            Ok(())
        })
    }

    /// Checks records, embeds those that have a text and no vector, and goes on with a vector for each that has one.
    /// Without records there is nothing to go on with.
    pub(super) fn with_vectors(
        &self,
        operation: &'static Operation,
        rows: &dyn Records,
        go_on: impl FnOnce(PreFlightChecks, &[Option<&[f32]>]) -> Result<()>,
    ) -> Result<()> {
        let partial = operation.name == op::UPDATE.name;
        let function = self.embedding_function();
        let dimension = self.dimension().or(function.and_then(|f| f.dimension()));
        let CheckedRecords {
            to_embed,
            has_sparse,
        } = check_records(rows, dimension, partial)
            .map_err(|reason| self.unsent_call(operation).invalid(reason))?;
        if rows.is_empty() {
            return Ok(());
        }
        // Before embedding, which costs: no server, no need.
        let limits = self.client.pre_flight_checks()?;
        // A sparse vector ends a server of Chroma 1.0.21 or 1.1 for good.
        if has_sparse && !self.client().supports(|server| server.sparse_vectors)? {
            let why = "it would fail on sparse vectors, and from then on";
            return Err(self.unsupported(operation, why));
        }
        let texts: Vec<&str> = to_embed
            .iter()
            .map(|index| rows.record(*index).document.unwrap_or_default())
            .collect();
        let embedded = match to_embed.first() {
            Some(first) => self
                .embed(operation, &texts, Purpose::Documents, || {
                    format!("record {:?}", rows.record(*first).id)
                })
                .map_err(|error| embed::by_record(error, &to_embed))?,
            None => Default::default(),
        };
        let mut vectors: Vec<Option<&[f32]>> = (0..rows.len())
            .map(|index| rows.record(index).embedding)
            .collect();
        for (index, vector) in to_embed.iter().zip(embedded.rows()) {
            vectors[*index] = Some(vector);
        }
        if !to_embed.is_empty() {
            self.one_dimension(operation, rows, &vectors)?;
        }
        go_on(limits, &vectors)
    }

    /// Vectors that were given and vectors that were made have one dimension.
    fn one_dimension(
        &self,
        operation: &Operation,
        rows: &dyn Records,
        vectors: &[Option<&[f32]>],
    ) -> Result<()> {
        let mut expected = self.dimension();
        for (index, vector) in vectors.iter().enumerate() {
            let Some(vector) = vector else { continue };
            let expected = *expected.get_or_insert(vector.len());
            if vector.len() != expected {
                let reason = crate::InvalidInput::Dimension {
                    of: format!("record {:?}", rows.record(index).id),
                    expected,
                    found: vector.len(),
                };
                return Err(self.unsent_call(operation).invalid(reason));
            }
        }
        Ok(())
    }
}
