//! Reason Strings: the words beside a reason code, for the person who debugs a client [5.0 §3.2.2.3.9, §3.14.2.2.3 and
//! their like]. mosquitto sends none, so neither does this broker unless the operator asks for them.

use mqtt::{PropertiesBuf, Property};

use crate::link::Link;
use crate::{Broker, LinkId};

/// Bytes of an answer beside its Reason String and its list of reason codes, at most: header, Packet Identifier, reason
/// code, lengths, and the property's own three.
const BESIDE_BYTES: usize = 20;

impl Broker {
    /// `text` as the properties of an answer to `link` that has a list of `codes` reason codes; none if it is not to be
    /// sent, or would make the packet larger than the client takes [5.0 MQTT-3.2.2-19, MQTT-3.4.2-2, MQTT-3.9.2-1].
    ///
    /// `concludes`: the packet is a CONNACK or DISCONNECT, which may have one even where the client asked for
    /// none [5.0 MQTT-3.1.2-29].
    pub(crate) fn reason_string(&self, link: LinkId, text: &str, codes: usize, concludes: bool) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        let link = self.links.get(link.0 as usize).and_then(Option::as_ref);
        let takes = |link: &Link| {
            link.version.is_v5()
                && (concludes || link.wants_problem_information)
                && BESIDE_BYTES + codes + text.len() <= link.packet_bytes_max as usize
        };
        if self.settings.reason_strings && link.is_some_and(takes) {
            properties.push(Property::ReasonString(text));
        }
        properties
    }
}
