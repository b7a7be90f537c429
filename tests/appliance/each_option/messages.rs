//! What becomes of messages: how many wait, how they are delivered, what is kept of them.

use mqtt::{
    FiltersWithOptionsBuf, Packet, PacketId, Properties, Property, QoS, Subscribe, SubscriptionOptions, TopicFilter,
};

use super::raw::Raw;
use super::{Debian, NEW, Row, check};
use crate::clients::{Subscriber, publish, publish_well};
use crate::side::Side;

/// The messages that a subscriber is sent up to one that says `end`.
pub(super) fn heard(side: &Side, subscribe: &[&str], publishes: &[&[&str]]) -> String {
    let subscriber = Subscriber::start(side.port, subscribe);
    for arguments in publishes {
        publish(side.port, arguments);
    }
    publish_well(side.port, &["-q", "2", "-t", "end", "-m", "end"]);
    up_to_the_end(&subscriber)
}

fn up_to_the_end(subscriber: &Subscriber) -> String {
    let all = subscriber.wait_messages(|messages| {
        let end = messages.iter().position(|message| message.starts_with("end|"))?;
        Some(messages[..end].join(" "))
    });
    all.unwrap_or_else(|| panic!("no end: {:?}", subscriber.so_far()))
}

/// How many of five messages one gets who was away.
fn waited(side: &Side, qos: &str) -> String {
    drop(Subscriber::start(side.port, &["-c", "-i", "away", "-q", "1", "-t", "t"]));
    side.log().wait_for("Client away");
    for n in 0..5 {
        publish_well(side.port, &["-q", qos, "-t", "t", "-m", &format!("message {n}")]);
    }
    let back = Subscriber::start(side.port, &["-c", "-i", "away", "-q", "1", "-t", "t", "-t", "end"]);
    publish_well(side.port, &["-q", "1", "-t", "end", "-m", "end"]);
    up_to_the_end(&back).matches("message").count().to_string()
}

/// Messages that are sent to a client that acknowledges none, and the aliases that they have.
fn unacknowledged(side: &Side, properties: &[Property<'_>]) -> (usize, usize) {
    let mut raw = Raw::connect(side.port, properties);
    let mut filters = FiltersWithOptionsBuf::new();
    let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..SubscriptionOptions::default() };
    filters.push(TopicFilter::new("t").expect("a filter"), options);
    let packet_id = PacketId::new(1).expect("an identifier");
    let filters = filters.as_filters();
    raw.say(&Packet::Subscribe(Subscribe { packet_id, properties: Properties::EMPTY, filters }));
    raw.next(|packet| assert!(matches!(packet, Packet::SubAck(_)), "{packet:?}"));
    for _ in 0..4 {
        publish_well(side.port, &["-q", "1", "-t", "t", "-m", "1234"]);
    }
    raw.say(&Packet::PingReq);
    let (mut count, mut aliases) = (0, 0);
    loop {
        let is_over = raw.next(|packet| match packet {
            Packet::Publish(publish) => {
                count += 1;
                aliases += usize::from(publish.properties.topic_alias().is_some());
                false
            }
            _ => true,
        });
        if is_over != Some(false) {
            return (count, aliases);
        }
    }
}

#[test]
fn options_say_how_messages_are_delivered() {
    const ALIASES: &[Property<'_>] = &[Property::TopicAliasMaximum(10)];
    check(&[
        Row::new(
            "allow_duplicate_messages",
            "allow_duplicate_messages false",
            |s| heard(s, &["-t", "a", "-t", "#"], &[&["-t", "a", "-m", "x"]]),
            "a|0|0|x",
            "a|0|0|x a|0|0|x",
        )
        .debian(Debian::Default("2.0.11 has false where nothing is said")),
        Row::new(
            "upgrade_outgoing_qos",
            "upgrade_outgoing_qos true",
            |s| heard(s, &["-q", "1", "-t", "#"], &[&["-q", "0", "-t", "a", "-m", "x"]]),
            "a|1|0|x",
            "a|0|0|x",
        ),
        Row::new(
            "message_size_limit",
            "message_size_limit 10",
            |s| heard(s, &["-t", "#"], &[&["-t", "a", "-m", "more than ten bytes"], &["-t", "a", "-m", "ten"]]),
            "a|0|0|ten",
            "a|0|0|more than ten bytes a|0|0|ten",
        ),
        Row::new("max_inflight_bytes", "max_inflight_bytes 5", |s| unacknowledged(s, &[]).0.to_string(), "2", "4")
            .debian(Debian::Unlike("2.0.11 does not count what is in flight against it")),
        Row::new(
            "max_topic_alias_broker",
            "max_topic_alias_broker 0",
            |s| unacknowledged(s, ALIASES).1.to_string(),
            "0",
            "4",
        )
        .debian(NEW),
    ]);
}

#[test]
fn options_say_how_much_waits() {
    check(&[
        Row::new("max_queued_messages", "max_queued_messages 2", |s| waited(s, "1"), "2", "5"),
        Row::new("max_queued_bytes", "max_queued_bytes 15", |s| waited(s, "1"), "2", "5"),
        Row::new("queue_qos0_messages", "queue_qos0_messages true", |s| waited(s, "0"), "5", "0"),
    ]);
}

/// Whether a retained message is still given when its publisher may not publish it any more.
fn left_behind(side: &Side) -> String {
    publish_well(side.port, &["-u", "writer", "-t", "t", "-m", "kept", "-r"]);
    side.folder().write("acl", "topic end\nuser reader\ntopic read #\n");
    side.reload(1);
    heard(side, &["-u", "reader", "-t", "#"], &[])
}

#[test]
fn options_say_what_becomes_of_retained_messages() {
    let uptime = |side: &Side| {
        let is_there = heard(side, &["-t", "$SYS/broker/uptime", "-t", "end"], &[]).contains("seconds");
        if is_there { "told" } else { "not told" }.to_owned()
    };
    check(&[Row::new("sys_interval", "sys_interval 0", uptime, "not told", "told")]);
    check(&[Row::new(
        "check_retain_source",
        "check_retain_source true\nacl_file DIR/acl",
        left_behind,
        "",
        "t|0|1|kept",
    )
    .files(|folder| drop(folder.write("acl", "topic end\nuser writer\ntopic write #\nuser reader\ntopic read #\n")))]);
}
