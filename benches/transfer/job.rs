//! Runs a copy in a separate process, so that only its memory is measured.

use std::error::Error;
use std::process::{Command, Stdio};

use chroma_blocking::Client;
use serde::{Deserialize, Serialize};

use crate::null_server::COLLECTION;
use crate::resident::resident;

/// The first argument of the process; the second is the job, as JSON.
pub const ARGUMENT: &str = "--job";

/// The work of a process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// The URLs of the servers.
    pub from: String,
    pub to: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The number of records written.
    pub records: usize,
    /// The peak resident memory in addition to that of the idle process, in bytes. Only on Linux.
    pub resident: Option<u64>,
}

impl Job {
    /// Runs the job in another process.
    pub fn run(&self) -> Result<Outcome, Box<dyn Error>> {
        let output = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &serde_json::to_string(self)?])
            .stderr(Stdio::inherit())
            .output()?;
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout)?)
        } else {
            Err(format!("{self:?} failed").into())
        }
    }
}

/// Runs the other process: copies the collection, verifies it, and prints the outcome.
pub fn main(job: &str) -> Result<(), Box<dyn Error>> {
    let job: Job = serde_json::from_str(job)?;
    let client = |url: &str| Client::builder().host(url).build();
    let (from, to) = (client(&job.from)?, client(&job.to)?);
    let source = from.collection(COLLECTION).get()?;
    to.pre_flight_checks()?;
    let idle = resident("VmRSS:");
    let report = source.copy_to(&to).run()?;
    let peak = resident("VmHWM:");
    let outcome = Outcome {
        records: report.written as usize,
        resident: peak.zip(idle).map(|(peak, idle)| peak.saturating_sub(idle)),
    };
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}
