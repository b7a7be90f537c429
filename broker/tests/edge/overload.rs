//! One who floods, one who asks for everything, one who does not read: the others are served as ever. Nobody's progress
//! is measured by the clock, but by what the offender gets done meanwhile.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker::{Protection, TURN_STEPS_MAX};
use broker_core::{DropCause, Stats};

use crate::client::{Client, Running, packet, publish, publish_qos1, start, start_behind, text};
use crate::log::Log;
use crate::slow::narrow;

/// Rounds of question and answer that are to be got through beside an offender.
const ROUNDS: u64 = 50;

/// Two who ask and answer each other.
struct Couple {
    asks: Client,
    answers: Client,
}

impl Couple {
    fn meet(broker: &Running) -> Self {
        let (mut asks, mut answers) = (broker.client("asks"), broker.client("answers"));
        asks.subscribe("answer", 0);
        answers.subscribe("question", 0);
        Self { asks, answers }
    }

    /// Every question and every answer comes, in its order.
    fn talk(&mut self) {
        for round in 0..ROUNDS {
            let words = round.to_string();
            self.asks.say(&publish("question", words.as_bytes()));
            self.answers.expect(&publish("question", words.as_bytes()));
            self.answers.say(&publish("answer", words.as_bytes()));
            self.asks.expect(&publish("answer", words.as_bytes()));
        }
    }
}

/// What `couple` and `offender`, who says `block` without end, get done beside each other: the broker's counts of it.
fn beside(broker: &Running, couple: &mut Couple, mut offender: Client, block: &[u8]) -> Stats {
    let is_over = AtomicBool::new(false);
    // Before the others begin, more of it is there than a turn has room for.
    let ahead = offender.stream.try_clone().expect("a second hand");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                if offender.stream.write_all(block).is_err() {
                    break;
                }
            }
        });
        let begun = stats(broker).packets_received;
        while stats(broker).packets_received < begun + 100 {
            std::thread::yield_now();
        }
        let before = stats(broker);
        couple.talk();
        let after = stats(broker);
        is_over.store(true, Ordering::Relaxed);
        // It may be waiting for room.
        let _ = ahead.shutdown(std::net::Shutdown::Both);
        Stats {
            packets_received: after.packets_received - before.packets_received,
            publishes_sent: after.publishes_sent - before.publishes_sent,
            ..after
        }
    })
}

fn stats(broker: &Running) -> Stats {
    broker.handle.stats().expect("it runs")
}

/// Steps of the offender between a question and its answer: two turns, if the others are awake at once, and on a busy
/// machine some dozens more. A read of the socket holds a hundred times as many.
const TURNS_PER_ROUND_MAX: u64 = 40;

/// SUBSCRIBE of 3.1.1 for many filters. The answer is one byte for each.
fn subscribe_all(filters: &[String]) -> Vec<u8> {
    let body: Vec<u8> = filters.iter().flat_map(|filter| [text(filter), vec![0]].concat()).collect();
    packet(0x82, &[vec![0, 1], body].concat())
}

#[test]
fn one_who_floods_a_thousand_subscriptions_has_no_more_than_his_turn() {
    let broker = start();
    // A thousand overlapping subscriptions of one client, which is sent a copy for each, and reads none of them.
    let filters: Vec<String> = (0..1_000_u32)
        .map(|n| (0..10).map(|bit| if n >> bit & 1 == 1 { "+" } else { "x" }).collect::<Vec<_>>().join("/"))
        .collect();
    let mut deaf = narrow(&broker, "deaf");
    deaf.say(&subscribe_all(&filters));
    let (first, _) = deaf.packet();
    assert_eq!(first, 0x90);
    let mut couple = Couple::meet(&broker);
    let block = publish("x/x/x/x/x/x/x/x/x/x", b"").repeat(4_096);
    let done = beside(&broker, &mut couple, broker.client("floods"), &block);
    let most = ROUNDS * TURNS_PER_ROUND_MAX * (TURN_STEPS_MAX / 1_000 + 1);
    assert!(done.packets_received < most, "{} messages of the flooder in {ROUNDS} rounds", done.packets_received);
}

#[test]
fn one_who_asks_for_everything_again_and_again_has_no_more_than_his_turn() {
    const RETAINED: u64 = 2_000;
    let broker = start();
    let mut publisher = broker.client("publisher");
    for n in 0..RETAINED {
        publisher.say(&packet(0x31, &[text(&format!("kept/{n}")), vec![b'x']].concat()));
    }
    publisher.ping();
    let mut couple = Couple::meet(&broker);
    let block = subscribe_all(&["kept/#".to_owned()]).repeat(4_096);
    let done = beside(&broker, &mut couple, narrow(&broker, "greedy"), &block);
    let most = ROUNDS * TURNS_PER_ROUND_MAX * (TURN_STEPS_MAX / RETAINED + 1);
    assert!(done.packets_received < most, "{} requests in {ROUNDS} rounds", done.packets_received);
}

#[test]
fn what_is_left_of_a_turn_is_dealt_with_in_the_next_in_its_order_and_to_the_end() {
    // Each message is a step for each of its subscribers, and the read holds many turns of them.
    let broker = start_behind(Protection::default(), |appliance| appliance.settings.max_queued_messages = 0);
    let mut reader = broker.client("reader");
    reader.subscribe("n", 1);
    let crowd: Vec<Client> = (0..40)
        .map(|n| {
            let mut client = broker.client(&format!("crowd{n}"));
            client.subscribe("n", 1);
            client
        })
        .collect();
    let readers: Vec<_> = crowd
        .into_iter()
        .map(|mut client| std::thread::spawn(move || while client.acknowledges_one().is_some_and(|n| n < 4_999) {}))
        .collect();
    let mut publisher = broker.client("publisher");
    let mut asking = Client { stream: publisher.stream.try_clone().expect("a second hand") };
    let asks = std::thread::spawn(move || {
        let all: Vec<u8> = (0..5_000_u32).flat_map(|n| publish_qos1("n", (n + 1) as u16, &n.to_be_bytes())).collect();
        asking.say(&all);
        // The end comes with the last words, and must not overtake them.
        asking.say(&[0xe0, 0]);
    });
    for n in 0..5_000_u32 {
        publisher.expect(&[&[0x40, 2][..], &((n + 1) as u16).to_be_bytes()].concat());
    }
    publisher.expect_end();
    for wanted in 0..5_000 {
        assert_eq!(reader.acknowledges_one(), Some(wanted));
    }
    asks.join().expect("all was said");
    for reader in readers {
        reader.join().expect("all was read");
    }
    assert_eq!(stats(&broker).publishes_dropped, 0, "nobody was slow enough to lose anything");
}

#[test]
fn what_is_left_of_a_read_is_dealt_with_though_nothing_more_comes() {
    let broker = start();
    let mut crowd: Vec<Client> = (0..40)
        .map(|n| {
            let mut client = broker.client(&format!("crowd{n}"));
            client.subscribe("n", 0);
            client
        })
        .collect();
    // One read of a dozen turns, to which nothing is answered.
    let all: Vec<u8> = (0..5_000_u32).flat_map(|n| publish("n", &n.to_be_bytes())).collect();
    let mut publisher = broker.client("publisher");
    publisher.say(&all);
    for client in &mut crowd {
        client.expect(&all);
    }
}

impl Client {
    /// Takes a message of QoS 1, acknowledges it, and answers the number in it.
    fn acknowledges_one(&mut self) -> Option<u32> {
        let (first, body) = self.packet();
        assert_eq!(first & 0xF6, 0x32, "{body:02x?}");
        let (id, payload) = body.get(3..)?.split_at(2);
        self.say(&[&[0x40, 2], id].concat());
        Some(u32::from_be_bytes(payload.try_into().ok()?))
    }
}

#[test]
fn what_waits_for_all_who_do_not_read_is_bounded_together() {
    const ALL: u64 = 8 << 20;
    let broker = start_behind(Protection::default(), |appliance| {
        appliance.settings.backlogs_bytes_max = ALL as usize;
        appliance.settings.sys_interval_s = 1;
    });
    let deaf: Vec<Client> = (0..100)
        .map(|n| {
            let mut client = narrow(&broker, &format!("deaf{n}"));
            client.subscribe("t", 0);
            client
        })
        .collect();
    let mut reader = broker.client("reader");
    reader.subscribe("t", 0);
    let (message, mut publisher) = (publish("t", &[b'x'; 20_000]), broker.client("publisher"));
    // Until all of them have been left out: each holds what it may.
    while stats(&broker).dropped_for(DropCause::Socket) < 10_000 {
        publisher.say(&message);
        reader.expect(&message);
    }
    let mut watcher = broker.client("watcher");
    watcher.subscribe("$SYS/broker/#", 0);
    let (mut waiting, mut behind, mut dropped) = (0, 0, 0);
    while waiting == 0 || behind < deaf.len() as u64 || dropped < 10_000 {
        let (_, body) = watcher.packet();
        let said = String::from_utf8(body[2..].to_vec()).expect("text");
        let number = |topic: &str| said.strip_prefix(topic).and_then(|number| number.parse().ok());
        waiting = number("$SYS/broker/packet/out/bytes").unwrap_or(waiting);
        behind = number("$SYS/broker/overload/clients/behind").unwrap_or(behind);
        dropped = number("$SYS/broker/overload/dropped/socket").unwrap_or(dropped);
    }
    // What one message brings to all of them may go past it.
    let most = ALL + 100 * message.len() as u64;
    assert!(waiting <= most && waiting > ALL / 4, "{waiting} bytes wait, and {most} may");
}

#[test]
fn the_log_names_who_does_not_keep_up_once_and_not_for_each_message() {
    let broker = start();
    let log = Log::begin();
    let mut slow = narrow(&broker, "cannot-keep-up");
    slow.subscribe("t", 0);
    let address = slow.stream.local_addr().expect("an address");
    let (message, mut publisher) = (publish("t", &[b'x'; 50_000]), broker.client("publisher"));
    while stats(&broker).dropped_for(DropCause::Socket) < 100 {
        publisher.say(&message);
        publisher.ping();
    }
    let line = log.wait_for("client cannot-keep-up");
    assert!(line.contains(&address.to_string()) && line.contains("1 messages of QoS 0"), "{line}");
    assert_eq!(log.count("client cannot-keep-up"), 1);
    // What came after it is not lost: it is said when the client goes.
    drop(slow);
    let mut words = String::new();
    while log.count("client cannot-keep-up") < 2 {
        publisher.ping();
        words = log.last("client cannot-keep-up");
    }
    let words = if words.is_empty() { log.last("client cannot-keep-up") } else { words };
    assert!(!words.contains(" 1 messages"), "{words}");
}

#[test]
fn a_client_whose_socket_takes_nothing_is_closed_in_the_end_and_one_who_reads_is_not() {
    let broker = start_behind(Protection::default(), |appliance| appliance.stalled_time_max = Duration::from_secs(1));
    let log = Log::begin();
    let mut hangs = narrow(&broker, "hangs");
    hangs.subscribe("t", 0);
    let (message, mut reader) = (publish("t", &[b'x'; 50_000]), broker.client("reads-all"));
    reader.subscribe("t", 0);
    let mut publisher = broker.client("publisher");
    // Until something waits for it; it goes on asking, so its keep-alive would never end.
    while stats(&broker).dropped_for(DropCause::Socket) == 0 {
        publisher.say(&message);
        reader.expect(&message);
    }
    while log.count("client hangs [") < 2 {
        let _ = hangs.stream.write_all(&[0xc0, 0]);
        publisher.say(&message);
        reader.expect(&message);
    }
    log.wait_for("has read nothing for 1 s");
    assert_eq!(log.count("reads-all ["), 0);
    reader.ping();
}

/// A listener with a certificate whose key is RSA: a handshake takes the broker a millisecond.
fn rsa_protection() -> Protection {
    let dir = tempfile::tempdir().expect("a folder");
    let terms = certs::issue::Terms { kind: certs::issue::KeyKind::Rsa, ..certs::issue::Terms::days(2) };
    let ca = certs::issue::ca("test", terms).expect("a CA");
    let authority = certs::issue::Authority::from_issued(&ca).expect("a CA");
    let server = certs::issue::server(&authority, &["localhost".to_owned()], terms).expect("a certificate");
    let (certfile, keyfile) = certs::issue::write(dir.path(), "server", &server, false).expect("written");
    let files = certs::ServerFiles {
        cafile: None,
        capath: None,
        certfile,
        keyfile,
        require_certificate: false,
        min_version: certs::TlsVersion::Tls12,
        ..certs::ServerFiles::default()
    };
    Protection { certificates: Some(certs::server_config(&files).expect("it can be used")), ..Protection::default() }
}

/// What a TLS client says first.
fn client_hello() -> Vec<u8> {
    let config =
        rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let mut client = rustls::ClientConnection::new(config.into(), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("it is in memory");
    hello
}

#[test]
fn a_storm_of_tls_handshakes_leaves_turns_for_those_who_are_there() {
    const STORM: usize = 400;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let broker = start_behind(rsa_protection(), |appliance| {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let plain = broker::ListenerConfig { addresses: vec![address], ..broker::ListenerConfig::default() };
        appliance.listeners.push(plain);
        let settings = appliance.settings.listeners[0].clone();
        appliance.settings.listeners.push(settings);
    });
    let mut bystander = broker.knock_at(1);
    bystander.say(&crate::client::connect("bystander", 0));
    bystander.expect(&[0x20, 2, 0, 0]);
    let hello = client_hello();
    let mut storm: Vec<Client> = (0..STORM).map(|_| broker.knock()).collect();
    broker.settle();
    for client in &mut storm {
        client.say(&hello);
    }
    // The last is answered last: until then the bystander has a turn between any few of them.
    let (mut turns, answered) = (0, AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for client in &mut storm {
                client.expect(&[0x16, 3, 3]);
            }
            answered.store(true, Ordering::Relaxed);
        });
        while !answered.load(Ordering::Relaxed) {
            bystander.ping();
            turns += 1;
        }
    });
    // A third of what there is room for. With I/O threads a turn goes through one of them twice, and each has its own queue.
    let share = if crate::IO_THREADS == 0 { 3 } else { 3 * 2 * crate::IO_THREADS };
    assert!(turns >= STORM / broker::HANDSHAKES_PER_TURN_MAX / share, "{turns} turns beside {STORM} handshakes");
}
