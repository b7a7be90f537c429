//! A worker and no broker: the test is the other side of its mailbox, and takes its time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::mailbox::What;
use super::*;
use crate::connection::{Connection, Stage};
use crate::listener::{Protection, ProxyRules};
use crate::out_queue::Spares;
use crate::peer::Peer;
use crate::proxy_header::Version;
use crate::transport::Transport;
use crate::{BATCH_BYTES, BATCHES_WAITING_MAX};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The broker's side of `count` workers.
struct Desk {
    poll: Poll,
    workers: Workers,
    listener: TcpListener,
    opened: u32,
}

impl Desk {
    fn new(count: usize) -> Self {
        Self::behind(count, Protection::default())
    }

    fn behind(count: usize, protection: Protection) -> Self {
        let poll = Poll::new().expect("a poll");
        let waker = Arc::new(Waker::new(poll.registry(), Token(0)).expect("a waker"));
        let listener = ListenerConfig { protection, ..ListenerConfig::default() };
        let workers = Workers::start(count, &[listener], &waker).expect("threads");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self { poll, workers, listener, opened: 0 }
    }

    /// A connection: our side, and the client's.
    fn connect(&mut self) -> (Remote, TcpStream) {
        let (ours, client) = self.pair();
        let door = DoorPlate { listener: 0, port: 0, is_plain: true, is_bare: true };
        let remote = self.workers.take_on((self.opened, 1), ours, door);
        self.opened += 1;
        (remote, client)
    }

    /// A socket that no worker has, and the client's.
    fn pair(&self) -> (crate::stream::Stream, TcpStream) {
        let client = TcpStream::connect(self.listener.local_addr().expect("an address")).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        let (ours, _) = self.listener.accept().expect("it came");
        ours.set_nonblocking(true).expect("a socket");
        (mio::net::TcpStream::from_std(ours).into(), client)
    }

    /// Waits until a worker wakes us.
    fn wait(&mut self) {
        let mut events = Events::with_capacity(8);
        self.poll.poll(&mut events, Some(PATIENCE)).expect("a wait");
        assert!(!events.is_empty(), "nobody says anything");
    }

    /// Takes the next batch of the first worker, which must be there: its bytes and its other news.
    fn batch(&mut self) -> (Vec<u8>, Vec<What>) {
        let worker = &mut self.workers.workers[0];
        let found = worker.mailbox.look(&mut Vec::new(), &mut worker.spent, true);
        let mut batch = found.batch.expect("a batch");
        let bytes = batch.bytes[..batch.used].to_vec();
        let others = batch.news.drain(..).map(|news| news.what).filter(|what| !matches!(what, What::Bytes(_)));
        let others = others.collect();
        worker.spent = Some(batch);
        (bytes, others)
    }

    fn words(&mut self) -> Vec<(u32, u32)> {
        let mut words = Vec::new();
        let worker = &mut self.workers.workers[0];
        worker.mailbox.look(&mut words, &mut worker.spent, false);
        words
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not so");
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_whose_batches_are_not_taken_reads_no_further_and_loses_nothing() {
    let mut desk = Desk::new(1);
    let (remote, mut client) = desk.connect();
    desk.workers.wake();
    let sent: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || {
            client.write_all(&sent).expect("it is taken in the end");
            client
        }
    });
    let mut got = Vec::new();
    while got.len() < sent.len() {
        let mailbox = Arc::clone(&desk.workers.workers[0].mailbox);
        // All but the last bytes fill every place there is.
        if sent.len() - got.len() > 16 * BATCH_BYTES {
            until("the worker waits for room", || mailbox.is_waiting());
            assert_eq!(mailbox.waiting(), BATCHES_WAITING_MAX);
        } else {
            until("there is something", || mailbox.waiting() > 0);
        }
        let (bytes, others) = desk.batch();
        assert!(others.is_empty());
        got.extend(bytes);
    }
    assert!(got == sent);
    let client = writer.join().expect("no panic");

    // It was not woken for each byte, and it is still there.
    drop(client);
    let mailbox = Arc::clone(&desk.workers.workers[0].mailbox);
    until("the end is told", || mailbox.waiting() > 0);
    assert!(matches!(desk.batch().1[..], [What::Ended]));
    remote.close();
    std::mem::take(&mut desk.workers).stop().expect("it ends well");
}

#[test]
fn a_full_worker_goes_on_writing() {
    let mut desk = Desk::new(1);
    let (_speaks, mut speaker) = desk.connect();
    let (mut hears, mut hearer) = desk.connect();
    desk.workers.wake();
    let writer = std::thread::spawn(move || speaker.write_all(&vec![0; 4_000_000]));
    let mailbox = Arc::clone(&desk.workers.workers[0].mailbox);
    until("the worker waits for room", || mailbox.is_waiting());
    hears.write(b"heard", 1);
    desk.workers.wake();
    let mut got = [0; 5];
    hearer.read_exact(&mut got).expect("it is written");
    assert_eq!(&got, b"heard");
    drop(desk); // and ends though nobody ever took anything
    let _ = writer.join().expect("no panic");
}

#[test]
fn what_the_socket_does_not_take_stays_in_the_account_and_word_comes_when_it_has() {
    let mut desk = Desk::new(1);
    let (mut remote, mut client) = desk.connect();
    let large: Vec<u8> = (0..16 << 20).map(|n: u32| (n % 251) as u8).collect();
    remote.write(&large, 3);
    desk.workers.wake();
    until("it is looked at", || remote.is_seen());
    assert!(remote.ask_for_word(), "a socket does not hold so much");
    let taken = remote.news();
    assert_eq!((remote.away() + taken, remote.packets()), (large.len(), 3));
    let mut got = vec![0; large.len()];
    client.read_exact(&mut got).expect("all of it");
    assert!(got == large);
    desk.wait();
    assert_eq!(desk.words(), [(0, 1)]);
    remote.news();
    assert_eq!((remote.away(), remote.packets()), (0, 0));
    assert!(!remote.ask_for_word(), "nothing is left to wait for");
}

#[test]
fn the_backlog_of_a_connection_is_what_waits_here_and_what_its_worker_has() {
    let mut desk = Desk::new(1);
    let (remote, mut client) = desk.connect();
    let mut connection = Connection::new(Transport::Remote(Box::new(remote)), Peer::Within, 0, Stage::Client, 1);
    let mut spares = Spares::default();
    for (count, total) in [(100, 100), (700_000, 700_100)] {
        connection.out.push_reply(&vec![0; count], &mut spares);
        let Transport::Remote(remote) = &mut connection.transport else { unreachable!("it is") };
        remote.write(connection.out.waiting(), 1);
        connection.out.hand_over(&mut spares);
        connection.out.push(b"more", &mut spares);
        // Nobody has woken the worker.
        assert_eq!((connection.backlog_bytes(), connection.has_sent_all()), (total + 4, false));
        connection.out.took(4, &mut spares);
        assert!(!connection.has_sent_all(), "the worker has it still");
    }
    assert_eq!(connection.packets(), 2);
    assert!(connection.awaits_word() && connection.has_too_many_replies());
    desk.workers.wake();
    client.read_exact(&mut vec![0; 700_100]).expect("all of it");
    desk.wait();
    // Seen at once where it is much, after looking where it is little.
    assert_eq!(connection.backlog_bytes(), 0);
    assert_eq!(connection.settle(Instant::now(), &mut spares), 700_100);
    assert_eq!((connection.backlog_bytes(), connection.packets()), (0, 0));
    assert!(connection.has_sent_all() && !connection.awaits_word() && !connection.has_too_many_replies());
}

#[test]
fn a_connection_at_rest_is_not_read_from_until_it_may_go_on() {
    let mut desk = Desk::new(1);
    let (mut rests, mut silent) = desk.connect();
    rests.rest(true);
    let (_other, mut loud) = desk.connect();
    desk.workers.wake();
    silent.write_all(b"not yet").expect("it is taken");
    // The worker finds both ready, or has looked at the first before.
    for _ in 0..3 {
        loud.write_all(b"now").expect("it is taken");
        let mailbox = Arc::clone(&desk.workers.workers[0].mailbox);
        until("there is something", || mailbox.waiting() > 0);
        assert_eq!(desk.batch().0, b"now");
    }
    rests.rest(false);
    desk.workers.wake();
    let mailbox = Arc::clone(&desk.workers.workers[0].mailbox);
    until("there is something", || mailbox.waiting() > 0);
    assert_eq!(desk.batch().0, b"not yet");
}

#[test]
fn the_end_of_a_connection_is_not_taken_for_that_of_the_one_that_gets_its_number() {
    let proxy = ProxyRules { version: Version::V1, requires_tls: false, requires_certificate: false };
    let mut desk = Desk::behind(1, Protection { proxy: Some(proxy), ..Protection::default() });
    let door = DoorPlate { listener: 0, port: 0, is_plain: false, is_bare: false };
    let mailbox = Arc::clone(&desk.workers.workers[0].mailbox);
    for generation in 0..20 {
        let (ours, mut first) = desk.pair();
        first.write_all(b"PROXY UNKNOWN\r\nfirst").expect("it is taken");
        let remote = desk.workers.take_on((0, 2 * generation), ours, door);
        desk.workers.wake();
        until("the first is heard", || mailbox.waiting() > 0);
        assert_eq!(desk.batch().0, b"first");
        // The worker sleeps. It is not woken for what it is told now, but finds it when the first one's end wakes it.
        let (ours, mut second) = desk.pair();
        second.write_all(b"PROXY UNK").expect("it is taken");
        remote.close();
        let remote = desk.workers.take_on((0, 2 * generation + 1), ours, door);
        drop(first);
        until("the worker is woken", || !mailbox.has_orders());
        second.write_all(b"NOWN\r\nsecond").expect("it is taken");
        until("the second is heard", || mailbox.waiting() > 0);
        let (bytes, others) = desk.batch();
        assert!(matches!(others[..], [What::Announced(_)]), "its header was waited for");
        assert_eq!(bytes, b"second");
        remote.close();
        desk.workers.wake();
    }
}

#[test]
fn new_connections_go_to_the_worker_that_has_the_fewest() {
    let mut desk = Desk::new(3);
    let kept: Vec<_> = (0..6).map(|_| desk.connect()).collect();
    let of: Vec<_> = kept.iter().map(|(remote, _)| remote.worker()).collect();
    assert_eq!(of, [0, 1, 2, 0, 1, 2]);
    desk.workers.let_go(1);
    desk.workers.let_go(1);
    assert_eq!([desk.connect().0.worker(), desk.connect().0.worker(), desk.connect().0.worker()], [1, 1, 0]);
}

#[test]
fn a_worker_that_has_not_looked_is_waited_for_and_tells_when_it_has() {
    let poll = Poll::new().expect("a poll");
    let core = Arc::new(Waker::new(poll.registry(), Token(0)).expect("a waker"));
    // A mailbox whose worker does not run.
    let (pump, mailbox) = Pump::new(Arc::from([]), core).expect("a worker");
    assert!(!mailbox.has_orders());
    mailbox.order_write(0, b"x");
    assert!(mailbox.has_orders(), "not yet");
    mailbox.order(0, Deed::Stop);
    let thread = std::thread::spawn(move || pump.run());
    mailbox.wake_worker();
    let mut desk = Desk {
        poll,
        workers: Workers::default(),
        listener: TcpListener::bind("127.0.0.1:0").expect("a port"),
        opened: 0,
    };
    desk.wait();
    assert!(!mailbox.has_orders());
    thread.join().expect("no panic").expect("it ends well");
    // Its end is told, too.
    assert!(mailbox.look(&mut Vec::new(), &mut None, true).is_over);
}

#[test]
fn without_a_number_small_machines_run_inline_and_large_ones_have_workers_up_to_a_limit() {
    let rows = [(0, 0), (1, 0), (2, 0), (3, 2), (4, 3), (5, 4), (64, crate::IO_THREADS_DEFAULT_MAX)];
    for (cores, threads) in rows {
        assert_eq!(io_threads_for(cores), threads, "{cores} cores");
    }
}
