//! A model is loaded once for a process.

use crate::support;

/// Memory that is much less than the model's, in kilobytes.
#[cfg(target_os = "linux")]
const LITTLE: u64 = 20_000;

#[test]
#[cfg(target_os = "linux")]
fn a_process_loads_a_model_once() {
    if support::model::folder().is_none() {
        return;
    }
    // Other tests of this process would change its memory.
    let output = support::child("process::loads_a_model_several_times")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "the test above runs it"]
#[cfg(target_os = "linux")]
fn loads_a_model_several_times() {
    use std::thread;

    use chroma_blocking::EmbeddingFunction;
    use chroma_blocking::embed::Onnx;

    let folder = support::model::folder().unwrap();
    let empty = memory();
    let load = || Onnx::mini_lm_from(&folder).unwrap();
    // At once, from several threads.
    let loaded = thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(load));
        threads.map(|thread| thread.join().unwrap())
    });
    let once = memory();
    assert!(once - empty > 80_000, "{empty} and {once} kB");
    assert!(once - empty < 160_000, "{empty} and {once} kB");
    // By another path, and with other settings.
    let other = folder.join(".");
    let again = (
        Onnx::mini_lm_from(&other).unwrap(),
        Onnx::builder("all-MiniLM-L6-v2", other).build().unwrap(),
    );
    assert!(memory() < once + LITTLE, "{once} and {} kB", memory());
    again.0.embed_documents(&["a text"]).unwrap();
    again.1.embed_documents(&["a text"]).unwrap();

    // The last user is gone.
    drop((loaded, again));
    let after = memory();
    assert!(after + 60_000 < once, "{once} and {after} kB");
    load().embed_documents(&["a text"]).unwrap();
}

/// Returns the resident memory of this process, in kilobytes.
#[cfg(target_os = "linux")]
fn memory() -> u64 {
    support::resident::resident("VmRSS:").unwrap() >> 10
}
