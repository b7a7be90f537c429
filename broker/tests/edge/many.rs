//! Several clients at once: what one of them says keeps its order, whoever reads and writes it.

use std::net::Shutdown;

use broker::Protection;

use crate::client::{login, packet, password_file, publish, publish_qos1, start, start_behind, text};

#[test]
fn what_each_of_many_publishers_says_arrives_once_and_in_its_order() {
    const PUBLISHERS: usize = 9;
    const MESSAGES: u32 = 2_000;
    let broker = start();
    let mut watchers: Vec<_> = (0..3).map(|number| broker.client(&format!("watcher-{number}"))).collect();
    for watcher in &mut watchers {
        watcher.subscribe("t/#", 0);
    }
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            let mut client = broker.client(&format!("publisher-{number}"));
            std::thread::spawn(move || {
                for message in 0..MESSAGES {
                    client.say(&publish_qos1(&format!("t/{number}"), message as u16 + 1, &message.to_be_bytes()));
                }
                for message in 0..MESSAGES {
                    client.expect(&[&[0x40, 2][..], &(message as u16 + 1).to_be_bytes()].concat());
                }
            })
        })
        .collect();
    let readers: Vec<_> = watchers
        .into_iter()
        .map(|mut watcher| {
            std::thread::spawn(move || {
                let mut next = [0; PUBLISHERS];
                for _ in 0..PUBLISHERS * MESSAGES as usize {
                    let (first, body) = watcher.packet();
                    let (publisher, number) = (usize::from(body[4] - b'0'), &body[5..]);
                    assert_eq!((first, number), (0x30, &u32::to_be_bytes(next[publisher])[..]), "of {publisher}");
                    next[publisher] += 1;
                }
            })
        })
        .collect();
    for thread in publishers.into_iter().chain(readers) {
        thread.join().expect("all of them, in order");
    }
    broker.stop();
}

#[test]
fn the_last_words_of_who_went_away_while_its_password_was_verified_are_heard_whole() {
    // More than is taken over at a time, and little enough to be kept for a stranger.
    let message = publish("t", &[b'x'; 1_000]);
    for _ in 0..10 {
        // A broker of its own for each round: a login that was verified is remembered.
        let broker = start_behind(Protection::default(), |appliance| {
            appliance.passwords = vec![Some(std::sync::Arc::new(password_file("user", "secret")))];
            appliance.settings.listeners[0].checks_passwords = true;
        });
        let mut watcher = broker.client("watcher");
        watcher.subscribe("t", 0);
        let mut client = broker.knock();
        client.say(&[login("short", "user", "secret"), message.repeat(400), vec![0xe0, 0]].concat());
        client.stream.shutdown(Shutdown::Write).expect("a half-close");
        watcher.expect(&message.repeat(400));
        client.expect(&[0x20, 2, 0, 0]);
        client.expect_end();
    }
}

#[test]
fn who_is_taken_over_again_and_again_leaves_the_session_with_the_last_and_loses_none_of_it() {
    let broker = start();
    let mut publisher = broker.client("publisher");
    let lasting = packet(0x10, &[text("MQTT"), vec![4, 0, 0, 0], text("same")].concat());
    let mut old = broker.knock();
    old.say(&lasting);
    old.expect(&[0x20, 2, 0, 0]);
    old.subscribe("t", 1);
    for round in 1..=100_u16 {
        publisher.say(&publish_qos1("t", round, &round.to_be_bytes()));
        publisher.expect(&[&[0x40, 2][..], &round.to_be_bytes()].concat());
        let mut new = broker.knock();
        new.say(&lasting);
        new.expect(&[0x20, 2, 1, 0]);
        // Not acknowledged by the old one: it comes again, and is acknowledged here.
        let (first, body) = new.packet();
        assert_eq!((first, &body[5..]), (0x3a, &round.to_be_bytes()[..]), "round {round}");
        new.say(&[0x40, 2, body[3], body[4]]);
        new.ping();
        old.expect(&packet(0x32, &body));
        old.expect_end();
        old = new;
    }
}
