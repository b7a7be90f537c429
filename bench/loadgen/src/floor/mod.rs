//! `floor`: the "speed of light" relay. It answers CONNECT and SUBSCRIBE, moves PUBLISH frames from publishers to
//! subscribers, and acknowledges and counts where their QoS wants it: no topics, no sessions, no checks. One thread, epoll, one
//! read per readable socket and one write per connection and turn, memory that is used again. Driven by the same loads
//! as the brokers it shows what the system calls alone cost on this machine, for one that answers at once.
//!
//! `relay` is what a frame does, `log` where frames wait for subscribers, `tls` the server's end of TLS.

mod log;
mod relay;
mod tls;

use crate::mqtt;
use crate::net::{Epoll, IN, OUT};
use crate::opts::Args;
use relay::{NOBODY, Relay};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// One connection.
struct Peer {
    s: TcpStream,
    left: Vec<u8>,
    out: Vec<u8>,
    opos: usize,
    tls: Option<Box<(tls::Session, Vec<u8>)>>,
    name: u32,
    /// Its place among subscribers; and, with `--pairs`, that of whom it publishes to.
    sub: u32,
    target: u32,
    want_out: bool,
    dirty: bool,
    publisher: bool,
    /// CONNECT said that its subscription outlives it.
    lasts: bool,
}

impl Peer {
    fn new(s: TcpStream, tls: Option<Box<tls::Session>>) -> Peer {
        let tls = tls.map(|session| Box::new((*session, Vec::new())));
        let (name, sub, target) = (0, NOBODY, NOBODY);
        let (want_out, dirty, publisher, lasts) = (false, false, false, false);
        let (left, out) = (Vec::new(), Vec::new());
        Peer { s, left, out, opos: 0, tls, name, sub, target, want_out, dirty, publisher, lasts }
    }
}

const LISTEN: u64 = u64::MAX;
/// The longest record of TLS, and a little more.
const RECORD: usize = 17 * 1024;

/// SIGTERM came: what was counted is said before the end.
static ENDED: AtomicBool = AtomicBool::new(false);

extern "C" fn end(_: libc::c_int) {
    ENDED.store(true, Relaxed);
}

pub fn run(a: &Args) -> i32 {
    let port: u16 = a.num("port", 1883);
    let pairs = a.flag("pairs");
    let rbuf: usize = a.num("rbuf", 65536);
    // stop reading from publishers while this much of QoS 0 waits for a subscriber
    let high: usize = a.num("high", 4 << 20);
    let window: u32 = a.num("inflight", 20);
    let nap = Duration::from_micros(a.num("nap-us", 0));
    // TCP may acknowledge later than it is read
    let late_acks = a.flag("late-acks");
    let cc = a.str("cc").map(|s| s.to_string());
    let tls = match (a.str("tls-cert"), a.str("tls-key")) {
        (Some(cert), Some(key)) => Some(tls::context(cert, key)),
        (None, None) => None,
        _ => Some(Err("--tls-cert and --tls-key go together".into())),
    };
    a.reject_unknown();
    let opened = tls.transpose().and_then(|tls| {
        let l = TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
        l.set_nonblocking(true).map_err(|e| e.to_string())?;
        Ok((tls, l))
    });
    let (tls, l) = match opened {
        Ok(x) => x,
        Err(e) => {
            eprintln!("loadgen floor: {e}");
            return 2;
        }
    };
    let ep = Epoll::new(1024).unwrap();
    ep.add(l.as_raw_fd(), IN, LISTEN).unwrap();
    unsafe { libc::signal(libc::SIGTERM, end as extern "C" fn(libc::c_int) as libc::sighandler_t) };
    let floor = Floor {
        ep,
        l,
        tls,
        cc,
        rbuf,
        high,
        nap,
        late_acks,
        peers: Vec::new(),
        free: Vec::new(),
        relay: Relay::new(pairs, window),
        buf: vec![0u8; rbuf],
        dirty: Vec::new(),
        full: false,
        counts: Counts::default(),
        delivered: 0,
    };
    floor.serve();
    0
}

#[derive(Default)]
struct Counts {
    waits: u64,
    naps: u64,
    reads: u64,
    writes: u64,
}

struct Floor {
    ep: Epoll,
    l: TcpListener,
    tls: Option<tls::Context>,
    cc: Option<String>,
    rbuf: usize,
    high: usize,
    nap: Duration,
    late_acks: bool,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    relay: Relay,
    buf: Vec<u8>,
    dirty: Vec<u32>,
    full: bool,
    counts: Counts,
    /// Of QoS 0.
    delivered: u64,
}

impl Floor {
    fn serve(mut self) {
        while !ENDED.load(Relaxed) {
            let n = self.ep.wait(if self.full { 100_000 } else { 1_000_000_000 });
            self.counts.waits += 1;
            for k in 0..n {
                let e = self.ep.events[k];
                if e.u64 == LISTEN {
                    self.accept();
                } else {
                    self.ready(e.u64 as usize, e.events);
                }
            }
            self.write_all();
            if n > 0 && !self.nap.is_zero() {
                self.counts.naps += 1;
                std::thread::sleep(self.nap);
            }
        }
        self.say_counts();
    }

    fn accept(&mut self) {
        while let Ok((s, _)) = self.l.accept() {
            let _ = s.set_nonblocking(true);
            let _ = s.set_nodelay(true);
            if let Some(c) = &self.cc {
                crate::net::set_cc(s.as_raw_fd(), c);
            }
            if self.late_acks {
                crate::net::set_late_acks(s.as_raw_fd());
            }
            let i = self.free.pop().unwrap_or_else(|| {
                self.peers.push(None);
                self.peers.len() - 1
            });
            self.ep.add(s.as_raw_fd(), IN, i as u64).unwrap();
            self.peers[i] = Some(Peer::new(s, self.tls.as_ref().and_then(tls::Session::new)));
        }
    }

    fn ready(&mut self, i: usize, events: u32) {
        let Some(p) = self.peers[i].as_mut() else { return };
        if events & OUT != 0 {
            mark(&mut self.dirty, i as u32, p);
        }
        if events & !OUT == 0 || (self.full && p.publisher) {
            return;
        }
        let mut buf = std::mem::take(&mut self.buf);
        if !self.read(i, &mut buf) {
            self.close(i);
        }
        self.buf = buf;
    }

    /// One read, and what it brought. `false`: the connection is over.
    fn read(&mut self, i: usize, buf: &mut Vec<u8>) -> bool {
        let Some(p) = self.peers[i].as_mut() else { return true };
        let have = p.left.len();
        // more than is read: a record of TLS that came in pieces may be whole now
        if buf.len() < have + self.rbuf + RECORD {
            buf.resize(have + self.rbuf + RECORD, 0);
        }
        buf[..have].copy_from_slice(&p.left);
        p.left.clear();
        self.counts.reads += 1;
        let mut got = match p.s.read(&mut buf[have..have + self.rbuf]) {
            Ok(0) => return false,
            Ok(x) => x,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return false,
        };
        if let Some(tls) = p.tls.as_mut() {
            let Ok(plain) = tls.0.decrypt(&mut buf[have..], got) else { return false };
            got = plain;
            if tls.0.has_something_to_say() {
                mark(&mut self.dirty, i as u32, p);
            }
        }
        let used = self.frames(i, &buf[..have + got]);
        if let Some(p) = self.peers[i].as_mut() {
            p.left.extend_from_slice(&buf[used..have + got]);
        }
        true
    }

    /// Takes all whole frames; answers how much they were.
    fn frames(&mut self, i: usize, bytes: &[u8]) -> usize {
        let mut at = 0;
        // frames of QoS 0 stay where they are: one contiguous run per read
        let mut run: Option<(usize, usize)> = None;
        let mut count = 0;
        let Some(p) = self.peers[i].as_mut() else { return bytes.len() };
        while let Ok(Some((f, s, e))) = mqtt::frame(&bytes[at..]) {
            if f & 0xF6 == mqtt::PUBLISH {
                run.get_or_insert((at, at)).1 = at + e;
                count += 1;
            } else {
                self.relay.take(i as u32, p, &bytes[at..at + e], s);
            }
            at += e;
        }
        if p.out.len() > p.opos {
            mark(&mut self.dirty, i as u32, p);
        }
        if let Some((from, to)) = run {
            p.publisher = true;
            let name = p.name;
            self.relay.published += count;
            for t in self.relay.audience(name) {
                if let Some(q) = self.peers[t as usize].as_mut() {
                    q.out.extend_from_slice(&bytes[from..to]);
                    mark(&mut self.dirty, t, q);
                    self.delivered += count;
                }
            }
        }
        at
    }

    fn close(&mut self, i: usize) {
        if let Some(p) = self.peers[i].take() {
            self.relay.leave(&p);
            self.ep.del(p.s.as_raw_fd());
            self.free.push(i);
        }
    }

    /// The end of a turn: one write for each who has something to get.
    fn write_all(&mut self) {
        let dirty = &mut self.dirty;
        self.relay.pump(&mut self.peers, |i, p| mark(dirty, i, p));
        self.full = false;
        for i in self.dirty.drain(..) {
            let Some(p) = self.peers[i as usize].as_mut() else { continue };
            p.dirty = false;
            // encrypted, it waits beside the session
            let (out, opos) = match p.tls.as_mut() {
                Some(tls) => {
                    let (session, wire) = &mut **tls;
                    session.encrypt(&p.out, wire);
                    p.out.clear();
                    (wire, &mut p.opos)
                }
                None => (&mut p.out, &mut p.opos),
            };
            while *opos < out.len() {
                self.counts.writes += 1;
                match p.s.write(&out[*opos..]) {
                    Ok(x) => *opos += x,
                    Err(_) => break,
                }
            }
            let want = *opos < out.len();
            self.full |= out.len() - *opos > self.high;
            if !want {
                out.clear();
                *opos = 0;
            }
            if want != p.want_out {
                p.want_out = want;
                let _ = self.ep.modify(p.s.as_raw_fd(), if want { IN | OUT } else { IN }, u64::from(i));
            }
        }
    }

    /// One line of JSON, from the start of the process: what its CPU was spent on.
    fn say_counts(&self) {
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
        let Counts { waits, naps, reads, writes } = self.counts;
        let (published, delivered) = (self.relay.published, self.delivered + self.relay.delivered);
        let (faults, sleeps) = (usage.ru_minflt, usage.ru_nvcsw);
        println!(
            "{{\"published\":{published},\"delivered\":{delivered},\"reads\":{reads},\"writes\":{writes},\
             \"waits\":{waits},\"sleeps\":{sleeps},\"naps\":{naps},\"faults\":{faults}}}"
        );
    }
}

fn mark(dirty: &mut Vec<u32>, i: u32, p: &mut Peer) {
    if !p.dirty {
        p.dirty = true;
        dirty.push(i);
    }
}
