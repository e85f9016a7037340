//! [`Checkpoint`]: a small file that says how far a job has come.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::content::InputHash;
use crate::durable::sync_folder;
use crate::error::{Error, InvalidInput};

/// It is written after each write to the server, but no more often: to sync a file takes time.
const PAUSE: Duration = Duration::from_millis(50);
/// Of the file's form.
const VERSION: u32 = 1;

/// What a job is, so that it is not taken up with something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    /// The collection's id.
    pub(super) collection: String,
    /// What vectors depend on beside the text.
    pub(super) function: Option<String>,
    pub(super) mode: String,
    /// Which part of how many.
    pub(super) shard: (u32, u32),
    /// The key of the hash.
    pub(super) content_hash: Option<String>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Items of the input.
    pub(super) items: u64,
    /// Of these.
    pub(super) input: u64,
}

impl Place {
    pub(super) const START: Place = Place {
        items: 0,
        input: InputHash::START.0,
    };
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    job: Job,
    done: Place,
}

#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    job: Job,
    written: Option<Instant>,
    /// Later than what the file says.
    pending: Option<Place>,
}

impl Checkpoint {
    /// The file, and how far the job has come if there is one. A dry run only looks.
    ///
    /// # Errors
    /// Why the file cannot be gone on with.
    pub(super) fn open(
        path: &Path,
        job: Job,
        dry_run: bool,
    ) -> Result<(Option<Checkpoint>, Place), InvalidInput> {
        let bad = |why: String| InvalidInput::Setting {
            name: "checkpoint",
            value: path.display().to_string(),
            why,
        };
        let place = match fs::read(path) {
            Ok(bytes) => {
                let content: Content = serde_json::from_slice(&bytes).map_err(|error| {
                    bad(format!("it is no checkpoint ({error}); name another file"))
                })?;
                content.belongs_to(&job).map_err(|what| {
                    bad(format!(
                        "it belongs to a job with another {what}; name another file, or delete it to begin from the start"
                    ))
                })?;
                content.done
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Place::START,
            Err(error) => return Err(bad(format!("it cannot be read: {error}"))),
        };
        if dry_run {
            return Ok((None, place));
        }
        let checkpoint = Checkpoint {
            path: path.to_owned(),
            job,
            written: None,
            pending: None,
        };
        // Better now than after the first hour.
        checkpoint
            .write(place)
            .map_err(|error| bad(format!("it cannot be written: {error}")))?;
        Ok((Some(checkpoint), place))
    }

    /// So far it has come by now.
    pub(super) fn reached(&mut self, place: Place) -> Result<(), Error> {
        self.pending = Some(place);
        match self.written.is_some_and(|at| at.elapsed() < PAUSE) {
            true => Ok(()),
            false => self.flush(),
        }
    }

    /// Writes what is not in the file yet.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        if let Some(place) = self.pending.take() {
            self.write(place).map_err(|error| self.failed(error))?;
            self.written = Some(Instant::now());
        }
        Ok(())
    }

    /// The job is done: there is nothing to go on with.
    pub(super) fn finish(self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Io {
            message: format!("writing the checkpoint {}", self.path.display()),
            source,
        }
    }

    /// All of it or nothing, and on the disk when this returns.
    fn write(&self, done: Place) -> io::Result<()> {
        let content = Content {
            version: VERSION,
            job: self.job.clone(),
            done,
        };
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = self.path.with_file_name(name);
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&content)?)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&new, &self.path)?;
        sync_folder(&self.path)
    }
}

impl Content {
    /// What is another, if it is not the same job.
    fn belongs_to(&self, job: &Job) -> Result<(), &'static str> {
        let same = [
            (self.version == VERSION, "version of this crate"),
            (self.job.collection == job.collection, "collection"),
            (self.job.function == job.function, "embedding function"),
            (self.job.mode == job.mode, "mode"),
            (self.job.shard == job.shard, "shard"),
            (
                self.job.content_hash == job.content_hash,
                "key of content hashes",
            ),
        ];
        match same.iter().find(|(same, _)| !same) {
            Some((_, what)) => Err(what),
            None => Ok(()),
        }
    }
}
