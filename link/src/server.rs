//! What the server of a connection takes, as its CONNACK says, and what we tell it in CONNECT.

use mqtt::{ConnAck, Properties, PropertiesBuf, Property, QoS};

use crate::LinkSettings;
use crate::driver::PACKET_IN_BYTES_MAX;

/// For how long a 5.0 server is asked to remember the session: for ever, which is what 3.1.1 means by
/// Clean Session 0. The server may set a shorter time.
pub(crate) const SESSION_EXPIRY_S: u32 = u32::MAX;

/// The limits of one server. Before 5.0 a server cannot say any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Receive Maximum: QoS 1 and 2 messages on their way at a time [5.0 §3.2.2.3.3].
    pub(crate) receive_max: u16,
    /// Maximum Packet Size [5.0 §3.2.2.3.6].
    pub(crate) packet_bytes_max: usize,
    /// Maximum QoS [5.0 §3.2.2.3.4].
    pub(crate) qos_max: QoS,
    /// Retain Available [5.0 §3.2.2.3.5].
    pub(crate) takes_retained: bool,
    /// Server Keep Alive, in place of ours [5.0 MQTT-3.2.2-21].
    pub(crate) keep_alive_s: Option<u16>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            receive_max: u16::MAX,
            packet_bytes_max: usize::MAX,
            qos_max: QoS::ExactlyOnce,
            takes_retained: true,
            keep_alive_s: None,
        }
    }
}

impl Server {
    pub(crate) fn from_connack(connack: &ConnAck) -> Self {
        let mut server = Self::default();
        for property in connack.properties {
            match property {
                Property::ReceiveMaximum(messages) => server.receive_max = messages.max(1),
                Property::MaximumPacketSize(bytes) => server.packet_bytes_max = bytes as usize,
                Property::MaximumQoS(qos) => server.qos_max = qos,
                Property::RetainAvailable(available) => server.takes_retained = available,
                Property::ServerKeepAlive(seconds) => server.keep_alive_s = Some(seconds),
                _ => {}
            }
        }
        server
    }
}

/// The properties of our CONNECT; none before 5.0.
pub(crate) fn connect_properties(settings: &LinkSettings) -> PropertiesBuf {
    let mut properties = PropertiesBuf::default();
    if settings.protocol.is_v5() {
        if !settings.clean_session {
            properties.push(Property::SessionExpiryInterval(SESSION_EXPIRY_S));
        }
        properties.push(Property::MaximumPacketSize(PACKET_IN_BYTES_MAX));
    }
    properties
}

/// The Client Identifier that the server made up, where ours was empty [5.0 §3.2.2.3.7].
pub(crate) fn assigned_client_id(properties: &Properties) -> Option<String> {
    properties.iter().find_map(|property| match property {
        Property::AssignedClientIdentifier(id) => Some(id.to_owned()),
        _ => None,
    })
}

/// What the server says for a person to read.
pub(crate) fn reason_string(properties: &Properties) -> Option<String> {
    properties.iter().find_map(|property| match property {
        Property::ReasonString(text) => Some(text.to_owned()),
        _ => None,
    })
}
