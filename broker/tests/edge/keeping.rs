//! What outlives the broker, over real sockets and a real folder: a broker that ends, and another with the same store.

use std::path::Path;
use std::time::Duration;

use broker::{Appliance, Autosave, Durability, Keeping, Protection, StartError};

use crate::client::{Running, start_behind};

fn start_in(dir: &Path, durability: Durability) -> Running {
    let dir = dir.join("store");
    start_behind(Protection::default(), |appliance| {
        appliance.keeping = Some(Keeping { dir, durability, autosave: Autosave::AtTheEnd });
    })
}

/// CONNECT of 3.1.1 with a session that lasts.
fn lasting(client_id: &str) -> Vec<u8> {
    let mut packet = b"\x10\x00\x00\x04MQTT\x04\x00\x00\x00\x00".to_vec();
    packet.push(client_id.len() as u8);
    packet.extend_from_slice(client_id.as_bytes());
    packet[1] = packet.len() as u8 - 2;
    packet
}

/// PUBLISH of QoS 1 to `t`.
fn publish(id: u16, payload: &str) -> Vec<u8> {
    let mut packet = vec![0x32, 5 + payload.len() as u8, 0, 1, b't'];
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(payload.as_bytes());
    packet
}

#[test]
fn what_was_acknowledged_is_there_after_a_new_start_and_in_its_order() {
    for durability in [Durability::Strict, Durability::Group(Duration::from_millis(5)), Durability::Relaxed] {
        let dir = tempfile::tempdir().expect("a folder");
        let running = start_in(dir.path(), durability);
        let mut b = running.knock();
        b.say(&lasting("b"));
        b.expect(b"\x20\x02\x00\x00");
        b.say(b"\x82\x06\x00\x01\x00\x01t\x01");
        b.expect(b"\x90\x03\x00\x01\x01");
        b.say(b"\xe0\x00");
        b.expect_end();
        let mut a = running.client("a");
        // Many at once, and some that have nothing to promise among them: their answers keep the order.
        let mut wanted = Vec::new();
        for id in 1..=200_u16 {
            let mut packet = publish(id, &id.to_string());
            if id % 3 == 0 {
                packet[4] = b'u';
            }
            a.say(&packet);
            wanted.extend_from_slice(&[0x40, 2, 0, id as u8]);
        }
        a.expect(&wanted);
        running.stop();

        let running = start_in(dir.path(), durability);
        let mut b = running.knock();
        b.say(&lasting("b"));
        b.expect(b"\x20\x02\x01\x00");
        for (place, id) in (1..=200_u16).filter(|id| id % 3 > 0).enumerate() {
            let sent_as = place as u16 + 1;
            b.expect(&publish(sent_as, &id.to_string()));
            b.say(&[0x40, 2, 0, sent_as as u8]);
        }
        // The broker has heard the last of them when it answers what comes behind.
        b.say(b"\xc0\x00");
        b.expect(b"\xd0\x00");
        running.stop();

        // Who has got everything is sent nothing again.
        let running = start_in(dir.path(), durability);
        let mut b = running.knock();
        b.say(&lasting("b"));
        b.expect(b"\x20\x02\x01\x00");
        b.say(b"\xc0\x00");
        b.expect(b"\xd0\x00");
    }
}

#[test]
fn two_brokers_cannot_have_one_store() {
    let dir = tempfile::tempdir().expect("a folder");
    let _running = start_in(dir.path(), Durability::Strict);
    let another = Appliance {
        listeners: Vec::new(),
        settings: broker_core::Settings::default(),
        rules: acl::Acl::open().into(),
        acl_files: Vec::new(),
        passwords: Vec::new(),
        connection_messages: false,
        connections_max: None,
        strangers_max: 1,
        stalled_time_max: broker::STALLED_TIME_MAX,
        io_threads: crate::IO_THREADS,
        keeping: Some(Keeping {
            dir: dir.path().join("store"),
            durability: Durability::Strict,
            autosave: Autosave::AtTheEnd,
        }),
        gather: broker::GATHER_TIME,
        http_api: None,
        heartbeat: None,
        heap: || (0, 0),
    };
    let refused = another.start().err().expect("it is not started");
    assert!(matches!(refused, StartError::Store(_)), "{refused}");
    let process = format!("process {}", std::process::id());
    assert!(refused.to_string().contains(&process), "{refused}");
}
