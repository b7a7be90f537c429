//! The small words of MQTT: values that cannot be wrong once they exist. No packet is read here.

use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;

use crate::DecodeFault;

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

/// What a message has: 1 to 65,535 bytes of UTF-8 without `+`, `#` or U+0000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// # Errors
    /// [`DecodeFault::InvalidTopicName`] for an empty or too long name, a wildcard or U+0000
    /// [3.1.1 §4.7.1, §4.7.3; 5.0 §4.7.1, §4.7.3].
    pub fn new(name: &'a str) -> Result<Self, DecodeFault> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > 65_535 || bytes.iter().any(|b| matches!(b, b'+' | b'#' | 0)) {
            return Err(DecodeFault::InvalidTopicName);
        }
        Ok(Self(name))
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
    /// [`DecodeFault::InvalidTopicFilter`] where the wildcards stand wrong, for an empty or too long
    /// filter, and for U+0000 [3.1.1 §4.7.1, §4.7.3; 5.0 §4.7.1, §4.7.3].
    pub fn new(filter: &'a str) -> Result<Self, DecodeFault> {
        let fits = !filter.is_empty() && filter.len() <= 65_535 && !filter.contains('\0');
        let mut levels = filter.split('/').peekable();
        let mut well = fits;
        while let Some(level) = levels.next() {
            well &= match level {
                "#" => levels.peek().is_none(),
                "+" => true,
                other => !other.bytes().any(|b| matches!(b, b'+' | b'#')),
            };
        }
        if well { Ok(Self(filter)) } else { Err(DecodeFault::InvalidTopicFilter) }
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
