//! The limit of `MemoryCache`, measured in allocated bytes.

#![allow(unsafe_code)] // a global allocator needs it

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use chroma_blocking::embed::{EmbeddingCache, MemoryCache};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        NOW.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The only test of this program: another one would allocate at the same time.
#[test]
fn allocated_memory_stays_within_the_limit() {
    const BOUND: usize = 4 << 20;
    let cache = MemoryCache::new(BOUND);
    let before = NOW.load(Relaxed);
    let vector = vec![0.5; 3072];
    let mut key = *b"........";
    let mut put = |index: u64, dimension: usize| {
        key = index.to_le_bytes();
        cache.put_many(&[(&key, &vector[..dimension])]).unwrap();
    };
    // Small vectors first, which have the largest overhead. The memory must be free again after their
    // removal.
    for (dimension, count) in [
        (1, 60_000),
        (768, 5_000),
        (3072, 1_500),
        (10, 60_000),
        (768, 5_000),
    ] {
        for index in 0..count {
            put(index << 16 | dimension as u64, dimension);
        }
        let now = NOW.load(Relaxed) - before;
        assert!(
            now <= BOUND && now > BOUND / 4,
            "{now} bytes with {dimension} floats"
        );
    }
    drop(cache);
    assert!(NOW.load(Relaxed) <= before + 5 * vector.len());
}
