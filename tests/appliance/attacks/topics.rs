//! Topics that are the broker's own, none at all, very long, or very deep.

use super::siege::Siege;
use super::wire::{Connect, VERSIONS, Will, packet, properties, puback, publish, suback, subscribe, text, unsubscribe};

#[test]
fn the_brokers_own_topics_are_refused_and_others_that_begin_with_a_dollar_are_not() {
    // [3.1.1 §4.7.2, 5.0 §4.7.2]; mosquitto acknowledges, with 0x87 in 5.0, and routes nothing.
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let mut watcher = siege.client_who(&Connect::new(version, "watcher"));
        let filters: [(&[u8], u8); 4] =
            [(b"$SYS/x/#", 0), (b"$CONTROL/#", 0), (b"$other/#", 0), (b"$SYS/broker/connection/#", 0)];
        watcher.is_answered(&subscribe(version, &filters, &[]), &suback(version, &[0; 4]), "the watcher");
        for (topic, is_routed) in [
            ("$SYS/x/uptime", false),
            ("$SYS", false),
            ("$share/g/t", false),
            ("$share", false),
            ("$CONTROL/dynamic-security/v1", false),
            ("$other/x", true),
            // What a bridge says of itself is the exception.
            ("$SYS/broker/connection/attacker/state", true),
        ] {
            let what = format!("{version}: PUBLISH to {topic}");
            let reason = if is_routed { 0 } else { 0x87 };
            siege.is_answered(version, &publish(version, topic, &[]), &puback(version, reason), &what);
            // RETAIN where it is refused: nothing may stay either.
            let at_qos0 = packet(0x30 | u8::from(!is_routed), &[&text(topic), &properties(version, &[]), b"payload"]);
            siege.is_answered(version, &at_qos0, &[], &what);
            let mut at_qos2 = publish(version, topic, &[]);
            at_qos2[0] = 0x34;
            let mut answer = puback(version, reason);
            answer[0] = 0x50;
            at_qos2.extend([0x62, 2, 0, 7]);
            answer.extend([0x70, 2, 0, 7]);
            siege.is_answered(version, &at_qos2, &answer, &what);
            let message = packet(0x30, &[&text(topic), &properties(version, &[]), b"payload"]);
            let heard = if is_routed { message.repeat(3) } else { Vec::new() };
            watcher.is_answered(&[], &heard, &format!("the watcher after {what}"));
        }
        drop(watcher);
        let mut late = siege.client_who(&Connect::new(version, "late"));
        let filters: [(&[u8], u8); 2] = [(b"$SYS/x/#", 0), (b"$CONTROL/#", 0)];
        late.is_answered(&subscribe(version, &filters, &[]), &suback(version, &[0; 2]), "nothing retained");
    }
}

#[test]
fn an_empty_topic_is_no_topic() {
    let mut siege = Siege::begin();
    for version in VERSIONS {
        // 5.0 has the alias for it [5.0 §3.3.2.1, a Protocol Error without one].
        let reason = 0x82;
        for qos in 0..3 {
            let id: &[u8] = if qos == 0 { &[] } else { &[0, 7] };
            let message = packet(0x30 | qos << 1, &[&text(""), id, &properties(version, &[]), b"payload"]);
            siege.ends_a_client(version, &message, reason, &format!("{version}: an empty topic at QoS {qos}"));
        }
        // [3.1.1 MQTT-4.7.3-1, 5.0 MQTT-4.7.3-1]
        siege.ends_a_client(version, &subscribe(version, &[(b"", 0)], &[]), 0x81, "an empty filter");
        siege.ends_a_client(version, &unsubscribe(version, &[b""], &[]), 0x81, "an empty filter taken back");
    }
    for (alias, reason, what) in [(1, 0x82, "never introduced"), (0, 0x94, "of 0"), (11, 0x94, "beyond the maximum")] {
        let message = packet(0x30, &[&text(""), &properties(5, &[0x23, 0, alias]), b"payload"]);
        siege.ends_a_client(5, &message, reason, &format!("an alias {what}"));
    }
}

#[test]
fn a_topic_of_65535_bytes_is_a_topic() {
    // [3.1.1 MQTT-4.7.3-3, 5.0 MQTT-4.7.3-3]
    let mut siege = Siege::begin();
    let topic = "t".repeat(65_535);
    for version in VERSIONS {
        let mut client = siege.client(version);
        let asked = subscribe(version, &[(topic.as_bytes(), 0)], &[]);
        client.is_answered(&asked, &suback(version, &[0]), "a filter of 65,535 bytes");
        let message = packet(0x30, &[&text(&topic), &properties(version, &[]), b"payload"]);
        let answer = [&message[..], &puback(version, 0)].concat();
        client.is_answered(&publish(version, &topic, &[]), &answer, "a topic of 65,535 bytes");
        drop(client);
        siege.nobody_noticed("65,535 bytes");
    }
    // What is remembered of topics is bounded: 500 of them are 32 MiB, said once each.
    let mut client = siege.client(4);
    let before = siege.appliance.resident_kib();
    for number in 0..500 {
        let topic = format!("{number:05}{}", "t".repeat(65_530));
        client.is_answered(&publish(4, topic, &[]), &puback(4, 0), "one of many topics of 65,535 bytes");
    }
    let grown = siege.appliance.resident_kib().saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB for topics that nobody asked for");
    siege.nobody_noticed("500 topics of 65,535 bytes");
}

#[test]
fn more_levels_than_the_broker_goes_into_are_refused_and_200_slashes_are_not() {
    // mosquitto stops at 200 separators.
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for (count, is_taken) in [(199, true), (200, true), (201, false), (65_400, false), (65_535, false)] {
            let what = format!("{version}: {count} slashes");
            let slashes = "/".repeat(count);
            let plusses = format!("{}+", "+/".repeat(count.min(32_700)));
            let asked = [
                (subscribe(version, &[(slashes.as_bytes(), 0)], &[]), suback(version, &[0])),
                (subscribe(version, &[(plusses.as_bytes(), 0)], &[]), suback(version, &[0])),
                (unsubscribe(version, &[slashes.as_bytes()], &[]), super::wire::unsuback(version, &[0x11])),
            ];
            for (bytes, answer) in &asked {
                if is_taken {
                    siege.is_answered(version, bytes, answer, &what);
                } else {
                    siege.ends_a_client(version, bytes, 0x81, &what);
                }
            }
            let message = publish(version, &slashes, &[]);
            let will = Connect { will: Some(Will::new(&slashes)), ..Connect::new(version, "attacker") };
            if is_taken {
                siege.is_answered(version, &message, &puback(version, 0x10), &what);
                drop(siege.client_who(&will));
                siege.nobody_noticed(&what);
            } else {
                siege.ends_a_client(version, &message, 0x82, &what);
                siege.ends_a_stranger(&will.bytes(), &what);
            }
        }
    }
}
