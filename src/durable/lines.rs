//! Files that only grow, by whole lines.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{Target, private, sync_folder};

/// Opens a file to append lines to it, or creates it. A device or a pipe is opened as it is.
///
/// If the file does not end with a line break, appends one: an earlier write was cut off, for example by a
/// full disk, and the next line must not become a part of that one.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let path = match Target::find(path)? {
        Target::File(path) => path,
        Target::Stream(path) => return OpenOptions::new().append(true).open(path),
    };
    let mut file = private().append(true).create(true).open(&path)?;
    if !ends_with_line_break(&path, file.metadata()?.len())? {
        file.write_all(b"\n")?;
    }
    sync_folder(&path)?;
    Ok(file)
}

/// Whether a file of this length has no incomplete line.
fn ends_with_line_break(path: &Path, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(true);
    };
    let mut file = match File::open(path) {
        // A file that may be written only. An empty line too many does no harm.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(false),
        file => file?,
    };
    file.seek(SeekFrom::Start(last))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
}
