//! Replaces the spans if the feature `opentelemetry` is off.

#![allow(clippy::unused_self, reason = "the signatures are those of trace.rs")]

use ureq::http::request;

use super::dialect::Dialect;
use super::endpoint::Endpoint;
use super::operation::HttpRequest;
use super::response::HttpResponse;
use crate::error::{Error, Result};

pub(super) struct Call;

impl Call {
    pub(super) fn begin(_: HttpRequest<'_>, _: &Endpoint, _: &dyn Dialect) -> Call {
        Call
    }

    pub(super) fn attempt(&self, _: HttpRequest<'_>, _: &Endpoint, _: u32) -> Attempt {
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

    pub(super) fn end(&self, _: &Result<HttpResponse, ureq::Error>) {}
}

/// The context that spans of another thread belong to.
#[derive(Clone)]
pub(crate) struct Parent;

impl Parent {
    pub(crate) fn current() -> Parent {
        Parent
    }

    /// Makes this context the parent of all spans until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        Entered
    }
}

pub(crate) struct Entered;
