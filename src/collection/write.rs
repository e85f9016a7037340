//! Writing records: check, embed, cut into requests, send.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::Collection;
use crate::client::operations as op;
use crate::embed::Purpose;
use crate::error::{Error, Result};
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
        let partial = operation.name == op::UPDATE.name;
        let to_embed = record::check(rows, self.dimension(), partial)
            .map_err(|reason| self.at(operation).invalid(reason))?;
        if rows.is_empty() {
            return Ok(());
        }
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

        let limits = self.0.client.pre_flight_checks()?;
        let sizes = (0..rows.len()).map(|index| size(rows.row(index), vectors[index]));
        let mut waiting = VecDeque::from(cut(sizes, limits.max_batch_size, MAX_REQUEST));
        let mut body = Vec::new();
        while let Some(range) = waiting.pop_front() {
            body.clear();
            Batch {
                rows,
                vectors: &vectors,
                range: range.clone(),
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
                Err(error) => return Err(self.stopped(operation, error, rows, range)),
            }
        }
        if let Some(vector) = vectors.iter().flatten().next() {
            self.0.dimension.store(vector.len(), Ordering::Relaxed);
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

    /// The error of a call that was stopped by the failure of the request for `range`: as it is when it was the whole
    /// call, else with what became of each id.
    fn stopped(
        &self,
        operation: &Operation,
        error: Error,
        rows: &dyn Rows,
        range: Range<usize>,
    ) -> Error {
        if range == (0..rows.len()) {
            return error;
        }
        let ids = |range: Range<usize>| range.map(|index| rows.row(index).id.to_owned()).collect();
        let ambiguous = match &error {
            Error::Timeout { .. } | Error::Connection { .. } | Error::Decode { .. } => true,
            Error::Server { status, .. } => *status >= 500,
            _ => false,
        };
        let failed_from = range.start;
        let unknown = if ambiguous {
            range
        } else {
            failed_from..failed_from
        };
        Error::PartlyDone {
            call: Box::new(self.at(operation)),
            done: ids(0..failed_from),
            pending: ids(unknown.end..rows.len()),
            unknown: ids(unknown),
            source: Box::new(error),
        }
    }
}

/// About how many bytes a record takes in a request.
fn size(row: Row<'_>, vector: Option<&[f32]>) -> usize {
    /// Quotes, commas and nulls.
    const AROUND: usize = 32;
    /// A metadata value with its key.
    const METADATA: usize = 64;
    /// A float as text; in base64 it takes half of that.
    const FLOAT: usize = 11;
    let text = |text: Option<&str>| text.map_or(0, json_len);
    json_len(row.id)
        + text(row.document)
        + text(row.uri)
        + row.metadata.map_or(0, |metadata| metadata.len() * METADATA)
        + vector.map_or(0, |vector| vector.len() * FLOAT)
        + AROUND
}
