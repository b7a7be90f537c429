//! What depends on what comes together in one turn of the broker's loop: the test holds the loop still meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use broker::proxy_header::Version;
use broker::{Appliance, Heartbeat, Protection, ProxyRules};

use crate::client::{Running, connect, password_file, reloaded, start_behind};

/// A broker whose loop a test can hold still, between two turns.
struct Holdable {
    /// The first to be dropped: a test that fails must not wait for a broker that it holds.
    go_on: Sender<()>,
    is_to_rest: Arc<AtomicBool>,
    rests: Receiver<()>,
    broker: Running,
}

impl Holdable {
    fn start(protection: Protection, adjust: impl FnOnce(&mut Appliance)) -> Self {
        let (at_rest, rests) = channel();
        let (go_on, goes_on) = channel();
        let is_to_rest = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_to_rest);
        let tell = Box::new(move || {
            if told.swap(false, Ordering::SeqCst) && at_rest.send(()).is_ok() {
                let _ = goes_on.recv(); // an error: the test is over
            }
        });
        let broker = start_behind(protection, |appliance| {
            appliance.heartbeat = Some(Heartbeat { every: Duration::from_millis(1), tell });
            adjust(appliance);
        });
        Self { go_on, is_to_rest, rests, broker }
    }

    /// Goes on when the loop stands still.
    fn hold(&self) {
        self.is_to_rest.store(true, Ordering::SeqCst);
        self.rests.recv().expect("it beats");
    }

    fn let_go(&self) {
        self.go_on.send(()).expect("it rests");
    }
}

#[test]
fn the_end_of_a_stranger_is_not_taken_for_that_of_the_one_that_gets_its_number() {
    let proxy = Some(ProxyRules { version: Version::V1, requires_tls: false, requires_certificate: false });
    let held = Holdable::start(Protection { proxy, ..Protection::default() }, |appliance| appliance.strangers_max = 2);
    let broker = &held.broker;
    let (first, _second) = (broker.knock(), broker.knock());
    broker.settle();
    // It finds at once: two that knock, for whom the first has to go; and that the first has ended.
    held.hold();
    let (_third, mut fourth) = (broker.knock(), broker.knock());
    fourth.say(b"PROXY UNK");
    drop(first);
    held.let_go();
    broker.settle();
    fourth.say(&[b"NOWN\r\n", &connect("c", 0)[..]].concat());
    fourth.expect(&[0x20, 2, 0, 0]);
}

#[test]
fn who_asks_for_a_reload_goes_on_when_it_counts() {
    let held = Holdable::start(Protection::default(), |_| {});
    held.hold();
    let asks = std::thread::spawn({
        let handle = held.broker.handle.clone();
        move || handle.reload(reloaded(Some(password_file("user", "secret")), Protection::default()))
    });
    for _ in 0..10_000 {
        assert!(!asks.is_finished(), "nobody has heard of it");
        std::thread::yield_now();
    }
    held.let_go();
    asks.join().expect("no panic");
    let mut client = held.broker.knock();
    client.say(&connect("c", 0));
    client.expect(&[0x20, 2, 0, 5]);
    // A broker that has ended holds nobody up.
    let handle = held.broker.handle.clone();
    held.broker.stop();
    handle.reload(reloaded(None, Protection::default()));
    handle.protect(vec![None], Vec::new());
}
