//! [`IfExists`]: how a copy treats a collection that exists already. [`Origin`]: whether its target did.

use serde::{Deserialize, Serialize};

/// How a copy or a restore treats a collection of the same name that exists already. If there is none, it is
/// created in all cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum IfExists {
    /// Fails before anything is written. The default.
    #[default]
    Fail,
    /// Adds the records whose ids do not exist. Changes no record.
    AddNew,
    /// Adds records, and replaces those that differ. A record that has lost its document or its URI is deleted
    /// from the target and added again. If the run ends between the two, the next run adds it.
    Replace,
    /// As [`Replace`](IfExists::Replace), and deletes the records that are not in the source. With a filter,
    /// only records that pass the filter are deleted. If the source has no records, nothing is deleted, and the
    /// [report](super::CopyReport::withheld) counts the records that were kept.
    Mirror,
}

/// Where the target of a transfer comes from. It decides which differences count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This transfer has created it, perhaps in an earlier run.
    Created,
    /// It existed before, and is treated so.
    Existing(IfExists),
}
