//! [`Bar`]: a progress bar on standard error, on a terminal only.

use std::error::Error;

use chroma_blocking::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows the progress of a long call, and disappears when it is dropped. Without a terminal, it shows nothing.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new() -> Result<Bar, Box<dyn Error>> {
        let style = ProgressStyle::with_template("{wide_bar} {msg}, {eta} left")?;
        Ok(Bar(ProgressBar::new(0).with_style(style)))
    }

    /// Shows the progress of a call; for its `on_progress`.
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
