//! The io_uring of the relay: what is asked of the kernel, and what it answers. All `unsafe` is here.

use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

const ENTRIES: u32 = 4096;
const GROUP: u16 = 0;
const ACCEPT: u64 = 1 << 62;
const SEND: u64 = 1 << 61;

pub enum Event {
    /// `fd` is negative for an error. Without `more`, the multishot request has ended and must be made anew.
    Accepted {
        fd: i32,
        more: bool,
    },
    /// `result` bytes, from `buffer` on; 0 the end; negative an error.
    Received {
        peer: usize,
        result: i32,
        buffer: Option<u16>,
        more: bool,
    },
    Sent {
        peer: usize,
        result: i32,
    },
}

pub struct Ring {
    uring: IoUring,
    bundle: bool,
}

impl Ring {
    pub fn new(kind: &str, bundle: bool) -> io::Result<Ring> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(ENTRIES * 8);
        match kind {
            "defer" => builder.setup_single_issuer().setup_defer_taskrun(),
            "coop" => builder.setup_single_issuer().setup_coop_taskrun(),
            "plain" => &mut builder,
            _ => return Err(io::Error::other("--ring takes plain, coop or defer")),
        };
        Ok(Ring { uring: builder.build(ENTRIES)?, bundle })
    }

    pub fn accept(&mut self, listener: i32) {
        self.push(&opcode::AcceptMulti::new(types::Fd(listener)).build().user_data(ACCEPT));
    }

    pub fn receive(&mut self, peer: usize, fd: i32) {
        let entry = if self.bundle {
            opcode::RecvMultiBundle::new(types::Fd(fd), GROUP).build()
        } else {
            opcode::RecvMulti::new(types::Fd(fd), GROUP).build()
        };
        self.push(&entry.user_data(peer as u64));
    }

    /// `bytes` must stay where they are until `Sent` comes for this peer.
    pub fn send(&mut self, peer: usize, fd: i32, bytes: &[u8]) {
        let entry = opcode::Send::new(types::Fd(fd), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        self.push(&entry.user_data(SEND | peer as u64));
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: a send's bytes are its peer's `flying`, which is not touched until the completion; the other
        // requests point at no memory of ours but the buffers, which live as long as the process.
        while unsafe { self.uring.submission().push(entry) }.is_err() {
            self.uring.submit().expect("the kernel takes what is in the queue");
        }
    }

    /// Submits what was asked and waits for at least one answer.
    pub fn wait(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        match self.uring.submit_and_wait(1) {
            Ok(_) => {}
            Err(e) if matches!(e.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) => {}
            Err(e) => return Err(e),
        }
        events.extend(self.uring.completion().map(|c| {
            let (what, more) = (c.user_data(), cqueue::more(c.flags()));
            if what & ACCEPT != 0 {
                Event::Accepted { fd: c.result(), more }
            } else if what & SEND != 0 {
                Event::Sent { peer: (what & !SEND) as usize, result: c.result() }
            } else {
                let buffer = cqueue::buffer_select(c.flags());
                Event::Received { peer: what as usize, result: c.result(), buffer, more }
            }
        }));
        Ok(())
    }
}

/// The ring of buffers that the kernel receives into: `count` of `size` bytes, in one piece of memory.
pub struct Buffers {
    entries: *mut types::BufRingEntry,
    bytes: Vec<u8>,
    count: u16,
    size: usize,
    tail: u16,
    /// The order in which they were given to the kernel, so that a bundle's buffers are known from its first.
    order: Vec<u16>,
    /// Where in the ring a buffer stands.
    place: Vec<u16>,
}

impl Buffers {
    pub fn new(ring: &Ring, count: u16, size: usize) -> io::Result<Buffers> {
        let length = usize::from(count) * size_of::<types::BufRingEntry>();
        // SAFETY: a new anonymous mapping; it is never unmapped.
        let entries = unsafe {
            let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0)
        };
        if entries == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the mapping is page aligned, as long as the ring, and lives as long as the process.
        unsafe { ring.uring.submitter().register_buf_ring_with_flags(entries as u64, count, GROUP, 0)? };
        let mut buffers = Buffers {
            entries: entries.cast(),
            bytes: vec![0; usize::from(count) * size],
            count,
            size,
            tail: 0,
            order: vec![0; usize::from(count)],
            place: vec![0; usize::from(count)],
        };
        (0..count).for_each(|b| buffers.put(b));
        buffers.give_back();
        Ok(buffers)
    }

    /// Hands the bytes of one completion to `with`, and puts their buffers back; the kernel sees them at `give_back`.
    pub fn take(&mut self, first: u16, mut length: usize, mut with: impl FnMut(&[u8])) {
        let mut place = self.place[usize::from(first)];
        while length > 0 {
            let buffer = self.order[usize::from(place)];
            let begin = usize::from(buffer) * self.size;
            let here = length.min(self.size);
            with(&self.bytes[begin..begin + here]);
            length -= here;
            self.put(buffer);
            place = (place + 1) & (self.count - 1);
        }
    }

    fn put(&mut self, buffer: u16) {
        let at = self.tail & (self.count - 1);
        self.order[usize::from(at)] = buffer;
        self.place[usize::from(buffer)] = at;
        // SAFETY: `at` is inside the ring; the kernel does not read behind the tail that it was told.
        let entry = unsafe { &mut *self.entries.add(usize::from(at)) };
        entry.set_addr(self.bytes.as_mut_ptr().wrapping_add(usize::from(buffer) * self.size) as u64);
        entry.set_len(self.size as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    pub fn give_back(&mut self) {
        // SAFETY: the tail lies in the first entry, two bytes, aligned; only we write it.
        unsafe {
            let tail = types::BufRingEntry::tail(self.entries).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

pub fn no_delay(fd: i32) {
    let one: libc::c_int = 1;
    // SAFETY: the option takes an int, which lives through the call.
    unsafe {
        let length = size_of_val(&one) as u32;
        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, std::ptr::from_ref(&one).cast(), length);
    }
}
