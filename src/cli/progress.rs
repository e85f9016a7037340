//! [`Bar`]: a progress bar on standard error, on a terminal only.

use std::error::Error;
use std::io::{IsTerminal, stderr};

use chroma_blocking::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows the progress of a long call. Prints nothing if standard error is not a terminal.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Result<Bar, Box<dyn Error>> {
        if !stderr().is_terminal() {
            return Ok(Bar(ProgressBar::hidden()));
        }
        let style = ProgressStyle::with_template("{wide_bar} {msg}, {eta} left")?;
        Ok(Bar(ProgressBar::new(0).with_style(style)))
    }

    /// For `on_progress` of any call.
    pub(crate) fn show(&self, update: &Progress) {
        let by_bytes = update
            .input_bytes_total
            .map(|total| (update.input_bytes, total));
        let by_count = update.total.map(|total| (update.done, total));
        if let Some((done, total)) = by_bytes.or(by_count) {
            self.0.set_length(total);
            self.0.set_position(done);
        }
        self.0.set_message(update.to_string());
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
