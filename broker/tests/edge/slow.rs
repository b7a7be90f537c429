//! Clients that do not read, and clients that say nothing.

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::client::{Client, PATIENCE, Running, connect, packet, publish, publish_qos1, start};

/// A client whose own side buffers little, let in.
fn narrow(broker: &Running, client_id: &str) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.set_send_buffer_size(4096).expect("a small buffer");
    let address: SocketAddr = broker.address();
    socket.connect(&address.into()).expect("the broker listens");
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut client = Client { stream };
    client.say(&connect(client_id, 0));
    client.expect(&[0x20, 2, 0, 0]);
    client
}

/// Says `words` over and over until the broker takes no more, and answers how many bytes it took. Panics if it takes
/// `bytes_max`.
fn say_until_stuck(broker: &Running, client: &mut Client, words: &[u8], bytes_max: usize) -> usize {
    client.stream.set_nonblocking(true).expect("non-blocking");
    let block = words.repeat(64 * 1024 / words.len());
    let (mut said, mut stuck) = (0, 0);
    // Each round of the broker's loop reads what it is willing to read: if it did not for so many, it will not.
    while stuck < 300 {
        match client.stream.write(&block[said % block.len()..]) {
            Ok(count) => (said, stuck) = (said + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                broker.settle();
                stuck += 1;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(said < bytes_max, "the broker takes everything from a client that reads nothing");
    }
    client.stream.set_nonblocking(false).expect("blocking");
    said
}

#[test]
fn a_client_that_reads_no_answers_is_not_read_from_until_it_does() {
    let broker = start();
    let mut watcher = broker.client("watcher");
    let rows: [(&str, Vec<u8>, Vec<u8>); 3] = [
        ("PINGREQ", vec![0xc0, 0], vec![0xd0, 0]),
        ("PUBLISH", publish_qos1("a", 1, b""), vec![0x40, 2, 0, 1]),
        ("UNSUBSCRIBE", packet(0xa2, &[0, 1, 0, 1, b'a']), vec![0xb0, 2, 0, 1]),
    ];
    for (name, question, answer) in rows {
        let mut client = narrow(&broker, name);
        let said = say_until_stuck(&broker, &mut client, &question, 64 << 20);
        watcher.ping();
        // When it reads, all is answered, in order; the last question was perhaps not whole yet.
        client.expect(&answer.repeat(said / question.len()));
        let rest = said % question.len();
        client.say(&question[rest..]);
        client.expect(&answer);
        client.ping();
    }
}

#[test]
fn messages_for_a_client_that_does_not_read_are_dropped_and_its_own_words_are_heard() {
    let broker = start();
    let mut slow = narrow(&broker, "slow");
    slow.subscribe("t", 0);
    let mut publisher = broker.client("publisher");
    let message = publish("t", &[b'x'; 100_000]);
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
