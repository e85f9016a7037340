//! [`Model`]: a network with its tokenizer, loaded once for a process.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc};
use std::thread;

use super::batches::batches;
use super::network::{Network, Tokens, Worker};
use super::pooling::{Pooling, normalize};
use super::tokenizer::Tokenizer;

/// A network with its tokenizer.
pub(super) struct Model {
    network: Network,
    pub(super) tokenizer: Tokenizer,
    dimension: usize,
    /// Whether it is the model of Chroma's default function, and if not, why. Set when that is first asked.
    pub(super) is_mini_lm: OnceLock<Result<(), String>>,
}

/// How a model makes vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) pooling: Pooling,
    pub(super) normalize: bool,
    /// The most tokens of a text; the rest is cut off.
    pub(super) max_tokens: usize,
}

impl Model {
    /// Loads the model of a folder, unless this process has it already.
    ///
    /// # Errors
    /// Says which file of the folder is missing or wrong, and why.
    pub(super) fn open(folder: &Path) -> Result<Arc<Model>, String> {
        static LOADED: Mutex<Option<HashMap<PathBuf, Weak<Model>>>> = Mutex::new(None);

        let path = fs::canonicalize(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                "it does not exist; it must be the folder that contains model.onnx".to_owned()
            }
            _ => format!("it cannot be read: {error}"),
        })?;
        if !path.is_dir() {
            return Err(
                "it is not a folder; it must be the folder that contains model.onnx".to_owned(),
            );
        }
        // Locked while the model is loaded, so that several threads load it once.
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = loaded.get_or_insert_default();
        if let Some(model) = loaded.get(&path).and_then(Weak::upgrade) {
            return Ok(model);
        }
        // On a plain thread, as `Network::run` asks.
        let made = thread::scope(|scope| {
            let loading = thread::Builder::new().spawn_scoped(scope, || Model::load(&path));
            let loading = loading.map_err(no_thread)?;
            loading
                .join()
                .unwrap_or_else(|_| Err("it is malformed".to_owned()))
        });
        let model = Arc::new(made?);
        loaded.retain(|_, model| model.strong_count() > 0);
        loaded.insert(path, Arc::downgrade(&model));
        Ok(model)
    }

    fn load(folder: &Path) -> Result<Model, String> {
        let tokenizer = Tokenizer::open(folder)?;
        let mut file = folder.join("model.onnx");
        // Where repositories on Hugging Face have it.
        let nested = folder.join("onnx/model.onnx");
        if !file.exists() && nested.exists() {
            file = nested;
        }
        let network = Network::load(&file).map_err(|why| format!("its file model.onnx: {why}"))?;
        let largest = Tokens {
            texts: 1,
            width: 1,
            ids: vec![tokenizer.max_id()],
            lengths: vec![1],
        };
        let (_, dimension) = network.run(&largest, &Worker::all()[0]).map_err(|why| {
            format!("its file model.onnx does not accept a token of its vocabulary: {why}")
        })?;
        Ok(Model {
            network,
            tokenizer,
            dimension,
            is_mini_lm: OnceLock::new(),
        })
    }

    /// Returns the number of floats of a vector.
    pub(super) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Embeds texts, on all cores. Calls `report` with the number of texts that are done; it returns whether to
    /// go on. `None` if it did not.
    ///
    /// # Errors
    /// Why the model failed.
    pub(super) fn embed(
        &self,
        texts: &[Cow<'_, str>],
        method: Method,
        report: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Option<Vec<f32>>, String> {
        let mut tokens: Vec<(usize, Vec<i32>)> = texts
            .iter()
            .map(|text| self.tokenizer.encode(text, method.max_tokens))
            .enumerate()
            .collect();
        tokens.sort_by_key(|(_, ids)| ids.len());
        let lengths: Vec<usize> = tokens.iter().map(|(_, ids)| ids.len()).collect();
        let job = Job {
            model: self,
            method,
            batches: batches(&lengths),
            tokens,
            next: AtomicUsize::new(0),
        };
        job.run(report)
    }
}

/// The batches of one call, which several threads take from.
struct Job<'a> {
    model: &'a Model,
    method: Method,
    /// The place of each text in the call, and its tokens.
    tokens: Vec<(usize, Vec<i32>)>,
    batches: Vec<Range<usize>>,
    /// The next batch.
    next: AtomicUsize,
}

/// The vectors of one batch.
type Done = (Range<usize>, Result<Vec<Vec<f32>>, String>);

impl Job<'_> {
    fn run(&self, report: &mut dyn FnMut(usize) -> bool) -> Result<Option<Vec<f32>>, String> {
        let dimension = self.model.dimension;
        let mut vectors = vec![0.0; self.tokens.len() * dimension];
        let mut done = 0;
        let mut take = |(batch, rows): Done| -> Result<bool, String> {
            done += batch.len();
            for ((place, _), row) in self.tokens[batch].iter().zip(rows?) {
                if row.len() != dimension {
                    return Err(format!(
                        "its vectors have {} floats, and {dimension} for a text of one token",
                        row.len()
                    ));
                }
                let start = place * dimension;
                vectors[start..start + dimension].copy_from_slice(&row);
            }
            Ok(report(done))
        };
        let threads = Worker::all().len().min(self.batches.len());
        let is_whole = thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel(0);
            for worker in Worker::take(threads) {
                let sender = sender.clone();
                let work = move || {
                    while let Some(done) = self.next_batch(worker) {
                        // The receiver is gone after a failure.
                        if sender.send(done).is_err() {
                            return;
                        }
                    }
                };
                let started = thread::Builder::new().spawn_scoped(scope, work);
                started.map_err(no_thread)?;
            }
            drop(sender);
            for done in receiver {
                if !take(done)? {
                    return Ok(false);
                }
            }
            Ok::<bool, String>(true)
        })?;
        Ok(is_whole.then_some(vectors))
    }

    fn next_batch(&self, worker: &Worker) -> Option<Done> {
        let batch = self
            .batches
            .get(self.next.fetch_add(1, Ordering::Relaxed))?;
        Some((batch.clone(), self.embed(batch.clone(), worker)))
    }

    fn embed(&self, batch: Range<usize>, worker: &Worker) -> Result<Vec<Vec<f32>>, String> {
        let tokens = padded(&self.tokens[batch]);
        let (floats, dimension) = self.model.network.run(&tokens, worker).map_err(|why| {
            format!(
                "the model does not accept a text of {} tokens: {why}; if it accepts fewer, build the function with \
                 .max_tokens",
                tokens.width
            )
        })?;
        let texts = floats.chunks_exact(tokens.width * dimension);
        let rows = texts.zip(&tokens.lengths).map(|(floats, length)| {
            let mut vector = self
                .method
                .pooling
                .pool(&floats[..length * dimension], dimension);
            if self.method.normalize {
                normalize(&mut vector);
            }
            vector
        });
        Ok(rows.collect())
    }
}

fn no_thread(error: io::Error) -> String {
    format!("the system cannot start a thread: {error}")
}

/// Pads all texts to the length of the longest.
fn padded(texts: &[(usize, Vec<i32>)]) -> Tokens {
    let lengths: Vec<usize> = texts.iter().map(|(_, ids)| ids.len()).collect();
    let width = lengths.iter().copied().max().unwrap_or(0);
    let mut ids = vec![0; texts.len() * width];
    for (row, (_, text)) in ids.chunks_exact_mut(width).zip(texts) {
        row[..text.len()].copy_from_slice(text);
    }
    Tokens {
        texts: texts.len(),
        width,
        ids,
        lengths,
    }
}
