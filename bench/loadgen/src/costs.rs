//! `costs`: what the system calls that a broker lives on cost here, one kind at a time; the other end of each socket is a
//! thread on another core, as loadgen is for a broker. Medians, so that what else the machine does is not in them.

use crate::net::{Epoll, IN, now_ns};
use crate::opts::Args;
use crate::stats::Report;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering::*};

const SOCKETS: usize = 200;
const PAGES: usize = 16 * 1024;

/// What the other thread is to do next, and how often it has done what it was told.
#[derive(Default)]
struct Orders {
    told: AtomicU64,
    done: AtomicU64,
}

impl Orders {
    fn tell(&self, order: u64) {
        self.told.store((order << 32) + (self.told.load(Relaxed) & 0xFFFF_FFFF) + 1, Release);
    }
    fn wait(&self) {
        while self.done.load(Acquire) != self.told.load(Relaxed) & 0xFFFF_FFFF {
            std::hint::spin_loop();
        }
    }
}

const DRAIN: u64 = 1;
const SAY: u64 = 2;
const SLEEP_READING: u64 = 3;
const SAY_LATE: u64 = 4;
const END: u64 = 5;

pub fn run(a: &Args) -> i32 {
    let size: usize = a.num("size", 130);
    let rounds: usize = a.num("rounds", 50);
    let cores: Vec<usize> = a.str("cores").unwrap_or("0,1").split(',').filter_map(|c| c.parse().ok()).collect();
    let json = a.flag("json");
    a.reject_unknown();
    let &[mine, other] = &cores[..] else {
        eprintln!("loadgen costs: --cores takes two, as in 0,1");
        return 2;
    };
    let l = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let ends: Vec<(TcpStream, TcpStream)> = (0..SOCKETS)
        .map(|_| (TcpStream::connect(l.local_addr().unwrap()).unwrap(), l.accept().unwrap().0))
        .inspect(|(a, b)| [a, b].iter().for_each(|s| s.set_nodelay(true).unwrap()))
        .collect();
    let (mut here, there): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let orders = Orders::default();
    let mut r = Report::default();
    std::thread::scope(|s| {
        s.spawn(|| serve(&orders, there, size, other));
        pin(mine);
        let message = vec![7u8; size];
        let mut buf = vec![0u8; 65536];
        let clock = median((0..10_000).map(|_| since(now_ns())).collect());

        // into sockets whose other end nobody waits for
        let mut took = Vec::new();
        for _ in 0..rounds {
            for s in &mut here {
                let t = now_ns();
                s.write_all(&message).unwrap();
                took.push(since(t) - clock);
            }
            orders.tell(DRAIN);
            orders.wait();
        }
        r.f("write_us", median(took) / 1e3);

        // into a socket whose reader sleeps on its core
        let mut took = Vec::new();
        for _ in 0..rounds * 20 {
            orders.tell(SLEEP_READING);
            pause(100_000);
            let t = now_ns();
            here[0].write_all(&message).unwrap();
            took.push(since(t) - clock);
            orders.wait();
        }
        r.f("write_that_wakes_us", median(took) / 1e3);

        for (key, times) in [("read_us", 1), ("read_of_ten_us", 10)] {
            let mut took = Vec::new();
            for _ in 0..rounds {
                for _ in 0..times {
                    orders.tell(SAY);
                    orders.wait();
                }
                for s in &mut here {
                    let t = now_ns();
                    let n = s.read(&mut buf).unwrap();
                    took.push(since(t) - clock);
                    assert_eq!(n, times * size);
                }
            }
            r.f(key, median(took) / 1e3);
        }

        // read and answered, over and over: TCP's acknowledgements go with the data then
        let (mut took, mut answers) = (Vec::new(), Vec::new());
        for round in 0..rounds + 10 {
            orders.tell(SAY);
            orders.wait();
            for s in &mut here {
                let t = now_ns();
                let _ = s.read(&mut buf).unwrap();
                let read = since(t) - clock;
                let t = now_ns();
                s.write_all(&message[..size.min(4)]).unwrap();
                if round >= 10 {
                    took.push(read);
                    answers.push(since(t) - clock);
                }
            }
            orders.tell(DRAIN);
            orders.wait();
        }
        r.f("read_in_turn_us", median(took) / 1e3).f("write_in_turn_us", median(answers) / 1e3);

        // all of them have something, and one that comes while the thread sleeps
        let mut ep = Epoll::new(1024).unwrap();
        here.iter().enumerate().for_each(|(i, s)| ep.add(s.as_raw_fd(), IN, i as u64).unwrap());
        let mut took = Vec::new();
        for _ in 0..rounds {
            orders.tell(SAY);
            orders.wait();
            let t = now_ns();
            let n = ep.wait(1_000_000_000);
            took.push((since(t) - clock) / n as f64);
            here.iter_mut().for_each(|s| _ = s.read(&mut buf).unwrap());
        }
        r.f("poll_per_event_us", median(took) / 1e3);
        let cpu_clock =
            median((0..1000).map(|_| cpu_ns()).collect::<Vec<_>>().windows(2).map(|w| w[1] - w[0]).collect());
        let mut took = Vec::new();
        for _ in 0..rounds * 20 {
            orders.tell(SAY_LATE);
            let t = cpu_ns();
            ep.wait(1_000_000_000);
            took.push(cpu_ns() - t - cpu_clock);
            orders.wait();
            let _ = here[0].read(&mut buf).unwrap();
        }
        r.f("poll_that_sleeps_us", median(took) / 1e3);
        r.f("first_touch_of_a_page_us", first_touch_ns() / 1e3);
        orders.tell(END);
    });
    r.print(json);
    0
}

/// The other end: does as it is told.
fn serve(orders: &Orders, mut sockets: Vec<TcpStream>, size: usize, core: usize) {
    pin(core);
    let message = vec![9u8; size];
    let mut buf = vec![0u8; 65536];
    let mut seen = 0;
    loop {
        let told = orders.told.load(Acquire);
        if told & 0xFFFF_FFFF == seen {
            std::hint::spin_loop();
            continue;
        }
        seen = told & 0xFFFF_FFFF;
        match told >> 32 {
            DRAIN => sockets.iter_mut().for_each(|s| _ = s.read(&mut buf).unwrap()),
            SAY => sockets.iter_mut().for_each(|s| s.write_all(&message).unwrap()),
            SLEEP_READING => _ = sockets[0].read(&mut buf).unwrap(),
            SAY_LATE => {
                pause(100_000);
                sockets[0].write_all(&message).unwrap();
            }
            _ => return,
        }
        orders.done.store(seen, Release);
    }
}

/// Fresh memory from the kernel, as an allocator gets it.
fn first_touch_ns() -> f64 {
    unsafe {
        let size = PAGES * 4096;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let at = libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        assert_ne!(at, libc::MAP_FAILED);
        let began = cpu_ns();
        for page in 0..PAGES {
            at.cast::<u8>().add(page * 4096).write_volatile(1);
        }
        let took = cpu_ns() - began;
        libc::munmap(at, size);
        took / PAGES as f64
    }
}

fn since(t: u64) -> f64 {
    (now_ns() - t) as f64
}

fn pause(ns: u64) {
    let t = now_ns();
    while now_ns() - t < ns {
        std::hint::spin_loop();
    }
}

/// CPU time of this thread.
fn cpu_ns() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}

fn pin(core: usize) {
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
