//! [`Received`]: the archive, written to a file and compared with its hash. [`unpack`]: the files in it.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tar::Archive;

use super::server::{CHECK_THE_ADDRESS, DOWNLOAD};
use crate::embed::onnx::folder::FILES;
use crate::model::progress::{Progress, ProgressStage};
use crate::transport::Sink;

/// The most bytes of an archive. Chroma's has 83 MB.
const MAX_SIZE: u64 = 128 << 20;
/// The bytes from one report of the progress to the next.
const REPORTED: u64 = 1 << 20;

/// The file that an archive is written to, and its hash so far.
pub(super) struct Received<'a> {
    file: File,
    hash: Sha256,
    /// The SHA-256 of the archive, in hexadecimal digits.
    expected: &'a str,
    progress: Progress,
    report: &'a mut dyn FnMut(&Progress),
    /// Why the file could not be written.
    pub(super) disk_error: Option<io::Error>,
}

impl<'a> Received<'a> {
    pub(super) fn new(
        file: File,
        expected: &'a str,
        report: &'a mut dyn FnMut(&Progress),
    ) -> Received<'a> {
        Received {
            file,
            hash: Sha256::new(),
            expected,
            progress: Progress::new(DOWNLOAD.name, ProgressStage::Downloading, 0),
            report,
            disk_error: None,
        }
    }

    /// Goes on if the file was written, and if the archive is not too large.
    fn after(&mut self, written: io::Result<()>) -> ControlFlow<()> {
        self.disk_error = written.err();
        if self.disk_error.is_some() || self.is_too_large() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn is_too_large(&self) -> bool {
        self.progress.total.unwrap_or(self.progress.done) > MAX_SIZE
    }
}

impl Sink for Received<'_> {
    fn begin(&mut self, length: Option<u64>) -> ControlFlow<()> {
        self.progress.done = 0;
        self.progress.total = length;
        self.hash = Sha256::new();
        (self.report)(&self.progress);
        let emptied = self.file.set_len(0);
        let rewound = emptied.and_then(|()| io::Seek::rewind(&mut self.file));
        self.after(rewound)
    }

    fn write(&mut self, piece: &[u8]) -> ControlFlow<()> {
        let before = self.progress.done;
        self.progress.done += piece.len() as u64;
        if self.progress.done / REPORTED > before / REPORTED {
            (self.report)(&self.progress);
        }
        self.hash.update(piece);
        let written = self.file.write_all(piece);
        self.after(written)
    }

    fn end(&mut self) -> Result<(), String> {
        if let Some(error) = &self.disk_error {
            return Err(error.to_string());
        }
        if self.is_too_large() {
            return Err(format!(
                "it is larger than {} MiB, so it is not Chroma's archive; {CHECK_THE_ADDRESS}",
                MAX_SIZE >> 20
            ));
        }
        (self.report)(&self.progress);
        let found = format!("{:x}", std::mem::take(&mut self.hash).finalize());
        if found == self.expected {
            return Ok(());
        }
        Err(format!(
            "checksum mismatch: its SHA-256 is {found}, and that of Chroma's archive is {}; check the address, and \
             that no proxy or login page responds instead",
            self.expected
        ))
    }
}

/// Unpacks the files of the model. The hash of the archive was checked, so only the disk can fail.
pub(super) fn unpack(archive: &Path, folder: &Path) -> io::Result<()> {
    let mut archive = Archive::new(GzDecoder::new(File::open(archive)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?;
        let path = path.strip_prefix(".").unwrap_or(&path);
        let is_at = |name: &&str| path == Path::new("onnx").join(name);
        let Some(name) = FILES.into_iter().find(is_at) else {
            continue;
        };
        let mut file = File::create_new(folder.join(name))?;
        io::copy(&mut entry, &mut file)?;
        file.sync_all()?;
    }
    Ok(())
}
