//! The files that the crate writes.

use std::fs;
use std::path::Path;

use crate::search::SEARCH;

/// Searches the names and contents of all files in a folder.
pub fn look_into(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        SEARCH.look("name of a file", path.to_string_lossy().as_bytes());
        if path.is_dir() {
            look_into(&path);
        } else {
            SEARCH.look("file", fs::read(&path).unwrap());
        }
    }
}
