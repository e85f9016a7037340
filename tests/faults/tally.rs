//! [`Tally`]: the numbers of operations and results.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::Flaws;

/// The totals of a thread, of a seed, or of a run.
#[derive(Debug, Default)]
pub struct Tally {
    pub operations: usize,
    /// The number of calls that failed.
    pub failed: usize,
    /// The number of calls that were executed in part.
    pub partly: usize,
    /// The number of records that were compared with the model.
    pub checked: usize,
    /// The number of records with an unknown outcome.
    pub unknown: usize,
    /// The number of calls that took too long.
    pub hangs: usize,
    pub panics: usize,
    /// Adds the requests and faults of a proxy.
    pub requests: usize,
    pub faults: BTreeMap<String, usize>,
    pub flaws: Flaws,
}

impl Tally {
    pub fn merge(&mut self, other: Tally) {
        self.operations += other.operations;
        self.failed += other.failed;
        self.partly += other.partly;
        self.checked += other.checked;
        self.unknown += other.unknown;
        self.hangs += other.hangs;
        self.panics += other.panics;
        self.requests += other.requests;
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.flaws.merge(other.flaws);
    }

    pub fn is_fine(&self) -> bool {
        self.hangs + self.panics == 0 && self.flaws.words.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations ({} failed, {} done in part), ",
            self.operations, self.failed, self.partly
        )?;
        if self.requests > 0 {
            let faults = self.faults.iter();
            let faults: Vec<_> = faults
                .map(|(fault, count)| format!("{fault} {count}"))
                .collect();
            write!(
                f,
                "{} requests, {} faults ({}), ",
                self.requests,
                self.faults.values().sum::<usize>(),
                faults.join(", ")
            )?;
        }
        write!(
            f,
            "{} records checked, {} of unknown fate, {} lost, {} duplicated, {} wrong, {} hangs, {} panics",
            self.checked,
            self.unknown,
            self.flaws.lost,
            self.flaws.duplicated,
            self.flaws.wrong,
            self.hangs,
            self.panics
        )
    }
}
