//! The least MQTT 5 client that can ask a broker what it allows: QoS 1 out, QoS 0 in, no properties.

#![allow(dead_code, reason = "each test uses the part it needs")]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::mosquitto::PATIENCE;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBLISH_QOS1: u8 = 0x32;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const UNSUBSCRIBE: u8 = 0xA2;
const UNSUBACK: u8 = 0xB0;
const PINGREQ: u8 = 0xC0;
const PINGRESP: u8 = 0xD0;

/// A connection that waits for each answer before it asks again.
pub(crate) struct PlainClient {
    stream: TcpStream,
    received: usize,
}

impl PlainClient {
    /// A connection that the broker accepted.
    pub(crate) fn connect(port: u16, client_id: &str, username: Option<&str>) -> Self {
        let (client, reason) = Self::try_connect(port, client_id, username, None);
        assert_eq!(reason, 0, "the CONNACK's reason code for {client_id:?} {username:?}");
        client
    }

    /// A connection and the reason code of its CONNACK.
    pub(crate) fn try_connect(
        port: u16,
        client_id: &str,
        username: Option<&str>,
        password: Option<&str>,
    ) -> (Self, u8) {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.set_nodelay(true).expect("small packets at once");
        let mut client = Self { stream, received: 0 };
        let clean_start = 0x02;
        let flags = clean_start | if username.is_some() { 0x80 } else { 0 } | if password.is_some() { 0x40 } else { 0 };
        let mut body = text("MQTT");
        body.extend([5, flags, 0, 60, 0]);
        body.extend(text(client_id));
        body.extend(username.map(text).unwrap_or_default());
        body.extend(password.map(text).unwrap_or_default());
        client.send(CONNECT, &body);
        let connack = client.answer(CONNACK);
        (client, *connack.get(1).expect("a reason code"))
    }

    /// The reason code of the PUBACK.
    pub(crate) fn publish(&mut self, topic: &str) -> u8 {
        self.publish_bytes(topic, b"payload")
    }

    /// The same, with this payload.
    pub(crate) fn publish_bytes(&mut self, topic: &str, payload: &[u8]) -> u8 {
        let mut body = text(topic);
        body.extend([0, 1, 0]);
        body.extend(payload);
        self.send(PUBLISH_QOS1, &body);
        self.answer(PUBACK).get(2).copied().unwrap_or(0)
    }

    /// Bytes that need not be a packet, nor a whole one.
    pub(crate) fn write_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker reads");
    }

    /// The reason code of the SUBACK.
    pub(crate) fn subscribe(&mut self, filter: &str) -> u8 {
        let mut body = vec![0, 2, 0];
        body.extend(text(filter));
        body.push(0);
        self.send(SUBSCRIBE, &body);
        *self.answer(SUBACK).last().expect("a reason code")
    }

    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        let mut body = vec![0, 3, 0];
        body.extend(text(filter));
        self.send(UNSUBSCRIBE, &body);
        self.answer(UNSUBACK);
    }

    /// Messages that came since this was last asked.
    pub(crate) fn received(&mut self) -> usize {
        self.send(PINGREQ, &[]);
        self.answer(PINGRESP);
        std::mem::take(&mut self.received)
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut length = body.len();
        while length > 127 {
            packet.push(u8::try_from(length % 128).expect("seven bits") | 0x80);
            length /= 128;
        }
        packet.push(u8::try_from(length).expect("seven bits"));
        packet.extend(body);
        self.stream.write_all(&packet).expect("the broker reads");
    }

    /// The body of the next packet that is not a message.
    fn answer(&mut self, wanted: u8) -> Vec<u8> {
        loop {
            let first = self.byte();
            let mut length = 0;
            for shift in [0, 7, 14, 21] {
                let byte = self.byte();
                length |= usize::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).expect("the rest of a packet");
            if first & 0xf0 != PUBLISH {
                assert_eq!(first, wanted, "the packet type that came for the one that was awaited");
                return body;
            }
            self.received += 1;
        }
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).expect("an answer from the broker");
        byte[0]
    }
}

/// A UTF-8 string as MQTT writes it.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short string");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}
