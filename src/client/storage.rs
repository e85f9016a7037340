//! Failures of a server's storage, which stay until the server is repaired.

/// A failure of a server's storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The index of the collection cannot be read.
    BrokenIndex,
    /// The server's database or disk, with the advice.
    Lasting(&'static str),
}

/// Parts of the messages of a single-node server whose index cannot be read.
const BROKEN_INDEX: [&str; 5] = [
    "Error deserializing pickle file",
    "Error loading hnsw index",
    "Persisted HNSW dimensionality",
    "Failed to get hnsw segment writer",
    "Failed to apply logs to the hnsw segment writer",
];

const FULL: &str = "free space on the server's disk";
const READ_ONLY: &str = "make the server's data folder writable for the server";
const DAMAGED: &str = "restore the server's data folder from a backup";
const REPLACED: &str =
    "the server's data folder was removed or replaced; restart the server, or restore a backup";
const FAILING: &str = "check the server's disk";
const CANNOT_APPLY: &str =
    "the server's disk may be full, or the server cannot store one of the records; see its log";

/// Parts of the messages of SQLite and of operating systems, with the advice. A busy database is not among
/// them, because a retry helps.
const LASTING: [(&str, &str); 16] = [
    // The file was moved or removed while the server had it open.
    ("(code: 1032)", REPLACED),
    // Chroma 1.5.9 hides the reason.
    ("Failed to apply logs to the metadata segment", CANNOT_APPLY),
    ("database or disk is full", FULL),
    ("No space left on device", FULL),
    ("Disk quota exceeded", FULL),
    ("attempt to write a readonly database", READ_ONLY),
    ("access permission denied", READ_ONLY),
    ("Read-only file system", READ_ONLY),
    ("Permission denied (os error", READ_ONLY),
    ("database disk image is malformed", DAMAGED),
    ("file is not a database", DAMAGED),
    ("no such table", REPLACED),
    ("no such column", REPLACED),
    ("unable to open database file", REPLACED),
    ("disk I/O error", FAILING),
    ("Input/output error (os error", FAILING),
];

/// Returns the fault that the message of a response with status 500 reports, if retries do not help.
pub(super) fn fault(message: &str) -> Option<Fault> {
    // Searched first: a server whose disk is full cannot write an index either, and the index is not broken.
    let mut lasting = LASTING.iter();
    if let Some((_, advice)) = lasting.find(|(part, _)| message.contains(part)) {
        return Some(Fault::Lasting(advice));
    }
    let is_broken = BROKEN_INDEX.iter().any(|part| message.contains(part));
    is_broken.then_some(Fault::BrokenIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_27_an_index_that_a_full_disk_keeps_from_being_written_is_not_broken() {
        for (cause, advice) in [
            ("No space left on device (os error 28)", FULL),
            ("Read-only file system (os error 30)", READ_ONLY),
            ("Input/output error (os error 5)", FAILING),
        ] {
            for index in BROKEN_INDEX {
                for message in [format!("{index}: {cause}"), format!("{cause}: {index}")] {
                    assert_eq!(fault(&message), Some(Fault::Lasting(advice)), "{message}");
                }
                assert_eq!(fault(index), Some(Fault::BrokenIndex));
            }
        }
    }

    #[test]
    fn field_27_a_busy_server_is_not_a_broken_one() {
        for message in [
            "Database error: error returned from database: (code: 5) database is locked",
            "Database error: error returned from database: (code: 262) database table is locked",
            "Error creating hnsw segment reader: Nothing found on disk",
            "pool timed out while waiting for an open connection",
            "oops",
        ] {
            assert_eq!(fault(message), None, "{message}");
        }
    }
}
