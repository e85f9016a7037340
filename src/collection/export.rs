//! [`Export`]: writes a collection, or the records that pass a filter, as JSON Lines.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::{Collection, Scan};
use crate::durable::Target;
use crate::durable::in_use::{InUse, Purpose};
use crate::durable::replacement::{Replacement, remove_leftovers};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::filter::Where;
use crate::model::progress::{Progress, ProgressStage};
use crate::model::results::Include;
use crate::wire::line;

impl Collection {
    /// Writes all records, or all that pass a filter, as JSON Lines. Vectors are included by default.
    ///
    /// [`jsonl_records`](crate::ingest::jsonl_records) reads the lines, and the records that it returns make
    /// an equal collection: see [`Export`].
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Error};
    /// # use chroma_blocking::ingest::jsonl_records;
    /// # let client = Client::from_env()?;
    /// # let notes = client.collection("notes").get()?;
    /// let records = notes
    ///     .export()
    ///     .on_progress(|progress| eprintln!("{progress}"))
    ///     .to_file("notes.jsonl")?;
    ///
    /// let copy = client.collection("copy").create()?;
    /// let records = jsonl_records("notes.jsonl")?.collect::<Result<Vec<_>, _>>()?;
    /// copy.add(records)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn export<'a>(&self) -> Export<'a> {
        Export {
            scan: self.scan(),
            embeddings: true,
            is_filtered: false,
            on_progress: None,
        }
    }
}

/// A function that is passed the progress of an export.
type Report<'a> = Box<dyn FnMut(&Progress) + 'a>;

/// An export to JSON Lines; see [`Collection::export`].
///
/// # Format
/// One line per record: `{"id":"1","document":"…","uri":"…","metadata":{…},"embedding":[…]}`, without the
/// fields that the record does not have. A sparse vector is an object in Chroma's form, with
/// `"#type":"sparse_vector"`. Floats are written so that reading returns the same values.
/// [`JsonLines`](crate::ingest::JsonLines) reads the lines with its default options. The collection's own
/// name, metadata, schema and configuration are not written.
///
/// # Order
/// The order of a [scan](Collection::scan), which the export reads from: newest first, in constant memory,
/// while other programs may write. The reverse order would need the whole collection in memory. If
/// [`get`](Collection::get) is to page through an imported copy in the order of the original, reverse the
/// lines before the import, for example with `tac`.
#[must_use = "does nothing until write_to() or to_file() is called"]
pub struct Export<'a> {
    scan: Scan,
    embeddings: bool,
    is_filtered: bool,
    on_progress: Option<Report<'a>>,
}

impl<'a> Export<'a> {
    /// Exports only records that pass the filter; `None` changes nothing. If called twice, a record must pass
    /// both filters.
    pub fn filter(mut self, filter: impl Into<Option<Where>>) -> Export<'a> {
        let filter = filter.into();
        self.is_filtered |= filter.is_some();
        self.scan = self.scan.filter(filter);
        self
    }

    /// Sets whether vectors are written. Default: `true`. Without them, an import embeds the documents again.
    pub fn embeddings(mut self, embeddings: bool) -> Export<'a> {
        self.embeddings = embeddings;
        self
    }

    /// Sets the maximum number of records per request. Default: 1,000; see [`Scan::page_size`].
    pub fn page_size(mut self, records: usize) -> Export<'a> {
        self.scan = self.scan.page_size(records);
        self
    }

    /// Sets a function that is called after each request with the number of records written so far. It runs
    /// on the calling thread.
    ///
    /// Without a [`filter`](Export::filter), [`Progress::total`] is the number of records at the start, for
    /// which the export sends one more request.
    pub fn on_progress(mut self, report: impl FnMut(&Progress) + 'a) -> Export<'a> {
        self.on_progress = Some(Box::new(report));
        self
    }

    /// Writes all records, flushes the writer, and returns the number of records. Each write holds a whole
    /// page of records, so the writer needs no buffer.
    ///
    /// # Errors
    /// The errors of a [scan](Scan), and [`Error::Io`] if the writer fails. The lines written before the
    /// error are complete, unless the writer itself wrote only a part of a page.
    pub fn write_to(self, writer: impl Write) -> Result<u64> {
        self.write("the export", writer)
    }

    /// Writes all records to a file, and returns the number of records.
    ///
    /// The records are first written to a temporary file in the same folder. Its name is the name of the
    /// file, a random number and `.partial`. When all of them are on the disk, the temporary file is renamed
    /// to `path`. An existing file is replaced, and its permissions are kept if it belongs to the current user.
    /// Only the current user can read a new file; to choose other permissions, open the file and use
    /// [`write_to`](Export::write_to). If `path` is a link, its target is replaced.
    ///
    /// A device or a pipe is written to directly, and so is `/dev/stdout`. If that is redirected to a file, the
    /// records are appended to the file.
    ///
    /// # Errors
    /// As for [`write_to`](Export::write_to), and [`Error::Invalid`] if this process uses the file for
    /// something else, such as the checkpoint of a job. After an error, the file at `path` is unchanged.
    pub fn to_file(self, path: impl AsRef<Path>) -> Result<u64> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let failed = |error| write_error(&name, error);
        let target = match Target::find(path).map_err(failed)? {
            Target::File(target) => target,
            Target::Stream(stream) => {
                // `/dev/stdout` may lead to a file with earlier lines.
                let file = OpenOptions::new().append(true).open(stream);
                return self.write(&name, &file.map_err(failed)?);
            }
        };
        let _in_use = InUse::claim(&target, Purpose::Export).map_err(|other| {
            let reason = InvalidInput::setting("to_file", name.as_str(), other.refusal());
            Call::new("export", Some(self.scan.collection().name())).invalid(reason)
        })?;
        remove_leftovers(&target);
        let replacement = Replacement::create(&target).map_err(failed)?;
        let records = self.write(&name, replacement.file())?;
        replacement.commit().map_err(failed)?;
        Ok(records)
    }

    /// Writes all records to a writer, which errors call `name`.
    fn write(mut self, name: &str, mut writer: impl Write) -> Result<u64> {
        let mut include = vec![Include::Documents, Include::Metadatas, Include::Uris];
        if self.embeddings {
            include.push(Include::Embeddings);
        }
        let collection = self.scan.collection().clone();
        let mut total = None;
        let is_reported = self.on_progress.is_some() || collection.report.is_some();
        if is_reported && !self.is_filtered {
            total = Some(collection.count()? as u64);
        }
        let mut records = 0;
        let mut lines = Vec::new();
        for page in self.scan.include(include).pages() {
            let page = page?;
            lines.clear();
            for row in &page {
                line::record(&mut lines, row);
            }
            writer
                .write_all(&lines)
                .map_err(|error| write_error(name, error))?;
            records += page.len() as u64;
            let progress = Progress {
                // Records may be added during the export.
                total: total.map(|total| total.max(records)),
                ..Progress::new("export", ProgressStage::Reading, records)
            };
            if let Some(report) = &mut self.on_progress {
                report(&progress);
            }
            collection.report_progress(&progress);
        }
        writer.flush().map_err(|error| write_error(name, error))?;
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

fn write_error(name: &str, source: io::Error) -> Error {
    let message = format!("cannot write {name}");
    Error::Io { message, source }
}
