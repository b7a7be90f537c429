//! Wills that cannot be, that go where no message may, or that would come too late.

use super::siege::Siege;
use super::wire::{Connect, VERSIONS, Will, packet, properties, suback, subscribe, text};

#[test]
fn a_will_that_cannot_be_is_not_let_in() {
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for (will, what) in [
            // [3.1.1 MQTT-3.1.2-14, 5.0 MQTT-3.1.2-12]
            (Will { qos: 3, ..Will::new("w") }, "QoS 3"),
            // [3.1.1 MQTT-4.7.3-1, 5.0 MQTT-4.7.3-1]; mosquitto closes too.
            (Will::new(""), "an empty topic"),
            // [3.1.1 MQTT-4.7.1-1, 5.0 MQTT-4.7.0-1]
            (Will::new("a/#"), "a wildcard"),
            (Will::new("+"), "a wildcard"),
        ] {
            let connect = Connect { will: Some(will), ..Connect::new(version, "attacker") };
            siege.ends_a_stranger(&connect.bytes(), &format!("{version}: a will with {what}"));
        }
        // Announced and not there.
        let connect = Connect { flags: 6, ..Connect::new(version, "attacker") };
        siege.ends_a_stranger(&connect.bytes(), &format!("{version}: a will that is missing"));
    }
    for version in [4, 5] {
        // [3.1.1 MQTT-3.1.2-13, MQTT-3.1.2-15; 5.0 MQTT-3.1.2-11, MQTT-3.1.2-13]
        for flags in [0x0A, 0x12, 0x1A, 0x22] {
            let connect = Connect { flags, ..Connect::new(version, "attacker") };
            siege.ends_a_stranger(&connect.bytes(), &format!("{version}: will flags {flags:#x} without a will"));
        }
    }
}

#[test]
fn a_will_to_the_brokers_own_topics_is_never_published() {
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for topic in ["$CONTROL/dynamic-security/v1", "$SYS/x/y", "$share/g/t"] {
            let what = format!("{version}: a will to {topic}");
            let mut watcher = siege.client_who(&Connect::new(version, "watcher"));
            let filters: [(&[u8], u8); 4] = [(b"$CONTROL/#", 2), (b"$SYS/x/#", 2), (b"#", 2), (b"gone", 0)];
            watcher.is_answered(&subscribe(version, &filters, &[]), &suback(version, &[2, 2, 2, 0]), "the watcher");
            let will = Will { retain: true, qos: 2, ..Will::new(topic) };
            let mut client = siege.client_who(&Connect { will: Some(will), ..Connect::new(version, "attacker") });
            // It breaks the protocol, so its will is due at once.
            client.says(&[0x00, 0]);
            client.is_cut_off(0x81, &what);
            watcher.is_answered(&[], &[], &what);
            let mut late = siege.client_who(&Connect::new(version, "late"));
            late.is_answered(&subscribe(version, &filters[..2], &[]), &suback(version, &[2, 2]), "nothing retained");
            siege.nobody_noticed(&what);
        }
    }
}

#[test]
fn a_will_that_would_come_after_its_session_comes_with_its_end() {
    // [5.0 §3.1.3.2.2]: the earlier of the two counts. That both are counted from the same clock is the core's test.
    let mut siege = Siege::begin();
    let mut watcher = siege.client_who(&Connect::new(5, "watcher"));
    watcher.is_answered(&subscribe(5, &[(b"w", 0)], &[]), &suback(5, &[0]), "the watcher");
    let message = packet(0x30, &[&text("w"), &properties(5, &[]), b"will"]);
    let forever = [0x18, 0xFF, 0xFF, 0xFF, 0xFF];
    for (expiry, what) in [(vec![], "at once"), (vec![0x11, 0, 0, 0, 1], "in a second")] {
        let will = Some(Will { properties: forever.to_vec(), ..Will::new("w") });
        let mut client = siege.client_who(&Connect { will, properties: expiry, ..Connect::new(5, "attacker") });
        client.says(&[0x00, 0]);
        client.is_cut_off(0x81, what);
        watcher.hears(&message, &format!("the will of a session that ends {what}"));
        siege.nobody_noticed(what);
    }
}
