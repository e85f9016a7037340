//! Ctrl-C, SIGTERM and SIGHUP. The first asks the command to stop, the second ends the program.

use std::fs;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::exit::Exit;
use super::output::note;

/// Catches Ctrl-C, SIGTERM and SIGHUP from now on. The first prints `message`, sets the flag that is returned, and
/// wakes this thread.
///
/// Under nohup, SIGHUP must stay ignored. `ctrlc` catches all three or none, so the other two then end the
/// program at once.
pub(crate) fn on_signals(message: &'static str) -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    if !is_hangup_ignored() {
        let (flag, thread) = (stop.clone(), thread::current());
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::SeqCst) {
                process::exit(Exit::Stopped as i32);
            }
            note(message);
            thread.unpark();
        })?;
    }
    Ok(stop)
}

/// Returns whether the program was started by nohup. Only Linux shows it.
fn is_hangup_ignored() -> bool {
    const SIGHUP: u64 = 1;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let ignored = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let signals = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    signals.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}
