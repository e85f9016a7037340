//! [`Input`]: the records that `import` reads.

use std::error::Error;
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use chroma_blocking::Record;
use chroma_blocking::ingest::{CsvRows, JsonLines, csv_records, jsonl_records, text_records};

use super::exit::UsageError;
use super::job::beside;

/// An iterator of the records of any input.
pub(crate) type Records = Box<dyn Iterator<Item = Result<Record, Box<dyn Error + Send + Sync>>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A JSON object per line
    Jsonl,
    /// A table with a header; `.tsv` has tabs
    Csv,
    /// A record per text file
    Text,
}

/// The input of a job: a file, a folder, or a stream that can be read only once.
pub(crate) struct Input {
    /// `None` for standard input.
    path: Option<PathBuf>,
    format: Format,
    is_folder: bool,
    is_stream: bool,
}

impl Input {
    /// Finds out the kind and the format of a path, or of `-` for standard input.
    pub(crate) fn new(path: &Path, format: Option<Format>) -> Result<Input, Box<dyn Error>> {
        if path == Path::new("-") {
            return Input::of_stream(None, format);
        }
        let metadata = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
        if !metadata.is_dir() && !metadata.is_file() {
            return Input::of_stream(Some(path.to_owned()), format);
        }
        let is_folder = metadata.is_dir();
        let by_name = if is_folder {
            Some(Format::Text)
        } else {
            of_extension(path)
        };
        let format = format.or(by_name).ok_or_else(|| {
            let path = path.display();
            UsageError(format!(
                "the extension of {path} names no format; pass --format jsonl, csv or text"
            ))
        })?;
        Ok(Input {
            path: Some(path.to_owned()),
            format,
            is_folder,
            is_stream: false,
        })
    }

    fn of_stream(path: Option<PathBuf>, format: Option<Format>) -> Result<Input, Box<dyn Error>> {
        let format = format.unwrap_or(Format::Jsonl);
        if format == Format::Text {
            let why = "--format text: a stream has no name to be the record's id; pass a file or a folder";
            return Err(UsageError(why.to_owned()).into());
        }
        Ok(Input {
            path,
            format,
            is_folder: false,
            is_stream: true,
        })
    }

    /// Whether the input can be read only once.
    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Returns the default checkpoint. A stream has none, since the next run would read another input.
    pub(crate) fn checkpoint(&self) -> Option<PathBuf> {
        let path = self.path.as_deref().filter(|_| !self.is_stream)?;
        Some(beside(path, ".ckpt"))
    }

    /// Opens the input from its start.
    pub(crate) fn open(&self) -> chroma_blocking::Result<Records> {
        let Some(path) = &self.path else {
            let stdin = io::stdin().lock();
            return Ok(match self.format {
                Format::Csv => boxed(CsvRows::from_reader(stdin).name("standard input")),
                _ => boxed(JsonLines::from_reader(stdin).name("standard input")),
            });
        };
        if !self.is_folder {
            return open(path, self.format);
        }
        if self.format == Format::Text {
            return Ok(boxed(text_records(path)?));
        }
        let format = self.format;
        let files = match files(path, format) {
            Ok(files) => files,
            Err(error) => return Ok(Box::new(iter::once(Err(error.into())))),
        };
        // One file at a time.
        Ok(Box::new(files.into_iter().flat_map(move |file| {
            open(&file, format).unwrap_or_else(|error| Box::new(iter::once(Err(error.into()))))
        })))
    }
}

fn open(file: &Path, format: Format) -> chroma_blocking::Result<Records> {
    Ok(match format {
        Format::Jsonl => boxed(jsonl_records(file)?),
        Format::Csv if has_extension(file, &["tsv"]) => boxed(csv_records(file)?.delimiter(b'\t')),
        Format::Csv => boxed(csv_records(file)?),
        Format::Text => {
            let file = file.to_owned();
            Box::new(iter::once_with(move || text(&file).map_err(Into::into)))
        }
    })
}

fn boxed<I>(records: I) -> Records
where
    I: Iterator<Item = chroma_blocking::Result<Record>> + 'static,
{
    Box::new(records.map(|record| record.map_err(Into::into)))
}

/// Reads one text file as a folder of texts is read.
fn text(path: &Path) -> Result<Record, String> {
    let text = fs::read_to_string(path).map_err(|error| cannot_read(path, &error))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let record = Record::new(&*name).document(text);
    Ok(record.metadata("source", &*name))
}

/// Returns the files of a folder that have an extension of the format, by name.
fn files(folder: &Path, format: Format) -> Result<Vec<PathBuf>, String> {
    let paths = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect()
    });
    let mut files: Vec<PathBuf> = paths.map_err(|error: io::Error| cannot_read(folder, &error))?;
    files.retain(|file| of_extension(file) == Some(format) && file.is_file());
    files.sort();
    if files.is_empty() {
        return Err(cannot_read(
            folder,
            &"no file in it has an extension of the format",
        ));
    }
    Ok(files)
}

fn of_extension(path: &Path) -> Option<Format> {
    if has_extension(path, &["jsonl", "ndjson"]) {
        Some(Format::Jsonl)
    } else if has_extension(path, &["csv", "tsv"]) {
        Some(Format::Csv)
    } else if has_extension(path, &["md", "txt"]) {
        Some(Format::Text)
    } else {
        None
    }
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().unwrap_or_default();
    extensions
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
}

fn cannot_read(path: &Path, why: &dyn std::fmt::Display) -> String {
    format!("cannot read {}: {why}", path.display())
}
