//! The envelope of Cassia's "MQTT API": what is around every message, in both directions.
//!
//! `{"id": …, "action": …, "timestamp": …, "gateway": …, "data": …}`. `id` is unique, and a reply has that of its
//! request; `timestamp` is in milliseconds since 1970, 13 digits (the documentation says "uint32", which has no room
//! for them); `gateway` is the gateway's own address as in the topics. Readers go by `action`, not by the topic.
//!
//! The `data` of `data.scan` is an array of [`crate::dialect_b`]'s items; who talks about the gateway itself, and
//! answers, is [`crate::station`].

use crate::dialect_b::Items;
use crate::json::{Style, mac_string, number, string};
use crate::{MacAddress, Timestamp};

/// What an envelope takes beside `data`: its keys, 16 digits of `id`, the longest action, the time, the address.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 192;

/// Identifiers of messages: each once, as long as the first one is drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    next: u64,
}

impl Ids {
    /// The first is `first`. Whoever has a source of random numbers draws it, so that the numbers of two runs and of
    /// two counters do not meet.
    pub const fn starting_at(first: u64) -> Self {
        Self { next: first }
    }

    /// The next one: 16 hexadecimal digits.
    pub fn take(&mut self) -> String {
        let id = format!("{:016x}", self.next);
        self.next = self.next.wrapping_add(1);
        id
    }
}

/// Whose message it is, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) gateway: MacAddress,
    pub(crate) style: Style,
}

impl Envelope {
    /// Up to and with the key of `data`; the value and a `}` are to follow.
    pub(crate) fn open(self, id: &str, action: &str, at: Timestamp) -> Vec<u8> {
        let (style, mut json) = (self.style, Vec::with_capacity(ENVELOPE_BYTES_MAX));
        json.push(b'{');
        style.key("id", &mut json);
        string(id, &mut json);
        style.next_key("action", &mut json);
        string(action, &mut json);
        style.next_key("timestamp", &mut json);
        number(at.as_micros() / 1000, &mut json);
        style.next_key("gateway", &mut json);
        mac_string(self.gateway, &mut json);
        style.next_key("data", &mut json);
        json
    }
}

/// Writes the messages of `up/{gateway}/scan`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
    pub(crate) items: Items,
    envelope: Envelope,
    ids: Ids,
}

impl Encoder {
    /// Items as `items` has them, of this gateway.
    pub fn new(gateway: MacAddress, items: Items, ids: Ids) -> Self {
        Self { items, envelope: Envelope { gateway, style: items.style }, ids }
    }

    /// The message whose `data` is `array`, a whole JSON array.
    pub(crate) fn message(&mut self, at: Timestamp, array: &[u8]) -> Vec<u8> {
        let mut json = self.envelope.open(&self.ids.take(), "data.scan", at);
        json.reserve_exact(array.len() + 1);
        json.extend_from_slice(array);
        json.push(b'}');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_micros(1_800_000_000_123_456)
    }

    #[test]
    fn an_envelope_is_as_the_convention_has_it_and_each_has_an_id_of_its_own() {
        let items = Items { style: Style::Compact, timestamp: false };
        let mut encoder = Encoder::new("cc:1b:e0:12:34:56".parse().unwrap(), items, Ids::starting_at(u64::MAX));
        let written = |json: Vec<u8>| String::from_utf8(json).unwrap();
        assert_eq!(
            written(encoder.message(at(), b"[]")),
            r#"{"id":"ffffffffffffffff","action":"data.scan","timestamp":1800000000123,"gateway":"CC:1B:E0:12:34:56","data":[]}"#
        );
        assert!(written(encoder.message(at(), b"[]")).starts_with(r#"{"id":"0000000000000000","#));
    }

    #[test]
    fn no_envelope_is_longer_than_is_reckoned_with() {
        let envelope = Envelope { gateway: MacAddress([0xFF; 6]), style: Style::Spaced };
        let longest =
            envelope.open(&Ids::starting_at(0).take(), "data.connection_state", Timestamp::from_micros(u64::MAX));
        assert!(longest.len() < ENVELOPE_BYTES_MAX, "{}", longest.len());
    }
}
