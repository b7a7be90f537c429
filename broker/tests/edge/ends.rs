//! How connections end, and that it is noticed.

use std::net::Shutdown;

use crate::client::{connect_v5, connect_with_will, login, packet, publish, start, start_with_password, text};

#[test]
fn an_end_that_comes_together_with_the_last_words_is_noticed_at_once() {
    let broker = start();
    let mut watcher = broker.client("watcher");
    watcher.subscribe("will", 0);
    for round in 0..50 {
        let mut client = broker.knock();
        client.say(&connect_with_will("short", "will", "gone"));
        client.expect(&[0x20, 2, 0, 0]);
        // Both are there before the broker looks, in some of the rounds at least.
        client.say(&publish("other", &[b'x'; 100]));
        client.stream.shutdown(Shutdown::Write).expect("a half-close");
        client.expect_end();
        assert_eq!(watcher.packet().0, 0x30, "the will of round {round}");
    }
}

#[test]
fn an_end_that_came_while_the_password_was_verified_is_noticed() {
    let broker = start_with_password("user", "secret");
    for _ in 0..20 {
        let mut client = broker.knock();
        client.say(&login("short", "user", "secret"));
        client.stream.shutdown(Shutdown::Write).expect("a half-close");
        let (first, body) = client.packet();
        assert_eq!((first, body.as_slice()), (0x20, &[0, 0][..]));
        client.expect_end();
    }
}

#[test]
fn whoever_takes_over_is_let_in_and_the_other_gets_what_was_queued_before_the_end() {
    let broker = start();
    let mut publisher = broker.client("publisher");
    let mut old = broker.client("same");
    old.subscribe("t", 0);
    let mut wanted = Vec::new();
    for number in 0..500_u16 {
        let message = publish("t", &[&number.to_be_bytes()[..], &[0; 1000]].concat());
        publisher.say(&message);
        wanted.extend(message);
    }
    publisher.ping();
    let mut new = broker.client("same");
    new.ping();
    old.expect(&wanted);
    old.expect_end();
}

#[test]
fn nothing_comes_after_disconnect_though_an_answer_waits_for_the_store() {
    // [5.0 MQTT-3.14.4-1]
    let broker = start();
    let mut client = broker.knock();
    let expiry = [5, 0x11, 0, 0, 0, 60];
    client.say(&packet(0x10, &[text("MQTT"), vec![5, 2, 0, 0], expiry.to_vec(), text("lasting")].concat()));
    assert_eq!(client.packet().0, 0x20);
    // The SUBACK promises something; the second packet is one too many. Both come in one turn.
    let subscribe = packet(0x82, &[vec![0, 1, 0], text("t"), vec![1]].concat());
    client.say(&[subscribe, connect_v5("lasting")].concat());
    client.expect(&[0x90, 4, 0, 1, 0, 1]);
    client.expect(&[0xe0, 1, 0x82]);
    client.expect_end();
}

#[test]
fn a_broker_that_stops_lets_leave_what_waits_for_its_clients() {
    let broker = start();
    let mut slow = broker.knock();
    slow.say(&connect_v5("slow"));
    assert_eq!(slow.packet().0, 0x20);
    slow.say(&packet(0x82, &[vec![0, 1, 0], text("t"), vec![0]].concat()));
    assert_eq!(slow.packet().0, 0x90);
    let mut publisher = broker.client("publisher");
    let message = publish("t", &[b'x'; 10_000]);
    while broker.handle.stats().expect("it runs").publishes_dropped == 0 {
        publisher.say(&message);
        publisher.ping();
    }
    let sent = broker.handle.stats().expect("it runs").publishes_sent;
    broker.handle.stop();
    publisher.expect_end();
    for _ in 0..sent {
        assert_eq!(slow.packet().0, 0x30);
    }
    slow.expect(&[0xe0, 1, 0x8b]);
    slow.expect_end();
    broker.stop();
}

#[test]
fn a_broker_that_stops_tells_its_5_0_clients_first() {
    let broker = start();
    let mut client = broker.knock();
    client.say(&connect_v5("five"));
    assert_eq!(client.packet().0, 0x20);
    broker.stop();
    client.expect(&[0xe0, 1, 0x8b]);
    client.expect_end();
}
