//! [`TextFiles`]: the text files of a folder as records.

use std::ffi::OsString;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::vec;

use super::{MAX_LEN, Origin};
use crate::error::{Error, Result};
use crate::model::record::Record;

/// The text files of a folder and of the folders in it: [`TextFiles`] with its options.
///
/// ```no_run
/// # use chroma_blocking::{Client, Hashing};
/// # use chroma_blocking::ingest::{TextSplitter, text_records};
/// # let notes = Client::from_env()?.collection("docs").embedding_function(Hashing::default()).get_or_create()?;
/// let files = text_records("docs")?.extensions(["md", "rst"]);
/// for piece in TextSplitter::new(1_000).overlap(100).split_records(files) {
///     let piece = piece?;
///     println!("{}: {}", piece.id, piece.document.unwrap_or_default());
/// }
/// # Ok::<(), chroma_blocking::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when there is no such folder, or it cannot be read.
pub fn text_records(folder: impl AsRef<Path>) -> Result<TextFiles> {
    TextFiles::new(folder.as_ref())
}

/// An iterator of records made of text files, by [`text_records`].
///
/// The id is the file's path in the folder, with `/` between its parts on every system, and so is the metadata value
/// `source`; the document is all of its text, without a byte order mark. [`TextSplitter`](crate::ingest::TextSplitter) cuts long
/// ones.
///
/// Files and folders whose names start with a dot are left out; links to files are read, links to folders are not followed.
///
/// # Order
/// Names are in the order of their bytes, and what is in a folder comes in that folder's place. So folders that have not
/// changed give the same records in the same order again.
///
/// # Files that cannot be read
/// A file that is not UTF-8, whose name is not, or that is too large, is an [`Error::Invalid`] in its place; a file or a
/// folder that the system does not let be read, an [`Error::Io`]. Both name it, and the next file comes after them.
#[derive(Debug)]
#[must_use = "reads nothing unless it is iterated"]
pub struct TextFiles {
    root: PathBuf,
    origin: Origin,
    extensions: Vec<String>,
    max: u64,
    /// The folders that the walk is in, the innermost last.
    folders: Vec<Folder>,
}

/// What is left of a folder.
#[derive(Debug)]
struct Folder {
    /// Its path in the root, with a `/` behind it; empty for the root itself.
    path: String,
    entries: vec::IntoIter<DirEntry>,
}

impl Folder {
    /// What is in a folder, in order.
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
                max: MAX_LEN as u64,
                folders: vec![folder],
            }),
            Err(error) => Err(origin.io(error)),
        }
    }

    /// Only files whose names end so, in small or in capital letters; without any, all files. Default: `md` and `txt`.
    pub fn extensions<S: AsRef<str>>(
        mut self,
        extensions: impl IntoIterator<Item = S>,
    ) -> TextFiles {
        let bare = |extension: S| extension.as_ref().trim_start_matches('.').to_owned();
        self.extensions = extensions.into_iter().map(bare).collect();
        self
    }

    /// The most bytes in a file; a larger one is an error in its place. Default: 64 MiB.
    pub fn max_file_size(mut self, bytes: u64) -> TextFiles {
        self.max = bytes;
        self
    }

    fn wanted(&self, path: &Path) -> bool {
        let extension = path.extension().unwrap_or_default();
        let is = |wanted: &String| extension.eq_ignore_ascii_case(wanted);
        self.extensions.is_empty() || self.extensions.iter().any(is)
    }

    /// What an entry is: `None` for nothing, and for a folder, which comes next.
    fn entry(&mut self, folder: &str, entry: &DirEntry) -> Option<Result<Record>> {
        let path = entry.path();
        let name = entry.file_name();
        let id = format!("{folder}{}", name.to_string_lossy());
        let unreadable = |error: io::Error| {
            let why = error.to_string();
            Some(Err(self.origin.unreadable(id.clone(), why)))
        };
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return unreadable(error),
        };
        if !kind.is_dir() {
            if !self.wanted(&path) {
                return None;
            }
            match fs::metadata(&path) {
                Ok(target) if target.is_file() => {}
                // A link to a folder, a socket, a pipe that nobody writes to.
                Ok(_) => return None,
                Err(error) => return unreadable(error),
            }
        }
        if name.to_str().is_none() {
            let why = "its name is not UTF-8".to_owned();
            return Some(Err(self.origin.unreadable(id, why)));
        }
        if kind.is_dir() {
            return match Folder::open(format!("{id}/"), &path) {
                Ok(folder) => {
                    self.folders.push(folder);
                    None
                }
                // Nobody knows what is in it.
                Err(error) => Some(Err(io(&self.root, &id, error))),
            };
        }
        Some(match self.text(&path) {
            Ok(Ok(text)) => Ok(Record::new(id.as_str())
                .document(text)
                .metadata("source", id)),
            Ok(Err(why)) => Err(self.origin.unreadable(id, why)),
            Err(error) => return unreadable(error),
        })
    }

    /// The text of a file, or why it is none.
    fn text(&self, path: &Path) -> io::Result<Result<String, String>> {
        let mut bytes = Vec::new();
        let most = self.max.saturating_add(1);
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > self.max {
            let max = self.max;
            return Ok(Err(format!(
                "it is larger than {max} bytes (max_file_size)"
            )));
        }
        if bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        Ok(String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            format!("it is not UTF-8 at byte {place}")
        }))
    }
}

fn io(root: &Path, id: &str, source: io::Error) -> Error {
    let message = format!("cannot read {}", root.join(id).display());
    Error::Io { message, source }
}

impl Iterator for TextFiles {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            let folder = self.folders.last_mut()?;
            let Some(entry) = folder.entries.next() else {
                self.folders.pop();
                continue;
            };
            let path = folder.path.clone();
            if let Some(item) = self.entry(&path, &entry) {
                return Some(item);
            }
        }
    }
}

impl std::iter::FusedIterator for TextFiles {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of one test, gone when dropped.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str, files: &[(&str, &[u8])]) -> Files {
            let name = format!("chroma-blocking-{}-{name}", std::process::id());
            let root = std::env::temp_dir().join(name);
            for (path, bytes) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Files(root)
        }

        fn read(&self) -> TextFiles {
            text_records(&self.0).unwrap()
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn ids(files: TextFiles) -> Vec<String> {
        files.map(|record| record.unwrap().id).collect()
    }

    #[test]
    fn files_come_in_order_with_their_paths() {
        let files = Files::new(
            "order",
            &[
                ("b.txt", b"\xEF\xBB\xBFtext of b\r\n"),
                ("a/z.TXT", b"z"),
                ("a/c/deep.md", b""),
                ("a.md", b"a"),
                ("a/picture.png", b"\xff"),
                (".git/notes.txt", b"hidden"),
                (".hidden.txt", b"hidden"),
                ("Z.txt", b"Z"),
                ("without", b"w"),
            ],
        );
        let order = ["Z.txt", "a/c/deep.md", "a/z.TXT", "a.md", "b.txt"];
        assert_eq!(ids(files.read()), order);
        let last = files.read().last().unwrap().unwrap();
        let expected = Record::new("b.txt").document("text of b\r\n");
        assert_eq!(last, expected.metadata("source", "b.txt"));

        assert_eq!(ids(files.read().extensions([".md"])), [order[1], order[3]]);
        // All of them, and one is no text.
        let all = files.read().extensions([""; 0]);
        let all: Vec<_> = all
            .map(|item| item.map(|r| r.id).map_err(|e| e.to_string()))
            .collect();
        assert_eq!(all.len(), 7);
        let error = all[2].as_ref().unwrap_err();
        assert!(
            error.ends_with("a/picture.png: it is not UTF-8 at byte 0"),
            "{error}"
        );
        assert_eq!(all[6].as_deref(), Ok("without"));
    }

    #[test]
    fn a_file_that_is_too_large_is_an_error_in_its_place() {
        let files = Files::new(
            "large",
            &[("a.txt", b"123"), ("b.txt", b"1234"), ("c.txt", b"")],
        );
        let items: Vec<_> = files.read().max_file_size(3).collect();
        let error = items[1].as_ref().unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("b.txt: it is larger than 3 bytes"),
            "{error}"
        );
        assert!(items[0].is_ok() && items[2].is_ok() && items.len() == 3);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let error = text_records("no/such/folder").unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot read no/such/folder: "),
            "{error:#}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_to_files_are_read_and_nothing_waits_or_goes_in_circles() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;

        let files = Files::new("links", &[("a/real.txt", b"text")]);
        let root = &files.0;
        symlink(root.join("a/real.txt"), root.join("b.txt")).unwrap();
        symlink(root, root.join("a/circle.txt")).unwrap();
        symlink(root.join("nowhere"), root.join("c.txt")).unwrap();
        let _socket = UnixListener::bind(root.join("socket.txt")).unwrap();
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"d\xff.txt")), b"").unwrap();
        let items: Vec<_> = files
            .read()
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
                .ends_with("its name is not UTF-8"),
            "{name:?}"
        );
    }
}
