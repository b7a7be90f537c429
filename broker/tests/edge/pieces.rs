//! Packets that arrive in pieces, and many that arrive together.

use crate::client::{connect, login, packet, publish, publish_qos1, start, start_with_password, text};

#[test]
fn packets_may_be_split_anywhere() {
    // [3.1.1 MQTT-7.1.1-1, 5.0 MQTT-4.2.0-1]: TCP, and whatever it makes of the packets.
    let broker = start();
    let mut watcher = broker.client("watcher");
    watcher.subscribe("t", 0);
    let message = publish("t", &[b'x'; 200]);
    let all = [connect("split", 0), message.clone(), vec![0xc0, 0], message.clone(), vec![0xc0, 0]].concat();
    for at in 1..all.len() {
        let mut client = broker.knock();
        client.say(&all[..at]);
        broker.settle();
        client.say(&all[at..]);
        client.expect(&[0x20, 2, 0, 0, 0xd0, 0, 0xd0, 0]);
        watcher.expect(&message);
        watcher.expect(&message);
    }
}

#[test]
fn packets_may_come_byte_by_byte() {
    let broker = start();
    let mut client = broker.knock();
    for byte in [connect("slow", 0), publish_qos1("t", 7, b"x")].concat() {
        client.say(&[byte]);
        broker.settle();
    }
    client.expect(&[0x20, 2, 0, 0, 0x40, 2, 0, 7]);
}

#[test]
fn many_packets_may_come_in_one_write() {
    let broker = start();
    let mut watcher = broker.client("watcher");
    watcher.subscribe("t", 0);
    let mut client = broker.client("fast");
    let message = publish("t", b"0123456789");
    let count = 20_000;
    let reader = std::thread::spawn({
        let wanted = message.repeat(count);
        move || watcher.expect(&wanted)
    });
    client.say(&message.repeat(count));
    client.ping();
    reader.join().expect("all of them, in order");
}

#[test]
fn a_packet_larger_than_the_read_buffer_arrives_whole_in_small_pieces() {
    let broker = start();
    let mut watcher = broker.client("watcher");
    watcher.subscribe("t", 0);
    let mut client = broker.client("large");
    let large = publish("t", &(0..1_900_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    for piece in large.chunks(1448) {
        client.say(piece);
    }
    watcher.expect(&large);
}

#[test]
fn what_comes_behind_a_connect_waits_for_its_password_to_be_verified() {
    let broker = start_with_password("user", "secret");
    for round in 0..50_u8 {
        let mut client = broker.knock();
        let all = [login("eager", "user", "secret"), publish_qos1("t", 1, &[round; 300]), vec![0xc0, 0]].concat();
        // In one piece, and with the end of it still on its way when the verdict comes.
        let cut = all.len() - usize::from(round);
        client.say(&all[..cut]);
        client.say(&all[cut..]);
        client.expect(&[0x20, 2, 0, 0, 0x40, 2, 0, 1, 0xd0, 0]);
    }
}

#[test]
fn what_comes_behind_a_connect_with_a_wrong_password_is_not_heard() {
    // [3.1.1 MQTT-3.1.4-5, MQTT-3.2.2-5]
    let broker = start_with_password("user", "secret");
    let mut watcher = broker.knock();
    watcher.say(&login("watcher", "user", "secret"));
    watcher.expect(&[0x20, 2, 0, 0]);
    watcher.subscribe("#", 0);
    let mut client = broker.knock();
    client.say(&[login("eager", "user", "wrong"), publish("t", b"x")].concat());
    client.expect(&[0x20, 2, 0, 5]);
    client.expect_end();
    watcher.ping();
}

#[test]
fn a_length_that_is_only_announced_is_refused_before_anything_is_kept_for_it() {
    let broker = start();
    let mut client = broker.knock();
    client.say(&[0x10, 0xff, 0xff, 0xff, 0x7f]);
    client.expect_end();
    let mut client = broker.client("late");
    client.say(&packet(0x82, &[vec![0, 1], text("#")].concat())); // a filter without its options
    client.expect_end();
}
