//! Calls from the threads of a program's own pool. Such a thread begins other tasks when a task waits for another
//! pool of `rayon`, among them those that run the models.

use chroma_blocking::EmbeddingFunction;
use chroma_blocking::embed::Onnx;
use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::small;

fn small() -> Onnx {
    let builder = Onnx::builder("small", small::FOLDER).max_tokens(small::MAX_TOKENS);
    builder.build().unwrap()
}

/// Runs tasks in a pool whose threads have little room for tasks inside of others.
fn in_a_pool(tasks: usize, task: impl Fn() + Sync + Send) {
    let pool = ThreadPoolBuilder::new().num_threads(2);
    let pool = pool.stack_size(1 << 20).build().unwrap();
    pool.install(|| (0..tasks).into_par_iter().for_each(|_| task()));
}

#[test]
fn models_are_loaded_from_a_pool() {
    in_a_pool(64, || {
        small().embed_queries(&["rust"]).unwrap();
    });
}

#[test]
fn texts_are_embedded_from_a_pool() {
    let function = small();
    in_a_pool(4000, || {
        function.embed_queries(&["rust"]).unwrap();
    });
}
