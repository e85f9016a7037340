//! [`IngestReport`]: what a batch job has done.

use std::fmt;
use std::time::Duration;

/// Bad records that a report describes; it counts all of them.
const DESCRIBED: usize = 100;

/// What a job did. Its `Display` is a line for people.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct IngestReport {
    /// Items that were read from the input and are this job's, those of [`resumed`](IngestReport::resumed) not among them.
    pub read: u64,
    /// Items of the input that an earlier run had done, by the checkpoint.
    pub resumed: u64,
    /// Records that the server has acknowledged; in a dry run, those that would be written.
    pub written: u64,
    /// Records that were there already: unchanged, or, where only new ones are added, of an id that exists.
    pub skipped: u64,
    /// Bad records, left out.
    pub failed: u64,
    /// Records that were deleted, since the input has them no more; in a dry run, those that would be.
    pub deleted: u64,
    /// Texts that were embedded, of records that the job then tried to write; in a dry run, those that would be.
    pub embedded: u64,
    /// Of these, texts whose vectors a cache had, where the embedding function says so.
    pub cached: u64,
    /// Requests that were made again, to the server and, as far as the embedding function says, by that; and batches that were
    /// embedded again. Those of the input and of callbacks count, too, if they are made on the job's threads.
    pub retries: u64,
    /// From beginning to end.
    pub elapsed: Duration,
    /// Whether a flag stopped it before the end of the input.
    pub cancelled: bool,
    /// Whether nothing was done in earnest.
    pub dry_run: bool,
    /// The first hundred bad records.
    pub bad: Vec<BadRecord>,
}

impl IngestReport {
    /// Records written per second.
    pub fn per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        match seconds > 0.0 {
            true => self.written as f64 / seconds,
            false => 0.0,
        }
    }

    pub(crate) fn add_bad(&mut self, bad: BadRecord) {
        self.failed += 1;
        if self.bad.len() < DESCRIBED {
            self.bad.push(bad);
        }
    }
}

impl fmt::Display for IngestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.dry_run, self.cancelled) {
            (true, _) => "dry run: ",
            (false, true) => "stopped: ",
            (false, false) => "",
        };
        write!(f, "{state}{} written", self.written)?;
        let rest = [
            (self.skipped, "skipped"),
            (self.failed, "failed"),
            (self.deleted, "deleted"),
            (self.embedded, "embedded"),
            (self.cached, "from the cache"),
            (self.retries, "retries"),
            (self.resumed, "done before"),
        ];
        for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        write!(
            f,
            " in {:.1} s, {:.0} per second",
            self.elapsed.as_secs_f64(),
            self.per_second()
        )
    }
}

/// A record that could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRecord {
    /// Which item of the input, counted from 0.
    pub item: u64,
    /// Its id; `None` where it could not be read.
    pub id: Option<String>,
    /// Where it failed.
    pub stage: IngestStage,
    /// Why.
    pub reason: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "record {id:?} (item {})", self.item)?,
            None => write!(f, "item {}", self.item)?,
        }
        write!(f, " cannot be {}: {}", self.stage.participle(), self.reason)
    }
}

/// What is done with a record, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IngestStage {
    /// The input gives it.
    Read,
    /// It is looked at before anything is sent.
    Check,
    /// Its text becomes a vector.
    Embed,
    /// The server takes it.
    Write,
}

impl IngestStage {
    /// As dead letters name it.
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
    fn a_report_is_a_line() {
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
    fn bad_records_are_described_up_to_a_bound_and_counted_beyond() {
        let mut report = IngestReport::default();
        for item in 0..1000 {
            report.add_bad(BadRecord {
                item,
                id: Some("a".to_owned()),
                stage: IngestStage::Embed,
                reason: "no".to_owned(),
            });
        }
        assert_eq!((report.failed, report.bad.len()), (1000, DESCRIBED));
        assert_eq!(
            report.bad[7].to_string(),
            "record \"a\" (item 7) cannot be embedded: no"
        );
    }
}
