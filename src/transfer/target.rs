//! [`Target`]: the collection that a transfer writes into, created or opened.

use super::checkpoint::Saved;
use super::existing::{IfExists, Origin};
use super::feed::Pass;
use super::settings::Settings;
use crate::client::Client;
use crate::collection::{Collection, CollectionBuilder, CollectionSettings};
use crate::error::{Call, Error, InvalidInput, Result};

/// The collection that a transfer writes into.
pub(super) struct Target {
    /// `None` in a dry run that would create it.
    pub(super) collection: Option<Collection>,
    pub(super) origin: Origin,
    /// The records that the first pass writes.
    pub(super) pass: Pass,
    /// The position from which the first pass continues.
    pub(super) from: u64,
    /// The settings that the target's server cannot store.
    pub(super) losses: Vec<String>,
}

/// How to find or create the target of a transfer.
pub(super) struct Opening<'o> {
    pub(super) call: Call,
    /// Has the settings of the source.
    pub(super) builder: CollectionBuilder,
    pub(super) source: CollectionSettings,
    /// The collection that is read, which must not be the target as well.
    pub(super) read_from: Option<&'o Collection>,
}

impl Opening<'_> {
    /// Opens the target, or creates it.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if it exists and must not; [`Error::Invalid`] if its vectors are not
    /// comparable with those of the source, or if it is not the target of the checkpoint.
    pub(super) fn run(self, settings: &Settings<'_>, saved: Option<&mut Saved>) -> Result<Target> {
        let existing = match self.builder.clone().get() {
            Ok(existing) => Some(existing),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let progressed = saved.as_ref().map(|saved| saved.progressed.clone());
        let progressed = progressed.unwrap_or_default();
        if let Some(id) = &progressed.collection {
            let existing = existing.filter(|existing| existing.id() == id);
            let Some(existing) = existing else {
                return Err(self.refuse_checkpoint());
            };
            let mut target = if progressed.creates {
                Target::created(existing, Vec::new())
            } else {
                Target::existing(existing, settings.if_exists)
            };
            target.from = progressed.done;
            return Ok(target);
        }
        match existing {
            // Created by an earlier run, which was killed before it could record that.
            Some(empty) if progressed.creates && empty.count()? == 0 => {
                self.check_vectors(&empty)?;
                record(saved, &empty)?;
                Ok(Target::created(empty, Vec::new()))
            }
            Some(existing) => {
                self.check(&existing, settings)?;
                record(saved, &existing)?;
                Ok(Target::existing(existing, settings.if_exists))
            }
            None => self.create(settings, saved),
        }
    }

    fn create(self, settings: &Settings<'_>, mut saved: Option<&mut Saved>) -> Result<Target> {
        let losses = self.builder.losses()?;
        if settings.dry_run {
            return Ok(Target {
                collection: None,
                origin: Origin::Created,
                pass: Pass::All,
                from: 0,
                losses,
            });
        }
        // Otherwise, the creation fails before it sends anything.
        let is_allowed = losses.is_empty() || settings.allow_losses;
        if let Some(saved) = saved.as_mut().filter(|_| is_allowed) {
            saved.change(|progressed| progressed.creates = true)?;
        }
        let builder = self.builder.clone().allow_losses(settings.allow_losses);
        let created = match builder.create() {
            Ok(created) => created,
            Err(error) => {
                let may_exist = error.call().is_some_and(|call| call.may_have_acted);
                if let Some(saved) = saved.filter(|_| is_allowed && !may_exist) {
                    // The next run must not take a collection of another program for its own.
                    saved.change(|progressed| progressed.creates = false)?;
                }
                return Err(error);
            }
        };
        record(saved, &created)?;
        Ok(Target::created(created, losses))
    }

    /// Checks a collection that exists already.
    fn check(&self, existing: &Collection, settings: &Settings<'_>) -> Result<()> {
        if self
            .read_from
            .is_some_and(|source| is_same(source, existing))
        {
            let why = "the target is the source itself; set another name with .name(...), or use another server";
            let reason = InvalidInput::setting("name", existing.name(), why);
            return Err(self.call.clone().invalid(reason));
        }
        if settings.if_exists == IfExists::Fail {
            return Err(exists(&self.call, existing.name()));
        }
        self.check_vectors(existing)
    }

    fn check_vectors(&self, existing: &Collection) -> Result<()> {
        let same = existing.check_same_vectors(&self.source);
        same.map_err(|reason| self.call.clone().invalid(reason))
    }

    fn refuse_checkpoint(&self) -> Error {
        let why = "the collection that it belongs to was deleted or replaced; delete the file to start again";
        let subject = self.call.subject.clone().unwrap_or_default();
        let reason = InvalidInput::setting("checkpoint", subject, why);
        self.call.clone().invalid(reason)
    }
}

/// Whether two handles are of the same collection. Copies of a server's data folder have the same ids.
fn is_same(one: &Collection, other: &Collection) -> bool {
    one.id() == other.id() && place(one.client()) == place(other.client())
}

/// Returns the server, the tenant and the database of a client.
pub(super) fn place(client: &Client) -> [String; 3] {
    [client.url(), client.tenant(), client.database()].map(str::to_owned)
}

/// Creates the client's database unless it exists.
pub(super) fn create_database(client: &Client) -> Result<()> {
    match client.get_database(client.database()) {
        Err(Error::NotFound { .. }) => match client.create_database(client.database()) {
            // Another program was faster.
            Err(Error::AlreadyExists { .. }) => Ok(()),
            created => created,
        },
        found => found.map(drop),
    }
}

/// Records the id of the target.
fn record(saved: Option<&mut Saved>, target: &Collection) -> Result<()> {
    let id = target.id().to_owned();
    saved.map_or(Ok(()), |saved| {
        saved.change(|progressed| progressed.collection = Some(id))
    })
}

/// Returns the error for a target that exists and must not.
pub(super) fn exists(call: &Call, name: &str) -> Error {
    Error::AlreadyExists {
        call: Box::new(call.clone()),
        message: format!(
            "the target has a collection {name:?}; set another name, or choose with if_exists how to treat it"
        ),
    }
}

impl Target {
    /// A collection that this transfer has created.
    fn created(collection: Collection, losses: Vec<String>) -> Target {
        Target {
            collection: Some(collection),
            origin: Origin::Created,
            pass: Pass::All,
            from: 0,
            losses,
        }
    }

    fn existing(collection: Collection, mode: IfExists) -> Target {
        Target {
            collection: Some(collection),
            origin: Origin::Existing(mode),
            pass: match mode {
                IfExists::AddNew => Pass::New,
                _ => Pass::Different,
            },
            from: 0,
            losses: Vec::new(),
        }
    }
}
