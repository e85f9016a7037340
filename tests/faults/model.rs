//! A model of the server: every possible state of each id, given the results of the calls.
//!
//! A successful call moves each possible state to the next one. A call that had no effect keeps the states. A
//! call with an unknown outcome keeps both. A read must find one of the possible states, and that is then the
//! only one. This holds if one thread writes to an id, and if the server does not execute an abandoned
//! request later. A real server may do that, so the tests wait until no request is left
//! (`FaultProxy::settle`).

use std::collections::{BTreeMap, HashSet};

use chroma_blocking::{Error, Record, Result};

/// A stored record, or none.
pub type State = Option<Record>;

/// A write of one record. A deletion uses the id only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Add,
    Upsert,
    Update,
    Delete,
}

impl Write {
    /// The name of the operation in errors.
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

/// Merges metadata: keys of the new record replace old values, other keys stay, and null removes a key.
fn merged(mut stored: Record, given: &Record) -> Record {
    stored.document = given.document.clone().or(stored.document);
    stored.embedding = given.embedding.clone().or(stored.embedding);
    for (key, value) in &given.metadata {
        if value.is_null() {
            stored.metadata.remove(key);
        } else {
            stored.metadata.insert(key, value.clone());
        }
    }
    stored
}

/// The outcome of a call for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    Unknown,
    NotDone,
}

/// Returns the outcome of each record of a call, in order. Panics if the result leaves a record out.
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
        let fate = if call.operation == write.name() && call.may_have_acted {
            Fate::Unknown
        } else {
            // The first request, for the limits of the server, failed, so nothing was written.
            Fate::NotDone
        };
        return Ok(vec![fate; given.len()]);
    };
    let named = done.iter().chain(unknown).chain(pending);
    if !named.eq(given.iter().map(|record| &record.id)) {
        return Err(format!(
            "the error does not list the ids of the call: {error:?}"
        ));
    }
    let groups = [
        (Fate::Done, done),
        (Fate::Unknown, unknown),
        (Fate::NotDone, pending),
    ];
    let fates = groups.map(|(fate, ids)| vec![fate; ids.len()]);
    Ok(fates.concat())
}

/// The possible states of an id: at least one.
#[derive(Debug, Clone)]
pub struct Possible(Vec<State>);

impl Possible {
    /// The state of an id that was never written.
    pub fn absent() -> Possible {
        Possible(vec![None])
    }

    /// The states of an id that several threads replaced as a whole: each of these writes may have been the
    /// last one.
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

    /// Returns whether a state is possible. If it is, it becomes the only one.
    pub fn see(&mut self, found: &State) -> bool {
        let possible = self.0.contains(found);
        if possible {
            self.0 = vec![found.clone()];
        }
        possible
    }

    /// Returns whether the record certainly exists.
    pub fn is_there(&self) -> bool {
        !self.0.contains(&None)
    }
}

/// The possible states of the ids of one writer.
pub type Model = BTreeMap<String, Possible>;

/// Results that contradict the model.
#[derive(Debug, Default)]
pub struct Flaws {
    /// The number of records that are missing.
    pub lost: usize,
    /// The number of ids that an answer contained twice.
    pub duplicated: usize,
    /// The number of records in an impossible state.
    pub wrong: usize,
    /// A line for each flaw.
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

    /// Compares an answer about these ids with the possible states, and keeps the states that it confirms.
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
            self.wrong(format!("{when}: {other:?} was not requested"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_detects_lost_duplicate_and_wrong_records() {
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
        // After a read, only the state that was read is possible.
        assert!(possible.see(&Some(record(3))) && !possible.see(&Some(record(1))));
    }
}
