//! [`Settings`]: the options that all transfers share.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::existing::IfExists;
use crate::collection::Collection;
use crate::error::InvalidInput;
use crate::model::progress::Progress;
use crate::transport::RetryPolicy;

/// A function that is called with the progress.
pub(super) type Report<'a> = RefCell<Box<dyn FnMut(&Progress) + 'a>>;

/// A function that is asked before records are replaced or deleted.
pub(super) type Confirm<'a> = RefCell<Box<dyn FnMut(&[Collection]) -> bool + 'a>>;

/// The options that all transfers share. `settings_methods!` documents each of them.
pub(super) struct Settings<'a> {
    pub(super) if_exists: IfExists,
    pub(super) allow_losses: bool,
    pub(super) verify: bool,
    pub(super) checkpoint: Option<PathBuf>,
    pub(super) max_rate: Option<u32>,
    /// How many batches of texts are embedded at the same time.
    pub(super) concurrency: usize,
    pub(super) retry: RetryPolicy,
    pub(super) cancel: Option<Arc<AtomicBool>>,
    pub(super) dry_run: bool,
    /// Whether records of collections that exist may be replaced or deleted.
    pub(super) confirm: Confirm<'a>,
    pub(super) on_progress: Report<'a>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Settings {
            if_exists: IfExists::default(),
            allow_losses: false,
            verify: true,
            checkpoint: None,
            max_rate: None,
            concurrency: 4,
            // As long as a batch job waits.
            retry: RetryPolicy::default().max_retries(10),
            cancel: None,
            dry_run: false,
            confirm: RefCell::new(Box::new(|_| true)),
            on_progress: RefCell::new(Box::new(|_| {})),
        }
    }
}

impl Settings<'_> {
    /// Validates the options.
    pub(super) fn check(&self) -> Result<(), InvalidInput> {
        if self.max_rate == Some(0) {
            let why = "must be at least 1 record per second; leave it out for no limit";
            return Err(InvalidInput::setting("max_rate", "0", why));
        }
        if !(1..=64).contains(&self.concurrency) {
            let why = "must be from 1 to 64; the default is 4";
            let value = self.concurrency.to_string();
            return Err(InvalidInput::setting("concurrency", value, why));
        }
        if self.retry.deadline.is_some() {
            let why = "a transfer has no deadline; use a policy without one, and stop it with .cancel(...)";
            let value = "a policy with a deadline";
            return Err(InvalidInput::setting("retry", value, why));
        }
        Ok(())
    }

    /// Returns a handle of a collection whose calls are repeated as the transfer's policy says, and end with the
    /// transfer.
    pub(super) fn patient(&self, collection: &Collection) -> Collection {
        let patient = collection.with_retry(self.retry);
        match &self.cancel {
            Some(flag) => patient.with_cancel(flag.clone()),
            None => patient,
        }
    }

    /// Calls the caller's function with the progress.
    pub(super) fn report(&self, progress: &Progress) {
        (self.on_progress.borrow_mut())(progress);
    }

    /// Whether the caller's flag is set.
    pub(super) fn is_cancelled(&self) -> bool {
        let flag = self.cancel.as_deref();
        flag.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("if_exists", &self.if_exists)
            .field("allow_losses", &self.allow_losses)
            .field("verify", &self.verify)
            .field("checkpoint", &self.checkpoint)
            .field("max_rate", &self.max_rate)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

/// Methods that set options of `self.settings`, for every kind of transfer.
macro_rules! settings_methods {
    ($($name:ident),+) => {
        $($crate::transfer::settings::settings_methods! { @ $name })+
    };
    (@ if_exists) => {
        /// Sets how a collection of the same name that exists already is treated. Default:
        /// [`IfExists::Fail`](crate::transfer::IfExists::Fail).
        pub fn if_exists(mut self, mode: crate::transfer::IfExists) -> Self {
            self.settings.if_exists = mode;
            self
        }
    };
    (@ allow_losses) => {
        /// Sets whether a collection is created although the target's server cannot store all of its settings.
        /// Default: `false`: the call fails before it writes anything, and the error lists what would be lost.
        /// With `true`, the report [lists](crate::transfer::CopyReport::losses) it.
        pub fn allow_losses(mut self, allow: bool) -> Self {
            self.settings.allow_losses = allow;
            self
        }
    };
    (@ verify) => {
        /// Sets whether the result is compared with its source at the end, record by record: documents, URIs,
        /// metadata and vectors. Records that differ are written again, for at most three rounds. Default:
        /// `true`.
        pub fn verify(mut self, verify: bool) -> Self {
            self.settings.verify = verify;
            self
        }
    };
    (@ checkpoint) => {
        /// Sets the file that records how far the transfer has come. Default: none.
        ///
        /// If the file exists, the transfer continues: it leaves out the records whose ids the target has, and
        /// collections that are complete. It deletes the file when it is complete. Next to the file is a lock,
        /// whose name ends in `.lock`. Only the current user can read them.
        pub fn checkpoint(mut self, file: impl Into<std::path::PathBuf>) -> Self {
            self.settings.checkpoint = Some(file.into());
            self
        }
    };
    (@ max_rate) => {
        /// Sets the maximum number of records that are read per second, so that the servers have time for
        /// others. Default: no limit.
        pub fn max_rate(mut self, records_per_second: u32) -> Self {
            self.settings.max_rate = Some(records_per_second);
            self
        }
    };
    (@ retry) => {
        /// Sets the retry policy for servers that fail. Default: ten retries, after about 1, 2, 4 seconds and
        /// so on up to a minute, which is about five minutes in total.
        pub fn retry(mut self, policy: crate::RetryPolicy) -> Self {
            self.settings.retry = policy;
            self
        }
    };
    (@ cancel) => {
        /// Sets a flag that stops the transfer gracefully when it is `true`. Default: none.
        ///
        /// The transfer then finishes the requests in flight, keeps the checkpoint, and returns its report with
        /// `cancelled` set.
        pub fn cancel(
            mut self,
            flag: std::sync::Arc<std::sync::atomic::AtomicBool>,
        ) -> Self {
            self.settings.cancel = Some(flag);
            self
        }
    };
    (@ dry_run) => {
        /// Sets whether the transfer only reports what it would do. Default: `false`.
        pub fn dry_run(mut self, dry_run: bool) -> Self {
            self.settings.dry_run = dry_run;
            self
        }
    };
    (@ confirm) => {
        /// Sets a function that is asked before records of collections that exist already are replaced or
        /// deleted. It is called once, with the collections, after all checks and before anything is written.
        /// If it returns `false`, nothing is written, and the report has `cancelled` set. It is not called in a
        /// dry run. Default: all may be changed.
        pub fn confirm(mut self, ask: impl FnMut(&[crate::Collection]) -> bool + 'a) -> Self {
            self.settings.confirm = std::cell::RefCell::new(Box::new(ask));
            self
        }
    };
    (@ on_progress) => {
        /// Sets a function to call with the progress after each write, on the calling thread. Default: none.
        pub fn on_progress(mut self, report: impl FnMut(&crate::Progress) + 'a) -> Self {
            self.settings.on_progress = std::cell::RefCell::new(Box::new(report));
            self
        }
    };
}
pub(super) use settings_methods;
