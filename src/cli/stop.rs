//! [`Stop`]: Ctrl-C and SIGTERM. The first asks the command to stop, the second ends the program.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::exit::Exit;
use super::output::note;

/// The request to stop.
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    signals: Receiver<()>,
}

impl Stop {
    /// Catches Ctrl-C, SIGTERM and SIGHUP from now on. The first prints `message`.
    pub(crate) fn on_signals(message: &'static str) -> Result<Stop, ctrlc::Error> {
        let flag = Arc::new(AtomicBool::new(false));
        let (sender, signals) = channel();
        let stop = flag.clone();
        ctrlc::set_handler(move || {
            if stop.swap(true, Ordering::SeqCst) {
                process::exit(Exit::Stopped as i32);
            }
            note(message);
            // Nothing waits in most commands.
            let _ = sender.send(());
        })?;
        Ok(Stop { flag, signals })
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
        !matches!(
            self.signals.recv_timeout(longest),
            Err(RecvTimeoutError::Timeout)
        )
    }
}
