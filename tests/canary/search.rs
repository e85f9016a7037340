//! [`Search`]: looks for every secret in every text, and counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};

use crate::secrets::{ALL, Form, Secret};
use crate::support::stand_in::lock;

/// The search of this process.
pub static SEARCH: LazyLock<Search> = LazyLock::new(|| Search::of(&ALL));

/// A text that no output may contain.
#[derive(Debug)]
struct Run {
    text: Vec<u8>,
    secret: &'static str,
    form: Form,
}

/// A secret that was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub secret: &'static str,
    pub form: Form,
    /// The kind of place, such as a log line.
    pub place: String,
    /// The step of the test at that time.
    pub case: String,
    pub excerpt: String,
}

pub struct Search {
    /// By their first four bytes.
    runs: HashMap<[u8; 4], Vec<Run>>,
    /// Whether a run begins with these two bytes.
    begins: Vec<bool>,
    places: Mutex<BTreeMap<String, usize>>,
    count: AtomicUsize,
    case: Mutex<String>,
    cases: AtomicUsize,
    found: Mutex<Vec<Found>>,
}

impl Search {
    pub fn of(secrets: &[Secret]) -> Search {
        let (mut runs, mut begins) = (HashMap::<_, Vec<Run>>::new(), vec![false; 1 << 16]);
        for secret in secrets {
            for (form, text) in secret.runs() {
                let text = text.into_bytes();
                let start: [u8; 4] = text[..4].try_into().unwrap();
                begins[usize::from(u16::from_be_bytes([start[0], start[1]]))] = true;
                let of_start = runs.entry(start).or_default();
                if !of_start.iter().any(|run| run.text == text) {
                    of_start.push(Run {
                        text,
                        secret: secret.name,
                        form,
                    });
                }
            }
        }
        Search {
            runs,
            begins,
            places: Mutex::default(),
            count: AtomicUsize::new(0),
            case: Mutex::default(),
            cases: AtomicUsize::new(0),
            found: Mutex::default(),
        }
    }

    /// Names what the test does from now on, for [`Found::case`].
    pub fn case(&self, case: impl Into<String>) {
        *lock(&self.case) = case.into();
        self.cases.fetch_add(1, Relaxed);
    }

    /// Whether the log lines of other crates are searched in the current case. They are many.
    pub fn is_sampled(&self) -> bool {
        self.cases.load(Relaxed) % 5 == 0
    }

    /// Searches a text of this kind.
    pub fn look(&self, place: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.count.fetch_add(1, Relaxed);
        *lock(&self.places).entry(place.to_owned()).or_default() += 1;
        if let Some((at, run)) = self.find(text) {
            let excerpt = &text[at.saturating_sub(60)..text.len().min(at + 100)];
            lock(&self.found).push(Found {
                secret: run.secret,
                form: run.form,
                place: place.to_owned(),
                case: lock(&self.case).clone(),
                excerpt: String::from_utf8_lossy(excerpt).into_owned(),
            });
        }
    }

    /// Whether a text contains a secret. Does not count as a place.
    pub fn holds(&self, text: impl AsRef<[u8]>) -> bool {
        self.find(text.as_ref()).is_some()
    }

    fn find(&self, text: &[u8]) -> Option<(usize, &Run)> {
        let mut before = 0;
        for (at, &byte) in text.iter().enumerate() {
            let pair = usize::from(before) << 8 | usize::from(byte);
            before = byte;
            if at == 0 || !self.begins[pair] {
                continue;
            }
            let rest = &text[at - 1..];
            let Some(start) = rest.first_chunk::<4>() else {
                break;
            };
            let runs = self.runs.get(start).into_iter().flatten();
            if let Some(run) = runs.into_iter().find(|run| rest.starts_with(&run.text)) {
                return Some((at - 1, run));
            }
        }
        None
    }

    /// The number of texts that were searched.
    pub fn places(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// The number of texts of each kind.
    pub fn kinds(&self) -> BTreeMap<String, usize> {
        lock(&self.places).clone()
    }

    pub fn found(&self) -> Vec<Found> {
        lock(&self.found).clone()
    }
}
