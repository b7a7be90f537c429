//! SUBSCRIBE with reserved bits, for nothing, and for groups that are none.

use super::siege::Siege;
use super::wire::{Connect, VERSIONS, packet, properties, suback, subscribe, text, unsuback, unsubscribe};

#[test]
fn reserved_options_are_malformed() {
    // [3.1.1 MQTT-3-8.3-4 (so spelled there), 5.0 MQTT-3.8.3-5]
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for options in 0..=255_u8 {
            let what = format!("{version}: options {options:#04x}");
            let asked = subscribe(version, &[(b"t", options)], &[]);
            let (qos, retain_handling) = (options & 3, options >> 4 & 3);
            let reserved = if version == 5 { options & 0xC0 } else { options & 0xFC };
            if reserved != 0 {
                siege.ends_a_client(version, &asked, 0x81, &what);
            } else if qos == 3 || retain_handling == 3 {
                // [5.0 §3.8.3.1] calls these a Protocol Error.
                siege.ends_a_client(version, &asked, 0x82, &what);
            } else {
                siege.is_answered(version, &asked, &suback(version, &[qos]), &what);
            }
        }
        // Behind a good one: the packet is refused as a whole.
        let asked = subscribe(version, &[(b"t", 0), (b"t", 0xC0)], &[]);
        siege.ends_a_client(version, &asked, 0x81, "the second of two");
    }
}

#[test]
fn a_list_of_no_filters_is_a_protocol_error() {
    // [3.1.1 MQTT-3.8.3-3, MQTT-3.10.3-2; 5.0 MQTT-3.8.3-2, MQTT-3.10.3-2]
    let mut siege = Siege::begin();
    for version in VERSIONS {
        siege.ends_a_client(version, &subscribe(version, &[], &[]), 0x82, "SUBSCRIBE for nothing");
        siege.ends_a_client(version, &unsubscribe(version, &[], &[]), 0x82, "UNSUBSCRIBE of nothing");
    }
}

#[test]
fn a_shared_subscription_without_group_or_filter_is_malformed() {
    // [5.0 MQTT-4.8.2-1, MQTT-4.8.2-2]; the groups are there for the earlier versions too, as with mosquitto.
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for filter in
            ["$share/", "$share/g", "$share/g/", "$share//t", "$share//", "$share/+/t", "$share/#/t", "$share/g+/t"]
                .into_iter()
                .chain(["$share/g/#/x", "$share/g/a#", "$share/g/a+/b"])
        {
            let what = format!("{version}: {filter}");
            siege.ends_a_client(version, &subscribe(version, &[(filter.as_bytes(), 0)], &[]), 0x81, &what);
            siege.ends_a_client(version, &unsubscribe(version, &[filter.as_bytes()], &[]), 0x81, &what);
        }
        // Behind a good one: nothing of the packet counts.
        let asked = subscribe(version, &[(b"t", 0), (b"$share/g", 0)], &[]);
        siege.ends_a_client(version, &asked, 0x81, "the second of two");
    }
    // [5.0 MQTT-3.8.3-4]
    siege.ends_a_client(5, &subscribe(5, &[(b"$share/g/t", 4)], &[]), 0x82, "No Local for a group");
}

#[test]
fn a_group_and_the_plain_filter_in_one_subscribe_are_two_subscriptions() {
    // [5.0 §4.8.2]: in any order, each with its own end; a client that has both gets a message twice.
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let shared: (&[u8], u8) = (b"$share/g/t", 0);
        let plain: (&[u8], u8) = (b"t", 0);
        let message = packet(0x30, &[&text("t"), &properties(version, &[]), b"payload"]);
        for both in [[shared, plain], [plain, shared]] {
            for first_gone in [shared.0, plain.0] {
                let what = format!("{version}: {first_gone:?} goes first");
                let mut publisher = siege.client_who(&Connect::new(version, "publisher"));
                let mut client = siege.client(version);
                client.is_answered(&subscribe(version, &both, &[]), &suback(version, &[0, 0]), &what);
                publisher.is_answered(&message, &[], &what);
                client.is_answered(&[], &message.repeat(2), &what);
                client.is_answered(&unsubscribe(version, &[first_gone], &[]), &unsuback(version, &[0]), &what);
                publisher.is_answered(&message, &[], &what);
                client.is_answered(&[], &message, &what);
                // The other goes with its client.
                drop(client);
                siege.nobody_noticed(&what);
                publisher.is_answered(&message, &[], &what);
            }
        }
    }
}
