//! Every record there and back, and bytes that are none.

use broker_core::Instant;
use mqtt::Property;

use super::*;

const CLOCK: Clock = Clock(1_000_000);

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("not zero")
}

fn message_of(expires_at: Option<Instant>) -> Arc<Message> {
    let mut properties = PropertiesBuf::new();
    if expires_at.is_some() {
        properties.push(Property::UserProperty { name: "é", value: "" });
    }
    let topic = topic("a/é").expect("a topic");
    Message::restored(topic, Box::new([0, 255, 7]), properties, expires_at, QoS::ExactlyOnce)
}

fn will(retain: bool, expiry_s: Option<u32>) -> StoredWill {
    StoredWill { message: message_of(None), retain, expiry_s, at: Instant::from_millis(77) }
}

fn all() -> Vec<Record> {
    let number = SessionNumber(300);
    let publisher = |username: Option<&str>, listener: Option<&str>| {
        let (username, listener) = (username.map(Box::from), listener.map(Arc::from));
        Arc::new(Publisher { client_id: "p".into(), username, listener })
    };
    let filter = TopicFilterBuf::from(TopicFilter::new("$share/g/a/+").expect("a filter"));
    let options = SubscriptionOptions::from_u8(0b10_1101).expect("options");
    let waiting = Waiting {
        entry: u64::MAX,
        qos: QoS::AtLeastOnce,
        retain: false,
        identifiers: Identifiers::default(),
        share: None,
        sent_as: None,
        released: false,
        body: Body::Here(message_of(None)),
    };
    let sent = Waiting {
        retain: true,
        identifiers: Identifiers::from(&[1, 268_435_455][..]),
        share: Some("$share/g/a/+".into()),
        sent_as: Some(id(65_535)),
        released: true,
        body: Body::Shared(1 << 40),
        ..waiting.clone()
    };
    vec![
        Record::Session { number, client_id: "é".into(), username: None, listener: None, expiry_s: u32::MAX },
        Record::Session {
            number,
            client_id: "".into(),
            username: Some("".into()),
            listener: Some("1883 ::1".into()),
            expiry_s: 0,
        },
        Record::SessionGone(SessionNumber(u64::MAX)),
        Record::Subscribed(number, StoredSubscription { filter: filter.clone(), options, identifier: 268_435_455 }),
        Record::Unsubscribed(number, filter),
        Record::Queued(number, waiting),
        Record::Queued(number, sent),
        Record::Sent { session: number, entry: 1, id: id(1), released: false },
        Record::Sent { session: number, entry: 1, id: id(65_535), released: true },
        Record::Done(number, 0),
        Record::Taken(number, id(256), StoredTaken { message: message_of(None), retain: false }),
        Record::Taken(number, id(1), StoredTaken { message: message_of(Some(Instant::from_millis(5))), retain: true }),
        Record::Released(number, id(256)),
        Record::Retained(message_of(Some(Instant::from_millis(5))), publisher(None, None)),
        Record::Retained(message_of(None), publisher(Some("u"), None)),
        Record::Retained(message_of(None), publisher(None, Some("/run/x"))),
        Record::RetainedGone(topic("a/é").expect("a topic")),
        Record::Body(7, message_of(None)),
        Record::Told { file: 9, sum: u32::MAX },
        Record::Away(number, StoredAway::default()),
        Record::Away(number, StoredAway { ends_at: Some(Instant::from_millis(5)), will: None }),
        Record::Away(number, StoredAway { ends_at: Some(Instant::from_millis(5)), will: Some(will(true, Some(9))) }),
        Record::Away(number, StoredAway { ends_at: None, will: Some(will(false, None)) }),
    ]
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, CLOCK, &mut bytes);
    bytes
}

#[test]
fn every_record_comes_back_as_it_was() {
    for record in all() {
        assert_eq!(decode(VERSION, &encoded(&record), CLOCK).as_ref(), Some(&record));
    }
}

#[test]
fn what_is_on_the_disk_today_can_be_read_for_ever() {
    // Version 1, byte for byte. A change here is a new version, and the old one is still read.
    let rows: [(&str, &[u8]); 8] = [
        ("away", b"\x0e\xac\x02\x0f\xc5\x84\x3d\x8d\x85\x3d\x09\x02\x04a/\xc3\xa9\x00\xff\x07"),
        ("session", b"\x01\xac\x02\x02\xc3\xa9\x00\xff\xff\xff\xff\x0f"),
        ("subscribed", b"\x03\xac\x02\x2d\xff\xff\xff\x7f$share/g/a/+"),
        ("sent", b"\x06\xac\x02\x01\xff\xff\x03\x01"),
        ("taken", b"\x08\xac\x02\x80\x02\x00\x02\x04a/\xc3\xa9\x00\xff\x07"),
        ("done", b"\x07\xac\x02\x00"),
        ("retained", b"\x0a\x01p\x00\x0e\xc5\x84\x3d\x07\x26\x00\x02\xc3\xa9\x00\x00\x04a/\xc3\xa9\x00\xff\x07"),
        ("body", b"\x0c\x07\x02\x04a/\xc3\xa9\x00\xff\x07"),
    ];
    let all: Vec<Vec<u8>> = all().iter().map(encoded).collect();
    for (name, bytes) in rows {
        assert!(all.iter().any(|encoded| encoded == bytes), "{name}: {bytes:02x?} is none of {all:02x?}");
    }
}

#[test]
fn bytes_that_are_no_record_are_refused_whatever_they_are() {
    let mut random = 7_u64;
    let mut below = |end: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize % end
    };
    for record in all() {
        let bytes = encoded(&record);
        for len in 0..bytes.len() {
            // Cut short it is another record or none; what was read can be written and read again.
            crate::read_for_fuzzing(&bytes[..len]);
        }
        for _ in 0..2_000 {
            let mut bytes = bytes.clone();
            let at = below(bytes.len());
            bytes[at] = below(256) as u8;
            crate::read_for_fuzzing(&bytes);
        }
        assert_eq!(decode(VERSION + 1, &bytes, CLOCK), None);
    }
    for (what, bytes) in [
        ("no kind", &[][..]),
        ("an unknown kind", &[200]),
        ("a packet identifier of zero", &[8, 1, 0]),
        ("a QoS of 3", &[5, 1, 1, 3]),
        ("a wildcard in a topic", &[11, b'#']),
        ("a filter that is none", &[4, 1, b'a', b'#']),
        ("reserved options", &[3, 1, 0xff, 0, b'a']),
        ("more behind the end", &[7, 1, 1, 0]),
        ("more identifiers than bytes", &[5, 1, 1, 0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    ] {
        assert_eq!(decode(VERSION, bytes, CLOCK), None, "{what}");
    }
}

#[test]
fn times_are_of_the_wall_clock_and_what_is_past_stays_past() {
    let record = Record::Body(1, message_of(Some(Instant::from_millis(500))));
    let bytes = encoded(&record);
    for (clock, wanted) in [(CLOCK, 500), (Clock(1_000_400), 100), (Clock(2_000_000), 0), (Clock(0), 1_000_500)] {
        let Some(Record::Body(_, message)) = decode(VERSION, &bytes, clock) else { panic!("a body") };
        assert_eq!(message.expires_at(), Some(Instant::from_millis(wanted)));
    }
}
