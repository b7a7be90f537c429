//! Packets in raw bytes: nothing here keeps an attacker from writing what may not be.

/// The Protocol Levels of 3.1, 3.1.1 and 5.0.
pub(super) const VERSIONS: [u8; 3] = [3, 4, 5];

pub(super) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(super) const PINGRESP: [u8; 2] = [0xD0, 0];

/// A text or data as MQTT writes it, whatever is in it.
pub(super) fn text(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u16::try_from(bytes.len()).expect("a text that its length can say");
    [&length.to_be_bytes(), bytes].concat()
}

/// A Variable Byte Integer.
pub(super) fn length(mut rest: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let seven = u8::try_from(rest % 128).expect("seven bits");
        rest /= 128;
        if rest == 0 {
            bytes.push(seven);
            return bytes;
        }
        bytes.push(seven | 0x80);
    }
}

/// A packet with this first byte.
pub(super) fn packet(first: u8, fields: &[&[u8]]) -> Vec<u8> {
    let body = fields.concat();
    [&[first], &length(body.len())[..], &body].concat()
}

/// Properties with their length; nothing before 5.0.
pub(super) fn properties(version: u8, bytes: &[u8]) -> Vec<u8> {
    if version == 5 { [&length(bytes.len())[..], bytes].concat() } else { Vec::new() }
}

/// A User Property.
pub(super) fn user_property(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [&[0x26], &text(name)[..], &text(value)].concat()
}

/// A CONNECT in the making.
#[derive(Clone)]
pub(super) struct Connect {
    pub version: u8,
    pub id: Vec<u8>,
    /// Without those of `will`, `username` and `password`.
    pub flags: u8,
    pub keep_alive_s: u16,
    pub properties: Vec<u8>,
    pub will: Option<Will>,
    pub username: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
}

/// A will in the making.
#[derive(Clone)]
pub(super) struct Will {
    pub qos: u8,
    pub retain: bool,
    pub properties: Vec<u8>,
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Connect {
    /// Clean, without anything.
    pub(super) fn new(version: u8, id: impl AsRef<[u8]>) -> Self {
        Self {
            version,
            id: id.as_ref().to_vec(),
            flags: 2,
            keep_alive_s: 60,
            properties: Vec::new(),
            will: None,
            username: None,
            password: None,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let name = text(if self.version == 3 { "MQIsdp" } else { "MQTT" });
        let will_flags = |will: &Will| 4 | will.qos << 3 | u8::from(will.retain) << 5;
        let flags = self.flags
            | self.will.as_ref().map_or(0, will_flags)
            | u8::from(self.username.is_some()) << 7
            | u8::from(self.password.is_some()) << 6;
        let mut body = [&name[..], &[self.version, flags], &self.keep_alive_s.to_be_bytes()].concat();
        body.extend(properties(self.version, &self.properties));
        body.extend(text(&self.id));
        if let Some(will) = &self.will {
            body.extend(properties(self.version, &will.properties));
            body.extend(text(&will.topic));
            body.extend(text(&will.payload));
        }
        body.extend(self.username.iter().chain(&self.password).flat_map(text));
        packet(0x10, &[&body])
    }
}

impl Will {
    pub(super) fn new(topic: impl AsRef<[u8]>) -> Self {
        let topic = topic.as_ref().to_vec();
        Self { qos: 0, retain: false, properties: Vec::new(), topic, payload: b"will".to_vec() }
    }
}

/// A PUBLISH of QoS 1, identifier 7, with these properties.
pub(super) fn publish(version: u8, topic: impl AsRef<[u8]>, with: &[u8]) -> Vec<u8> {
    packet(0x32, &[&text(topic), &[0, 7], &properties(version, with), b"payload"])
}

/// What a PUBLISH of QoS 1 with this identifier is answered with.
pub(super) fn puback(version: u8, reason: u8) -> Vec<u8> {
    if version == 5 && reason != 0 { vec![0x40, 3, 0, 7, reason] } else { vec![0x40, 2, 0, 7] }
}

/// A SUBSCRIBE, identifier 7.
pub(super) fn subscribe(version: u8, filters: &[(&[u8], u8)], with: &[u8]) -> Vec<u8> {
    let filters: Vec<u8> =
        filters.iter().flat_map(|(filter, options)| [text(filter), vec![*options]].concat()).collect();
    packet(0x82, &[&[0, 7], &properties(version, with), &filters])
}

/// Its answer.
pub(super) fn suback(version: u8, reasons: &[u8]) -> Vec<u8> {
    packet(0x90, &[&[0, 7], &properties(version, &[]), reasons])
}

/// An UNSUBSCRIBE, identifier 7.
pub(super) fn unsubscribe(version: u8, filters: &[&[u8]], with: &[u8]) -> Vec<u8> {
    let filters: Vec<u8> = filters.iter().flat_map(text).collect();
    packet(0xA2, &[&[0, 7], &properties(version, with), &filters])
}

/// Its answer.
pub(super) fn unsuback(version: u8, reasons: &[u8]) -> Vec<u8> {
    packet(0xB0, &[&[0, 7], &properties(version, &[]), if version == 5 { reasons } else { &[] }])
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with a reason and properties (5.0).
pub(super) fn acknowledgement(first: u8, with: &[u8]) -> Vec<u8> {
    packet(first, &[&[0, 7, 0], &properties(5, with)])
}
