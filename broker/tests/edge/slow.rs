//! Clients that do not read, and clients that say nothing.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

use broker::{Protection, STRANGERS_BYTES_MAX};
use socket2::{Domain, Socket, Type};

use crate::client::{Client, PATIENCE, Running, connect, publish, publish_qos1, start, start_behind};
use crate::log::Log;

/// A client whose own side buffers little, let in.
pub(crate) fn narrow(broker: &Running, client_id: &str) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let address: SocketAddr = broker.address();
    socket.connect(&address.into()).expect("the broker listens");
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut client = Client { stream };
    client.say(&connect(client_id, 0));
    client.expect(&[0x20, 2, 0, 0]);
    client
}

#[test]
fn a_client_that_reads_no_answers_is_not_read_from_until_it_does() {
    // More than the buffers between the two hold.
    const ANSWER_BYTES: usize = 4 << 20;
    let rows: [(&str, Vec<u8>, Vec<u8>); 2] =
        [("PINGREQ", vec![0xc0, 0], vec![0xd0, 0]), ("PUBLISH", publish_qos1("a", 1, b""), vec![0x40, 2, 0, 1])];
    for (name, question, answer) in rows {
        let broker = start();
        let log = Log::begin();
        let mut client = narrow(&broker, name);
        let mut asking = Client { stream: client.stream.try_clone().expect("a second hand") };
        let (count, block) = (ANSWER_BYTES / answer.len(), question.repeat(4096));
        let asks = std::thread::spawn(move || {
            for _ in 0..count / 4096 {
                asking.say(&block);
            }
        });
        log.wait_for("asks faster than it reads the answers");
        broker.client("other").ping();
        // When it reads, all is answered.
        for _ in 0..count / 4096 {
            client.expect(&answer.repeat(4096));
        }
        asks.join().expect("all was asked");
        client.ping();
    }
}

#[test]
fn who_reads_no_answers_cannot_have_the_broker_keep_its_questions() {
    // More than all the buffers between the two, ours among them, may hold.
    const BYTES: usize = 64 << 20;
    let broker = start();
    let log = Log::begin();
    let mut client = narrow(&broker, "asks");
    client.stream.set_write_timeout(Some(std::time::Duration::from_secs(1))).expect("a time-out");
    let block = [0xc0, 0].repeat(1 << 16);
    let taken = (0..BYTES / block.len()).take_while(|_| client.stream.write_all(&block).is_ok()).count();
    assert!(taken < BYTES / block.len() / 2, "{taken} blocks were taken");
    log.wait_for("asks faster than it reads the answers");
    broker.client("other").ping();
}

#[test]
fn what_waits_for_who_reads_slowly_leaves_whole_before_its_connection_ends() {
    let broker = start();
    let mut slow = narrow(&broker, "slow");
    slow.subscribe("t", 0);
    let mut publisher = broker.client("publisher");
    let mut wanted = Vec::new();
    for number in 0..90_u8 {
        let message = publish("t", &[number; 10_000]);
        publisher.say(&message);
        wanted.extend(message);
    }
    publisher.ping();
    broker.client("slow").ping();
    slow.expect(&wanted);
    slow.expect_end();
}

#[test]
fn messages_for_a_client_that_does_not_read_are_dropped_and_its_own_words_are_heard() {
    let broker = start();
    let mut slow = narrow(&broker, "slow");
    slow.subscribe("t", 0);
    let mut publisher = broker.client("publisher");
    let message = publish("t", &vec![b'x'; 100_000]);
    while broker.handle.stats().expect("it runs").publishes_dropped == 0 {
        publisher.say(&message);
        publisher.ping();
    }
    let mut other = broker.client("other");
    other.subscribe("heard", 0);
    slow.say(&publish("heard", b"me"));
    other.expect(&publish("heard", b"me"));
    drop(slow);
    publisher.ping();
}

#[test]
fn two_thousand_who_say_nothing_do_not_keep_a_client_out() {
    let broker = start();
    let strangers: Vec<Client> = (0..2_000).map(|_| broker.knock()).collect();
    let mut client = broker.client("late");
    client.ping();
    drop(strangers);
    broker.client("later").ping();
}

#[test]
fn when_strangers_are_too_many_the_oldest_goes_and_clients_stay() {
    let broker = start_behind(Protection::default(), |appliance| appliance.strangers_max = 10);
    let log = Log::begin();
    let mut client = broker.client("client");
    let mut strangers: Vec<Client> = (0..30).map(|_| broker.knock()).collect();
    let mut late = broker.client("late");
    // Those that are left are the last; `late` was one of them for a moment.
    for gone in &mut strangers[..20] {
        gone.expect_end();
    }
    for stranger in &mut strangers[21..] {
        stranger.say(&connect("", 0));
        stranger.expect(&[0x20, 2, 0, 0]);
    }
    client.ping();
    late.ping();
    assert_eq!(log.count("more than 10 connections have not logged in"), 1);
}

#[test]
fn what_strangers_have_said_is_bounded_together() {
    let broker = start();
    let log = Log::begin();
    let mut client = broker.client("client");
    // A CONNECT of half a megabyte whose last bytes never come.
    let words = [&[0x10, 0x80, 0xea, 0x1e][..], &vec![b'x'; 499_000]].concat();
    let count = STRANGERS_BYTES_MAX / words.len();
    let mut strangers: Vec<Client> = (0..count + 2).map(|_| broker.knock()).collect();
    for stranger in &mut strangers {
        // The last ones may be sent away in the middle of it.
        let _ = stranger.stream.write_all(&words);
    }
    log.wait_for("send long packets in pieces");
    client.ping();
    drop(strangers);
    broker.client("later").ping();
}
