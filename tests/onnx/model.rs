//! The model for these tests is Chroma's.

use std::{fs, thread};

use crate::support::model;

/// Chroma's model, to the last byte.
const BYTES: u64 = 90_387_606;

#[test]
fn the_model_is_built_once_for_all_threads() {
    let Some(folder) = model::folder() else {
        return;
    };
    let others = thread::scope(|scope| {
        let threads = [(); 3].map(|()| scope.spawn(model::folder));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(others.iter().all(|other| other.as_deref() == Some(&folder)));
    let size = fs::metadata(folder.join("model.onnx")).unwrap().len();
    assert_eq!(size, BYTES);
    assert!(folder.join("tokenizer.json").is_file() && folder.join("vocab.txt").is_file());
}
