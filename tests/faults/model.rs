//! What the server may hold: of each id every state that is possible, after what the client was told.
//!
//! A call that is known to have worked takes each possible state to the next, one that certainly did nothing leaves them,
//! and of one whose fate is unknown both remain. What a read finds must be among them, and is then the only one. That
//! is right as long as one thread writes to an id, and nothing that it has given up is acted on later: in front of a real
//! server nobody can promise that, so the tests wait until it is so (`FaultProxy::settle`).

use std::collections::{BTreeMap, HashSet};

use chroma_blocking::{Error, Record, Result};

/// A record as it is stored, or that there is none.
pub type State = Option<Record>;

/// A write of one record; of a deletion only the id counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Add,
    Upsert,
    Update,
    Delete,
}

impl Write {
    /// The name of the operation, as errors show it.
    pub fn name(self) -> &'static str {
        match self {
            Write::Add => "add",
            Write::Upsert => "upsert",
            Write::Update => "update",
            Write::Delete => "delete",
        }
    }

    fn after(self, before: &State, given: &Record) -> State {
        match (self, before) {
            (Write::Delete, _) | (Write::Update, None) => None,
            (Write::Add | Write::Upsert, None) => Some(merged(Record::new(&*given.id), given)),
            (Write::Add, Some(stored)) => Some(stored.clone()),
            (Write::Upsert | Write::Update, Some(stored)) => Some(merged(stored.clone(), given)),
        }
    }
}

/// What the new record names is replaced, what it does not name stays, and null takes a key away.
fn merged(mut stored: Record, given: &Record) -> Record {
    stored.document = given.document.clone().or(stored.document);
    stored.embedding = given.embedding.clone().or(stored.embedding);
    for (key, value) in given.metadata.iter() {
        match value.is_null() {
            true => drop(stored.metadata.remove(key)),
            false => drop(stored.metadata.insert(key, value.clone())),
        }
    }
    stored
}

/// What became of one record of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    Unknown,
    NotDone,
}

/// What a result says of each record of its call, in order. It must say it of all of them.
pub fn fates(write: Write, given: &[Record], result: &Result<()>) -> Result<Vec<Fate>, String> {
    let error = match result {
        Ok(()) => return Ok(vec![Fate::Done; given.len()]),
        Err(error) => error,
    };
    let Error::PartlyDone {
        done,
        unknown,
        pending,
        ..
    } = error
    else {
        let call = error.call().ok_or("an error without a call")?;
        let fate = match call.operation == write.name() && call.may_have_acted {
            true => Fate::Unknown,
            // It stopped before anything was written: the server was asked for its limits first.
            false => Fate::NotDone,
        };
        return Ok(vec![fate; given.len()]);
    };
    let named = done.iter().chain(unknown).chain(pending);
    if !named.eq(given.iter().map(|record| &record.id)) {
        return Err(format!("other ids than those of the call: {error:?}"));
    }
    let groups = [
        (Fate::Done, done),
        (Fate::Unknown, unknown),
        (Fate::NotDone, pending),
    ];
    let fates = groups.map(|(fate, ids)| vec![fate; ids.len()]);
    Ok(fates.concat())
}

/// Every state that an id may be in; at least one.
#[derive(Debug, Clone)]
pub struct Possible(Vec<State>);

impl Possible {
    /// Of an id that was never written.
    pub fn absent() -> Possible {
        Possible(vec![None])
    }

    /// Of an id that each of these may have been the last to replace as a whole. It was, if one of them was done.
    pub fn one_of(writes: Vec<(Record, Fate)>) -> Possible {
        let written = writes.iter().any(|(_, fate)| *fate == Fate::Done);
        let states = writes.into_iter().map(|(record, _)| Some(record));
        Possible(states.chain((!written).then_some(None)).collect())
    }

    pub fn write(&mut self, write: Write, given: &Record, fate: Fate) {
        let mut next: Vec<State> = match fate {
            Fate::NotDone => return,
            Fate::Done => Vec::new(),
            Fate::Unknown => self.0.clone(),
        };
        for state in self.0.iter().map(|before| write.after(before, given)) {
            if !next.contains(&state) {
                next.push(state);
            }
        }
        self.0 = next;
    }

    /// Whether it may be so. If it may, it is.
    pub fn see(&mut self, found: &State) -> bool {
        let possible = self.0.contains(found);
        if possible {
            self.0 = vec![found.clone()];
        }
        possible
    }

    /// Whether there certainly is one.
    pub fn is_there(&self) -> bool {
        !self.0.contains(&None)
    }
}

/// The ids of one writer.
pub type Model = BTreeMap<String, Possible>;

/// What was seen that must not be.
#[derive(Debug, Default)]
pub struct Flaws {
    /// Records that must be there and are not.
    pub lost: usize,
    /// Ids that came twice in one answer.
    pub duplicated: usize,
    /// Records that cannot be as they are, or cannot be at all.
    pub wrong: usize,
    /// One line for each.
    pub words: Vec<String>,
}

impl Flaws {
    pub fn wrong(&mut self, words: String) {
        self.wrong += 1;
        self.words.push(words);
    }

    pub fn merge(&mut self, other: Flaws) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.wrong += other.wrong;
        self.words.extend(other.words);
    }

    /// Compares an answer about these ids with what may be, and remembers what it says.
    pub fn compare<'a>(
        &mut self,
        model: &mut Model,
        asked: impl IntoIterator<Item = &'a str>,
        found: impl IntoIterator<Item = Record>,
        when: &str,
    ) {
        let mut records = BTreeMap::new();
        for record in found {
            if let Some(twice) = records.insert(record.id.clone(), record) {
                self.duplicated += 1;
                self.words.push(format!("{when}: twice: {twice:?}"));
            }
        }
        for id in HashSet::<&str>::from_iter(asked) {
            let found = records.remove(id);
            let possible = model.get_mut(id).unwrap();
            if !possible.see(&found) {
                match found {
                    None => self.lost += 1,
                    Some(_) => self.wrong += 1,
                }
                let line = format!("{when}: {id} is {found:?}, and may be {possible:?}");
                self.words.push(line);
            }
        }
        for other in records.into_values() {
            self.wrong(format!("{when}: nobody asked for {other:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_notices_what_is_lost_doubled_and_wrong() {
        let record = |n: i32| Record::new("a").embedding([n as f32]).metadata("n", n);
        let mut model = Model::from([("a".to_owned(), Possible::absent())]);
        let mut possible = Possible::absent();
        possible.write(Write::Add, &record(1), Fate::Done);
        possible.write(Write::Add, &record(2), Fate::Done);
        possible.write(Write::Upsert, &record(3), Fate::Unknown);
        possible.write(Write::Delete, &record(4), Fate::NotDone);
        assert!(possible.is_there());
        let mut seen = |found: Vec<Record>| {
            model.insert("a".to_owned(), possible.clone());
            let mut flaws = Flaws::default();
            flaws.compare(&mut model, ["a"], found, "now");
            assert_eq!(
                flaws.lost + flaws.duplicated + flaws.wrong,
                flaws.words.len()
            );
            (flaws.lost, flaws.duplicated, flaws.wrong)
        };
        assert_eq!(seen(vec![record(1)]), (0, 0, 0));
        assert_eq!(seen(vec![record(3)]), (0, 0, 0));
        assert_eq!(seen(vec![record(2)]), (0, 0, 1));
        assert_eq!(seen(vec![]), (1, 0, 0));
        assert_eq!(seen(vec![record(1), record(1)]), (0, 1, 0));
        assert_eq!(seen(vec![record(1), Record::new("b")]), (0, 0, 1));
        // What was seen cannot have been otherwise.
        assert!(possible.see(&Some(record(3))) && !possible.see(&Some(record(1))));
    }
}
