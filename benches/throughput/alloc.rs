//! A global allocator that counts allocations, the bytes in use, and their peak.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls go to the system's allocator, and the counters never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    /// Counts as one allocation. The peak includes both the old and the new block, because the system may
    /// need both.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

fn grown(by: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    let held = HELD.fetch_add(by, Relaxed) + by;
    PEAK.fetch_max(held, Relaxed);
}

/// Returns the bytes in use.
pub fn held() -> usize {
    HELD.load(Relaxed)
}

/// Counts from its start. Use one at a time, because the peak is that of the whole process.
pub struct Watch {
    allocations: u64,
    held: usize,
}

impl Watch {
    pub fn start() -> Watch {
        let held = held();
        PEAK.store(held, Relaxed);
        Watch {
            allocations: ALLOCATIONS.load(Relaxed),
            held,
        }
    }

    /// Returns the allocations, and the peak of the bytes in use in addition to those at the start.
    pub fn stop(self) -> (u64, usize) {
        let peak = PEAK.load(Relaxed).saturating_sub(self.held);
        (ALLOCATIONS.load(Relaxed) - self.allocations, peak)
    }
}
