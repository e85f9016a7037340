//! A worker: one of several threads that use a collection at the same time. It makes random calls and checks
//! the results.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use chroma_blocking::Include::{Documents, Embeddings, Metadatas};
use chroma_blocking::{Collection, Record, Result, RetryPolicy};

use crate::model::{Fate, Model, Possible, Write, fates};
use crate::support::fault_proxy::FaultProxy;
use crate::support::random::Random;
use crate::tally::Tally;

/// The number of threads that use a collection.
pub const THREADS: usize = 4;
/// The number of ids that only one thread uses.
const OWN: usize = 40;
/// The number of ids that all threads write.
const SHARED: usize = 6;
/// The maximum number of records in a call.
const LARGE: usize = 15;

/// The longest times that calls may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The timeout of one attempt.
    pub timeout: Duration,
    /// The time of all attempts of one request, with the waits between them.
    pub request: Duration,
}

pub struct Worker<'a> {
    number: usize,
    random: Random,
    collection: Collection,
    proxy: Option<&'a FaultProxy>,
    patience: Patience,
    /// The model of the ids that only this thread writes.
    pub model: Model,
    /// For each shared id, the last write of this thread, and later writes that may have succeeded.
    pub last: BTreeMap<String, Vec<(Record, Fate)>>,
    pub tally: Tally,
}

fn own_id(worker: usize, id: usize) -> String {
    format!("w{worker}-{id}")
}

impl<'a> Worker<'a> {
    pub fn new(
        number: usize,
        seed: u64,
        collection: Collection,
        proxy: Option<&'a FaultProxy>,
        patience: Patience,
    ) -> Worker<'a> {
        let ids = (0..OWN).map(|id| (own_id(number, id), Possible::absent()));
        Worker {
            number,
            random: Random(seed << 8 | number as u64),
            collection,
            proxy,
            patience,
            model: ids.collect(),
            last: (0..SHARED)
                .map(|id| (format!("shared-{id}"), Vec::new()))
                .collect(),
            tally: Tally::default(),
        }
    }

    /// Makes a random call.
    pub fn step(&mut self) {
        let choice = self.random.below(100);
        self.act(choice);
    }

    /// Makes a random write.
    pub fn write_step(&mut self) {
        let choice = self.random.below(39);
        self.act(choice);
    }

    fn act(&mut self, choice: usize) {
        self.tally.operations += 1;
        match choice {
            0..11 => self.write(Write::Upsert, 3),
            11..18 => self.write(Write::Add, 3),
            18..24 => self.write(Write::Update, 3),
            24..28 => self.write(Write::Delete, 3),
            28..30 => self.write(Write::Upsert, LARGE),
            30..32 => self.write(Write::Add, LARGE),
            32..33 => self.write(Write::Update, LARGE),
            33..34 => self.write(Write::Delete, LARGE),
            34..39 => self.write_shared(),
            39..75 => self.get(6),
            75..80 => self.get(OWN),
            80..84 => self.scan(),
            84..92 => self.count(),
            _ => self.query(),
        }
    }

    /// Returns some of the ids of this thread, without duplicates.
    fn some_ids(&mut self, most: usize) -> Vec<String> {
        let mut ids: Vec<usize> = (0..OWN).collect();
        let count = 1 + self.random.below(most);
        let chosen = (0..count).map(|_| ids.swap_remove(self.random.below(ids.len())));
        chosen.map(|id| own_id(self.number, id)).collect()
    }

    /// Returns a record that differs from all others with this id.
    fn record(&mut self, write: Write, id: String) -> Record {
        let n = self.tally.operations as i64;
        let mut record = Record::new(id);
        // An update may leave out the vector; then it leaves out the document as well. If the record may not
        // exist, an update always leaves out the vector: two concurrent readers can make Chroma's index apply
        // the same writes twice. An update that was ignored at first then changes the vector of a record that
        // was added later.
        let vector = self.model[&record.id].is_there() && self.random.below(2) == 0;
        if write != Write::Update || vector {
            record = record.embedding([
                n as f32,
                self.number as f32,
                self.random.below(100) as f32 / 8.0,
            ]);
            if self.random.below(3) > 0 {
                record = record.document(format!("text {n} of {}", self.number));
            }
        }
        for key in ["a", "b", "c"] {
            record = match self.random.below(4) {
                0 | 1 => record.metadata(key, n),
                2 if write == Write::Update => record.remove_metadata(key),
                _ => record,
            };
        }
        record.metadata("n", n)
    }

    fn write(&mut self, write: Write, most: usize) {
        let ids = self.some_ids(most);
        let given: Vec<Record> = match write {
            Write::Delete => ids.iter().map(Record::new).collect(),
            _ => ids.into_iter().map(|id| self.record(write, id)).collect(),
        };
        let result = self.timed(given.len(), |collection| match write {
            Write::Add => collection.add(&given),
            Write::Upsert => collection.upsert(&given),
            Write::Update => collection.update(&given),
            Write::Delete => {
                let delete = collection.delete().ids(given.iter().map(|r| &*r.id));
                delete.run().map(drop)
            }
        });
        for (record, fate) in given.iter().zip(self.fates(write, &given, &result)) {
            self.model
                .get_mut(&record.id)
                .unwrap()
                .write(write, record, fate);
        }
    }

    fn write_shared(&mut self) {
        let (n, id) = (self.tally.operations as i64, self.random.below(SHARED));
        let record = Record::new(format!("shared-{id}"))
            .embedding([n as f32, self.number as f32, 0.5])
            .document(format!("{} {n}", self.number))
            .metadata("n", n)
            .metadata("by", self.number as i64);
        let given = [record];
        let result = self.timed(1, |collection| collection.upsert(&given));
        let fate = self.fates(Write::Upsert, &given, &result)[0];
        let [record] = given;
        let last = self.last.get_mut(&record.id).unwrap();
        if fate == Fate::Done {
            last.clear();
        }
        if fate != Fate::NotDone {
            last.push((record, fate));
        }
    }

    /// Waits until the server has no abandoned request left. Without a proxy there is nothing to wait for.
    fn settle(&self) {
        if let Some(proxy) = self.proxy {
            proxy.settle();
        }
    }

    fn fates(&mut self, write: Write, given: &[Record], result: &Result<()>) -> Vec<Fate> {
        let fates = fates(write, given, result).unwrap_or_else(|words| {
            self.tally.flaws.wrong(words);
            vec![Fate::Unknown; given.len()]
        });
        let unknown = fates.iter().filter(|fate| **fate == Fate::Unknown);
        self.tally.unknown += unknown.count();
        let done = fates.contains(&Fate::Done);
        self.tally.partly += usize::from(result.is_err() && done);
        fates
    }

    fn get(&mut self, most: usize) {
        let ids = self.some_ids(most);
        let found = self.timed(ids.len(), |collection| {
            let get = collection.get().ids(&ids);
            get.include([Documents, Metadatas, Embeddings]).run()
        });
        if let Ok(found) = found {
            self.compare(&ids, found.into_iter().collect(), "get");
        }
    }

    /// Reads all records. For records of other threads, only the ids can be checked.
    fn scan(&mut self) {
        let found = self.timed(OWN, |collection| {
            let scan = collection.scan().page_size(100);
            scan.include([Documents, Metadatas, Embeddings])
                .collect::<Result<Vec<_>>>()
        });
        let Ok(found) = found else { return };
        let ours = format!("w{}-", self.number);
        let (own, others): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|record| record.id.starts_with(&ours));
        let ids: Vec<String> = self.model.keys().cloned().collect();
        self.compare(&ids, own, "scan");
        for record in others {
            if !record.id.starts_with('w') && !self.last.contains_key(&record.id) {
                self.tally
                    .flaws
                    .wrong(format!("scan: no thread wrote {record:?}"));
            }
        }
    }

    /// Checks the count between its possible limits: the number of records of other threads is unknown.
    fn count(&mut self) {
        let Ok(count) = self.timed(1, Collection::count) else {
            return;
        };
        let certain = self.model.values().filter(|own| own.is_there()).count();
        if !(certain..=THREADS * OWN + SHARED).contains(&count) {
            let words = format!("count: {count}, and {certain} are there of one thread alone");
            self.tally.flaws.wrong(words);
        }
    }

    /// Queries the neighbours of a random vector. An approximate index may leave some out, but must not
    /// invent any.
    fn query(&mut self) {
        let near = vec![self.random.below(200) as f32, self.number as f32, 1.0];
        let hits = self.timed(1, |collection| {
            let query = collection.query(&near).n_results(8);
            query.include([Documents, Metadatas, Embeddings]).run()
        });
        let Ok(hits) = hits else { return };
        let mut own = Vec::new();
        for hit in hits.into_hits() {
            if self.model.contains_key(&hit.id) {
                let mut record = Record::new(hit.id);
                record.document = hit.document;
                record.embedding = hit.embedding;
                record.metadata = hit.metadata;
                own.push(record);
            }
        }
        let ids: Vec<String> = own.iter().map(|record| record.id.clone()).collect();
        self.compare(&ids, own, "query");
    }

    fn compare(&mut self, ids: &[String], found: Vec<Record>, when: &str) {
        self.tally.checked += ids.len();
        let ids = ids.iter().map(String::as_str);
        self.tally.flaws.compare(&mut self.model, ids, found, when);
    }

    /// Makes a call about this number of records, and checks that it returns in time.
    fn timed<T>(
        &mut self,
        records: usize,
        call: impl FnOnce(&Collection) -> Result<T>,
    ) -> Result<T> {
        let started = Instant::now();
        let result = call(&self.collection);
        let took = started.elapsed();
        if let Err(error) = &result {
            self.tally.failed += 1;
            if !matches!(error.call(), Some(call) if call.attempts > 0) {
                self.tally
                    .flaws
                    .wrong(format!("not of the network: {error}"));
            }
        }
        // At most one request for each record, one for the limits or a heartbeat, and a margin for a busy
        // machine.
        let longest = self.patience.request * (records as u32 + 2) + Duration::from_secs(30);
        if took > longest {
            self.tally.hangs += 1;
            self.tally
                .flaws
                .words
                .push(format!("a call of {records} records took {took:?}"));
        }
        // The client may have abandoned an attempt that the server still executes.
        if took > self.patience.timeout / 2 {
            self.settle();
        }
        result
    }
}

/// Runs this for each worker, on separate threads.
pub fn together<'a>(workers: &mut [Worker<'a>], work: impl Fn(&mut Worker<'a>) + Sync) {
    thread::scope(|scope| {
        for worker in workers {
            scope.spawn(|| {
                let worked = catch_unwind(AssertUnwindSafe(|| work(worker)));
                worker.tally.panics += usize::from(worked.is_err());
            });
        }
    });
}

/// Reads all records, while no thread writes, and compares them with the possible states.
pub fn compare_all(collection: &Collection, workers: &mut [Worker<'_>]) -> Tally {
    let mut tally = Tally::default();
    // A server that was killed may answer 500 to a read of vectors while it repairs its index.
    let patient = RetryPolicy::default()
        .max_retries(40)
        .base_delay(Duration::from_millis(100))
        .max_delay(Duration::from_millis(500));
    let collection = &collection.with_retry(patient);
    let found = collection.get().include([Documents, Metadatas, Embeddings]);
    let found = found.run().unwrap();
    let (read, count) = (found.len(), collection.count().unwrap());
    if read != count {
        let words = format!("at the end: {count} records are counted, and {read} read");
        tally.flaws.wrong(words);
    }
    let mut model = Model::new();
    let mut shared: BTreeMap<String, Vec<(Record, Fate)>> = BTreeMap::new();
    for worker in &*workers {
        model.extend(worker.model.clone());
        for (id, writes) in worker.last.clone() {
            shared.entry(id).or_default().extend(writes);
        }
    }
    // The last writer of a shared id is unknown. It is one of the last writes of the threads.
    let shared = shared.into_iter();
    model.extend(shared.map(|(id, writes)| (id, Possible::one_of(writes))));
    let ids: Vec<String> = model.keys().cloned().collect();
    tally.checked += ids.len();
    let ids = ids.iter().map(String::as_str);
    tally.flaws.compare(&mut model, ids, found, "at the end");
    for worker in workers {
        for (id, possible) in &mut worker.model {
            possible.clone_from(&model[id]);
        }
    }
    tally
}
