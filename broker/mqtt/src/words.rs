//! The small words of MQTT: values that cannot be wrong once they exist. No packet is read here.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::{DecodeFault, check_text};

/// The version a client spoke in its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// Protocol Name `MQIsdp`, level 3.
    V31,
    /// Protocol Name `MQTT`, level 4.
    V311,
    /// Protocol Name `MQTT`, level 5.
    V5,
}

impl ProtocolVersion {
    /// The Protocol Level byte: 3, 4 or 5.
    pub const fn level(self) -> u8 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// Whether packets carry properties and reason codes.
    pub const fn is_v5(self) -> bool {
        matches!(self, Self::V5)
    }
}

/// Quality of Service, from "at most once" to "exactly once".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    /// 0: sent, not acknowledged.
    #[default]
    AtMostOnce,
    /// 1: acknowledged by PUBACK; may come twice.
    AtLeastOnce,
    /// 2: acknowledged by PUBREC, PUBREL, PUBCOMP; comes once.
    ExactlyOnce,
}

impl QoS {
    /// 0, 1 or 2; `None` for anything else.
    pub const fn from_u8(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// 0, 1 or 2.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

/// Packet Identifier: names a message until its acknowledgement is complete. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub NonZeroU16);

impl PacketId {
    /// 1.
    pub const MIN: Self = Self(NonZeroU16::MIN);

    /// How many there are.
    pub const COUNT: u64 = 65_535;

    /// The identifier that comes at the `issue`th time (from 0) when they are given in a circle from 1.
    pub const fn of_issue(issue: u64) -> Self {
        match NonZeroU16::new((issue % Self::COUNT) as u16 + 1) {
            Some(id) => Self(id),
            None => Self::MIN, // the remainder plus one is never zero
        }
    }

    /// `None` for zero, which the standards forbid [3.1.1 MQTT-2.3.1-1, 5.0 MQTT-2.2.1-3].
    pub const fn new(id: u16) -> Option<Self> {
        match NonZeroU16::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// 1 to 65,535.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The one after this; 1 comes after 65,535.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(id) => Self(id),
            None => Self(NonZeroU16::MIN),
        }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a message has: 1 to 65,535 bytes of UTF-8 without `+`, `#`, U+0000 or what [`check_text`] refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// # Errors
    /// [`DecodeFault::InvalidTopicName`] for an empty or too long name and for a wildcard
    /// [3.1.1 MQTT-4.7.1-1, §4.7.3; 5.0 MQTT-4.7.0-1, §4.7.3]; those of [`check_text`].
    #[inline]
    pub fn new(name: &'a str) -> Result<Self, DecodeFault> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > 65_535 {
            return Err(DecodeFault::InvalidTopicName);
        }
        // One pass without branches for what nearly every name is: printable ASCII without `#` and `+`.
        let plain = bytes.iter().fold(true, |plain, &b| plain & matches!(b, b' '..=b'"' | b'$'..=b'*' | b','..=b'~'));
        if plain { Ok(Self(name)) } else { Self::new_unusual(name) }
    }

    #[cold]
    fn new_unusual(name: &'a str) -> Result<Self, DecodeFault> {
        check_text(name)?;
        if name.contains(['+', '#']) { Err(DecodeFault::InvalidTopicName) } else { Ok(Self(name)) }
    }

    /// The name as text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// What a subscriber asks for: `#` only as the last level, `+` only as a whole level.
///
/// A shared subscription's filter (`$share/group/filter`) is one of these too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

impl<'a> TopicFilter<'a> {
    /// # Errors
    /// [`DecodeFault::InvalidTopicFilter`] for an empty or too long filter, where the wildcards stand wrong
    /// [3.1.1 §4.7.1, §4.7.3; 5.0 §4.7.1, §4.7.3], and for `$share/` without a group and a filter
    /// [5.0 MQTT-4.8.2-1, MQTT-4.8.2-2]; those of [`check_text`].
    pub fn new(filter: &'a str) -> Result<Self, DecodeFault> {
        check_text(filter)?;
        let mut well = !filter.is_empty() && filter.len() <= 65_535;
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            well &= match level {
                "#" => levels.peek().is_none(),
                "+" => true,
                other => !other.bytes().any(|b| matches!(b, b'+' | b'#')),
            };
        }
        if let Some(shared) = filter.strip_prefix("$share/") {
            well &= shared
                .split_once('/')
                .is_some_and(|(group, rest)| !group.is_empty() && group != "+" && !rest.is_empty());
        }
        if well { Ok(Self(filter)) } else { Err(DecodeFault::InvalidTopicFilter) }
    }

    /// The share name and the filter inside, if this is a shared subscription's [5.0 §4.8.2].
    pub fn shared(self) -> Option<(&'a str, TopicFilter<'a>)> {
        let (group, filter) = self.0.strip_prefix("$share/")?.split_once('/')?;
        Some((group, TopicFilter(filter)))
    }

    /// For text that [`TopicFilter::new`] has passed before, when the packet was decoded.
    pub(crate) const fn checked_before(filter: &'a str) -> Self {
        Self(filter)
    }

    /// The filter as text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// Which retained messages a new subscription is sent [5.0 §3.8.3.1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetainHandling {
    /// 0: at every SUBSCRIBE.
    #[default]
    Send,
    /// 1: only when the subscription did not exist.
    SendIfNew,
    /// 2: never.
    DoNotSend,
}

/// The Subscription Options byte [5.0 §3.8.3.1]; 3.1 and 3.1.1 know the QoS alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS at which messages may be delivered.
    pub qos: QoS,
    /// Do not deliver to the connection that published.
    pub no_local: bool,
    /// Keep the RETAIN flag as it was published.
    pub retain_as_published: bool,
    /// Which retained messages are sent at SUBSCRIBE.
    pub retain_handling: RetainHandling,
}

/// A [`TopicName`] that is kept: cheap to clone, checked once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicNameBuf(Arc<str>);

impl TopicNameBuf {
    /// Borrows it.
    pub fn as_name(&self) -> TopicName<'_> {
        TopicName(&self.0)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<TopicName<'_>> for TopicNameBuf {
    fn from(name: TopicName<'_>) -> Self {
        Self(name.0.into())
    }
}

/// A [`TopicFilter`] that is kept: checked once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilterBuf(Box<str>);

impl TopicFilterBuf {
    /// Borrows it.
    pub fn as_filter(&self) -> TopicFilter<'_> {
        TopicFilter(&self.0)
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<TopicFilter<'_>> for TopicFilterBuf {
    fn from(filter: TopicFilter<'_>) -> Self {
        Self(filter.0.into())
    }
}

impl SubscriptionOptions {
    /// The byte as 5.0 has it; its lower two bits are the whole of what 3.1 and 3.1.1 have.
    pub const fn as_u8(self) -> u8 {
        self.qos.as_u8()
            | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }

    /// # Errors
    /// [`DecodeFault::ReservedSubscriptionOptions`], [`DecodeFault::InvalidSubscriptionQoS`] and
    /// [`DecodeFault::InvalidRetainHandling`] [5.0 §3.8.3.1].
    pub const fn from_u8(byte: u8) -> Result<Self, DecodeFault> {
        if byte & 0b1100_0000 != 0 {
            return Err(DecodeFault::ReservedSubscriptionOptions);
        }
        let Some(qos) = QoS::from_u8(byte & 0b11) else { return Err(DecodeFault::InvalidSubscriptionQoS) };
        let retain_handling = match byte >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeFault::InvalidRetainHandling),
        };
        let (no_local, retain_as_published) = (byte & 0b100 != 0, byte & 0b1000 != 0);
        Ok(Self { qos, no_local, retain_as_published, retain_handling })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_have_neither_wildcards_nor_nothing() {
        use DecodeFault::{ForbiddenCharacter, InvalidTopicName, NullCharacter};
        let long = "a".repeat(65_535);
        let longer = "a".repeat(65_536);
        let rows = [
            ("both §4.7.3", "a", Ok(())),
            ("both §4.7.3", "/", Ok(())),
            ("both §4.7.3", "a//b c/é", Ok(())),
            ("3.1.1 and 5.0 MQTT-4.7.3-1", "", Err(InvalidTopicName)),
            ("3.1.1 and 5.0 MQTT-4.7.3-2", "a\0b", Err(NullCharacter)),
            ("3.1.1 and 5.0 MQTT-4.7.3-3", &long, Ok(())),
            ("3.1.1 and 5.0 MQTT-4.7.3-3", &longer, Err(InvalidTopicName)),
            ("3.1.1 MQTT-4.7.1-1, 5.0 MQTT-4.7.0-1", "a/+", Err(InvalidTopicName)),
            ("3.1.1 MQTT-4.7.1-1, 5.0 MQTT-4.7.0-1", "a#", Err(InvalidTopicName)),
            ("3.1.1 MQTT-4.7.1-1, 5.0 MQTT-4.7.0-1", "é/#", Err(InvalidTopicName)),
            ("both §1.5, mosquitto's choice", "a\nb", Err(ForbiddenCharacter)),
        ];
        for (source, name, wanted) in rows {
            assert_eq!(TopicName::new(name).map(drop), wanted, "{source}: {name:.20}");
        }
    }

    #[test]
    fn topic_filters_have_wildcards_only_as_whole_levels() {
        let rows = [
            ("both §4.7.1.2", "#", true),
            ("both §4.7.1.2", "sport/tennis/#", true),
            ("3.1.1 MQTT-4.7.1-2, 5.0 MQTT-4.7.1-1", "sport/tennis#", false),
            ("3.1.1 MQTT-4.7.1-2, 5.0 MQTT-4.7.1-1", "sport/tennis/#/ranking", false),
            ("both §4.7.1.2", "#/a", false),
            ("both §4.7.1.3", "+", true),
            ("both §4.7.1.3", "+/tennis/#", true),
            ("3.1.1 MQTT-4.7.1-3, 5.0 MQTT-4.7.1-2", "sport+", false),
            ("both §4.7.1.3", "sport/+/player1", true),
            ("3.1.1 MQTT-4.7.1-3, 5.0 MQTT-4.7.1-2", "++", false),
            ("3.1.1 and 5.0 MQTT-4.7.3-1", "", false),
            ("both §4.7.3", "/", true),
            ("3.1.1 and 5.0 MQTT-4.7.3-2", "a\0", false),
            ("5.0 §4.8.2", "$share/group/#", true),
            ("5.0 §4.8.2", "$share/group//", true),
            ("5.0 MQTT-4.8.2-1", "$share//a", false),
            ("5.0 MQTT-4.8.2-2", "$share/+/a", false),
            ("5.0 MQTT-4.8.2-2", "$share/group", false),
            ("5.0 MQTT-4.8.2-2", "$share/group/", false),
            ("5.0 §4.8.2", "$share", true),
            ("5.0 §4.8.2", "$shared/group", true),
        ];
        for (source, filter, wanted) in rows {
            assert_eq!(TopicFilter::new(filter).is_ok(), wanted, "{source}: {filter}");
        }
    }

    #[test]
    fn a_shared_filter_gives_its_group_and_the_filter_inside() {
        // [5.0 §4.8.2]
        let rows = [("$share/g/a/#", Some(("g", "a/#"))), ("$share/g//a", Some(("g", "/a"))), ("share/g/a", None)];
        for (filter, wanted) in rows {
            let shared = TopicFilter::new(filter).unwrap().shared();
            assert_eq!(shared.map(|(group, inner)| (group, inner.as_str())), wanted, "{filter}");
        }
    }

    #[test]
    fn every_options_byte_is_refused_or_comes_back_as_it_was() {
        // [5.0 §3.8.3.1]
        for byte in 0..=u8::MAX {
            match SubscriptionOptions::from_u8(byte) {
                Ok(options) => assert_eq!(options.as_u8(), byte),
                Err(_) => assert!(byte >= 0x40 || byte & 3 == 3 || byte & 0x30 == 0x30, "{byte:#04x}"),
            }
        }
    }

    #[test]
    fn packet_identifiers_go_round_without_zero() {
        assert_eq!(PacketId::new(0), None);
        assert_eq!(PacketId::new(65_535).unwrap().next(), PacketId::new(1).unwrap());
        assert_eq!(PacketId::new(1).unwrap().next().get(), 2);
    }
}
