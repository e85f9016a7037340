//! The memory of this process, as Linux counts it.

use std::fs;

use crate::Result;

/// From here on, [`peak`] looks. Returns what is resident now, in bytes.
pub fn start() -> Result<u64> {
    // 5: forget the highest value so far (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5")?;
    status("VmRSS:")
}

/// The most that was resident since [`start`], in bytes.
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
