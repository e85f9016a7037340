//! Measures the memory of copies between servers that store nothing, so that many records take little time.

use std::error::Error;

use crate::Size;
use crate::job::Job;
use crate::null_server::NullServer;
use crate::table::{Goal, Row};

/// The goal for the peak in addition to the idle program, in MiB.
const LIMIT: f64 = 64.0;
/// The goal for the difference between few and many records, in MiB.
const GROWTH: f64 = 8.0;

pub fn all(size: &Size) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut rows = Vec::new();
    let mut peaks = Vec::new();
    for records in size.memory {
        eprintln!("measuring: the memory of a copy of {records} records");
        let (source, target) = (NullServer::start(Some(records))?, NullServer::start(None)?);
        let job = Job {
            from: source.url().to_owned(),
            to: target.url().to_owned(),
        };
        let outcome = job.run()?;
        if (outcome.records, target.records()) != (records, records) {
            return Err(format!("{} of {records} records", outcome.records).into());
        }
        // Other systems than Linux do not tell.
        let Some(bytes) = outcome.resident else {
            continue;
        };
        let mib = bytes as f64 / f64::from(1 << 20);
        peaks.push(mib);
        rows.push(Row {
            name: format!("memory/{records}"),
            what: format!("peak memory of a copy of {records} records, over the idle program"),
            value: mib,
            unit: "MiB",
            ratio: None,
            goal: Some(Goal::AtMost(LIMIT)),
        });
    }
    if let [few, many] = peaks[..] {
        rows.push(Row {
            name: "memory/growth".to_owned(),
            what: format!(
                "its growth from {} to {} records",
                size.memory[0], size.memory[1]
            ),
            value: many - few,
            unit: "MiB",
            ratio: Some(many / few),
            goal: Some(Goal::AtMost(GROWTH)),
        });
    }
    Ok(rows)
}
