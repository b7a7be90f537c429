//! How many bytes of memory the process has asked for and not given back.
#![allow(unsafe_code)] // an allocator that counts cannot be written without

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

/// Bytes in use, of all threads, as they were asked for: what the allocator adds to each is not in it.
pub(crate) fn in_use() -> isize {
    IN_USE.load(SeqCst)
}

// SAFETY: every call is handed on to the system's allocator as it came; counting touches no allocated memory. The other
// methods of the trait come to these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size().cast_signed(), SeqCst);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size().cast_signed(), SeqCst);
        // SAFETY: `place` came from `System.alloc` above with the same layout.
        unsafe { System.dealloc(place, layout) }
    }
}
