//! An MQTT 5 client that says what it is told and hears one packet after the other: for what mosquitto's clients hide.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use mqtt::{ConnAck, Connect, Packet, PropertiesBuf, Property, ProtocolVersion, next_frame};

use crate::harness::PATIENCE;

pub(super) struct Raw {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Raw {
    pub(super) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        Self { stream, heard: Vec::new() }
    }

    /// Connected with these properties.
    pub(super) fn connect(port: u16, properties: &[Property<'_>]) -> Self {
        let mut raw = Self::open(port);
        raw.greet(properties);
        raw.next(|packet| assert!(matches!(packet, Packet::ConnAck(_)), "{packet:?}"));
        raw
    }

    /// CONNECT; the answer is not read.
    pub(super) fn greet(&mut self, properties: &[Property<'_>]) {
        let mut said = PropertiesBuf::new();
        for property in properties {
            said.push(*property);
        }
        self.say(&Packet::Connect(Connect {
            version: ProtocolVersion::V5,
            is_bridge: false,
            clean_start: true,
            keep_alive_s: 60,
            client_id: "raw",
            will: None,
            username: None,
            password: None,
            properties: said.as_properties(),
        }));
    }

    pub(super) fn say(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(ProtocolVersion::V5, &mut bytes).expect("it can be said");
        self.say_bytes(&bytes);
    }

    pub(super) fn say_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes); // what was closed meanwhile is seen when it is read
    }

    /// What `read` makes of the next packet; `None`: the connection was closed.
    pub(super) fn next<T>(&mut self, read: impl FnOnce(Packet<'_>) -> T) -> Option<T> {
        loop {
            if let Some(frame) = next_frame(&self.heard, u32::MAX).expect("a broker says packets") {
                let len = frame.len;
                let answer = read(Packet::decode(ProtocolVersion::V5, frame).expect("a packet"));
                self.heard.drain(..len);
                return Some(answer);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.heard.extend(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Bytes up to the end of the connection, or of a head of HTTP.
    pub(super) fn rest(&mut self) -> String {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = self.stream.read(&mut bytes) {
            self.heard.extend(&bytes[..count]);
            if self.heard.windows(4).any(|four| four == b"\r\n\r\n") {
                break;
            }
        }
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}

/// What the CONNACK for a client with these properties says, as `read` sees it.
pub(super) fn connack(port: u16, properties: &[Property<'_>], read: impl Fn(ConnAck<'_>) -> Option<String>) -> String {
    let mut raw = Raw::open(port);
    raw.greet(properties);
    let said = raw.next(|packet| match packet {
        Packet::ConnAck(ack) => read(ack).unwrap_or_else(|| "nothing".to_owned()),
        other => format!("{other:?}"),
    });
    said.unwrap_or_else(|| "closed".to_owned())
}
