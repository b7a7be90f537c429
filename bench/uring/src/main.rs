//! loadgen's `floor`, on io_uring: a relay without MQTT logic, to be measured against the one on epoll.
//!
//! The same work in the same shape: one thread; CONNECT and SUBSCRIBE are answered; PUBLISH frames are copied as they came,
//! in runs, to all subscribers or to the one with the publisher's number; whatever a turn of the loop made ready leaves
//! with one send for each subscriber. What differs is how bytes come and go: a multishot accept, a multishot receive for
//! each connection into buffers that the kernel chooses from a ring, and all sends of a turn submitted together with the
//! wait for what comes next. One system call a turn, however many sockets it served.
//!
//! Not in it: back-pressure (the loads have a window), TLS, any rule of MQTT.

#[allow(dead_code, reason = "the parser of loadgen, so that both floors parse alike; the rest of it is for clients")]
#[path = "../../loadgen/src/mqtt.rs"]
mod mqtt;
mod ring;

use ring::{Buffers, Event, Ring};
use std::collections::HashMap;
use std::net::TcpListener;
use std::os::fd::AsRawFd;

const HELP: &str =
    "uring --port P [--pairs] [--ring plain|coop|defer] [--buffers 1024] [--buffer-size 16384] [--bundle]";

struct Options {
    port: u16,
    pairs: bool,
    /// How completions are brought: by interrupting the thread (`plain`), or only when it asks (`coop`, `defer`).
    ring: String,
    buffers: u16,
    buffer_size: usize,
    /// One completion for several buffers.
    bundle: bool,
}

impl Options {
    fn parse() -> Option<Options> {
        let mut o = Options {
            port: 1883,
            pairs: false,
            ring: "defer".into(),
            buffers: 1024,
            buffer_size: 16384,
            bundle: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--pairs" => o.pairs = true,
                "--bundle" => o.bundle = true,
                "--port" => o.port = words.next()?.parse().ok()?,
                "--ring" => o.ring = words.next()?,
                "--buffers" => o.buffers = words.next()?.parse().ok().filter(|n: &u16| n.is_power_of_two())?,
                "--buffer-size" => o.buffer_size = words.next()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(o)
    }
}

/// A connection. `flying` belongs to the kernel from the send until its completion.
#[derive(Default)]
struct Peer {
    fd: i32,
    /// The beginning of a frame whose end has not come.
    left: Vec<u8>,
    out: Vec<u8>,
    flying: Vec<u8>,
    flown: usize,
    dirty: bool,
    closed: bool,
    name: u64,
    publisher: bool,
}

#[derive(Default)]
struct Relay {
    peers: Vec<Peer>,
    free: Vec<usize>,
    subs: Vec<usize>,
    by_name: HashMap<u64, usize>,
    dirty: Vec<usize>,
    pairs: bool,
}

impl Relay {
    fn accepted(&mut self, fd: i32) -> usize {
        let peer = Peer { fd, ..Peer::default() };
        match self.free.pop() {
            Some(i) => {
                self.peers[i] = peer;
                i
            }
            None => {
                self.peers.push(peer);
                self.peers.len() - 1
            }
        }
    }

    /// Takes what came from `i`; what is to be sent waits in the peers named by `dirty`.
    fn received(&mut self, i: usize, bytes: &[u8]) {
        if self.peers[i].left.is_empty() {
            let at = self.frames(i, bytes);
            self.peers[i].left.extend_from_slice(&bytes[at..]);
        } else {
            let mut all = std::mem::take(&mut self.peers[i].left);
            all.extend_from_slice(bytes);
            let at = self.frames(i, &all);
            all.drain(..at);
            self.peers[i].left = all;
        }
    }

    /// Handles the whole frames at the front of `bytes`; returns where the first incomplete one begins.
    fn frames(&mut self, i: usize, bytes: &[u8]) -> usize {
        let mut at = 0;
        let mut run: Option<(usize, usize)> = None;
        while let Ok(Some((first, start, end))) = mqtt::frame(&bytes[at..]) {
            if first & 0xF0 == mqtt::PUBLISH {
                run.get_or_insert((at, at)).1 = at + end;
            } else {
                self.control(i, first & 0xF0, &bytes[at + start..at + end]);
            }
            at += end;
        }
        if let Some((from, to)) = run {
            self.peers[i].publisher = true;
            let one = self.pairs.then(|| self.by_name.get(&self.peers[i].name).copied());
            let targets = match &one {
                Some(one) => one.as_slice(),
                None => &self.subs,
            };
            for &t in targets {
                self.peers[t].out.extend_from_slice(&bytes[from..to]);
                mark(&mut self.peers, &mut self.dirty, t);
            }
        }
        at
    }

    fn control(&mut self, i: usize, kind: u8, body: &[u8]) {
        match kind {
            mqtt::CONNECT => {
                let id = body.get(12..).unwrap_or(&[]);
                let digits = id.iter().rev().take_while(|c| c.is_ascii_digit()).count();
                self.peers[i].name = id[id.len() - digits..].iter().fold(0, |v, c| v * 10 + u64::from(c - b'0'));
                self.peers[i].out.extend_from_slice(&[mqtt::CONNACK, 2, 0, 0]);
            }
            mqtt::SUBSCRIBE => {
                self.peers[i].out.extend_from_slice(&[mqtt::SUBACK, 3, body[0], body[1], 0]);
                self.subs.push(i);
                self.by_name.insert(self.peers[i].name, i);
            }
            0xC0 => self.peers[i].out.extend_from_slice(&[0xD0, 0]),
            _ => {}
        }
        mark(&mut self.peers, &mut self.dirty, i);
    }

    fn ended(&mut self, i: usize) {
        self.subs.retain(|&s| s != i);
        let peer = &mut self.peers[i];
        if !peer.publisher {
            self.by_name.remove(&peer.name);
        }
        peer.closed = true;
        peer.out.clear();
        self.let_go(i);
    }

    /// The place is free only when the kernel is done with what it was given to send.
    fn let_go(&mut self, i: usize) {
        if self.peers[i].closed && self.peers[i].flying.is_empty() {
            // SAFETY: the descriptor is this peer's, and its receive has ended.
            unsafe { libc::close(self.peers[i].fd) };
            self.free.push(i);
        }
    }

    /// Puts one send for each dirty peer that has none on its way into the submission queue.
    fn send_all(&mut self, ring: &mut Ring) {
        for i in self.dirty.drain(..) {
            let peer = &mut self.peers[i];
            peer.dirty = false;
            if peer.flying.is_empty() && !peer.out.is_empty() {
                std::mem::swap(&mut peer.flying, &mut peer.out);
                peer.flown = 0;
                ring.send(i, peer.fd, &peer.flying);
            }
        }
    }

    fn sent(&mut self, i: usize, result: i32, ring: &mut Ring) {
        let peer = &mut self.peers[i];
        peer.flown += result.max(0) as usize;
        if result > 0 && peer.flown < peer.flying.len() {
            ring.send(i, peer.fd, &peer.flying[peer.flown..]);
            return;
        }
        peer.flying.clear();
        if peer.closed {
            self.let_go(i);
        } else if !peer.out.is_empty() {
            mark(&mut self.peers, &mut self.dirty, i);
        }
    }
}

fn mark(peers: &mut [Peer], dirty: &mut Vec<usize>, i: usize) {
    if !peers[i].dirty && !peers[i].closed {
        peers[i].dirty = true;
        dirty.push(i);
    }
}

fn main() {
    let Some(o) = Options::parse() else {
        eprintln!("{HELP}");
        std::process::exit(2);
    };
    if let Err(e) = run(&o) {
        eprintln!("uring: {e}");
        std::process::exit(2);
    }
}

fn run(o: &Options) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", o.port))?;
    let mut ring = Ring::new(&o.ring, o.bundle)?;
    let mut buffers = Buffers::new(&ring, o.buffers, o.buffer_size)?;
    let mut relay = Relay { pairs: o.pairs, ..Relay::default() };
    let mut events = Vec::new();
    ring.accept(listener.as_raw_fd());
    loop {
        ring.wait(&mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Accepted { fd, more } => {
                    if fd >= 0 {
                        ring::no_delay(fd);
                        let i = relay.accepted(fd);
                        ring.receive(i, fd);
                    }
                    if !more {
                        ring.accept(listener.as_raw_fd());
                    }
                }
                Event::Received { peer, result, buffer, more } => {
                    if let (1.., Some(first)) = (result, buffer) {
                        buffers.take(first, result as usize, |bytes| relay.received(peer, bytes));
                    }
                    // The ring of buffers was empty: what came is still in the socket. Anything else is the end.
                    let again = result > 0 || result == -libc::ENOBUFS;
                    if again && !more {
                        ring.receive(peer, relay.peers[peer].fd);
                    } else if !again {
                        relay.ended(peer);
                    }
                }
                Event::Sent { peer, result } => relay.sent(peer, result, &mut ring),
            }
        }
        buffers.give_back();
        relay.send_all(&mut ring);
    }
}
