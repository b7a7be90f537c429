//! Packets out of a seed: whole and right ones, and what becomes of them when bytes are changed.

use mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, FiltersBuf, FiltersWithOptionsBuf, Packet, PacketId, PropertiesBuf,
    Property, ProtocolVersion, Publish, QoS, ReasonCode, ReasonCodesBuf, RetainHandling, SubAck, Subscribe,
    SubscriptionOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe, Will,
};

/// SplitMix64: small, and the same numbers from the same seed for ever.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn u16(&mut self) -> u16 {
        let any = self.next() as u16;
        self.pick(&[0, 1, u16::MAX, any])
    }

    fn u32(&mut self) -> u32 {
        let any = self.next() as u32;
        self.pick(&[0, 1, u32::MAX, any])
    }

    fn flag(&mut self) -> bool {
        self.one_in(2)
    }

    fn text(&mut self) -> &'static str {
        self.pick(&["", "a", "text/plain", "é", "\u{FEFF}x", "𝛼β", "a b c", LONG])
    }

    fn data(&mut self) -> Vec<u8> {
        let len = self.pick(&[0, 1, 2, 7, 130]);
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn packet_id(&mut self) -> PacketId {
        PacketId::new(self.u16().max(1)).expect("not zero")
    }

    fn qos(&mut self) -> QoS {
        self.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
    }

    fn topic(&mut self) -> TopicName<'static> {
        TopicName::new(self.pick(&["a", "/", "a/b", "cassia", "$SYS/x", "é/ü", "a//b", " ", LONG])).expect("a name")
    }

    fn filter(&mut self) -> TopicFilter<'static> {
        let filters =
            ["a", "#", "+", "/", "a/+/c", "a/#", "+/+/#", "$SYS/#", "é/+", "$share/g/a", "$share/g/+/#", LONG];
        TopicFilter::new(self.pick(&filters)).expect("a filter")
    }
}

/// Makes length fields of two bytes.
const LONG: &str = "a/long/topic/name/that/goes/on/and/on/until/the/length/of/the/packet/no/longer/fits/in/one/byte/\
                    which/is/at/one/hundred/and/twenty/eight";

type Choice = fn(&mut Random) -> Property<'static>;

/// The properties that may stand in a place [5.0 §2.2.2.2, table 2-4]; User Property comes in all of them.
const CONNECT: &[Choice] = &[
    |r| Property::SessionExpiryInterval(r.u32()),
    |r| Property::ReceiveMaximum(r.u16().max(1)),
    |r| Property::MaximumPacketSize(r.u32().max(1)),
    |r| Property::TopicAliasMaximum(r.u16()),
    |r| Property::RequestResponseInformation(r.flag()),
    |r| Property::RequestProblemInformation(r.flag()),
    |r| Property::AuthenticationMethod(r.text()),
];
const MESSAGE: &[Choice] = &[
    |r| Property::PayloadFormatIndicator(r.flag()),
    |r| Property::MessageExpiryInterval(r.u32()),
    |r| Property::ContentType(r.text()),
    |r| Property::ResponseTopic(r.topic()),
    |r| Property::CorrelationData(r.text().as_bytes()),
];
const WILL: &[Choice] = &[|r| Property::WillDelayInterval(r.u32())];
const PUBLISH: &[Choice] =
    &[|r| Property::TopicAlias(r.u16().max(1)), |r| Property::SubscriptionIdentifier(1 + r.below(268_435_455) as u32)];
const CONNACK: &[Choice] = &[
    |r| Property::SessionExpiryInterval(r.u32()),
    |r| Property::ReceiveMaximum(r.u16().max(1)),
    |r| Property::MaximumQoS(r.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce])),
    |r| Property::RetainAvailable(r.flag()),
    |r| Property::MaximumPacketSize(r.u32().max(1)),
    |r| Property::AssignedClientIdentifier(r.text()),
    |r| Property::TopicAliasMaximum(r.u16()),
    |r| Property::ReasonString(r.text()),
    |r| Property::WildcardSubscriptionAvailable(r.flag()),
    |r| Property::SubscriptionIdentifiersAvailable(r.flag()),
    |r| Property::SharedSubscriptionAvailable(r.flag()),
    |r| Property::ServerKeepAlive(r.u16()),
    |r| Property::ResponseInformation(r.text()),
    |r| Property::ServerReference(r.text()),
    |r| Property::AuthenticationMethod(r.text()),
    |r| Property::AuthenticationData(r.text().as_bytes()),
];
const ANSWER: &[Choice] = &[|r| Property::ReasonString(r.text())];
const SUBSCRIBE: &[Choice] = &[|r| Property::SubscriptionIdentifier(1 + r.below(268_435_455) as u32)];
const DISCONNECT: &[Choice] = &[
    |r| Property::SessionExpiryInterval(r.u32()),
    |r| Property::ReasonString(r.text()),
    |r| Property::ServerReference(r.text()),
];
const AUTH: &[Choice] = &[|r| Property::AuthenticationData(r.text().as_bytes()), |r| Property::ReasonString(r.text())];

/// Some of `choices`, each at most once, and now and then User Properties.
fn properties(random: &mut Random, version: ProtocolVersion, choices: &[&[Choice]]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    if version != ProtocolVersion::V5 || random.one_in(3) {
        return properties;
    }
    for choice in choices.iter().copied().flatten() {
        if random.one_in(4) {
            properties.push(choice(random));
        }
    }
    while random.one_in(4) {
        properties.push(Property::UserProperty { name: random.text(), value: random.text() });
    }
    properties
}

/// Gives `with` a right packet of `version`.
pub(crate) fn with_packet<T>(random: &mut Random, version: ProtocolVersion, with: impl FnOnce(&Packet) -> T) -> T {
    let packet_id = random.packet_id();
    let is_v5 = version == ProtocolVersion::V5;
    let reason = |random: &mut Random, codes: &[ReasonCode]| {
        if is_v5 { random.pick(codes) } else { ReasonCode::Success }
    };
    // PUBLISH comes more often, as it does in life.
    match random.below(if is_v5 { 18 } else { 17 }) {
        0 | 1 => connect(random, version, with),
        2 => {
            let refusals = [ReasonCode::Success, ReasonCode::NotAuthorized, ReasonCode::ServerUnavailable];
            let reason = random.pick(&refusals);
            let session_present = reason == ReasonCode::Success && version != ProtocolVersion::V31 && random.flag();
            let properties = properties(random, version, &[CONNACK]);
            with(&Packet::ConnAck(ConnAck { session_present, reason, properties: properties.as_properties() }))
        }
        3..=5 => publish(random, version, with),
        packet_type @ 6..=9 => {
            let codes = if packet_type < 8 {
                &[ReasonCode::Success, ReasonCode::NoMatchingSubscribers, ReasonCode::QuotaExceeded][..]
            } else {
                &[ReasonCode::Success, ReasonCode::PacketIdentifierNotFound]
            };
            let reason = reason(random, codes);
            let properties = properties(random, version, &[ANSWER]);
            let ack = Ack { packet_id, reason, properties: properties.as_properties() };
            with(&match packet_type {
                6 => Packet::PubAck(ack),
                7 => Packet::PubRec(ack),
                8 => Packet::PubRel(ack),
                _ => Packet::PubComp(ack),
            })
        }
        10 => {
            let properties = properties(random, version, &[SUBSCRIBE]);
            let mut filters = FiltersWithOptionsBuf::new();
            for _ in 0..=random.below(3) {
                let filter = random.filter();
                filters.push(filter, options(random, is_v5, filter));
            }
            let (properties, filters) = (properties.as_properties(), filters.as_filters());
            with(&Packet::Subscribe(Subscribe { packet_id, properties, filters }))
        }
        11 => {
            let properties = properties(random, version, &[ANSWER]);
            let codes = if is_v5 {
                &[ReasonCode::Success, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2, ReasonCode::NotAuthorized]
            } else {
                &[ReasonCode::Success, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2, ReasonCode::UnspecifiedError]
            };
            let codes: ReasonCodesBuf = (0..=random.below(3)).map(|_| random.pick(codes)).collect();
            let (properties, reasons) = (properties.as_properties(), codes.as_codes());
            with(&Packet::SubAck(SubAck { packet_id, properties, reasons }))
        }
        12 => {
            let properties = properties(random, version, &[]);
            let mut filters = FiltersBuf::new();
            for _ in 0..=random.below(3) {
                filters.push(random.filter());
            }
            let (properties, filters) = (properties.as_properties(), filters.as_filters());
            with(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }))
        }
        13 => {
            let properties = properties(random, version, &[ANSWER]);
            let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted, ReasonCode::NotAuthorized];
            let count = if is_v5 { 1 + random.below(3) } else { 0 };
            let codes: ReasonCodesBuf = (0..count).map(|_| random.pick(&codes)).collect();
            let (properties, reasons) = (properties.as_properties(), codes.as_codes());
            with(&Packet::UnsubAck(UnsubAck { packet_id, properties, reasons }))
        }
        14 => with(&Packet::PingReq),
        15 => with(&Packet::PingResp),
        16 => {
            let codes = [ReasonCode::Success, ReasonCode::DisconnectWithWill, ReasonCode::ServerShuttingDown];
            let reason = reason(random, &codes);
            let properties = properties(random, version, &[DISCONNECT]);
            with(&Packet::Disconnect(Disconnect { reason, properties: properties.as_properties() }))
        }
        _ => {
            let codes = [ReasonCode::Success, ReasonCode::ContinueAuthentication, ReasonCode::ReAuthenticate];
            let mut properties = properties(random, version, &[AUTH]);
            properties.push(Property::AuthenticationMethod(random.text()));
            with(&Packet::Auth(Auth { reason: random.pick(&codes), properties: properties.as_properties() }))
        }
    }
}

fn connect<T>(random: &mut Random, version: ProtocolVersion, with: impl FnOnce(&Packet) -> T) -> T {
    let properties = properties(random, version, &[CONNECT]);
    let will_properties = self::properties(random, version, &[MESSAGE, WILL]);
    let (payload, password) = (random.data(), random.data());
    let will = Will {
        topic: random.topic(),
        payload: &payload,
        qos: random.qos(),
        retain: random.flag(),
        properties: will_properties.as_properties(),
    };
    let username = random.flag().then(|| random.text());
    let may_have_password = username.is_some() || version == ProtocolVersion::V5;
    with(&Packet::Connect(Connect {
        version,
        is_bridge: version != ProtocolVersion::V5 && random.one_in(8),
        clean_start: random.flag(),
        keep_alive_s: random.u16(),
        client_id: random.text(),
        will: random.flag().then_some(will),
        username,
        password: (may_have_password && random.flag()).then_some(&password),
        properties: properties.as_properties(),
    }))
}

fn publish<T>(random: &mut Random, version: ProtocolVersion, with: impl FnOnce(&Packet) -> T) -> T {
    let properties = properties(random, version, &[MESSAGE, PUBLISH]);
    let has_alias = properties.as_properties().topic_alias().is_some();
    let qos = random.qos();
    let payload = random.data();
    with(&Packet::Publish(Publish {
        dup: qos != QoS::AtMostOnce && random.flag(),
        qos,
        retain: random.flag(),
        topic: (!has_alias || random.flag()).then(|| random.topic()),
        packet_id: (qos != QoS::AtMostOnce).then(|| random.packet_id()),
        properties: properties.as_properties(),
        payload: &payload,
    }))
}

fn options(random: &mut Random, is_v5: bool, filter: TopicFilter) -> SubscriptionOptions {
    if !is_v5 {
        return SubscriptionOptions { qos: random.qos(), ..SubscriptionOptions::default() };
    }
    SubscriptionOptions {
        qos: random.qos(),
        no_local: filter.shared().is_none() && random.flag(),
        retain_as_published: random.flag(),
        retain_handling: random.pick(&[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend]),
    }
}

/// Changes bytes of a whole packet; what comes out is a whole frame still, so that its content is looked at.
pub(crate) fn mutate(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let header_len = 2 + bytes.iter().skip(1).take_while(|&&byte| byte & 0x80 != 0).count();
    let (mut first_byte, mut body) = (bytes[0], bytes[header_len..].to_vec());
    for _ in 0..=random.below(2) {
        let at = random.below(body.len() + 1);
        let byte = random.next() as u8;
        let byte = random.pick(&[0, 1, 0x23, 0x80, 0xFF, byte]);
        match random.below(8) {
            0 => first_byte ^= 1 << random.below(8),
            1 => body.truncate(at),
            2 => body.insert(at, byte),
            3 => body.push(byte),
            4 if at < body.len() => drop(body.remove(at)),
            5 if at < body.len() => body[at] ^= 1 << random.below(8),
            _ if at < body.len() => body[at] = byte,
            _ => {}
        }
    }
    let mut out = vec![first_byte];
    let mut left = body.len();
    while left > 127 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    // Now and then in a byte more than it needs.
    out.push(left as u8 | if random.one_in(50) { 0x80 } else { 0 });
    if out.last().is_some_and(|&byte| byte & 0x80 != 0) {
        out.push(0);
    }
    out.extend_from_slice(&body);
    out
}
