//! Reading a packet takes no memory, whatever the packet says and whether it is right or not.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(unsafe_code)] // an allocator that counts cannot be written without

mod generator;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use generator::{Random, mutate, with_packet};
use mqtt::{Packet, ProtocolVersion, next_frame};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came; counting touches no allocated memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System.alloc` above with the same layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn reading_a_packet_allocates_nothing() {
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.get(), before + 1, "allocations are counted");
    for seed in 0..5_000 {
        for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
            let mut random = Random(seed);
            let mut right = Vec::new();
            with_packet(&mut random, version, |packet| packet.encode(version, &mut right)).unwrap();
            let changed = mutate(&mut random, &right);
            for bytes in [right, changed] {
                let before = ALLOCATIONS.get();
                let packet = next_frame(&bytes, 0).map(|frame| Packet::decode(version, frame.expect("a whole packet")));
                if let Ok(Ok(packet)) = std::hint::black_box(packet) {
                    go_through(&packet);
                }
                assert_eq!(ALLOCATIONS.get(), before, "seed {seed}, {version:?}: {bytes:02x?}");
            }
        }
    }
}

/// What is read only when it is asked for.
fn go_through(packet: &Packet) {
    match packet {
        Packet::Publish(publish) => {
            std::hint::black_box(publish.properties.iter().count());
        }
        Packet::Subscribe(subscribe) => {
            std::hint::black_box(subscribe.filters.len());
        }
        Packet::Unsubscribe(unsubscribe) => {
            std::hint::black_box(unsubscribe.filters.len());
        }
        Packet::SubAck(suback) => {
            std::hint::black_box(suback.reasons.iter().count());
        }
        _ => {}
    }
}
