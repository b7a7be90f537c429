//! Makes packets out of a few bytes each: right in their form, of the client's version, about few topics and few
//! Client Identifiers, so that what one client says concerns another.

use mqtt::{
    Ack, Auth, Connect, Disconnect, FiltersBuf, FiltersWithOptionsBuf, Packet, PacketId, Properties, PropertiesBuf,
    Property, ProtocolVersion, Publish, QoS, ReasonCode, Subscribe, SubscriptionOptions, TopicFilter, TopicName,
    Unsubscribe, Will,
};

use crate::desk::Line;

const IDS: [&str; 5] = ["c", "d", "e", "f", ""];
const USERS: [&str; 2] = ["u", "v"];
const TOPICS: [&str; 8] = ["a", "a/b", "a/b/c", "b", "b/u", "$SYS/c/x", "$CONTROL/x", "/"];
const FILTERS: [&str; 12] =
    ["#", "+", "a/#", "a/+", "+/b", "b", "a/b", "+/u", "$SYS/#", "$share/g/a/#", "$share/h/+", "$share/g/b"];
const EXPIRIES_S: [Option<u32>; 8] =
    [None, Some(0), Some(1), Some(2), Some(60), Some(3_600), Some(u32::MAX - 1), Some(u32::MAX)];

/// The bytes of an input that were not used yet.
pub struct Script<'a>(pub &'a [u8]);

impl Script<'_> {
    pub fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// 0 after the end.
    pub fn take(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.take()) % choices.len()]
    }
}

/// One packet for the connection `line`, which may be one too many.
pub fn packet(kind: u32, line: &Line, script: &mut Script<'_>) -> Vec<u8> {
    match kind {
        0..=3 => connect(script),
        4..=9 => publish(line.version, script),
        10..=13 => acknowledge(line, script),
        14..=17 => subscribe(line.version, script),
        18 if script.0.first().is_some_and(|next| next & 0x80 != 0) => auth(line.version, script),
        18 => unsubscribe(line.version, script),
        19 => written(line.version, &Packet::PingReq),
        20 => disconnect(line.version, script),
        // The client that knows what to do: it answers what it was sent.
        _ => {
            let first = line.in_flight.first().copied();
            let kinds: [fn(Ack<'static>) -> Packet<'static>; 3] = [Packet::PubAck, Packet::PubRec, Packet::PubComp];
            let ack = Ack { packet_id: first.unwrap_or(id(1)), reason: ReasonCode::Success, properties: NONE };
            written(line.version, &kinds[kind as usize % 3](ack))
        }
    }
}

const NONE: Properties<'static> = Properties::EMPTY;

pub fn clean_connect(client_id: &str) -> Vec<u8> {
    let connect = Connect {
        version: ProtocolVersion::V311,
        is_bridge: false,
        clean_start: true,
        keep_alive_s: 0,
        client_id,
        will: None,
        username: None,
        password: None,
        properties: NONE,
    };
    written(ProtocolVersion::V311, &Packet::Connect(connect))
}

pub fn clear_retained(topic: &str) -> Vec<u8> {
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: true,
        topic: TopicName::new(topic).ok(),
        packet_id: None,
        properties: NONE,
        payload: b"",
    };
    written(ProtocolVersion::V311, &Packet::Publish(publish))
}

/// What cannot be written in a version is a PINGREQ.
fn written(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if packet.encode(version, &mut bytes).is_err() {
        bytes = vec![0xC0, 0];
    }
    bytes
}

fn id(number: u8) -> PacketId {
    PacketId::new(u16::from(number).max(1)).expect("not 0")
}

fn connect(script: &mut Script<'_>) -> Vec<u8> {
    let (client_id, flags, more) = (script.of(&IDS), script.take(), script.take());
    let version =
        [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5, ProtocolVersion::V5][usize::from(flags & 3)];
    let (mut properties, mut will_properties) = (PropertiesBuf::new(), PropertiesBuf::new());
    if version.is_v5() {
        EXPIRIES_S[usize::from(more & 7)].map(|seconds| properties.push(Property::SessionExpiryInterval(seconds)));
        let window = [None, Some(1), Some(2), Some(3)][usize::from(more >> 3 & 3)];
        window.map(|count| properties.push(Property::ReceiveMaximum(count)));
        let bytes = [None, None, None, Some(40)][usize::from(more >> 5 & 3)];
        bytes.map(|bytes| properties.push(Property::MaximumPacketSize(bytes)));
        if more & 0x80 != 0 {
            properties.push(Property::TopicAliasMaximum(2));
        }
        // A method, for those who give no user name, and an expiry that says little.
        if flags & 0x10 == 0 && more & 7 == 1 {
            properties.push(Property::AuthenticationMethod("M"));
        }
    }
    let will = (flags & 8 != 0).then(|| (script.of(&TOPICS), script.take()));
    let will = will.map(|(topic, flags)| {
        if version.is_v5() {
            let delay = EXPIRIES_S[usize::from(flags >> 4 & 7)];
            delay.map(|seconds| will_properties.push(Property::WillDelayInterval(seconds)));
            if flags & 8 != 0 {
                will_properties.push(Property::MessageExpiryInterval(2));
            }
        }
        let qos = QoS::from_u8(flags & 3).unwrap_or_default();
        let topic = TopicName::new(topic).expect("a topic name");
        Will { topic, payload: b"will", qos, retain: flags & 4 != 0, properties: will_properties.as_properties() }
    });
    let connect = Connect {
        version,
        is_bridge: false,
        clean_start: flags & 4 != 0,
        keep_alive_s: [0, 0, 1, 60][usize::from(flags >> 6 & 3)],
        client_id,
        will,
        username: (flags & 0x10 != 0).then_some(USERS[usize::from(flags >> 5 & 1)]),
        password: None,
        properties: properties.as_properties(),
    };
    written(version, &Packet::Connect(connect))
}

fn publish(version: ProtocolVersion, script: &mut Script<'_>) -> Vec<u8> {
    let (topic, flags, number) = (script.of(&TOPICS), script.take(), script.take());
    let qos = QoS::from_u8(flags & 3).unwrap_or(QoS::ExactlyOnce);
    let mut properties = PropertiesBuf::new();
    let mut topic = TopicName::new(topic).ok();
    if version.is_v5() {
        EXPIRIES_S[usize::from(number >> 5)].map(|seconds| properties.push(Property::MessageExpiryInterval(seconds)));
        if let Some(alias) = [None, None, None, Some(1), Some(1), Some(2), Some(10), Some(11)][usize::from(flags >> 5)]
        {
            properties.push(Property::TopicAlias(alias));
            topic = topic.filter(|_| flags & 8 == 0);
        }
    }
    let payload: &[u8] = match flags >> 3 & 3 {
        0 => b"",
        1 | 2 => &[number],
        _ => &[b'x'; 100],
    };
    let publish = Publish {
        dup: qos > QoS::AtMostOnce && number & 0x10 != 0,
        qos,
        retain: flags & 4 != 0,
        topic,
        packet_id: (qos > QoS::AtMostOnce).then_some(id(number & 7)),
        properties: properties.as_properties(),
        payload,
    };
    written(version, &Packet::Publish(publish))
}

/// Of what is in flight, or of anything.
fn acknowledge(line: &Line, script: &mut Script<'_>) -> Vec<u8> {
    let (kind, number) = (script.take(), script.take());
    let in_flight = line.in_flight.iter().nth(usize::from(number & 7)).copied();
    let packet_id = in_flight.filter(|_| number & 0x80 == 0).unwrap_or(id(number & 0x7F));
    let reason =
        if kind & 0x80 != 0 && line.version.is_v5() { ReasonCode::UnspecifiedError } else { ReasonCode::Success };
    let ack = Ack { packet_id, reason, properties: NONE };
    let packet = match kind & 3 {
        0 => Packet::PubAck(ack),
        1 => Packet::PubRec(ack),
        2 => Packet::PubRel(Ack { reason: ReasonCode::Success, ..ack }),
        _ => Packet::PubComp(Ack { reason: ReasonCode::Success, ..ack }),
    };
    written(line.version, &packet)
}

fn subscribe(version: ProtocolVersion, script: &mut Script<'_>) -> Vec<u8> {
    let number = script.take();
    let mut filters = FiltersWithOptionsBuf::new();
    for _ in 0..=number >> 6 {
        let (filter, options) = (TopicFilter::new(script.of(&FILTERS)).expect("a topic filter"), script.take());
        let options = if version.is_v5() { options & 0x3F } else { options & 3 };
        let options = SubscriptionOptions::from_u8(options).unwrap_or_default();
        let no_local = options.no_local && filter.shared().is_none();
        filters.push(filter, SubscriptionOptions { no_local, ..options });
    }
    let mut properties = PropertiesBuf::new();
    if version.is_v5() && number & 0x20 != 0 {
        properties.push(Property::SubscriptionIdentifier(u32::from(number) * 1_000_000));
    }
    let (packet_id, properties) = (id(number & 7), properties.as_properties());
    written(version, &Packet::Subscribe(Subscribe { packet_id, properties, filters: filters.as_filters() }))
}

fn unsubscribe(version: ProtocolVersion, script: &mut Script<'_>) -> Vec<u8> {
    let mut filters = FiltersBuf::new();
    filters.push(TopicFilter::new(script.of(&FILTERS)).expect("a topic filter"));
    let unsubscribe = Unsubscribe { packet_id: id(7), properties: NONE, filters: filters.as_filters() };
    written(version, &Packet::Unsubscribe(unsubscribe))
}

fn auth(version: ProtocolVersion, script: &mut Script<'_>) -> Vec<u8> {
    let how = script.take();
    let reasons = [ReasonCode::Success, ReasonCode::ContinueAuthentication, ReasonCode::ReAuthenticate];
    let mut properties = PropertiesBuf::new();
    properties.push(Property::AuthenticationMethod(if how & 4 == 0 { "M" } else { "N" }));
    if how & 8 != 0 {
        properties.push(Property::AuthenticationData(&[b'x'; 1_025][..if how & 16 == 0 { 1_024 } else { 1_025 }]));
    }
    let reason = reasons[usize::from(how & 3) % 3];
    written(version, &Packet::Auth(Auth { reason, properties: properties.as_properties() }))
}

fn disconnect(version: ProtocolVersion, script: &mut Script<'_>) -> Vec<u8> {
    let how = script.take();
    let mut properties = PropertiesBuf::new();
    let mut reason = ReasonCode::Success;
    if version.is_v5() {
        EXPIRIES_S[usize::from(how & 7)].map(|seconds| properties.push(Property::SessionExpiryInterval(seconds)));
        if how & 8 != 0 {
            reason = ReasonCode::DisconnectWithWill;
        }
    }
    written(version, &Packet::Disconnect(Disconnect { reason, properties: properties.as_properties() }))
}
