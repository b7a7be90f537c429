//! Clients that we did not write, each with each version of MQTT that it speaks, in the same conversations.
//!
//! A [`Library`] does what it is told and says what came of it; [`conversations`] tell it, and know nothing of the
//! library. The table below is who speaks what.

use std::fmt;

mod conversations;
mod libraries;
mod mqtt5;
mod programs;
mod rumqttc;
mod tools;

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V3_1,
    V3_1_1,
    V5,
}

impl Version {
    /// The protocol level that CONNECT bears, as the broker's log tells it.
    fn level(self) -> u8 {
        match self {
            Self::V3_1 => 3,
            Self::V3_1_1 => 4,
            Self::V5 => 5,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

/// A message as it is given to a client, or had from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    topic: String,
    payload: String,
    qos: u8,
    retain: bool,
    /// The seconds that are left of it, with MQTT 5.
    expiry_s: Option<u32>,
}

impl Message {
    fn new(topic: &str, payload: &str, qos: u8) -> Self {
        Self { topic: topic.to_owned(), payload: payload.to_owned(), qos, retain: false, expiry_s: None }
    }

    fn retained(self) -> Self {
        Self { retain: true, ..self }
    }

    fn expiring(self, seconds: u32) -> Self {
        Self { expiry_s: Some(seconds), ..self }
    }
}

/// How a client connects.
#[derive(Clone, Debug)]
pub(crate) struct How {
    clean: bool,
    /// Nothing with 3.1 and 3.1.1, whose sessions are clean or stay.
    session_expiry_s: Option<u32>,
    will: Option<Message>,
}

/// As many clients of one library as a conversation needs, known by their client ids.
///
/// Each deed waits for the broker's answer and panics with the library's own words when it is not the one hoped for.
pub(crate) trait Library {
    /// Whether there was a session.
    fn connect(&mut self, who: &str, how: &How) -> bool;

    /// The QoS that was granted.
    fn subscribe(&mut self, who: &str, filter: &str, qos: u8) -> u8;

    /// Returns when it is acknowledged; with QoS 0, when it is on its way.
    fn publish(&mut self, who: &str, message: &Message);

    /// The next message, once its delivery is complete.
    fn message(&mut self, who: &str) -> Message;

    /// Disconnects as MQTT wants it.
    fn leave(&mut self, who: &str);

    /// Loses the connection without a DISCONNECT.
    fn vanish(&mut self, who: &str);
}

macro_rules! table {
    ($($name:ident, $library:ident, $version:ident: $($what:ident),+;)+) => {
        $(mod $name {
            use super::{Version, conversations, libraries};
            $(#[test]
            fn $what() {
                conversations::$what(Version::$version, libraries::$library);
            })+
        })+
    };
}

// Each test is called by the two: `paho_5::resumes_its_session`. What is not in a row, the client cannot do:
// MQTT 3.1 and 3.1.1 have no expiry; rumqttc and mqtt5 do not speak 3.1.
table! {
    paho_3_1, paho, V3_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    paho_3_1_1, paho, V3_1_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    paho_5, paho, V5:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session, sees_things_expire;

    mqttjs_3_1, mqttjs, V3_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    mqttjs_3_1_1, mqttjs, V3_1_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    mqttjs_5, mqttjs, V5:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session, sees_things_expire;

    paho_ws_3_1, paho_ws, V3_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    paho_ws_3_1_1, paho_ws, V3_1_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    paho_ws_5, paho_ws, V5:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session, sees_things_expire;
    mqttjs_ws_3_1, mqttjs_ws, V3_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    mqttjs_ws_3_1_1, mqttjs_ws, V3_1_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    mqttjs_ws_5, mqttjs_ws, V5:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session, sees_things_expire;

    libmosquitto_3_1, libmosquitto, V3_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    libmosquitto_3_1_1, libmosquitto, V3_1_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    libmosquitto_5, libmosquitto, V5:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session, sees_things_expire;

    rumqttc_3_1_1, rumqttc_v4, V3_1_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    rumqttc_5, rumqttc_v5, V5:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session, sees_things_expire;

    mqtt5_3_1_1, mqtt5, V3_1_1:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session;
    mqtt5_5, mqtt5, V5:
        connects, exchanges_each_qos, leaves_a_will, gets_what_is_retained, shares_a_subscription,
        resumes_its_session, sees_things_expire;
}
