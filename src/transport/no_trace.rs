//! Where the feature `opentelemetry` is off: there are no spans.

use ureq::http::request;

use super::exchange::Answer;
use super::{Dialect, Endpoint, Outgoing};
use crate::error::{Error, Result};

pub(super) struct Call;

impl Call {
    pub(super) fn begin(_: Outgoing<'_>, _: &Endpoint, _: &dyn Dialect) -> Call {
        Call
    }

    pub(super) fn attempt(&self, _: Outgoing<'_>, _: &Endpoint, _: u32) -> Attempt {
        Attempt
    }

    pub(super) fn end(&self, _: Option<&Error>, _: &dyn Dialect) {}
}

pub(super) struct Attempt;

impl Attempt {
    pub(super) fn with_context(
        &self,
        request: request::Builder,
        _: &dyn Dialect,
    ) -> request::Builder {
        request
    }

    pub(super) fn end(&self, _: &Result<Answer, ureq::Error>) {}
}

/// What spans of another thread belong to.
#[derive(Clone)]
pub(crate) struct Parent;

impl Parent {
    pub(crate) fn current() -> Parent {
        Parent
    }

    /// What is done until the guard is dropped belongs to it.
    pub(crate) fn enter(&self) -> Entered {
        Entered
    }
}

pub(crate) struct Entered;
