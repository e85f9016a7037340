//! Replaces `facade.rs` if the feature `metrics` is off. Reports nothing.

#![allow(clippy::unused_self, reason = "the signatures are those of facade.rs")]

use std::time::Duration;

use super::embedding::EmbeddingCall;

#[derive(Debug)]
pub(super) struct Operation;

impl Operation {
    pub(super) fn new(_: &'static str) -> Operation {
        Operation
    }

    pub(super) fn record_attempt(&self, _: u64, _: u64) {}

    pub(super) fn record_retry(&self) {}

    pub(super) fn record_call(&self, _: Duration) {}
}

pub(super) fn record_error(_: &'static str, _: &'static str) {}

#[derive(Debug)]
pub(super) struct Embedding;

impl Embedding {
    pub(super) fn new(_: &str) -> Embedding {
        Embedding
    }

    pub(super) fn record_call(&self, _: &EmbeddingCall) {}
}

#[derive(Debug)]
pub(super) struct Pool;

impl Pool {
    pub(super) fn new() -> Pool {
        Pool
    }

    pub(super) fn opened(&self) {}

    pub(super) fn closed(&self) {}

    pub(super) fn busy(&self) {}

    pub(super) fn idle(&self) {}

    pub(super) fn reused(&self) {}
}

#[derive(Debug)]
pub(crate) struct Breaker;

impl Breaker {
    pub(crate) fn new(_: &str) -> Breaker {
        Breaker
    }

    pub(crate) fn opened(&self) {}

    pub(crate) fn closed(&self) {}
}
