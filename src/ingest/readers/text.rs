//! [`TextFiles`]: the text files of a folder as records.

use std::ffi::OsString;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::vec;

use super::encoding::{Foreign, not_utf8};
use super::origin::{MAX_LEN, Origin};
use crate::error::{Error, Result};
use crate::ingest::consumed::Meter;
use crate::model::record::Record;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Returns an iterator of the text files in a folder and its subfolders. See [`TextFiles`] for the options.
///
/// ```no_run
/// # use chroma_blocking::{Client, Hashing};
/// # use chroma_blocking::ingest::{TextSplitter, text_records};
/// # let docs = Client::from_env()?.collection("docs");
/// # let docs = docs.embedding_function(Hashing::default()).get_or_create()?;
/// let files = text_records("docs")?.extensions(["md", "rst"]);
/// let splitter = TextSplitter::new(1_000).document_key("source_id");
/// let pieces = splitter.split_records(files);
/// docs.ingest(pieces).replace_documents("source_id").run()?;
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] if the folder does not exist or cannot be read.
pub fn text_records(folder: impl AsRef<Path>) -> Result<TextFiles> {
    TextFiles::new(folder.as_ref())
}

/// An iterator of the text files in a folder and its subfolders, one record per file. Created by
/// [`text_records`].
///
/// A record's id is the file's path in the folder, with `/` as the separator on every system. The metadata
/// value `source` is the same path. The document is the whole text, without a byte order mark.
/// [`TextSplitter`](crate::ingest::TextSplitter) splits long texts.
///
/// A file that is empty, or holds only white space, gives a record with that document. A job leaves such a
/// record [out](crate::ingest::Ingest#empty-documents) and counts it.
///
/// The iterator ignores files and folders whose names start with a dot. It reads links to files, and does not
/// follow links to folders.
///
/// # Order
/// Files and folders are sorted by name, byte by byte. The files of a subfolder come at the subfolder's
/// position. Folders that have not changed give the same records in the same order again.
///
/// # Errors
/// The iterator returns an error in place of a file or folder, with its path, and continues with the next
/// one:
///
/// - [`Error::Invalid`] if a file is not UTF-8, its name is not UTF-8, it is too large, or it cannot be read,
/// - [`Error::Io`] if a folder cannot be read.
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct TextFiles {
    root: PathBuf,
    origin: Origin,
    extensions: Vec<String>,
    max_size: u64,
    /// The open folders, the innermost last.
    folders: Vec<Folder>,
    meter: Meter,
    /// The size of all files that have been read.
    bytes: u64,
}

/// A file that is to be read.
struct FoundFile {
    /// The path relative to the root.
    id: String,
    path: PathBuf,
    size: u64,
}

/// A folder of which some entries are still to be read.
#[derive(Debug)]
struct Folder {
    /// The path relative to the root, ending with `/`. Empty for the root itself.
    path: String,
    entries: vec::IntoIter<DirEntry>,
}

impl Folder {
    /// Reads the entries of the folder at `at`, and sorts them.
    fn open(path: String, at: &Path) -> io::Result<Folder> {
        let mut entries: Vec<(OsString, DirEntry)> = fs::read_dir(at)?
            .map(|entry| entry.map(|entry| (entry.file_name(), entry)))
            .collect::<io::Result<_>>()?;
        entries.retain(|(name, _)| !name.as_encoded_bytes().starts_with(b"."));
        entries.sort_by(|(a, _), (b, _)| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        let entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
        Ok(Folder {
            path,
            entries: entries.into_iter(),
        })
    }
}

impl TextFiles {
    fn new(root: &Path) -> Result<TextFiles> {
        let origin = Origin::new("text_records", root.display().to_string());
        match Folder::open(String::new(), root) {
            Ok(folder) => Ok(TextFiles {
                root: root.to_owned(),
                origin,
                extensions: ["md", "txt"].map(str::to_owned).to_vec(),
                max_size: MAX_LEN as u64,
                folders: vec![folder],
                meter: Meter::new(None),
                bytes: 0,
            }),
            Err(error) => Err(origin.io(error)),
        }
    }

    /// Sets the extensions of the files to read, ignoring case. An empty list stands for all files. Default:
    /// `md` and `txt`.
    pub fn extensions<S: AsRef<str>>(
        mut self,
        extensions: impl IntoIterator<Item = S>,
    ) -> TextFiles {
        let bare = |extension: S| extension.as_ref().trim_start_matches(['*', '.']).to_owned();
        self.extensions = extensions.into_iter().map(bare).collect();
        self
    }

    /// Sets the maximum size of a file in bytes. For a larger file, the iterator returns an error. Default:
    /// 64 MiB.
    pub fn max_file_size(mut self, bytes: u64) -> TextFiles {
        self.max_size = bytes;
        self
    }

    fn has_wanted_extension(&self, path: &Path) -> bool {
        let extension = path.extension().unwrap_or_default();
        let is_equal = |wanted: &String| extension.eq_ignore_ascii_case(wanted);
        self.extensions.is_empty() || self.extensions.iter().any(is_equal)
    }

    /// Looks at an entry of a folder. Returns `None` for a folder, whose entries come next, and for anything
    /// else that is not to be read.
    fn look_at(&mut self, folder: &str, entry: &DirEntry) -> Option<Result<FoundFile>> {
        let path = entry.path();
        let name = entry.file_name();
        let id = format!("{folder}{}", name.to_string_lossy());
        let unreadable = |why: String| Some(Err(self.origin.unreadable(id.clone(), &why)));
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return unreadable(error.to_string()),
        };
        let mut size = 0;
        if !kind.is_dir() {
            if !self.has_wanted_extension(&path) {
                return None;
            }
            match fs::metadata(&path) {
                Ok(target) if target.is_file() => size = target.len(),
                // A link to a folder, a socket, or a pipe that would block.
                Ok(_) => return None,
                Err(error) => return unreadable(error.to_string()),
            }
        }
        if name.to_str().is_none() {
            return unreadable("the name is not UTF-8; rename the file".to_owned());
        }
        if kind.is_dir() {
            return match Folder::open(format!("{id}/"), &path) {
                Ok(folder) => {
                    self.folders.push(folder);
                    None
                }
                // An unknown number of records is missing, so this is not just one bad record.
                Err(error) => Some(Err(self.folder_error(&id, error))),
            };
        }
        Some(Ok(FoundFile { id, path, size }))
    }

    /// Returns the next file, without reading it.
    fn next_file(&mut self) -> Option<Result<FoundFile>> {
        loop {
            let folder = self.folders.last_mut()?;
            let Some(entry) = folder.entries.next() else {
                self.folders.pop();
                continue;
            };
            let path = folder.path.clone();
            if let Some(found) = self.look_at(&path, &entry) {
                return Some(found);
            }
        }
    }

    fn read_file(&mut self, file: FoundFile) -> Result<Record> {
        self.bytes += file.size;
        let FoundFile { id, path, .. } = file;
        match self.read_text(&path) {
            Ok(text) => Ok(Record::new(id.as_str())
                .document(text)
                .metadata("source", id)),
            Err(why) => Err(self.origin.unreadable(id, &why)),
        }
    }

    /// Returns the size of all files that are to be read.
    fn total_size(root: &Path, extensions: &[String]) -> Option<u64> {
        let mut files = TextFiles::new(root).ok()?;
        files.extensions = extensions.to_vec();
        let files = std::iter::from_fn(|| files.next_file());
        Some(files.flatten().map(|file| file.size).sum())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If it cannot be read, is too large or is not UTF-8: the reason.
    fn read_text(&self, path: &Path) -> std::result::Result<String, String> {
        let max = self.max_size;
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(max.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > max {
            return Err(format!("larger than {max} bytes; raise max_file_size"));
        }
        let name = path.to_string_lossy();
        if let Some(foreign) = Foreign::of(&bytes) {
            return Err(foreign.advice(&name));
        }
        match String::from_utf8(bytes) {
            Ok(mut text) => {
                if text.starts_with(BYTE_ORDER_MARK) {
                    text.drain(..BYTE_ORDER_MARK.len_utf8());
                }
                Ok(text)
            }
            Err(error) => {
                let byte = error.utf8_error().valid_up_to();
                let place = format!("at byte {byte}");
                Err(not_utf8(error.as_bytes(), byte, &place, &name))
            }
        }
    }

    fn folder_error(&self, id: &str, source: io::Error) -> Error {
        let message = format!("cannot read {}", self.root.join(id).display());
        Error::Io { message, source }
    }
}

impl Iterator for TextFiles {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        self.meter
            .start(|| TextFiles::total_size(&self.root, &self.extensions));
        let item = self.next_file();
        let item = item.map(|file| file.and_then(|file| self.read_file(file)));
        self.meter.advance(item.as_ref(), self.bytes);
        item
    }
}

impl std::iter::FusedIterator for TextFiles {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Folder as TempFolder;

    /// Returns a temporary folder with these files.
    fn folder(files: &[(&str, &[u8])]) -> TempFolder {
        let folder = TempFolder::new();
        for (path, bytes) in files {
            let path = folder.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn read(folder: &TempFolder) -> TextFiles {
        text_records(&folder.0).unwrap()
    }

    fn ids(files: TextFiles) -> Vec<String> {
        files.map(|record| record.unwrap().id).collect()
    }

    #[test]
    fn files_are_sorted_and_named_by_their_paths() {
        let files = folder(&[
            ("b.txt", b"\xEF\xBB\xBFtext of b\r\n"),
            ("a/z.TXT", b"z"),
            ("a/c/deep.md", b""),
            ("a.md", b"a"),
            ("a/picture.png", b"\xff"),
            (".git/notes.txt", b"hidden"),
            (".hidden.txt", b"hidden"),
            ("Z.txt", b"Z"),
            ("without", b"w"),
        ]);
        let order = ["Z.txt", "a/c/deep.md", "a/z.TXT", "a.md", "b.txt"];
        assert_eq!(ids(read(&files)), order);
        let last = read(&files).last().unwrap().unwrap();
        let expected = Record::new("b.txt").document("text of b\r\n");
        assert_eq!(last, expected.metadata("source", "b.txt"));

        for extension in [".md", "*.md", "MD"] {
            let found = ids(read(&files).extensions([extension]));
            assert_eq!(found, [order[1], order[3]]);
        }
        // No extensions: all files, one of which is not a text.
        let all = read(&files).extensions([""; 0]);
        let all: Vec<_> = all
            .map(|item| item.map(|r| r.id).map_err(|e| e.to_string()))
            .collect();
        assert_eq!(all.len(), 7);
        let error = all[2].as_ref().unwrap_err();
        assert!(
            error.contains("a/picture.png: invalid UTF-8 at byte 0; "),
            "{error}"
        );
        assert_eq!(all[6].as_deref(), Ok("without"));
    }

    #[test]
    fn field_11_text_that_is_not_utf_8_is_an_error_with_the_cure_in_the_place_of_the_file() {
        let utf16: Vec<u8> = "\u{feff}text"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let files = folder(&[
            ("a.txt", &utf16),
            ("b.txt", b"\xEF\xBB\xBFcaf\xE9"),
            ("c.txt", b"text"),
            ("d.txt", b"\x1F\x8B\x08"),
        ]);
        let items: Vec<_> = read(&files)
            .map(|item| item.map_err(|error| error.to_string()))
            .collect();
        for (item, cure) in [
            (
                0,
                "the text is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 {a.txt} > {a.utf8.txt}",
            ),
            (
                1,
                "invalid UTF-8 at byte 6; if the text is Windows-1252 or Latin-1, convert it: iconv -f WINDOWS-1252 -t UTF-8 {b.txt} > {b.utf8.txt}",
            ),
            (
                3,
                "the data is compressed; decompress it: gzip -dc {d.txt} > {d.utf8.txt}",
            ),
        ] {
            let error = items[item].as_ref().unwrap_err();
            let folder = format!("{}/", files.0.display());
            let cure = cure.replace('{', &folder).replace('}', "");
            assert!(error.ends_with(&cure), "{error}");
        }
        assert_eq!(items[2].as_ref().unwrap().id, "c.txt");
    }

    #[test]
    fn field_12_an_empty_file_is_a_record_with_an_empty_document() {
        let files = folder(&[("a.md", b""), ("b.md", b"\xEF\xBB\xBF"), ("c.md", b" \n")]);
        let texts: Vec<_> = read(&files).map(|item| item.unwrap().document).collect();
        assert_eq!(texts, ["", "", " \n"].map(|text| Some(text.to_owned())));
    }

    #[test]
    fn a_file_that_is_too_large_is_an_error_in_its_place() {
        let files = folder(&[("a.txt", b"123"), ("b.txt", b"1234"), ("c.txt", b"")]);
        let items: Vec<_> = read(&files).max_file_size(3).collect();
        let error = items[1].as_ref().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(
            error.to_string().contains("b.txt: larger than 3 bytes"),
            "{error}"
        );
        assert!(items[0].is_ok() && items[2].is_ok() && items.len() == 3);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = text_records("no/such/folder").unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot read no/such/folder: "),
            "{error:#}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_are_read_but_not_links_to_folders_or_sockets() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;

        let files = folder(&[("a/real.txt", b"text")]);
        let root = &files.0;
        symlink(root.join("a/real.txt"), root.join("b.txt")).unwrap();
        symlink(root, root.join("a/circle.txt")).unwrap();
        symlink(root.join("nowhere"), root.join("c.txt")).unwrap();
        let _socket = UnixListener::bind(root.join("socket.txt")).unwrap();
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"d\xff.txt")), b"").unwrap();
        let items: Vec<_> = read(&files)
            .map(|item| {
                item.map(|record| record.id)
                    .map_err(|error| error.to_string())
            })
            .collect();
        assert_eq!(
            items[..2],
            [Ok("a/real.txt".to_owned()), Ok("b.txt".to_owned())]
        );
        let [broken, name] = &items[2..] else {
            panic!("{items:?}")
        };
        assert!(
            broken.as_ref().unwrap_err().contains("c.txt: "),
            "{broken:?}"
        );
        assert!(
            name.as_ref()
                .unwrap_err()
                .ends_with("the name is not UTF-8; rename the file"),
            "{name:?}"
        );
    }
}
