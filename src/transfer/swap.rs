//! [`Swap`]: gives a new collection the name of an old one, by two renames with a journal on disk.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::collection::Collection;
use crate::durable::{self, replacement::Replacement};
use crate::error::{Call, Error, InvalidInput, Result};
use crate::model::name;
use crate::printable::OneLine;

/// The name of the operation in errors.
const SWAP: &str = "swap";
/// The first member of a journal.
const FORMAT: &str = "chroma-blocking swap 1";
/// The most bytes of a journal.
const MAX_LEN: u64 = 1 << 16;

impl Collection {
    /// Gives a new collection the name of this one, which gets another name. Both stay, with all records.
    ///
    /// The journal is a file that exists while the swap runs. If the program is killed meanwhile, the next
    /// start finishes the swap:
    ///
    /// ```no_run
    /// # use chroma_blocking::{Client, Gemini};
    /// let client = Client::from_env()?;
    /// client.repair_swap("notes.swap")?; // does nothing without the file
    ///
    /// let old = client.collection("notes").get()?;
    /// let new = client.collection("notes-reembedded").get()?;
    /// let swapped = old.swap_with(&new).journal("notes.swap").run()?;
    /// println!("{swapped}");
    /// # Ok::<(), chroma_blocking::Error>(())
    /// ```
    pub fn swap_with(&self, new: &Collection) -> Swap {
        Swap {
            old: self.clone(),
            new: new.clone(),
            old_name: format!("{}-old", self.name()),
            journal: PathBuf::new(),
        }
    }
}

impl Client {
    /// Finishes a [swap](Collection::swap_with) that was interrupted. Returns `None` if the journal does not exist.
    ///
    /// Looks up by id which names the two collections have now, makes the renames that are missing, and
    /// deletes the journal. It may be called any number of times.
    ///
    /// # Errors
    /// - [`Error::AlreadyExists`] if another program has created a collection of a name that the swap needs.
    ///   The journal stays. Rename or delete that collection, then call this again.
    /// - [`Error::NotFound`] if the collections are not in this database, or have been deleted or renamed by
    ///   others. The journal stays.
    /// - [`Error::Invalid`] if the file is not a journal.
    pub fn repair_swap(&self, journal: impl AsRef<Path>) -> Result<Option<Swapped>> {
        let path = journal.as_ref();
        let Some(journal) = Journal::read(path)? else {
            return Ok(None);
        };
        journal.finish(self, path).map(Some)
    }
}

/// A swap of two names; see [`Collection::swap_with`].
///
/// 1. It writes the journal.
/// 2. It renames the old collection from `notes` to `notes-old`.
/// 3. It renames the new collection to `notes`.
/// 4. It deletes the journal.
///
/// **Between the two renames, no collection has the name.** This takes as long as one request: with Chroma
/// 1.5.9 on the same machine, about 12 ms at best and 30 ms in the median on a busy machine with two cores.
/// Programs that open the collection by its name in this time get
/// [`Error::NotFound`]. One that creates it then stops the swap; see [`Client::repair_swap`].
///
/// **Programs that have the collection open keep the old one**, since requests use its id. They read and
/// write the old collection until they open the name again, so restart them after the swap. To bring what
/// they have written meanwhile into the new collection, call
/// `old.reembed(function).name("notes").if_exists(IfExists::Replace)` before others write to the new one: it
/// embeds only new and changed texts, and replaces records that differ.
/// [`IfExists::AddNew`](super::IfExists::AddNew) only adds records.
///
/// The old collection stays until it is deleted.
#[derive(Debug, Clone)]
#[must_use = "renames nothing until run() is called"]
pub struct Swap {
    old: Collection,
    new: Collection,
    old_name: String,
    journal: PathBuf,
}

impl Swap {
    /// Sets the new name of the old collection. Default: its name with `-old` at the end.
    pub fn old_name(mut self, name: impl Into<String>) -> Swap {
        self.old_name = name.into();
        self
    }

    /// Sets the file of the journal. Required. The file must not exist; the swap deletes it at its end.
    pub fn journal(mut self, file: impl Into<PathBuf>) -> Swap {
        self.journal = file.into();
        self
    }

    /// Renames both collections.
    ///
    /// If this fails, or the program is killed, and the journal exists, [`Client::repair_swap`] finishes the
    /// swap. If the first rename is refused, nothing has changed, and the journal does not exist.
    ///
    /// # Errors
    /// - [`Error::Invalid`] if both collections are the same, or in different databases; or if the journal
    ///   exists, since another swap is not finished. Nothing has changed.
    /// - [`Error::NotFound`] if one of the two has another name by now, or is deleted. Nothing has changed.
    /// - [`Error::AlreadyExists`] if the new name of the old collection is taken. Nothing has changed. Also if
    ///   another program creates a collection of the name between the renames; see [`Client::repair_swap`].
    pub fn run(self) -> Result<Swapped> {
        let (old, new) = (&self.old, &self.new);
        self.check().map_err(|reason| self.call().invalid(reason))?;
        let journal = Journal {
            format: FORMAT.to_owned(),
            server: old.client().url().to_owned(),
            tenant: old.client().tenant().to_owned(),
            database: old.client().database().to_owned(),
            old: Side::of(old, &self.old_name),
            new: Side::of(new, old.name()),
        };
        for collection in [old, new] {
            if id_of(collection.client(), collection.name())?.as_deref() != Some(collection.id()) {
                return Err(journal.lost(collection.client(), collection.name(), collection.id()));
            }
        }
        if id_of(old.client(), &self.old_name)?.is_some() {
            return Err(journal.taken(&self.old_name, "set another one with .old_name(...)"));
        }
        journal.write(&self.journal)?;
        if let Err(error) = old.rename(&self.old_name) {
            if !error.call().is_some_and(|call| call.may_have_acted) {
                // The error that led here is the one to report.
                let _ = remove(&self.journal);
            }
            return Err(error);
        }
        let collection = journal.rename_new(new)?;
        remove(&self.journal)?;
        Ok(Swapped {
            collection,
            old_name: self.old_name,
        })
    }

    fn check(&self) -> Result<(), InvalidInput> {
        let (old, new) = (&self.old, &self.new);
        if old.id() == new.id() {
            let why = "it is the collection itself; pass the new one";
            return Err(InvalidInput::setting("new", new.name(), why));
        }
        let place = |collection: &Collection| {
            let client = collection.client();
            [client.url(), client.tenant(), client.database()].map(str::to_owned)
        };
        if place(old) != place(new) {
            let why = format!(
                "it is in {:?}, and the old one in {:?}; copy it there first",
                place(new),
                place(old)
            );
            return Err(InvalidInput::setting("new", new.name(), why));
        }
        if [old.name(), new.name()].contains(&self.old_name.as_str()) {
            let why = "one of the two collections has this name now; choose a third one";
            return Err(InvalidInput::setting(
                "old_name",
                self.old_name.as_str(),
                why,
            ));
        }
        name::check("collection", &self.old_name)?;
        if self.journal.as_os_str().is_empty() {
            let why = "name a file with .journal(...), so that an interrupted swap can be finished";
            return Err(InvalidInput::setting("journal", "not set", why));
        }
        if self.journal.symlink_metadata().is_ok() {
            let why = "the file exists; if a swap was interrupted, finish it with Client::repair_swap, else name another file";
            let journal = self.journal.display().to_string();
            return Err(InvalidInput::setting("journal", journal, why));
        }
        Ok(())
    }

    fn call(&self) -> Call {
        Call::new(SWAP, Some(self.old.name()))
    }
}

/// The result of a [swap](Collection::swap_with).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Swapped {
    /// The new collection, under the name of the old one.
    pub collection: Collection,
    /// The new name of the old collection.
    pub old_name: String,
}

/// `notes is the new collection; the old one is notes-old`
impl fmt::Display for Swapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (new, old) = (OneLine(self.collection.name()), OneLine(&self.old_name));
        write!(f, "{new} is the new collection; the old one is {old}")
    }
}

/// The file that records a swap until it is complete.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    format: String,
    server: String,
    tenant: String,
    database: String,
    old: Side,
    new: Side,
}

/// One of the collections of a swap.
#[derive(Debug, Serialize, Deserialize)]
struct Side {
    id: String,
    /// The name before the swap.
    from: String,
    /// The name after the swap.
    to: String,
}

impl Side {
    fn of(collection: &Collection, to: &str) -> Side {
        Side {
            id: collection.id().to_owned(),
            from: collection.name().to_owned(),
            to: to.to_owned(),
        }
    }
}

impl Journal {
    /// Reads a journal; `None` if the file does not exist.
    fn read(path: &Path) -> Result<Option<Journal>> {
        let mut content = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_LEN).read_to_end(&mut content));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| failure("read", path, error))?,
        };
        let journal: Option<Journal> = serde_json::from_slice(&content).ok();
        let journal = journal.filter(|journal| journal.format == FORMAT);
        let refused = || {
            let why = "the file is not a complete journal of a swap; name the right file, or look up with list_collections which name each collection has";
            let reason = InvalidInput::setting("journal", path.display().to_string(), why);
            Call::new(SWAP, None).invalid(reason)
        };
        journal.ok_or_else(refused).map(Some)
    }

    /// Writes the journal, so that it survives a crash.
    fn write(&self, path: &Path) -> Result<()> {
        let write = || {
            let file = durable::Target::file(path)?;
            let replacement = Replacement::create(&file)?;
            let mut content = serde_json::to_vec_pretty(self)?;
            content.push(b'\n');
            replacement.file().write_all(&content)?;
            replacement.commit()
        };
        write().map_err(|error| failure("write", path, error))
    }

    /// Makes the renames that are missing, and deletes the journal.
    fn finish(self, client: &Client, path: &Path) -> Result<Swapped> {
        let (old, new) = (&self.old, &self.new);
        let find = |name: &str, id: &str| -> Result<Option<Collection>> {
            if id_of(client, name)?.as_deref() != Some(id) {
                return Ok(None);
            }
            let found = client.collection(name).get()?;
            Ok((found.id() == id).then_some(found))
        };
        let swapped = |collection| Swapped {
            collection,
            old_name: old.to.clone(),
        };
        if let Some(collection) = find(&new.to, &new.id)? {
            remove(path)?;
            return Ok(swapped(collection));
        }
        let Some(collection) = find(&new.from, &new.id)? else {
            return Err(self.lost(client, &new.from, &new.id));
        };
        if let Some(collection) = find(&old.from, &old.id)? {
            if id_of(client, &old.to)?.is_some() {
                return Err(self.taken(&old.to, RENAME_IT));
            }
            collection.rename(&old.to)?;
        }
        let collection = self.rename_new(&collection)?;
        remove(path)?;
        Ok(swapped(collection))
    }

    /// Gives the new collection its name, after the old one has lost it.
    fn rename_new(&self, new: &Collection) -> Result<Collection> {
        match new.modify().name(&self.new.to).run() {
            Err(Error::AlreadyExists { .. }) => Err(self.taken(&self.new.to, RENAME_IT)),
            renamed => renamed,
        }
    }

    /// Returns the error if one of the collections is not where it should be.
    fn lost(&self, client: &Client, name: &str, id: &str) -> Error {
        let place = [client.url(), client.tenant(), client.database()];
        let expected = [&self.server, &self.tenant, &self.database];
        let elsewhere = if place == expected.map(String::as_str) {
            String::new()
        } else {
            format!(" in {place:?}; the swap is one of {expected:?}")
        };
        let message = format!(
            "no collection {name:?} with the id {id}{elsewhere}; it was deleted or renamed by another program, so nothing was renamed"
        );
        Error::NotFound {
            call: Box::new(self.call()),
            message,
        }
    }

    /// Returns the error if a name that the swap needs belongs to another collection.
    fn taken(&self, name: &str, advice: &str) -> Error {
        Error::AlreadyExists {
            call: Box::new(self.call()),
            message: format!("there is another collection {name:?}; {advice}"),
        }
    }

    fn call(&self) -> Call {
        Call::new(SWAP, Some(&self.new.to))
    }
}

/// The advice if another program has taken a name.
const RENAME_IT: &str = "another program has created it; rename or delete it, then finish the swap with Client::repair_swap";

/// Returns the id of the collection that has this name now.
fn id_of(client: &Client, name: &str) -> Result<Option<String>> {
    match client.at_primary().collection(name).get() {
        Ok(found) => Ok(Some(found.id().to_owned())),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes a journal, because its swap is complete.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failure("delete", path, error)),
        _ => Ok(()),
    }
}

fn failure(act: &str, path: &Path, source: io::Error) -> Error {
    let message = format!("cannot {act} the journal {}", path.display());
    Error::Io { message, source }
}
