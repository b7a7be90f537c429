//! How each library is brought into a conversation.

use super::programs::{Program, Way};
use super::{Library, Version, mqtt5 as mqtt5_crate, rumqttc};

/// paho-mqtt, in Python.
pub(crate) fn paho(port: u16, version: Version) -> Box<dyn Library> {
    Box::new(Program::python("told_paho.py", port, version, Way::Tcp))
}

/// libmosquitto, in C, called from Python.
pub(crate) fn libmosquitto(port: u16, version: Version) -> Box<dyn Library> {
    Box::new(Program::python("told_libmosquitto.py", port, version, Way::Tcp))
}

/// MQTT.js, on Node.
pub(crate) fn mqttjs(port: u16, version: Version) -> Box<dyn Library> {
    Box::new(Program::node("told_mqttjs.js", port, version, Way::Tcp))
}

/// paho-mqtt by WebSocket.
pub(crate) fn paho_ws(port: u16, version: Version) -> Box<dyn Library> {
    Box::new(Program::python("told_paho.py", port, version, Way::WebSocket))
}

/// MQTT.js by WebSocket.
pub(crate) fn mqttjs_ws(port: u16, version: Version) -> Box<dyn Library> {
    Box::new(Program::node("told_mqttjs.js", port, version, Way::WebSocket))
}

/// rumqttc's client for 3.1.1.
pub(crate) fn rumqttc_v4(port: u16, _version: Version) -> Box<dyn Library> {
    Box::new(rumqttc::v4::Clients::new(port))
}

/// rumqttc's client for 5.0.
pub(crate) fn rumqttc_v5(port: u16, _version: Version) -> Box<dyn Library> {
    Box::new(rumqttc::v5::Clients::new(port))
}

/// The crate mqtt5.
pub(crate) fn mqtt5(port: u16, version: Version) -> Box<dyn Library> {
    Box::new(mqtt5_crate::Mqtt5::new(port, version))
}
