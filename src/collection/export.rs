//! [`Export`]: a collection, or what passes a filter, as JSON Lines.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::{Collection, Scan};
use crate::durable::sync_folder;
use crate::error::{Error, Result};
use crate::model::filter::Where;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::results::Include;
use crate::wire::line;

/// A call that writes a collection to JSON Lines; see [`Collection::export`].
///
/// # What is written
/// A line for each record: `{"id":"1","document":"…","uri":"…","metadata":{…},"embedding":[…]}`, without what the record does
/// not have. A sparse vector is an object as Chroma has it, with `"#type":"sparse_vector"`. Floats are read as the same ones
/// again. [`JsonLines`](crate::ingest::JsonLines) reads these lines with no option, and what it reads makes an equal collection.
/// The collection's own name, metadata, schema and configuration are not in there.
///
/// # Order
/// That of a [scan](Collection::scan), by which it reads: newest first, in constant memory, while others may write. To
/// turn it around would take all of it in memory. Where [`get`](Collection::get) is to page through the new collection in
/// the order of the old one, turn the lines around before they are read, by `tac` for example.
#[must_use = "does nothing until write_to() or to_file() is called"]
pub struct Export<'a> {
    scan: Scan,
    embeddings: bool,
    on_progress: Box<dyn FnMut(&Progress) + 'a>,
}

impl<'a> Export<'a> {
    pub(super) fn new(collection: Collection) -> Export<'a> {
        Export {
            scan: collection.scan(),
            embeddings: true,
            on_progress: Box::new(|_| {}),
        }
    }

    /// Only records that pass the filter; called twice, both.
    pub fn filter(mut self, filter: Where) -> Export<'a> {
        self.scan = self.scan.filter(filter);
        self
    }

    /// Whether the vectors are written. Default: yes. Without them, whoever reads the lines embeds the documents again.
    pub fn embeddings(mut self, embeddings: bool) -> Export<'a> {
        self.embeddings = embeddings;
        self
    }

    /// At most this many records are asked for in one request. Default: 1,000; see [`Scan::page_size`].
    pub fn page_size(mut self, records: usize) -> Export<'a> {
        self.scan = self.scan.page_size(records);
        self
    }

    /// Reports after each request how many records have been written, on the thread that made the call.
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> Export<'a> {
        self.on_progress = Box::new(report);
        self
    }

    /// Writes all of it, flushes the writer, and says how many records there were. It writes many records at once, so no
    /// buffer is needed.
    ///
    /// # Errors
    /// Those of a [scan](Scan), and [`Error::Io`] when the writer fails. What has been written by then are whole lines, but
    /// for a writer that took a part of what it was given.
    pub fn write_to(self, writer: impl Write) -> Result<u64> {
        self.write("the export", writer)
    }

    /// Writes all of it to a file, and says how many records there were. The file is there when all of it is on the disk,
    /// in place of one that was there before; until then it has `.partial` behind its name.
    ///
    /// # Errors
    /// Those of [`write_to`](Export::write_to). The file is as it was before then.
    pub fn to_file(self, path: impl AsRef<Path>) -> Result<u64> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = Path::new(&partial);
        let file = File::create(partial).map_err(|error| failed(&name, error))?;
        let written = self.write(&name, &file).and_then(|records| {
            file.sync_all()
                .and_then(|()| fs::rename(partial, path))
                .and_then(|()| sync_folder(path))
                .map_err(|error| failed(&name, error))?;
            Ok(records)
        });
        if written.is_err() {
            // It is this call's own, and of no use to anybody.
            let _ = fs::remove_file(partial);
        }
        written
    }

    fn write(mut self, name: &str, mut writer: impl Write) -> Result<u64> {
        let mut include = vec![Include::Documents, Include::Metadatas, Include::Uris];
        if self.embeddings {
            include.push(Include::Embeddings);
        }
        let collection = self.scan.collection().clone();
        let mut records = 0;
        let mut lines = Vec::new();
        for page in self.scan.include(include).pages() {
            let page = page?;
            lines.clear();
            for row in page.iter() {
                line::record(&mut lines, row);
            }
            writer
                .write_all(&lines)
                .map_err(|error| failed(name, error))?;
            records += page.len() as u64;
            let progress = Progress::new("export", ProgressStage::Reading, records, None);
            (self.on_progress)(&progress);
            collection.tell(progress);
        }
        writer.flush().map_err(|error| failed(name, error))?;
        Ok(records)
    }
}

impl std::fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("scan", &self.scan)
            .field("embeddings", &self.embeddings)
            .finish_non_exhaustive()
    }
}

fn failed(name: &str, source: io::Error) -> Error {
    let what = format!("cannot write {name}");
    Error::Io { what, source }
}
