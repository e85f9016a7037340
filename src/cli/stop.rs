//! [`Stop`]: Ctrl-C and SIGTERM. The first asks the command to stop, the second ends the program.

use std::fs;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::exit::Exit;
use super::output::note;

/// The request to stop.
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    signals: Receiver<()>,
    /// Keeps the channel open.
    sender: Sender<()>,
}

impl Stop {
    /// Catches Ctrl-C, SIGTERM and SIGHUP from now on. The first prints `message`.
    ///
    /// Under nohup, SIGHUP must stay ignored. `ctrlc` catches all three or none, so the other two then end the
    /// program at once.
    pub(crate) fn on_signals(message: &'static str) -> Result<Stop, ctrlc::Error> {
        let (sender, signals) = channel();
        let stop = Stop {
            flag: Arc::default(),
            signals,
            sender,
        };
        if !is_hangup_ignored() {
            let (flag, sender) = (stop.flag(), stop.sender.clone());
            ctrlc::set_handler(move || {
                if flag.swap(true, Ordering::SeqCst) {
                    process::exit(Exit::Stopped as i32);
                }
                note(message);
                // Nothing waits in most commands.
                let _ = sender.send(());
            })?;
        }
        Ok(stop)
    }

    /// Catches signals for a job that finishes its current requests and can be continued.
    pub(crate) fn of_job() -> Result<Stop, ctrlc::Error> {
        Stop::on_signals("finishing the current requests; press Ctrl-C again to stop at once")
    }

    /// Returns the flag for a job's `cancel`.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.flag.clone()
    }

    /// Waits for a signal, for at most this long. Returns whether there was one.
    pub(crate) fn wait(&self, longest: Duration) -> bool {
        self.signals.recv_timeout(longest).is_ok()
    }
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
