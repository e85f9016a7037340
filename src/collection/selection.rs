//! [`Selection`]: the ids and the filter of a call, in a form that the server does not misread.

use super::limits::MAX_IDS;
use super::{Collection, IntoIds};
use crate::client::Feature;
use crate::error::{Error, InvalidInput, Result};
use crate::model::filter::{MAX_VARIABLES, Parts, Where, restrict};
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

    /// Cuts a selection whose filter has too many values for one request.
    fn cut(self) -> impl Iterator<Item = Selection> {
        let Selection { ids, filter } = self;
        let max_ids = if ids.is_some() { MAX_IDS } else { 0 };
        let filters: Vec<Option<Where>> = match filter {
            Some(filter) => filter
                .cut(MAX_VARIABLES - max_ids)
                .into_iter()
                .map(Some)
                .collect(),
            None => vec![None],
        };
        std::iter::repeat_n(ids, filters.len())
            .zip(filters)
            .map(|(ids, filter)| Selection { ids, filter })
    }
}

impl Collection {
    /// Returns the parts of one or several requests that together select these records. For calls that may be
    /// split.
    ///
    /// # Errors
    /// As for [`select`](Collection::select).
    pub(super) fn select_in_parts(
        &self,
        operation: &Operation,
        selection: Selection,
    ) -> Result<Vec<Parts>> {
        if !self.is_single_node() {
            return Ok(self.select(operation, selection)?.into_iter().collect());
        }
        selection
            .cut()
            .filter_map(|part| self.select(operation, part).transpose())
            .collect()
    }

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
        // Only single-node servers misread filters, or have limits of SQLite.
        let is_single_node = self.is_single_node();
        let schema = self.schema();
        let is_misread = |field: &str| {
            let is_indexed = |schema: &Schema| schema.has_index(field, InvertedIndex::Int);
            is_single_node && schema.is_none_or(is_indexed)
        };
        let invalid = |reason| self.unsent_call(operation).invalid(reason);
        let Some(parts) = selection.parts(&is_misread).map_err(invalid)? else {
            return Ok(None);
        };
        if is_single_node {
            parts.check_limits().map_err(invalid)?;
        }
        if parts.fields.as_ref().is_some_and(Where::tests_lists) {
            self.require(operation, Feature::MetadataLists)?;
        }
        Ok(Some(parts))
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
