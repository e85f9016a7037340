//! [`Bar`]: a progress bar on standard error, on a terminal only.

use std::cell::Cell;
use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use chroma_blocking::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use super::args::Global;
use super::output::note;

/// The time between two lines of progress without a terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows the progress of a long call: a bar on a terminal. Without a terminal, prints nothing, or with `--verbose`
/// a line every ten seconds.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// The time of the last line, if lines are printed.
    last_line: Option<Cell<Instant>>,
}

impl Bar {
    pub(crate) fn new(global: &Global) -> Result<Bar, Box<dyn Error>> {
        if !stderr().is_terminal() {
            return Ok(Bar {
                bar: ProgressBar::hidden(),
                last_line: (global.verbose > 0).then(|| Cell::new(Instant::now())),
            });
        }
        let style = ProgressStyle::with_template("{wide_bar} {msg}, {eta} left")?;
        Ok(Bar {
            bar: ProgressBar::new(0).with_style(style),
            last_line: None,
        })
    }

    /// Shows the progress of a call; for its `on_progress`.
    pub(crate) fn show(&self, update: &Progress) {
        if let Some(last) = &self.last_line {
            if last.get().elapsed() >= PAUSE {
                last.set(Instant::now());
                note(&update.to_string());
            }
        }
        let by_bytes = update
            .input_bytes_total
            .map(|total| (update.input_bytes, total));
        let by_count = update.total.map(|total| (update.done, total));
        if let Some((done, total)) = by_bytes.or(by_count) {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
        self.bar.set_message(update.to_string());
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
