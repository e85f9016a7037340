//! Which records a read or a delete is about, and what to do where a server takes that for something else.

use super::{Collection, IntoIds};
use crate::error::{Error, InvalidInput, Result};
use crate::model::filter::{Parts, Where, restrict};
use crate::model::schema::{InvertedIndex, Schema};
use crate::transport::Operation;

/// Ids and filter of a read or a delete.
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

    /// What goes into the request, or `None` when no record can be meant: the server would take an empty list of ids
    /// for no list, and so mean all records.
    pub(super) fn parts(
        self,
        mistakes: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Parts>, InvalidInput> {
        let parts = self
            .filter
            .map(|filter| filter.split(mistakes))
            .transpose()?;
        let mut parts = parts.unwrap_or_default();
        if let Some(ids) = self.ids {
            parts.narrow_ids(ids);
        }
        Ok(Some(parts).filter(|parts| parts.ids.as_ref().is_none_or(|ids| !ids.is_empty())))
    }
}

impl Collection {
    /// What goes into the request, or `None` when no record can be meant.
    pub(super) fn select(
        &self,
        operation: &Operation,
        selection: Selection,
    ) -> Result<Option<Parts>> {
        // Chroma Cloud and distributed servers, which alone have this kind of index, do not mistake them.
        let distributed = self.client().is_cloud() || self.configuration().spann.is_some();
        let schema = self.schema();
        let mistakes = |field: &str| {
            let indexed = |schema: &Schema| schema.has_index(field, InvertedIndex::Int);
            !distributed && schema.is_none_or(indexed)
        };
        let parts = selection
            .parts(&mistakes)
            .map_err(|reason| self.unsent_call(operation).invalid(reason))?;
        let tests_lists = |parts: &Parts| parts.fields.as_ref().is_some_and(Where::tests_lists);
        if parts.as_ref().is_some_and(tests_lists)
            && !self.client().supports(|server| server.metadata_lists)?
        {
            return Err(self.unsupported(
                    operation,
                    "it takes contains on a field for contains on the document; lists in metadata need Chroma 1.5",
                ));
        }
        Ok(parts)
    }

    /// Turns the error of a request with these parts into [`Error::Unsupported`] if the server is too old for one of
    /// them. Such a server says only that the request is invalid.
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

    /// Whether the server is one of the first of the v2 API.
    fn is_old(&self) -> bool {
        let limits = self.client().pre_flight_checks();
        limits.is_ok_and(|limits| !limits.supports_base64_encoding)
    }

    /// The error of a call that this server would take for another one. Nothing was sent.
    pub(super) fn unsupported(&self, operation: &Operation, message: &str) -> Error {
        Error::Unsupported {
            call: Box::new(self.unsent_call(operation)),
            message: message.to_owned(),
        }
    }
}
