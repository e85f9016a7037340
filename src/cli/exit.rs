//! The exit codes of `chroma_client` and of the example `batch_ingest`.

use std::error::Error;
use std::io::ErrorKind;
use std::process::ExitCode;

use chroma_blocking::InvalidInput;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything was done.
    Done = 0,
    /// An error that needs attention, or the answer was no.
    Failed = 1,
    /// Wrong options: the exit code of shells and most tools. (`EX_USAGE` in sysexits.h is 64.)
    Usage = 2,
    /// Everything was written, but old records were kept, or a copy differs from its source.
    Kept = 3,
    /// `EX_TEMPFAIL` in sysexits.h: some schedulers then try again.
    TryLater = 75,
    /// The exit code that shells use for a program that SIGINT ended: 128 + 2.
    Stopped = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error in the options of the command line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Returns how a program with this error ends.
pub(crate) fn of_error(error: &(dyn Error + 'static)) -> Exit {
    use chroma_blocking::Error::{Cancelled, Differs, Invalid, PartlyDone};

    if error.is::<UsageError>() {
        return Exit::Usage;
    }
    match error.downcast_ref::<chroma_blocking::Error>() {
        // A damaged file of a backup is not a wrong option.
        Some(Invalid {
            reason: InvalidInput::Setting { name: "file", .. },
            ..
        }) => Exit::Failed,
        Some(Invalid {
            reason:
                InvalidInput::Setting { .. } | InvalidInput::Name { .. } | InvalidInput::Filter { .. },
            ..
        }) => Exit::Usage,
        Some(Cancelled { .. }) => Exit::Stopped,
        Some(Differs { .. }) => Exit::Kept,
        Some(PartlyDone { source, .. }) if matches!(**source, Cancelled { .. }) => Exit::Stopped,
        Some(error) if is_temporary(error) => Exit::TryLater,
        _ => Exit::Failed,
    }
}

/// Returns whether the job may succeed later. An exhausted quota is not retryable, but it is renewed the next
/// day.
fn is_temporary(error: &chroma_blocking::Error) -> bool {
    use chroma_blocking::Error::{Embedding, Ingest, Io, PartlyEmbedded, QuotaExhausted};

    match error {
        Ingest { source, .. } | PartlyEmbedded { source, .. } => is_temporary(source),
        Embedding { source, .. } => source.downcast_ref().is_some_and(is_temporary),
        QuotaExhausted { .. } => true,
        Io { source, .. } => source.kind() == ErrorKind::ResourceBusy,
        other => other.is_retryable(),
    }
}
