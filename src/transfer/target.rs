//! [`Target`]: the collection that a transfer writes into. [`TargetOptions`] finds or creates it.

use super::checkpoint::{Position, TransferCheckpoint};
use super::existing::{IfExists, Origin};
use super::feed::Pass;
use super::settings::Settings;
use crate::client::Client;
use crate::collection::{Collection, CollectionBuilder, CollectionSettings};
use crate::error::{Call, Error, InvalidInput, Result};

/// The collection that a transfer writes into.
pub(super) struct Target {
    /// `None` until it is created.
    pub(super) collection: Option<Collection>,
    pub(super) origin: Origin,
    /// The records that the first pass writes.
    pub(super) pass: Pass,
    /// The settings that the target's server cannot store.
    pub(super) losses: Vec<String>,
}

/// How to find or create a target.
pub(super) struct TargetOptions {
    pub(super) call: Call,
    /// Has the settings of the source.
    pub(super) builder: CollectionBuilder,
    pub(super) source: CollectionSettings,
    /// The collection that is read, which must not be the target as well.
    pub(super) read_from: Option<Collection>,
    /// Whether the database is created if it does not exist.
    pub(super) creates_database: bool,
    /// Whether an existing target must store its embedding function, so that its vectors are known to be those
    /// of the function.
    pub(super) needs_function: bool,
}

impl TargetOptions {
    /// Finds the target, and checks it. Writes nothing.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if it exists and must not; [`Error::Invalid`] if its vectors are not
    /// comparable with those of the source, or if it is not the target of the checkpoint;
    /// [`Error::Unsupported`] if it cannot be created without losses that are not allowed.
    pub(super) fn find(&self, position: &Position, settings: &Settings<'_>) -> Result<Target> {
        let existing = match self.builder.clone().get() {
            Ok(existing) => Some(existing),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let existing = match (&position.collection, existing) {
            (Some(id), Some(existing)) if existing.id() == id => {
                return Ok(if position.creates {
                    Target::new(Some(existing), Origin::Created, Pass::New)
                } else {
                    Target::existing(existing, settings.if_exists)
                });
            }
            (Some(_), _) => return Err(self.refuse_checkpoint()),
            (None, existing) => existing,
        };
        match existing {
            // Created by an earlier run, which was killed before it could record that.
            Some(empty) if position.creates && empty.count()? == 0 => {
                self.check_vectors(&empty)?;
                Ok(Target::new(Some(empty), Origin::Created, Pass::All))
            }
            Some(existing) => {
                self.check(&existing, settings)?;
                Ok(Target::existing(existing, settings.if_exists))
            }
            None => {
                let allows = settings.allow_losses || settings.dry_run;
                let builder = self.builder.clone().allow_losses(allows);
                let mut target = Target::new(None, Origin::Created, Pass::All);
                target.losses = builder.allowed_losses()?;
                Ok(target)
            }
        }
    }

    /// Checks a collection that exists already.
    fn check(&self, existing: &Collection, settings: &Settings<'_>) -> Result<()> {
        let name = existing.name();
        let invalid = |why| {
            let reason = InvalidInput::setting("name", name, why);
            Err(self.call.clone().invalid(reason))
        };
        let read_from = self.read_from.as_ref();
        if read_from.is_some_and(|source| is_same(source, existing)) {
            return invalid(
                "the target is the source itself; set another name with .name(...), or use another server",
            );
        }
        if settings.if_exists == IfExists::Fail {
            return Err(Error::AlreadyExists {
                call: Box::new(self.call.clone()),
                message: format!(
                    "the target has a collection {name:?}; set another name, or choose with if_exists how to treat it"
                ),
            });
        }
        self.check_vectors(existing)?;
        let has_function = |settings: &CollectionSettings| settings.function().is_some();
        let are_known =
            has_function(&self.source) && has_function(&CollectionSettings::of(existing));
        if self.needs_function && !are_known {
            return invalid(
                "it exists, and nothing stored shows that its vectors are those of the new function; set another name, or delete the collection",
            );
        }
        Ok(())
    }

    fn check_vectors(&self, existing: &Collection) -> Result<()> {
        let same = existing.check_same_vectors(&self.source);
        same.map_err(|reason| self.call.clone().invalid(reason))
    }

    /// Creates the target unless it exists, and records its id.
    pub(super) fn create(
        &self,
        target: &mut Target,
        settings: &Settings<'_>,
        (checkpoint, key): (&mut TransferCheckpoint, &str),
    ) -> Result<()> {
        if target.collection.is_none() {
            if self.creates_database {
                create_database(self.builder.client())?;
            }
            checkpoint.change(key, |position| position.creates = true)?;
            let builder = self.builder.clone().allow_losses(settings.allow_losses);
            match builder.create() {
                Ok(created) => target.collection = Some(created),
                Err(error) => {
                    let may_exist = error.call().is_some_and(|call| call.may_have_acted);
                    if !may_exist {
                        // The next run must not take a collection of another program for its own.
                        checkpoint.change(key, |position| position.creates = false)?;
                    }
                    return Err(error);
                }
            }
        }
        let id = target.collection.as_ref().map(|one| one.id().to_owned());
        checkpoint.change(key, |position| {
            position.creates = target.origin == Origin::Created;
            position.collection = id;
        })
    }

    fn refuse_checkpoint(&self) -> Error {
        let why = "the collection that it belongs to was deleted or replaced; delete the file to start again";
        let subject = self.call.subject.clone().unwrap_or_default();
        let reason = InvalidInput::setting("checkpoint", subject, why);
        self.call.clone().invalid(reason)
    }
}

impl Target {
    fn new(collection: Option<Collection>, origin: Origin, pass: Pass) -> Target {
        Target {
            collection,
            origin,
            pass,
            losses: Vec::new(),
        }
    }

    fn existing(collection: Collection, mode: IfExists) -> Target {
        let pass = match mode {
            IfExists::AddNew => Pass::New,
            _ => Pass::Different,
        };
        Target::new(Some(collection), Origin::Existing(mode), pass)
    }

    /// Whether records of the target may be replaced or deleted that this transfer has not written.
    pub(super) fn changes_records(&self) -> bool {
        matches!(
            self.origin,
            Origin::Existing(IfExists::Replace | IfExists::Mirror)
        )
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
fn create_database(client: &Client) -> Result<()> {
    match client.get_database(client.database()) {
        Err(Error::NotFound { .. }) => match client.create_database(client.database()) {
            // Another program was faster.
            Err(Error::AlreadyExists { .. }) => Ok(()),
            created => created,
        },
        found => found.map(drop),
    }
}
