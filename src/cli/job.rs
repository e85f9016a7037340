//! [`Job`]: what all commands have that can be stopped and continued.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chroma_blocking::Progress;

use super::exit::{self, Exit};
use super::output::note;
use super::progress::Bar;
use super::stop;
use crate::printable::one_line;

/// A command that can be stopped by Ctrl-C and continued.
pub(crate) struct Job {
    stop: Arc<AtomicBool>,
    bar: Bar,
}

impl Job {
    pub(crate) fn new() -> Result<Job, Box<dyn Error>> {
        Ok(Job {
            stop: stop::on_signals(
                "finishing the current requests; press Ctrl-C again to stop at once",
            )?,
            bar: Bar::new()?,
        })
    }

    /// Returns the flag for `cancel` of the call.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// Returns whether Ctrl-C was pressed.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Shows the progress of the call; for its `on_progress`.
    pub(crate) fn show(&self, progress: &Progress) {
        self.bar.show(progress);
    }

    /// Removes the progress bar.
    pub(crate) fn hide_progress(&self) {
        self.bar.clear();
    }

    /// Removes the progress bar. If the call failed and left a checkpoint, says how to continue.
    pub(crate) fn ended<T>(
        &self,
        result: chroma_blocking::Result<T>,
        checkpoint: Option<&Path>,
    ) -> chroma_blocking::Result<T> {
        self.bar.clear();
        // The same options would be refused again, for example if the checkpoint is of another job.
        let may_continue = |error| exit::of_error(error) != Exit::Usage;
        let failed = result.as_ref().err();
        if failed.is_some_and(|error| may_continue(error)) && checkpoint.is_some_and(Path::exists) {
            note(&format!(
                "chroma_client: to continue, run: {}",
                command_line()
            ));
        }
        result
    }
}

/// Says how to continue after Ctrl-C, and returns the exit code.
pub(crate) fn stopped(checkpoint: Option<&Path>) -> Exit {
    let command = command_line();
    match checkpoint.filter(|file| file.exists()) {
        Some(file) => note(&format!(
            "stopped; {} remembers how far it came. To continue, run: {command}",
            file.display()
        )),
        None => note(&format!("stopped. To start again, run: {command}")),
    }
    Exit::Stopped
}

/// Returns a path with something appended to its name. A folder's path may end with a separator.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.components().as_path().as_os_str().to_owned();
    if path.file_name().is_none() {
        // `.`, `..` or `/`: a hidden file inside.
        name.push("/");
    }
    name.push(suffix);
    name.into()
}

/// Returns the command line of this process for a shell.
fn command_line() -> String {
    let words = env::args_os().map(|word| quoted(&word.to_string_lossy()));
    one_line(&words.collect::<Vec<_>>().join(" ")).into_owned()
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in [
            ("notes.jsonl", "notes.jsonl"),
            ("http://db:8000", "http://db:8000"),
            ("", "''"),
            (r#"{"a":1}"#, r#"'{"a":1}'"#),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn a_checkpoint_is_next_to_a_file_or_a_folder() {
        for (path, expected) in [
            ("notes.jsonl", "notes.jsonl.ckpt"),
            ("data/notes/", "data/notes.ckpt"),
            (".", "./.ckpt"),
            ("..", "../.ckpt"),
        ] {
            assert_eq!(beside(Path::new(path), ".ckpt"), Path::new(expected));
        }
    }
}
