//! [`Selection`]: the ids and the filter of a call, in a form that the server does not misread.

use super::{Collection, IntoIds};
use crate::client::Feature;
use crate::error::{Error, InvalidInput, Result};
use crate::model::filter::{Parts, Where, restrict};
use crate::model::schema::{InvertedIndex, Schema};
use crate::transport::Operation;

/// The ids and the filter of a call.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    ids: Option<Vec<String>>,
    filter: Option<Where>,
}

impl Selection {
    /// Selects the records with these ids.
    pub(super) fn from_ids<M>(ids: impl IntoIds<M>) -> Selection {
        let mut selection = Selection::default();
        selection.add_ids(ids);
        selection
    }

    /// Selects the records that pass a filter.
    pub(super) fn from_filter(filter: Where) -> Selection {
        let mut selection = Selection::default();
        selection.add_filter(filter);
        selection
    }

    pub(super) fn add_ids<M>(&mut self, ids: impl IntoIds<M>) {
        self.ids.get_or_insert_default().extend(ids.into_ids());
    }

    pub(super) fn add_filter(&mut self, filter: impl Into<Option<Where>>) {
        if let Some(filter) = filter.into() {
            restrict(&mut self.filter, filter);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_none() && self.filter.is_none()
    }

    /// Returns the selection's parts in the request, or `None` if it cannot select any record: servers treat
    /// an empty list of ids as no list, and would select all records. `is_misread` returns whether the server
    /// misreads conditions on a metadata field.
    pub(super) fn parts(
        self,
        is_misread: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Parts>, InvalidInput> {
        let parts = self
            .filter
            .map(|filter| filter.split(is_misread))
            .transpose()?;
        let mut parts = parts.unwrap_or_default();
        if let Some(ids) = self.ids {
            parts.narrow_ids(ids);
        }
        let selects_none = parts.ids.as_ref().is_some_and(Vec::is_empty);
        Ok((!selects_none).then_some(parts))
    }
}

impl Collection {
    /// Returns the selection's parts in the request, or `None` if it cannot select any record.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a filter that the server would refuse or misread, and [`Error::Unsupported`]
    /// for one that this server does not support.
    pub(super) fn select(
        &self,
        operation: &Operation,
        selection: Selection,
    ) -> Result<Option<Parts>> {
        // Only Chroma Cloud and distributed servers have SPANN indexes, and only single-node servers misread
        // filters.
        let is_distributed = self.client().is_cloud() || self.configuration().spann.is_some();
        let schema = self.schema();
        let is_misread = |field: &str| {
            let is_indexed = |schema: &Schema| schema.has_index(field, InvertedIndex::Int);
            !is_distributed && schema.is_none_or(is_indexed)
        };
        let parts = selection
            .parts(&is_misread)
            .map_err(|reason| self.unsent_call(operation).invalid(reason))?;
        let tests_lists = |parts: &Parts| parts.fields.as_ref().is_some_and(Where::tests_lists);
        if parts.as_ref().is_some_and(tests_lists) {
            self.require(operation, Feature::MetadataLists)?;
        }
        Ok(parts)
    }

    /// Turns the error of a request with these parts into [`Error::Unsupported`] if the server is too old for
    /// one of them. Such a server says only that the request is invalid.
    pub(super) fn explain_refusal(&self, parts: &Parts, error: Error) -> Error {
        match error {
            Error::Server {
                call,
                status: 400,
                message,
                ..
            } if parts.need_a_newer_server() && self.is_old() => Error::Unsupported {
                call,
                message: format!(
                    "regular expressions, and documents under an \"or\" with fields, need Chroma 1.0.21: {message}"
                ),
            },
            error => error,
        }
    }

    /// Whether the server is older than Chroma 1.0.21.
    fn is_old(&self) -> bool {
        let limits = self.client().pre_flight_checks();
        limits.is_ok_and(|limits| !limits.supports_base64_encoding)
    }

    /// Returns an error if the server lacks a feature, or if the client cannot find out.
    pub(super) fn require(&self, operation: &Operation, feature: Feature) -> Result<()> {
        self.client().require(feature, self.unsent_call(operation))
    }
}
