//! What comes over, from files written by hand.

use super::*;
use crate::written::{VERSIONS, file, rows};

/// In the year 2001, before anything in the files is over; and when all of it is.
const EARLY_MS: u64 = 999_999_999_000;
const LATE_MS: u64 = 2_000_000_000_000;

fn import(bytes: &[u8], now_ms: u64) -> Import {
    Import::of(File::open(bytes).expect("a file"), now_ms, 0)
}

fn whole(version: u32) -> Vec<u8> {
    file(version, rows(version).iter().map(|row| row.bytes))
}

#[test]
fn sessions_come_over_with_what_they_have_from_every_version() {
    for version in VERSIONS {
        let import = import(&whole(version), EARLY_MS);
        let [session] = &import.sessions[..] else { panic!("one session: {import:?}") };
        let expiry = if version >= 5 { (3600, Some(Instant::from_millis(LATE_MS))) } else { (u32::MAX, None) };
        assert_eq!((&*session.client_id, session.number), ("c", SessionNumber(1)));
        assert_eq!((session.expiry_s, session.ends_at), expiry, "version {version}");
        assert_eq!(session.username.as_deref(), (version == 6).then_some("v"));
        assert_eq!(session.listener.as_deref(), (version == 6).then_some("1883"));
        let [subscription] = &session.subscriptions[..] else { panic!("one subscription") };
        let options = if version >= 5 { (0x0e, 256) } else { (2, 0) };
        assert_eq!(subscription.filter.as_str(), "a/#");
        assert_eq!((subscription.options.as_u8(), subscription.identifier), options);
        let [message] = &session.messages[..] else { panic!("one message") };
        assert_eq!((message.entry, message.sent_as, message.released), (1, PacketId::new(9), false));
        assert_eq!((message.qos, message.retain), (QoS::AtLeastOnce, false));
        assert_eq!(message.identifiers.as_slice(), if version >= 5 { &[256][..] } else { &[] });
        assert_eq!((message.message.topic().as_str(), message.message.payload()), ("a/b", &b"\x00\xff{}"[..]));
        let [(id, taken)] = &session.taken[..] else { panic!("one taken") };
        assert_eq!((id.get(), taken.retain), (258, true));
        assert!(Arc::ptr_eq(&taken.message, &message.message), "one message for all who have it");
        let [retained] = &import.retained[..] else { panic!("one retained message") };
        assert!(Arc::ptr_eq(&retained.message, &message.message));
        let username = (version >= 4).then_some("u");
        assert_eq!((&*retained.publisher.client_id, retained.publisher.username.as_deref()), ("p", username));
        assert_eq!(retained.publisher.listener.as_deref(), (version >= 4).then_some("1883"));
        let wanted = Report {
            version,
            at_shutdown: true,
            sessions: 1,
            subscriptions: 1,
            in_flight: 1,
            taken: 1,
            retained: 1,
            ..Report::default()
        };
        assert_eq!(import.report, wanted);
    }
}

#[test]
fn properties_and_expiry_of_a_message_are_kept() {
    let import = import(&whole(6), EARLY_MS);
    let message = &import.retained[0].message;
    assert_eq!(message.properties().content_type(), Some("te"));
    assert_eq!(message.expires_at(), Some(Instant::from_millis(1_000_000_000_000)));
    let later = Import::of(File::open(&whole(6)).expect("a file"), EARLY_MS, 999_999_000_000);
    assert_eq!(later.retained[0].message.expires_at(), Some(Instant::from_millis(1_000_000)));
}

#[test]
fn what_is_over_is_left_out_and_counted() {
    for version in [5, 6] {
        let import = import(&whole(version), LATE_MS);
        assert_eq!((import.sessions.len(), import.retained.len()), (0, 0));
        let left_out = &import.report.left_out;
        assert_eq!(left_out.of(Reason::SessionEnded), 1);
        assert_eq!(left_out.of(Reason::MessageExpired), 1);
        assert_eq!(left_out.0.len(), 2, "{left_out:?}");
        let session = left_out.0.get(&Reason::SessionEnded).expect("counted");
        assert!(session.clients.contains("c"));
    }
}

#[test]
fn what_a_client_has_is_kept_though_its_own_chunk_or_a_message_is_not_there() {
    let rows = rows(6);
    let without =
        |gone: usize| file(6, rows.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, row)| row.bytes));
    let no_client = import(&without(2), EARLY_MS);
    let [session] = &no_client.sessions[..] else { panic!("one session") };
    assert_eq!((session.expiry_s, session.username.as_deref(), session.messages.len()), (u32::MAX, None, 1));
    assert_eq!(no_client.report.left_out.of(Reason::SessionUnknown), 1);
    let no_message = import(&without(1), EARLY_MS);
    assert_eq!((no_message.report.sessions, no_message.report.subscriptions), (1, 1));
    assert_eq!((no_message.report.in_flight, no_message.report.taken, no_message.report.retained), (0, 0, 0));
    assert_eq!(no_message.report.left_out.of(Reason::MessageMissing), 3);
}

#[test]
fn how_far_a_message_has_come_is_kept() {
    // (direction, state, QoS, Packet Identifier), as mosquitto numbers them, and what comes of it.
    #[derive(Debug, PartialEq)]
    enum Came {
        Waiting,
        Sent,
        Released,
        Taken,
        Not,
    }
    let rows = [
        (1, 11, 1, 5, Came::Waiting),
        (1, 2, 1, 5, Came::Sent),
        (1, 3, 1, 5, Came::Sent),
        (1, 4, 2, 5, Came::Sent),
        (1, 5, 2, 5, Came::Sent),
        (1, 6, 2, 5, Came::Released),
        (1, 9, 2, 5, Came::Released),
        (1, 1, 0, 0, Came::Waiting),
        (1, 3, 1, 0, Came::Waiting),
        (0, 7, 2, 5, Came::Taken),
        (0, 10, 2, 5, Came::Taken),
        (0, 11, 2, 5, Came::Taken),
        (0, 8, 2, 5, Came::Not),
        (0, 7, 2, 0, Came::Not),
        (1, 11, 3, 5, Came::Not),
    ];
    for (direction, state, qos, id, wanted) in rows {
        let written = rows_of(direction, state, qos, id);
        let import = import(&written, EARLY_MS);
        let session = &import.sessions[0];
        let came = match (&session.messages[..], &session.taken[..]) {
            ([], []) => Came::Not,
            ([], [_]) => Came::Taken,
            ([message], []) if message.released => Came::Released,
            ([message], []) if message.sent_as.is_some() => Came::Sent,
            _ => Came::Waiting,
        };
        assert_eq!(came, wanted, "direction {direction}, state {state}, QoS {qos}, identifier {id}");
    }
}

/// A file with one message of a client.
fn rows_of(direction: u8, state: u8, qos: u8, id: u8) -> Vec<u8> {
    let rows = rows(3);
    let message = [&b"\x00\x03\x00\x00\x00\x12\x00\x01c\x07\0\0\0\0\0\0\0\x00"[..], &[id, qos, 0, direction, state, 0]];
    file(3, [rows[1].bytes, rows[2].bytes, &message.concat()])
}

#[test]
fn two_messages_in_flight_under_one_identifier_are_not_taken_for_one() {
    let rows = rows(6);
    let bytes = file(6, [rows[1].bytes, rows[2].bytes, rows[3].bytes, rows[3].bytes]);
    let import = import(&bytes, EARLY_MS);
    let sent: Vec<_> = import.sessions[0].messages.iter().map(|m| (m.entry, m.sent_as)).collect();
    assert_eq!(sent, [(1, PacketId::new(9)), (2, None)]);
}

#[test]
fn what_mqtt_does_not_allow_is_left_out_and_told() {
    let topic: &[u8] =
        b"\x00\x02\x00\x00\x00\x1a\x07\0\0\0\0\0\0\0\x00\x00\x00\x00\x00\x00\x00\x03a/#\x01\x01\x00\x00\x00\x01x";
    let sys: &[u8] =
        b"\x00\x02\x00\x00\x00\x1b\x08\0\0\0\0\0\0\0\x00\x00\x00\x00\x00\x00\x00\x04$SYS\x00\x00\x00\x00\x00\x01x";
    let filter: &[u8] = b"\x00\x05\x00\x00\x00\x09\x00\x01c\x00\x03a#b\x02";
    let retain = b"\x00\x04\x00\x00\x00\x08\x08\0\0\0\0\0\0\0";
    let import = import(&file(3, [topic, sys, filter, rows(3)[6].bytes, retain]), EARLY_MS);
    assert_eq!(import.report.damage, []);
    assert_eq!(import.report.left_out.of(Reason::NotMqtt), 2);
    assert_eq!(import.report.left_out.of(Reason::AboutTheBroker), 1);
    assert_eq!((import.report.retained, import.report.subscriptions), (0, 0));
}

#[test]
fn the_operations_make_a_store_with_all_of_it() {
    let mut store = broker_core::MemoryStore::default();
    import(&whole(6), EARLY_MS).take_ops().for_each(|op| store.apply(op));
    let sessions: Vec<_> = store.sessions().map(|(_, session)| session.clone()).collect();
    assert_eq!((sessions.len(), store.retained().count()), (1, 1));
    assert_eq!(sessions[0].away.as_ref().and_then(|away| away.ends_at), Some(Instant::from_millis(LATE_MS)));
    assert_eq!((sessions[0].subscriptions.len(), sessions[0].messages.len(), sessions[0].taken.len()), (1, 1, 1));
}

/// A client as 2.0.11 writes it, with so much of what lies where a user's name was.
fn client_with_user(id: char, username: &[u8]) -> Vec<u8> {
    let mut body = b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x00\x09\x00\x01\x07\x5b".to_vec();
    body.extend_from_slice(&(username.len() as u16).to_be_bytes());
    body.extend_from_slice(b"\0\0\0\0");
    body.push(id as u8);
    body.extend_from_slice(username);
    [b"\0\0\0\x06", &(body.len() as u32).to_be_bytes()[..], &body].concat()
}

#[test]
fn no_session_gets_the_user_of_another() {
    let mut left_over = b"ann\0".to_vec();
    left_over.resize(0x300, 0xaa);
    let rows = [
        ("a", &b"ann"[..], Some("ann")),
        ("b", &left_over, None),
        // Its own, or the same again with the length the right way round: nobody can tell.
        ("c", b"ann", None),
        // If the one before was a leftover, this would be one as "b" is; it is not, so it is its own.
        ("d", b"ann", Some("ann")),
        ("e", &left_over, None),
        ("f", b"bob", Some("bob")),
        ("g", b"", None),
        ("h", b"bob", Some("bob")),
    ];
    let chunks: Vec<_> =
        rows.iter().map(|(id, username, _)| client_with_user(id.chars().next().expect("a name"), username)).collect();
    let import = import(&file(6, chunks.iter().map(Vec::as_slice)), EARLY_MS);
    for (session, (id, _, wanted)) in import.sessions.iter().zip(rows) {
        assert_eq!((&*session.client_id, session.username.as_deref()), (id, wanted));
    }
    assert_eq!(import.sessions.len(), rows.len());
    assert_eq!(import.report.left_out.of(Reason::UserUnclear), 1);
}
