//! [`Network`]: the model itself, run by the crate `rten`.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use rten::{ModelOptions, NodeId, RunOptions, ThreadPool, Value};

use super::protobuf;

/// The inputs that a model may have. All have the shape texts × tokens.
#[derive(Debug, Clone, Copy)]
enum Input {
    Ids,
    /// 1 for a token, and 0 for padding.
    Mask,
    /// 0 for all tokens: the part of a pair of texts.
    Types,
}

/// The tokens of some texts, padded to one length.
pub(super) struct Tokens {
    pub(super) texts: usize,
    /// The number of tokens of each text.
    pub(super) width: usize,
    /// The ids, and zeros as padding after the last token of a text.
    pub(super) ids: Vec<i32>,
    /// The number of tokens of each text, without padding.
    pub(super) lengths: Vec<usize>,
}

/// A pool of one thread: a batch on one thread takes less time of all cores than on several.
pub(super) struct Worker(Arc<ThreadPool>);

impl Worker {
    /// Returns the workers of the process, one for each core. All models share them.
    pub(super) fn all() -> &'static [Worker] {
        static WORKERS: OnceLock<Vec<Worker>> = OnceLock::new();
        WORKERS.get_or_init(|| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            let worker = |_| Worker(Arc::new(ThreadPool::with_num_threads(1)));
            (0..cores).map(worker).collect()
        })
    }

    /// Returns different workers for the threads of a call, those whose turn it is.
    pub(super) fn take(threads: usize) -> impl Iterator<Item = &'static Worker> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let workers = Worker::all();
        let first = TURN.fetch_add(threads, Ordering::Relaxed);
        (0..threads).map(move |n| &workers[first.wrapping_add(n) % workers.len()])
    }
}

/// A model that turns tokens into one vector for each.
pub(super) struct Network {
    model: rten::Model,
    inputs: Vec<(NodeId, Input)>,
    output: NodeId,
}

impl Network {
    /// Reads a model.
    ///
    /// # Errors
    /// Why the file is not such a model.
    pub(super) fn load(file: &Path) -> Result<Network, String> {
        let content = File::open(file).map_err(|error| format!("it cannot be read: {error}"))?;
        protobuf::check(&content)?;
        // Copies the weights into the order in which they are used: a third less time for a short text.
        let load = || {
            ModelOptions::with_all_ops()
                .prepack_weights(true)
                .load_file(file)
        };
        let model = guarded(load)?.map_err(|error| format!("it cannot be read: {error}"))?;
        let inputs = model.input_ids().iter().map(|id| {
            let name = model.node_info(*id).and_then(|node| node.name());
            match name.unwrap_or_default() {
                "input_ids" => Ok((*id, Input::Ids)),
                "attention_mask" => Ok((*id, Input::Mask)),
                "token_type_ids" => Ok((*id, Input::Types)),
                other => Err(format!(
                    "it is not a model of sentences: it has an input {other:?}; the inputs must be input_ids, \
                     attention_mask and token_type_ids, or some of them"
                )),
            }
        });
        let inputs = inputs.collect::<Result<Vec<_>, String>>()?;
        if !inputs.iter().any(|(_, input)| matches!(input, Input::Ids)) {
            return Err("it is not a model of sentences: it has no input input_ids".to_owned());
        }
        let output = output_of(&model).ok_or("it is not a model of sentences: it has no output")?;
        Ok(Network {
            model,
            inputs,
            output,
        })
    }

    /// Returns the vectors of all tokens, also of padding, and the number of floats of a vector. To be called on
    /// a plain thread: a thread of a program's own pool of `rayon` would begin other tasks meanwhile.
    ///
    /// # Errors
    /// Why the model did not accept them.
    pub(super) fn run(
        &self,
        tokens: &Tokens,
        worker: &Worker,
    ) -> Result<(Vec<f32>, usize), String> {
        let shape = [tokens.texts, tokens.width];
        let inputs = self.inputs.iter().map(|(node, input)| {
            let values = match input {
                Input::Ids => tokens.ids.clone(),
                Input::Mask => mask(tokens),
                Input::Types => vec![0; tokens.ids.len()],
            };
            let value = Value::from_shape(&shape, values).map_err(|error| error.to_string())?;
            Ok((*node, value.into()))
        });
        let inputs = inputs.collect::<Result<Vec<_>, String>>()?;
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&worker.0)));
        let run = || self.model.run(inputs, &[self.output], Some(options));
        let outputs = guarded(run)?.map_err(|error| error.to_string())?;
        let output = outputs.into_iter().next();
        let output = output.ok_or("it returned nothing")?;
        let (found, floats) = output
            .into_shape_vec::<f32, 3>()
            .map_err(|error| format!("its output is not a vector for each token: {error}"))?;
        let [texts, width, dimension] = found;
        if [texts, width] != shape || dimension == 0 {
            return Err(format!(
                "its output has the shape {found:?} for {} texts of {} tokens; it must be a vector for each token",
                shape[0], shape[1],
            ));
        }
        Ok((floats, dimension))
    }
}

/// Returns the output that has a vector for each token: one of these names, or else the first.
fn output_of(model: &rten::Model) -> Option<NodeId> {
    let names = ["last_hidden_state", "token_embeddings"];
    let named = |id: &&NodeId| {
        let name = model.node_info(**id).and_then(|node| node.name());
        name.is_some_and(|name| names.contains(&name))
    };
    let outputs = model.output_ids();
    outputs.iter().find(named).or(outputs.first()).copied()
}

fn mask(tokens: &Tokens) -> Vec<i32> {
    let rows = tokens.lengths.iter();
    rows.flat_map(|length| (0..tokens.width).map(move |at| i32::from(at < *length)))
        .collect()
}

/// Calls `rten`, which panics on some malformed models.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| "it is malformed".to_owned())
}
