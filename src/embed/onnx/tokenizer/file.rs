//! Reads files of untrusted length.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The longest file that is read, in bytes. Vocabularies of half a million tokens need less than 20 MiB.
const LONGEST_FILE: u64 = 64 << 20;

/// Reads a file of a folder. `None` if there is none.
pub(super) fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let read = || {
        let mut bytes = Vec::new();
        let file = File::open(folder.join(name))?;
        file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
        Ok::<Vec<u8>, std::io::Error>(bytes)
    };
    match read() {
        Ok(bytes) if bytes.len() as u64 > LONGEST_FILE => Err(format!(
            "its file {name} is longer than {} MiB; it cannot be that of a tokenizer",
            LONGEST_FILE >> 20
        )),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("its file {name} cannot be read: {error}")),
    }
}
