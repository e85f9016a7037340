//! [`IdList`]: the ids of a collection's records in a file, so that they can be read oldest first.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::collection::ScanPages;
use crate::durable::private;
use crate::error::{Error, Result};
use crate::random::Random;

/// The most ids on a line.
pub(super) const IDS_PER_LINE: usize = 1_000;

/// The ids of a collection's records in a temporary file. Servers list them newest first, and the list returns
/// them oldest first. It takes about 16 bytes of memory for 1,000 ids. A line of the file is a JSON array of ids.
#[derive(Debug)]
pub(super) struct IdList {
    file: File,
    path: PathBuf,
    /// Where each line starts, in the order of the file.
    lines: Vec<u64>,
    count: u64,
}

impl IdList {
    /// Lists the ids of a scan.
    pub(super) fn write(pages: ScanPages) -> Result<IdList> {
        let number = Random::from_entropy().next();
        let path = std::env::temp_dir().join(format!("chroma-ids-{number:016x}"));
        let failed = |error| failure("write", &path, error);
        let file = private().read(true).create_new(true).open(&path);
        let mut list = IdList {
            file: file.map_err(failed)?,
            path: path.clone(),
            lines: Vec::new(),
            count: 0,
        };
        if cfg!(unix) {
            // An open file needs no name, and a process that is killed leaves none.
            fs::remove_file(&path).map_err(failed)?;
        }
        let mut offset = 0;
        let mut to = BufWriter::new(list.file.try_clone().map_err(failed)?);
        for page in pages {
            for ids in page?.ids.chunks(IDS_PER_LINE) {
                let mut line = serde_json::to_vec(ids).map_err(|error| failed(error.into()))?;
                line.push(b'\n');
                to.write_all(&line).map_err(failed)?;
                list.lines.push(offset);
                list.count += ids.len() as u64;
                offset += line.len() as u64;
            }
        }
        to.flush().map_err(failed)?;
        Ok(list)
    }

    /// Returns the number of ids.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Returns the ids in groups, oldest first.
    pub(super) fn groups(&self) -> impl Iterator<Item = Result<Vec<String>>> + '_ {
        self.lines.iter().rev().map(|offset| self.group(*offset))
    }

    /// Reads a line.
    fn group(&self, offset: u64) -> Result<Vec<String>> {
        let read = || {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(offset))?;
            let mut line = Vec::new();
            BufReader::new(file).read_until(b'\n', &mut line)?;
            let mut ids: Vec<String> = serde_json::from_slice(&line)?;
            ids.reverse();
            Ok(ids)
        };
        read().map_err(|error| failure("read", &self.path, error))
    }
}

impl Drop for IdList {
    fn drop(&mut self) {
        // On Unix, it has been removed.
        let _ = fs::remove_file(&self.path);
    }
}

fn failure(act: &str, path: &Path, source: io::Error) -> Error {
    let message = format!("cannot {act} the list of ids {}", path.display());
    Error::Io { message, source }
}
