//! How much memory the process uses: the system's allocator, counted. `$SYS/broker/heap/…` shows it.
#![allow(unsafe_code)] // an allocator is unsafe by its trait; this one adds nothing but two sums

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, and what it has given away.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Bytes in use, and the most that ever were.
pub(crate) fn bytes() -> (u64, u64) {
    (IN_USE.load(Relaxed) as u64, MOST.load(Relaxed) as u64)
}

fn took(bytes: usize) {
    let in_use = IN_USE.fetch_add(bytes, Relaxed) + bytes;
    // Read first: writing is for the rare new record.
    if in_use > MOST.load(Relaxed) {
        MOST.fetch_max(in_use, Relaxed);
    }
}

fn gave_back(bytes: usize) {
    IN_USE.fetch_sub(bytes, Relaxed);
}

// SAFETY: every method hands its arguments to `System` unchanged and its answer back unchanged, so what holds for
// `System` holds here. Counting touches atomics alone: it does not allocate and does not panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises about `layout` are those that `System` asks for.
        let place = unsafe { System.alloc(layout) };
        if !place.is_null() {
            took(layout.size());
        }
        place
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let place = unsafe { System.alloc_zeroed(layout) };
        if !place.is_null() {
            took(layout.size());
        }
        place
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from `System` with this `layout`, by the caller's promise.
        unsafe { System.dealloc(place, layout) };
        gave_back(layout.size());
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; `new_size` is as the caller promises.
        let moved = unsafe { System.realloc(place, layout, new_size) };
        if !moved.is_null() {
            took(new_size);
            gave_back(layout.size());
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_until_it_is_given_back() {
        const SIZE: usize = 64 << 20; // far above what other tests of this process may take meanwhile
        let before = bytes().0;
        let much = std::hint::black_box(vec![1_u8; SIZE]);
        let (in_use, most) = bytes();
        assert!(in_use >= before + SIZE as u64 - (1 << 20), "{before} {in_use}");
        assert!(most >= in_use);
        drop(much);
        assert!(bytes().0 < before + (SIZE as u64) / 2);
    }
}
