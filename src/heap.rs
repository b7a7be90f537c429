//! The system's allocator: how much memory the process uses, counted (`$SYS/broker/heap/…` shows it), and from where.
#![allow(unsafe_code)] // an allocator is unsafe by its trait; this one adds nothing but two sums

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// The system's allocator, and what it has given away.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// One arena for all threads. glibc would give each thread 64 MiB of address space of its own when that allocates for the
/// first time: a process that uses 10 MB would look like one of 500, and leap whenever a thread wakes. It costs nothing
/// that could be measured (decision 14). To be called before there are threads.
pub(crate) fn share_one_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number of the allocator's. Nothing else runs yet that could be in there.
    let _is_set = unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
}

/// Of all threads; what a thread has not told yet is not in it.
static IN_USE: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

/// A thread tells of what it took and gave back once that comes to so many bytes: a sum that all threads write to
/// with every allocation would cost as much as the allocation.
const UNTOLD_BYTES_MAX: isize = 64 * 1024;

thread_local! {
    static UNTOLD: Cell<isize> = const { Cell::new(0) };
}

/// Bytes in use, and the most that ever were; each other thread may have taken or given back
/// [`UNTOLD_BYTES_MAX`] that it has not told.
pub(crate) fn bytes() -> (u64, u64) {
    UNTOLD.with(tell);
    let bytes = |sum: &AtomicIsize| u64::try_from(sum.load(Relaxed)).unwrap_or(0);
    (bytes(&IN_USE), bytes(&MOST))
}

fn tell(untold: &Cell<isize>) {
    let change = untold.take();
    let in_use = IN_USE.fetch_add(change, Relaxed) + change;
    MOST.fetch_max(in_use, Relaxed);
}

#[inline]
fn count(change: isize) {
    UNTOLD.with(|untold| {
        untold.set(untold.get() + change);
        if untold.get().unsigned_abs() > UNTOLD_BYTES_MAX.unsigned_abs() {
            tell(untold);
        }
    });
}

#[inline]
fn took(bytes: usize) {
    count(bytes.cast_signed()); // no allocation is larger than isize::MAX
}

#[inline]
fn gave_back(bytes: usize) {
    count(-bytes.cast_signed());
}

// SAFETY: every method hands its arguments to `System` unchanged and its answer back unchanged, so what holds for
// `System` holds here. Counting touches two atomics and a thread-local number that is there without being made and needs
// no destructor: it does not allocate and does not panic.
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
            count(new_size.cast_signed() - layout.size().cast_signed());
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
