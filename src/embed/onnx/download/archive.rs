//! [`unpack`]: the files of the model in Chroma's archive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use tar::{Archive, Entry};

use crate::embed::onnx::folder::{FILES, missing};

/// The folder of the files in the archive.
const FOLDER: &str = "onnx";

/// Why an archive cannot be unpacked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The archive is damaged, or is another one.
    Archive(String),
    /// The file system failed.
    Disk(io::Error),
}

/// Unpacks the files of the model into a new folder. Other files of the archive are left out. `max` is the most
/// bytes that it may contain.
pub(super) fn unpack(archive: &Path, folder: &Path, max: u64) -> Result<(), Fault> {
    fs::create_dir(folder).map_err(Fault::Disk)?;
    let mut unpacked = GzDecoder::new(File::open(archive).map_err(Fault::Disk)?).take(max);
    let read = read_entries(&mut unpacked, folder);
    // Cut off there, an archive looks damaged.
    if unpacked.limit() == 0 {
        let why = format!("it contains more than {max} bytes");
        return Err(Fault::Archive(why));
    }
    read?;
    let missing = missing(folder);
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    Err(Fault::Archive(format!("it has no {missing}")))
}

fn read_entries(unpacked: &mut impl Read, folder: &Path) -> Result<(), Fault> {
    let damaged = |error: io::Error| Fault::Archive(format!("it is damaged: {error}"));
    let mut archive = Archive::new(unpacked);
    for entry in archive.entries().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        if path.components().any(|part| part == Component::ParentDir) {
            let why = format!("it has a path with ..: {:?}", path.display());
            return Err(Fault::Archive(why));
        }
        let Some(name) = FILES.into_iter().find(|name| is_at(&path, name)) else {
            continue;
        };
        if !entry.header().entry_type().is_file() {
            return Err(Fault::Archive(format!("its {name} is not a file")));
        }
        write(entry, &folder.join(name))?;
    }
    Ok(())
}

/// Whether a path of the archive is that of a file of the model.
fn is_at(path: &Path, name: &str) -> bool {
    path.strip_prefix(".").unwrap_or(path) == Path::new(FOLDER).join(name)
}

fn write(mut entry: Entry<'_, impl Read>, path: &Path) -> Result<(), Fault> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Fault::Archive("it has a file twice".to_owned()),
        _ => Fault::Disk(error),
    })?;
    let mut piece = vec![0; 64 << 10];
    let mut left = entry.size();
    loop {
        let read = entry
            .read(&mut piece)
            .map_err(|error| Fault::Archive(format!("it is damaged: {error}")))?;
        left = left.saturating_sub(read as u64);
        if read == 0 && left > 0 {
            return Err(Fault::Archive(
                "it is damaged: a file is cut off".to_owned(),
            ));
        }
        if read == 0 {
            return file.sync_all().map_err(Fault::Disk);
        }
        io::Write::write_all(&mut file, &piece[..read]).map_err(Fault::Disk)?;
    }
}
