//! [`IngestReport`]: the result of a batch job.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::printable::OneLine;

/// The maximum number of bad records that a report describes. It counts all of them.
const MAX_DESCRIBED: usize = 100;

/// The result of a batch job.
///
/// Returned by [`Ingest::run`](crate::ingest::Ingest::run), and part of
/// [`Error::Ingest`](crate::Error::Ingest). Its `Display` is one line: `12000 written, 3 skipped in 60.0 s,
/// 200 per second`. Serialized, it has `seconds` instead of `elapsed`, and neither `left_out` nor `bad`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IngestReport {
    /// Items of the job's shard that this run read from the input. Does not include
    /// [`resumed`](IngestReport::resumed).
    pub read: u64,
    /// Items of the input that an earlier run had done, according to the checkpoint.
    pub resumed: u64,
    /// Records that the server acknowledged. In a dry run, records that would be written.
    pub written: u64,
    /// Records that were already stored: unchanged ones, or with
    /// [`only_new`](crate::ingest::Ingest::only_new), those whose id exists.
    pub skipped: u64,
    /// Bad records. They were not written.
    pub failed: u64,
    /// Records without a vector whose documents are [empty](crate::ingest::Ingest#empty-documents). They were
    /// not written.
    pub empty: u64,
    /// Records that were deleted because the input no longer has them. In a dry run, records that would be
    /// deleted.
    pub deleted: u64,
    /// Records that the job would have deleted, because the input no longer has them, but kept for the reason
    /// in [`withheld_because`](IngestReport::withheld_because).
    pub withheld: u64,
    /// Why a [`sync`](crate::ingest::Ingest::sync) or
    /// [`replace_documents`](crate::ingest::Ingest::replace_documents) kept old records, such as `1 item could
    /// not be read`. `None` if it did not.
    pub withheld_because: Option<String>,
    /// Texts embedded for records that the job tried to write. In a dry run, texts that would be embedded.
    pub embedded: u64,
    /// How many of the embedded texts came from a cache, if the embedding function reports it.
    pub cached: u64,
    /// Repeated requests to the server, repeated requests of the embedding function if it reports them, and
    /// batches that were embedded again. Also counts retries of requests that the input iterator and the
    /// callbacks send with this crate's clients on the job's threads.
    pub retries: u64,
    /// The time from the start to the end of the run.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// Whether [the caller's flag](crate::ingest::Ingest::cancel) stopped the job before the end of the
    /// input.
    pub cancelled: bool,
    /// Whether this was a [dry run](crate::ingest::Ingest::dry_run).
    pub dry_run: bool,
    /// Fields that a reader of this crate left out of records: how often, by name. See
    /// [`NestedFields::Skip`](crate::ingest::NestedFields::Skip). After the first 100 names, all others are
    /// counted as `…`.
    ///
    /// Counts what is read on the thread that called [`run`](crate::ingest::Ingest::run).
    #[serde(skip)]
    pub left_out: BTreeMap<String, u64>,
    /// The first 100 bad records. [`failed`](IngestReport::failed) counts all of them.
    #[serde(skip)]
    pub bad: Vec<BadRecord>,
}

impl IngestReport {
    /// Returns the number of records written per second.
    pub fn per_second(&self) -> f64 {
        per_second(self.written, self.elapsed)
    }

    /// Counts records that are kept although the input no longer has them.
    pub(crate) fn withhold(&mut self, records: u64, why: &str) {
        if records == 0 {
            return;
        }
        self.withheld += records;
        match &mut self.withheld_because {
            Some(reasons) if reasons.contains(why) => {}
            Some(reasons) => {
                reasons.push_str("; ");
                reasons.push_str(why);
            }
            None => self.withheld_because = Some(why.to_owned()),
        }
    }

    /// Writes `, left out: author (3), tags (1)`.
    fn fmt_left_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        for (index, (name, count)) in self.left_out.iter().take(SHOWN).enumerate() {
            let start = if index == 0 { ", left out:" } else { "," };
            write!(f, "{start} {} ({count})", name.escape_debug())?;
        }
        if self.left_out.len() > SHOWN {
            f.write_str(" …")?;
        }
        Ok(())
    }

    pub(crate) fn add_bad(&mut self, bad: BadRecord) {
        self.failed += 1;
        if self.bad.len() < MAX_DESCRIBED {
            self.bad.push(bad);
        }
    }
}

impl fmt::Display for IngestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = state(self.dry_run, self.cancelled);
        write!(f, "{state}{} written", self.written)?;
        let rest = [
            (self.skipped, "skipped"),
            (self.failed, "failed"),
            (self.empty, "empty"),
            (self.deleted, "deleted"),
            (self.embedded, "embedded"),
            (self.cached, "from the cache"),
            (self.retries, "retries"),
            (self.resumed, "already done"),
        ];
        write_counts(f, &rest)?;
        write_withheld(f, self.withheld, self.withheld_because.as_deref())?;
        self.fmt_left_out(f)?;
        write!(
            f,
            " in {:.1} s, {:.0} per second",
            self.elapsed.as_secs_f64(),
            self.per_second()
        )
    }
}

/// Serializes a time in seconds.
pub(crate) fn seconds<S: Serializer>(elapsed: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(elapsed.as_secs_f64())
}

/// Returns the number of records written per second; 0 if no time has passed.
pub(crate) fn per_second(written: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 {
        written as f64 / seconds
    } else {
        0.0
    }
}

/// Returns the start of a report that is not that of a complete run.
pub(crate) fn state(dry_run: bool, cancelled: bool) -> &'static str {
    match (dry_run, cancelled) {
        (true, _) => "dry run: ",
        (false, true) => "stopped: ",
        (false, false) => "",
    }
}

/// Writes `, 3 skipped, 1 failed`, without the counts that are 0.
pub(crate) fn write_counts(f: &mut fmt::Formatter<'_>, counts: &[(u64, &str)]) -> fmt::Result {
    for (count, what) in counts.iter().filter(|(count, _)| *count > 0) {
        write!(f, ", {count} {what}")?;
    }
    Ok(())
}

/// Writes `, 2 not deleted (…)` if records were kept.
pub(crate) fn write_withheld(
    f: &mut fmt::Formatter<'_>,
    records: u64,
    why: Option<&str>,
) -> fmt::Result {
    match why {
        Some(why) => write!(f, ", {records} not deleted ({})", OneLine(why)),
        None => Ok(()),
    }
}

/// A record that could not be written.
///
/// Its `Display` is one line: `record "a" (item 7) cannot be embedded: the text is too long`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRecord {
    /// The position of the item in the input, counted from 0.
    pub item: u64,
    /// The record's id. `None` if the item could not be read.
    pub id: Option<String>,
    /// The step that failed.
    pub stage: IngestStage,
    /// Why it failed.
    pub reason: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "record {id:?} (item {})", self.item)?,
            None => write!(f, "item {}", self.item)?,
        }
        let (step, reason) = (self.stage.participle(), OneLine(&self.reason));
        write!(f, " cannot be {step}: {reason}")
    }
}

/// The steps that a batch job takes with each record, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IngestStage {
    /// Reading the record from the input.
    Read,
    /// Validating the record before anything is sent.
    Check,
    /// Embedding the record's text.
    Embed,
    /// Writing the record to the server.
    Write,
}

impl IngestStage {
    /// Returns the name that dead letters and log lines use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            IngestStage::Read => "read",
            IngestStage::Check => "check",
            IngestStage::Embed => "embed",
            IngestStage::Write => "write",
        }
    }

    fn participle(self) -> &'static str {
        match self {
            IngestStage::Read => "read",
            IngestStage::Check => "sent",
            IngestStage::Embed => "embedded",
            IngestStage::Write => "written",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_displayed_as_one_line() {
        let report = IngestReport {
            written: 12_000,
            skipped: 3,
            elapsed: Duration::from_secs(60),
            ..IngestReport::default()
        };
        assert_eq!(
            report.to_string(),
            "12000 written, 3 skipped in 60.0 s, 200 per second"
        );
        let nothing = IngestReport {
            cancelled: true,
            ..IngestReport::default()
        };
        assert_eq!(
            nothing.to_string(),
            "stopped: 0 written in 0.0 s, 0 per second"
        );
    }

    #[test]
    fn the_first_hundred_bad_records_are_described_and_all_are_counted() {
        let mut report = IngestReport::default();
        for item in 0..1000 {
            report.add_bad(BadRecord {
                item,
                id: Some("a".to_owned()),
                stage: IngestStage::Embed,
                reason: "no".to_owned(),
            });
        }
        assert_eq!((report.failed, report.bad.len()), (1000, MAX_DESCRIBED));
        assert_eq!(
            report.bad[7].to_string(),
            "record \"a\" (item 7) cannot be embedded: no"
        );
    }
}
