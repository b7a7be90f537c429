//! A client that sends what it is told and nothing by itself: so messages can be left in flight where a test wants them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    is_5: bool,
}

/// A message that came: its QoS, its Packet Identifier and its payload.
#[derive(Debug, PartialEq)]
pub(crate) struct Came {
    pub qos: u8,
    pub id: u16,
    pub payload: Vec<u8>,
}

impl Client {
    /// 3.1.1 with a session that stays.
    pub(crate) fn connect(port: u16, client_id: &str, username: Option<&str>) -> Self {
        Self::connect_as(port, client_id, username, false, None, false)
    }

    /// 3.1.1 with a session that ends with the connection.
    pub(crate) fn connect_clean(port: u16, client_id: &str) -> Self {
        Self::connect_as(port, client_id, None, true, None, false)
    }

    /// 5.0 with a session that stays so many seconds.
    pub(crate) fn connect_5(port: u16, client_id: &str, username: Option<&str>, expiry_s: u32) -> Self {
        Self::connect_as(port, client_id, username, false, Some(expiry_s), true)
    }

    fn connect_as(
        port: u16,
        client_id: &str,
        username: Option<&str>,
        is_clean: bool,
        expiry_s: Option<u32>,
        is_5: bool,
    ) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("mosquitto listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.set_nodelay(true).expect("small packets at once");
        let mut client = Self { stream, is_5 };
        let flags = if is_clean { 2 } else { 0 } | if username.is_some() { 0x80 } else { 0 };
        let mut body = text("MQTT");
        body.extend([if is_5 { 5 } else { 4 }, flags, 0, 0]);
        if let Some(expiry_s) = expiry_s {
            body.extend([5, 0x11]);
            body.extend(expiry_s.to_be_bytes());
        }
        body.extend(text(client_id));
        body.extend(username.map(text).unwrap_or_default());
        client.send(0x10, &body);
        let connack = client.answer(0x20);
        assert_eq!(connack[1], 0, "{client_id} is let in");
        client
    }

    /// Subscribes; `identifier` is 5.0's.
    pub(crate) fn subscribe(&mut self, filter: &str, options: u8, identifier: Option<u8>) {
        let mut body = vec![0, 1];
        match identifier {
            Some(identifier) => body.extend([2, 0x0b, identifier]),
            None if self.is_5 => body.push(0),
            None => {}
        }
        body.extend(text(filter));
        body.push(options);
        self.send(0x82, &body);
        let granted = *self.answer(0x90).last().expect("a code");
        assert_eq!(granted, options & 3, "{filter} is granted");
    }

    /// Sends a PUBLISH, and reads nothing. `id` is 0 at QoS 0.
    pub(crate) fn send_publish(
        &mut self,
        topic: &str,
        qos: u8,
        id: u16,
        retain: bool,
        properties: &[u8],
        payload: &[u8],
    ) {
        let mut body = text(topic);
        if qos > 0 {
            body.extend(id.to_be_bytes());
        }
        if self.is_5 {
            body.push(properties.len().try_into().expect("few"));
            body.extend(properties);
        }
        body.extend(payload);
        self.send(0x30 | qos << 1 | u8::from(retain), &body);
    }

    /// Publishes at QoS 1, to the end.
    pub(crate) fn publish(&mut self, topic: &str, retain: bool, properties: &[u8], payload: &[u8]) {
        self.send_publish(topic, 1, 1, retain, properties, payload);
        self.answer(0x40);
    }

    /// Publishes at QoS 2, to the end.
    pub(crate) fn publish_twice_safe(&mut self, topic: &str, payload: &[u8]) {
        self.send_publish(topic, 2, 1, false, &[], payload);
        self.answer(0x50);
        self.acknowledge(0x62, 1);
        self.answer(0x70);
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub(crate) fn acknowledge(&mut self, first: u8, id: u16) {
        self.send(first, &id.to_be_bytes());
    }

    /// The next message.
    pub(crate) fn receive(&mut self) -> Came {
        let (first, body) = self.packet();
        assert_eq!(first & 0xf0, 0x30, "a PUBLISH: {first:#04x} {body:02x?}");
        let qos = first >> 1 & 3;
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let id = u16::from_be_bytes([body[2 + topic], body[3 + topic]]);
        let payload = body[4 + topic..].to_vec();
        Came { qos, id, payload }
    }

    /// The body of the next packet, which is of this type.
    pub(crate) fn answer(&mut self, wanted: u8) -> Vec<u8> {
        let (first, body) = self.packet();
        assert_eq!(first & 0xf0, wanted & 0xf0, "{body:02x?}");
        body
    }

    /// Goes as it should, and waits until mosquitto has seen it go.
    pub(crate) fn disconnect(mut self) {
        self.send(0xe0, &[]);
        let mut rest = Vec::new();
        let _closed = self.stream.read_to_end(&mut rest);
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut length = body.len();
        while length > 127 {
            packet.push((length % 128) as u8 | 0x80);
            length /= 128;
        }
        packet.push(length as u8);
        packet.extend(body);
        self.stream.write_all(&packet).expect("mosquitto reads");
    }

    fn packet(&mut self) -> (u8, Vec<u8>) {
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
        (first, body)
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).expect("an answer from mosquitto");
        byte[0]
    }
}

/// A UTF-8 string as MQTT writes it.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short string");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}
