//! The packets that the script's clients say, right and wrong ones, in the version that they speak.

use mqtt::ProtocolVersion::{self, V5, V31, V311};

pub(super) const VERSIONS: [ProtocolVersion; 3] = [V31, V311, V5];

/// What a CONNECT says.
#[derive(Clone, Copy)]
pub(super) struct Hello<'a> {
    pub version: ProtocolVersion,
    pub id: &'a str,
    pub clean: bool,
    pub keep_alive_s: u16,
    pub login: Option<(&'a str, &'a str)>,
    /// Topic, payload, QoS, RETAIN.
    pub will: Option<(&'a str, &'a str, u8, bool)>,
}

impl<'a> Hello<'a> {
    pub(super) const fn new(version: ProtocolVersion, id: &'a str) -> Self {
        Self { version, id, clean: true, keep_alive_s: 60, login: None, will: None }
    }

    pub(super) fn packet(&self) -> Vec<u8> {
        let (name, level) = match self.version {
            V31 => ("MQIsdp", 3),
            V311 => ("MQTT", 4),
            V5 => ("MQTT", 5),
        };
        let mut flags = if self.clean { 0x02 } else { 0 } | if self.login.is_some() { 0xC0 } else { 0 };
        let mut rest = text(self.id);
        if let Some((topic, payload, qos, retain)) = self.will {
            flags |= 0x04 | qos << 3 | u8::from(retain) << 5;
            if self.version == V5 {
                rest.push(0);
            }
            rest.extend(text(topic));
            rest.extend(text(payload));
        }
        if let Some((user, password)) = self.login {
            rest.extend(text(user));
            rest.extend(text(password));
        }
        let mut body = text(name);
        body.extend([level, flags]);
        body.extend(self.keep_alive_s.to_be_bytes());
        if self.version == V5 {
            // A session that is to last has an expiry of 256 s.
            let properties: &[u8] = if self.clean { &[0] } else { &[5, 0x11, 0, 0, 1, 0] };
            body.extend(properties);
        }
        body.extend(rest);
        packet(0x10, &body)
    }
}

pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let (more, seven) = (left / 128, (left % 128) as u8);
        bytes.push(seven | if more > 0 { 0x80 } else { 0 });
        left = more;
        if left == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

pub(super) fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).expect("a short text").to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// No properties, where the version has them.
const fn none(version: ProtocolVersion) -> &'static [u8] {
    if version.is_v5() { &[0] } else { &[] }
}

/// `flags` are those of the fixed header: DUP, QoS and RETAIN.
pub(super) fn publish(version: ProtocolVersion, flags: u8, id: u16, topic: &str, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 0b0110 != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(none(version));
    body.extend(payload.as_bytes());
    packet(0x30 | flags, &body)
}

/// With a Topic Alias.
pub(super) fn publish_by_alias(topic: &str, alias: u8, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    body.extend([3, 0x23, 0, alias]);
    body.extend(payload.as_bytes());
    packet(0x30, &body)
}

pub(super) fn subscribe(version: ProtocolVersion, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.extend(none(version));
    for (filter, options) in filters {
        body.extend(text(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

pub(super) fn unsubscribe(version: ProtocolVersion, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    body.extend(none(version));
    for filter in filters {
        body.extend(text(filter));
    }
    packet(0xA2, &body)
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP, by the first byte.
pub(super) fn ack(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}

pub(super) const DISCONNECT: &[u8] = &[0xE0, 0];
pub(super) const CONNACK: u8 = 0x20;
pub(super) const PUBLISH: u8 = 0x30;
pub(super) const PUBACK: u8 = 0x40;
pub(super) const PUBREC: u8 = 0x50;
pub(super) const PUBREL: u8 = 0x60;
pub(super) const PUBCOMP: u8 = 0x70;
pub(super) const SUBACK: u8 = 0x90;
pub(super) const UNSUBACK: u8 = 0xB0;
