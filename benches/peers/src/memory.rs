//! Measures the resident memory of this process, on Linux.

use std::fs;

use crate::Result;

/// Starts a measurement with [`peak`]. Returns the current resident memory in bytes.
pub fn start() -> Result<u64> {
    // 5 resets the peak (see proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5")?;
    status("VmRSS:")
}

/// Returns the peak resident memory since [`start`], in bytes.
pub fn peak() -> Result<u64> {
    status("VmHWM:")
}

fn status(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mut lines = status.lines();
    let kibibytes = lines
        .find_map(|line| line.strip_prefix(field)?.split_whitespace().next())
        .ok_or_else(|| format!("no {field} in /proc/self/status"))?;
    Ok(kibibytes.parse::<u64>()? * 1024)
}
