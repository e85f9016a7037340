//! The global allocator, which counts: how often memory was asked for, how much is held, and the most that
//! was held.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator; the counters never allocate.
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

    /// Counts as one allocation, and as both pieces at once: where the system cannot stretch the old one,
    /// there are two.
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

/// Bytes that are held now.
pub fn held() -> usize {
    HELD.load(Relaxed)
}

/// What has been asked for since it was started. The peak is the whole process's: one watch at a time.
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

    /// Allocations, and the most bytes held beyond those held at the start.
    pub fn stop(self) -> (u64, usize) {
        let peak = PEAK.load(Relaxed).saturating_sub(self.held);
        (ALLOCATIONS.load(Relaxed) - self.allocations, peak)
    }
}
