//! The resident memory of this process.

use std::fs;

/// Returns the resident memory of this process in bytes: now (`VmRSS:`) or at its peak (`VmHWM:`). `None` on other
/// systems than Linux.
pub fn resident(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}
