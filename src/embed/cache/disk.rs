//! [`DiskCache`]: vectors in a file that grows at its end.
//!
//! The file is [`START`], followed by records. A record is a header of 64 bytes and the floats. All numbers
//! are little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 0 to 4 | [`MARK`] |
//! | 4 to 36 | SHA-256 of the key |
//! | 36 to 40 | number of floats |
//! | 40 to 56 | first half of the SHA-256 of bytes 0 to 40 and the floats |
//! | 56 to 64 | first quarter of the SHA-256 of bytes 0 to 56 |
//!
//! So a damaged place costs only the record that contains it. A header has its own checksum, and the record
//! after a damaged one is found by its mark.
//!
//! The format is the crate's own. An embedded database would bring many crates, and needs more than a key and
//! a vector that never change.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::embedding_cache::EmbeddingCache;
use crate::durable::in_use::{InUse, Purpose};
use crate::durable::{Target, private, sync_folder};
use crate::embed::error::EmbeddingError;
use crate::error::{Error, Result};
use crate::logs;
use crate::printable::OneLine;

/// Keeps vectors in a file, so that the next run of a program need not embed the same texts again.
///
/// - **Durable**: the vectors of a call are on the disk when the call returns. A program that is killed, or a
///   machine that loses power, loses nothing that was stored before.
/// - **Exact**: a vector is returned exactly as it was stored, or not at all. Each has a checksum that also
///   covers its key. Damaged vectors are logged, embedded again and stored again. The rest of the file stays
///   usable.
/// - **One process at a time** can open the file. A second one gets an error. It can open the file when the
///   first process has ended, however that ended. Within a process, threads and functions share the cache
///   through an `Arc`.
/// - **Private**: only the current user can read a file that the cache creates.
/// - **Size**: the file contains vectors and hashes of texts, but no text. For each new text it grows by 64
///   bytes plus the floats (3.1 kB for 768 floats) and never shrinks. To start again, delete the file while
///   no process has it open.
/// - **Memory**: about 100 bytes for each vector in the file.
///
/// Needs the feature `disk-cache`.
///
/// ```
/// use chroma_blocking::embed::{Cached, DiskCache};
/// use chroma_blocking::{EmbeddingFunction, Hashing};
///
/// # let folder = std::env::temp_dir()
/// #     .join(format!("disk-cache-example-{}", std::process::id()));
/// # std::fs::create_dir(&folder)?;
/// # let path = folder.join("vectors");
/// let function = Cached::new(Hashing::default(), DiskCache::open(&path)?);
/// let first = function.embed_documents(&["a galaxy", "bread"])?;
/// drop(function);
///
/// // In the next run, the vectors come from the file
/// let function = Cached::new(Hashing::default(), DiskCache::open(&path)?);
/// assert_eq!(function.embed_documents(&["a galaxy", "bread"])?, first);
/// # drop(function);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
pub struct DiskCache {
    path: PathBuf,
    state: Mutex<State>,
    _in_use: Option<InUse>,
}

struct State {
    file: File,
    place_of: HashMap<Hash, Place>,
    /// The position of the next record.
    end: u64,
}

type Hash = [u8; 32];

#[derive(Clone, Copy)]
struct Place {
    at: u64,
    dimension: u32,
}

/// The first bytes of the file. Another format would have another number.
const START: &[u8] = b"chroma-blocking vectors 1\n";
/// The first bytes of a record. The first one does not occur in text.
const MARK: [u8; 4] = *b"\xf5vec";
const HEADER: usize = 64;

impl DiskCache {
    /// Opens a file, or creates it in an existing folder. Reads the file once to find its vectors.
    ///
    /// # Errors
    /// [`Error::Cache`] if the file is already open, cannot be read or created, is not a cache of vectors, or
    /// if this process uses it for something else. In the last two cases the file is not changed.
    pub fn open(path: impl AsRef<Path>) -> Result<DiskCache> {
        let path = path.as_ref();
        let failed = |error: io::Error| Error::Cache {
            message: format!("cannot open {}", path.display()),
            source: Some(error.into()),
        };
        let in_use = Target::file(path).and_then(|file| {
            let claimed = InUse::claim(&file, Purpose::Cache);
            claimed.map_err(|other| io::Error::new(ErrorKind::ResourceBusy, other.refusal()))
        });
        let in_use = in_use.map_err(failed)?;
        let file = open_alone(path).map_err(failed)?.ok_or_else(|| Error::Cache {
            message: format!(
                "cannot open {}: it is already open, in another process or in this one; share one DiskCache \
                 through an Arc, or close the other one first",
                path.display()
            ),
            source: None,
        })?;
        let (state, damaged) = State::read(file).map_err(failed)?;
        if damaged > 0 {
            log::warn!(
                target: logs::EMBED,
                "{}: {damaged} bytes are damaged or incomplete; their texts will be embedded again, and {} vectors are \
                 readable",
                OneLine(path.display()),
                state.place_of.len()
            );
        }
        sync_folder(path).map_err(failed)?;
        Ok(DiskCache {
            path: path.to_owned(),
            state: Mutex::new(state),
            _in_use: in_use,
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
                    OneLine(self.path.display()),
                    place.at
                );
                state.place_of.remove(&hash);
            }
            vector.ok()
        };
        Ok(keys.iter().map(&mut get).collect())
    }

    /// Stores vectors. Does not change the vector of a key that is already in the file.
    fn put_many(&self, entries: &[(&[u8], &[f32])]) -> Result<(), EmbeddingError> {
        let state = &mut *self.state();
        state.append(entries).map_err(|error| {
            // Removes incomplete records. If that fails, the next record overwrites them.
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
    /// Reads a file. Returns its state, and the number of bytes that are in no valid record.
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
            // The file is new, or the process that created it was killed at once.
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
            let step = if let Some((hash, dimension)) = found {
                place_of.insert(hash, Place { at, dimension });
                useful += size(dimension);
                end = at + size(dimension);
                size(dimension)
            } else {
                let next = header[1..].iter().position(|byte| *byte == MARK[0]);
                next.map_or(HEADER, |before| before + 1) as u64
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

/// Returns the bytes that a record takes.
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

/// Reads a header. Returns the hash of the key and the number of floats, or `None` if the header is damaged.
fn parse(header: &[u8; HEADER]) -> Option<(Hash, u32)> {
    if header[..4] != MARK || header[56..] != Sha256::digest(&header[..56])[..8] {
        return None;
    }
    let hash = header[4..36].try_into().ok()?;
    let dimension = header[36..40].try_into().ok()?;
    Some((hash, u32::from_le_bytes(dimension)))
}

/// Reads the vector at a place, and validates its checksum.
fn read(mut file: &File, hash: &Hash, place: Place) -> io::Result<Vec<f32>> {
    file.seek(SeekFrom::Start(place.at))?;
    let mut found = [0; HEADER];
    file.read_exact(&mut found)?;
    // The record was inside the file when this place was found, so the size is bounded.
    let mut floats = vec![0; 4 * place.dimension as usize];
    file.read_exact(&mut floats)?;
    if found != header(hash, place.dimension, &floats) {
        return Err(io::Error::new(ErrorKind::InvalidData, "checksum mismatch"));
    }
    let float = |bytes: &[u8]| bytes.try_into().map(f32::from_le_bytes);
    floats
        .chunks_exact(4)
        .map(float)
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

/// Opens a file for this process alone. Returns `None` if it is already open. The system unlocks it when the
/// process ends.
///
/// Unlike the lock of a checkpoint (`durable::lock`), `flock` also stops processes of other containers. Two
/// writers would damage this file.
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
    const NOT_SHARED: u32 = 0;
    crate::durable::lock::open_shared(&mut options(), NOT_SHARED, path)
}

fn options() -> OpenOptions {
    let mut options = private();
    options.read(true).create(true).truncate(false);
    options
}

impl Drop for DiskCache {
    fn drop(&mut self) {
        // A child process that another thread is starting holds a copy of the file, and so the lock, for a
        // moment.
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

    /// Simulates a disk that is full for a while.
    #[test]
    fn a_failed_write_changes_nothing() {
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
