//! [`DiskCache`]: vectors in a file that is only ever appended to.
//!
//! The file is [`START`] and then records, each a header of 64 bytes and the floats, all numbers little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0 to 4 | [`MARK`] |
//! | 4 to 36 | SHA-256 of the key |
//! | 36 to 40 | the number of floats |
//! | 40 to 56 | the first half of the SHA-256 of bytes 0 to 40 and the floats |
//! | 56 to 64 | the first quarter of the SHA-256 of bytes 0 to 56 |
//!
//! So a damaged place costs the record that it is in, and no other: a header says by itself whether it is one, and behind
//! a damaged one the next is found by its mark.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::EmbeddingCache;
use crate::embed::EmbeddingError;
use crate::error::{Error, Result};
use crate::logs;

/// Keeps vectors in a file, so that the next run of a program needs not embed its texts again.
///
/// - What a call has put is in the file, and the file on the disk, when the call returns: a program that is killed, or a
///   machine that loses power, loses nothing that was put before.
/// - A vector comes back exactly as it was put, or not at all: every one has a checksum, over the text's key too.
///   What is damaged is logged, embedded again and put again; all else in the file stays usable.
/// - One process at a time has it open; a second one gets an error that says so, and may open it when the first has
///   ended, however that ended. In one process threads and functions share it through an `Arc`.
/// - The file holds vectors, and hashes of the texts, but no text. It grows by 64 bytes and the floats for each new text
///   (3.1 kB for 768 floats) and never shrinks: to begin again, delete it while nobody has it open.
/// - In memory it takes about 100 bytes for each vector in the file.
///
/// Needs the feature `disk-cache`.
///
/// ```
/// use std::sync::Arc;
///
/// use chroma_blocking::{EmbeddingFunction, Hashing};
/// use chroma_blocking::embed::{Cached, DiskCache};
///
/// # let folder = std::env::temp_dir().join(format!("disk-cache-example-{}", std::process::id()));
/// # std::fs::create_dir(&folder)?;
/// # let path = folder.join("vectors");
/// let function = Cached::new(Hashing::default(), DiskCache::open(&path)?);
/// let first = function.embed_documents(&["a galaxy", "bread"])?;
/// drop(function);
///
/// // tomorrow
/// let function = Cached::new(Hashing::default(), DiskCache::open(&path)?);
/// assert_eq!(function.embed_documents(&["a galaxy", "bread"])?, first); // asks nobody
/// # drop(function);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct DiskCache {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    place_of: HashMap<Hash, Place>,
    /// Where the next record goes.
    end: u64,
}

type Hash = [u8; 32];

#[derive(Clone, Copy)]
struct Place {
    at: u64,
    dimension: u32,
}

/// What the file begins with. Another version of what follows would have another number.
const START: &[u8] = b"chroma-blocking vectors 1\n";
/// What a record begins with; the first byte is in no text.
const MARK: [u8; 4] = *b"\xf5vec";
const HEADER: usize = 64;

impl DiskCache {
    /// Opens the file, or makes it, in a folder that exists. Reads through it once to find what is there.
    ///
    /// # Errors
    /// [`Error::Cache`] when it is open elsewhere, cannot be read or made, or is not such a file: it does not begin as one, and
    /// is left as it is.
    pub fn open(path: impl AsRef<Path>) -> Result<DiskCache> {
        let path = path.as_ref();
        let failed = |error: io::Error| Error::Cache {
            message: format!("cannot open {}", path.display()),
            source: Some(error.into()),
        };
        let file = open_alone(path).map_err(failed)?.ok_or_else(|| Error::Cache {
            message: format!(
                "cannot open {}: it is open already, in another process or in this one; share one DiskCache by Arc, or \
                 wait",
                path.display()
            ),
            source: None,
        })?;
        let (state, damaged) = State::read(file).map_err(failed)?;
        if damaged > 0 {
            log::warn!(
                target: logs::EMBED,
                "{}: {damaged} bytes are damaged or incomplete; what they held will be embedded again, and {} vectors \
                 are there",
                path.display(),
                state.place_of.len()
            );
        }
        // The file's name, too, is to survive a loss of power. Windows has no such call, and needs none.
        let absolute = std::path::absolute(path);
        if let Some(Ok(folder)) = absolute.ok().and_then(|path| path.parent().map(File::open)) {
            let _ = folder.sync_all();
        }
        Ok(DiskCache {
            path: path.to_owned(),
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EmbeddingCache for DiskCache {
    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let state = &mut *self.state();
        let mut get = |key: &&[u8]| {
            let hash = Sha256::digest(key).into();
            let place = *state.place_of.get(&hash)?;
            let vector = read(&state.file, &hash, place);
            if let Err(error) = &vector {
                log::warn!(
                    target: logs::EMBED,
                    "{}: the vector at byte {} is damaged ({error}); its text will be embedded again",
                    self.path.display(),
                    place.at
                );
                state.place_of.remove(&hash);
            }
            vector.ok()
        };
        Ok(keys.iter().map(&mut get).collect())
    }

    /// What is there already stays as it is.
    fn put_many(&self, entries: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
        let state = &mut *self.state();
        let put = state.append(entries);
        put.map_err(|error| {
            // Whatever came of it is no part of the file; the next record goes there.
            let _ = state.file.set_len(state.end);
            let cache_error = Error::Cache {
                message: format!("cannot write {}", self.path.display()),
                source: Some(error.into()),
            };
            cache_error.into()
        })
    }
}

impl State {
    /// What is in a file, and how many of its bytes are of no use.
    fn read(file: File) -> io::Result<(State, u64)> {
        let length = file.metadata()?.len();
        let mut from = BufReader::new(&file);
        let mut start = Vec::new();
        (&mut from)
            .take(START.len() as u64)
            .read_to_end(&mut start)?;
        if start != START {
            if !START.starts_with(&start) {
                let why = "it is not a cache of vectors, or its first bytes are damaged";
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
            // New, or its maker was killed at once.
            file.set_len(0)?;
            (&file).seek(SeekFrom::Start(0))?;
            (&file).write_all(START)?;
            file.sync_all()?;
        }
        let mut place_of = HashMap::new();
        let mut at = START.len() as u64;
        let (mut end, mut useful) = (at, at);
        let mut header = [0; HEADER];
        while at + HEADER as u64 <= length {
            from.read_exact(&mut header)?;
            let found = parse(&header).filter(|(_, dimension)| at + size(*dimension) <= length);
            let step = match found {
                Some((hash, dimension)) => {
                    place_of.insert(hash, Place { at, dimension });
                    useful += size(dimension);
                    end = at + size(dimension);
                    size(dimension)
                }
                None => {
                    let next = header[1..].iter().position(|byte| *byte == MARK[0]);
                    next.map_or(HEADER, |before| before + 1) as u64
                }
            };
            at += step;
            from.seek_relative(step as i64 - HEADER as i64)?;
        }
        let damaged = length.saturating_sub(useful);
        if end < length {
            file.set_len(end)?;
        }
        let state = State {
            file,
            place_of,
            end,
        };
        Ok((state, damaged))
    }

    fn append(&mut self, entries: &[(&[u8], &[f32])]) -> io::Result<()> {
        let mut new = HashMap::new();
        let mut end = self.end;
        let mut to = BufWriter::with_capacity(1 << 20, &self.file);
        to.seek(SeekFrom::Start(end))?;
        let mut floats = Vec::new();
        for (key, vector) in entries {
            let hash = Sha256::digest(key).into();
            if self.place_of.contains_key(&hash) || new.contains_key(&hash) {
                continue;
            }
            let dimension = u32::try_from(vector.len()).map_err(io::Error::other)?;
            floats.clear();
            floats.extend(vector.iter().flat_map(|float| float.to_le_bytes()));
            to.write_all(&header(&hash, dimension, &floats))?;
            to.write_all(&floats)?;
            new.insert(hash, Place { at: end, dimension });
            end += size(dimension);
        }
        if new.is_empty() {
            return Ok(());
        }
        to.flush()?;
        self.file.sync_data()?;
        self.end = end;
        self.place_of.extend(new);
        Ok(())
    }
}

/// The bytes of a record.
fn size(dimension: u32) -> u64 {
    HEADER as u64 + 4 * u64::from(dimension)
}

fn header(hash: &Hash, dimension: u32, floats: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&MARK);
    header[4..36].copy_from_slice(hash);
    header[36..40].copy_from_slice(&dimension.to_le_bytes());
    let sum = Sha256::new_with_prefix(&header[..40])
        .chain_update(floats)
        .finalize();
    header[40..56].copy_from_slice(&sum[..16]);
    let sum = Sha256::digest(&header[..56]);
    header[56..].copy_from_slice(&sum[..8]);
    header
}

/// Whose vector is behind this header, and how long that is; nothing where it is no undamaged header.
fn parse(header: &[u8; HEADER]) -> Option<(Hash, u32)> {
    if header[..4] != MARK || header[56..] != Sha256::digest(&header[..56])[..8] {
        return None;
    }
    let hash = header[4..36].try_into().ok()?;
    let dimension = header[36..40].try_into().ok()?;
    Some((hash, u32::from_le_bytes(dimension)))
}

/// The vector at a place, if it is there as it was put.
fn read(mut file: &File, hash: &Hash, place: Place) -> io::Result<Vec<f32>> {
    file.seek(SeekFrom::Start(place.at))?;
    let mut found = [0; HEADER];
    file.read_exact(&mut found)?;
    // Not larger than the file was when this place was found in it.
    let mut floats = vec![0; 4 * place.dimension as usize];
    file.read_exact(&mut floats)?;
    if found != header(hash, place.dimension, &floats) {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "its checksum is another",
        ));
    }
    let float = |bytes: &[u8]| bytes.try_into().map(f32::from_le_bytes);
    floats
        .chunks_exact(4)
        .map(float)
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

/// Opens a file for this process alone; `None` where it is open already. The system ends that when the process ends.
#[cfg(unix)]
fn open_alone(path: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    let file = options().open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(windows)]
fn open_alone(path: &Path) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt;

    const SHARING_VIOLATION: i32 = 32;
    match options().share_mode(0).open(path) {
        Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Ok(None),
        file => file.map(Some),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options
}

impl Drop for DiskCache {
    fn drop(&mut self) {
        // A process that is being started by another thread holds a copy of the file, and the lock, for a moment.
        #[cfg(unix)]
        let _ = rustix::fs::flock(&self.state().file, rustix::fs::FlockOperation::Unlock);
    }
}

impl fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vectors = self.state().place_of.len();
        f.debug_struct("DiskCache")
            .field("path", &self.path)
            .field("vectors", &vectors)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// As on a disk that is full for a while.
    #[test]
    fn a_write_that_fails_leaves_everything_as_it_was() {
        let name = format!("disk-cache-unit-test-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let cache = DiskCache::open(&path).unwrap();
        cache.put_many(&[(b"a", &[1.0, 2.0])]).unwrap();
        let read_only = File::open(&path).unwrap();
        let writable = std::mem::replace(&mut cache.state().file, read_only);
        let error = cache.put_many(&[(b"b", &[3.0])]).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        let get = || cache.get_many(&[b"a", b"b"]).unwrap();
        assert_eq!(get(), [Some(vec![1.0, 2.0]), None]);
        cache.state().file = writable;
        cache.put_many(&[(b"b", &[3.0])]).unwrap();
        assert_eq!(get(), [Some(vec![1.0, 2.0]), Some(vec![3.0])]);
        drop(cache);
        std::fs::remove_file(&path).unwrap();
    }
}
