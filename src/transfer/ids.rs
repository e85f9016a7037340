//! [`IdList`]: the ids of a collection's records in a file, so that they can be read oldest first.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::collection::ScanPages;
use crate::durable::private;
use crate::error::{Error, Result};
use crate::random::Random;

/// The most ids on a line.
pub(super) const IDS_PER_LINE: usize = 1_000;

/// The ids of a collection's records in a file. Servers list them newest first, and the list returns them
/// oldest first. It takes about 16 bytes of memory for 1,000 ids.
///
/// A line is a JSON array of ids, newest first. The last line of a complete list is its key, a number, so that
/// a checkpoint never continues with the list of another job.
#[derive(Debug)]
pub(super) struct IdList {
    file: File,
    path: PathBuf,
    /// Where each line starts, and the number of its ids, in the order of the file.
    lines: Vec<(u64, u32)>,
    count: u64,
    key: u64,
    /// Whether the file is removed at the end.
    is_temporary: bool,
}

impl IdList {
    /// Lists the ids of a scan into the file at `path`, or into a temporary one.
    pub(super) fn write(path: Option<&Path>, pages: ScanPages) -> Result<IdList> {
        let is_temporary = path.is_none();
        let path = path.map_or_else(temporary, Path::to_owned);
        let failed = |error| failure("write", &path, error);
        let file = create(&path).map_err(failed)?;
        if cfg!(unix) && is_temporary {
            // An open file needs no name, and a process that is killed leaves none.
            fs::remove_file(&path).map_err(failed)?;
        }
        let mut list = IdList {
            file,
            lines: Vec::new(),
            count: 0,
            key: Random::from_entropy().next(),
            is_temporary,
            path: path.clone(),
        };
        let mut offset = 0;
        let mut to = BufWriter::new(list.file.try_clone().map_err(failed)?);
        for page in pages {
            for ids in page?.ids.chunks(IDS_PER_LINE) {
                let mut line = serde_json::to_vec(ids).map_err(|error| failed(error.into()))?;
                line.push(b'\n');
                to.write_all(&line).map_err(failed)?;
                list.lines.push((offset, ids.len() as u32));
                list.count += ids.len() as u64;
                offset += line.len() as u64;
            }
        }
        writeln!(to, "{}", list.key).map_err(failed)?;
        to.flush().map_err(failed)?;
        Ok(list)
    }

    /// Opens the list with this key; `None` if it is missing, not complete, or has another key.
    pub(super) fn open(path: &Path, key: u64) -> Result<Option<IdList>> {
        let failed = |error| failure("read", path, error);
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let (mut lines, mut offset, mut count) = (Vec::new(), 0, 0);
        let mut reader = BufReader::new(file.try_clone().map_err(failed)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
            if line == format!("{key}\n").as_bytes() {
                break;
            }
            let Ok(ids) = serde_json::from_slice::<Vec<String>>(&line) else {
                return Ok(None);
            };
            lines.push((offset, ids.len() as u32));
            count += ids.len() as u64;
            offset += read as u64;
        }
        Ok(Some(IdList {
            file,
            path: path.to_owned(),
            lines,
            count,
            key,
            is_temporary: false,
        }))
    }

    /// Returns the number that [`open`](IdList::open) needs.
    pub(super) fn key(&self) -> u64 {
        self.key
    }

    /// Returns the number of ids.
    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// Returns the ids in groups, oldest first. Leaves out the first `from` ids.
    pub(super) fn groups(&self, from: u64) -> impl Iterator<Item = Result<Vec<String>>> + '_ {
        let mut position = 0;
        let mut rest = self.lines.iter().rev();
        std::iter::from_fn(move || {
            loop {
                let &(offset, count) = rest.next()?;
                let (start, end) = (position, position + u64::from(count));
                position = end;
                if end > from {
                    let skipped = from.saturating_sub(start) as usize;
                    return Some(self.group(offset, skipped));
                }
            }
        })
    }

    /// Reads a line, and leaves out the first ids of the group.
    fn group(&self, offset: u64, skipped: usize) -> Result<Vec<String>> {
        let read = || {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(offset))?;
            let mut line = Vec::new();
            BufReader::new(file.take(u64::MAX)).read_until(b'\n', &mut line)?;
            let ids: Vec<String> = serde_json::from_slice(&line)?;
            Ok(ids.into_iter().rev().skip(skipped).collect())
        };
        read().map_err(|error| failure("read", &self.path, error))
    }

    /// Removes the file, because the job is complete.
    pub(super) fn remove(mut self) {
        self.is_temporary = true;
    }
}

impl Drop for IdList {
    fn drop(&mut self) {
        if self.is_temporary {
            // At worst, a file stays in the folder.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates a file that did not exist. An old one is removed first, so that no link is followed.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private().read(true).create_new(true).open(path)
}

fn temporary() -> PathBuf {
    let number = Random::from_entropy().next();
    std::env::temp_dir().join(format!("chroma-ids-{number:016x}"))
}

fn failure(act: &str, path: &Path, source: io::Error) -> Error {
    let message = format!("cannot {act} the list of ids {}", path.display());
    Error::Io { message, source }
}
