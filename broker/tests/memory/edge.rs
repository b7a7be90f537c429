//! What a connection costs a broker that runs: the edge's part and the core's.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use acl::Acl;
use broker::{Appliance, ListenerConfig, Protection, WebSocketRules};
use broker_core::{ListenerSettings, Settings};

use crate::core::{each, name};

/// Less than elsewhere: each takes two open files.
const COUNT: usize = 128;

/// An idle connection of a client with a Client Identifier of so many bytes, which has said nothing but CONNECT.
pub(crate) fn connection(texts: [usize; 1]) -> usize {
    connection_by(Protection::default(), b"", b"", texts)
}

/// The same by WebSocket.
pub(crate) fn websocket(texts: [usize; 1]) -> usize {
    let rules = WebSocketRules { head_bytes_max: 4096, origins: Vec::new() };
    let protection = Protection { websocket: Some(Arc::new(rules)), ..Protection::default() };
    let request = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    connection_by(protection, request, b"\x82\x04", texts)
}

/// `request` is said first, and its answer ends with an empty line; then CONNECT, in a frame if it is another one; `before` comes
/// before CONNACK.
fn connection_by(protection: Protection, request: &[u8], before: &[u8], [client_id]: [usize; 1]) -> usize {
    let listener = ListenerConfig {
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        protection,
        ..ListenerConfig::default()
    };
    let listeners = vec![ListenerSettings { allow_anonymous: true, ..ListenerSettings::default() }];
    let appliance = Appliance {
        listeners: vec![listener],
        settings: Settings { listeners, ..Settings::default() },
        rules: Acl::open().into(),
        acl_files: Vec::new(),
        passwords: Vec::new(),
        connection_messages: false,
        connections_max: None,
        strangers_max: broker::STRANGERS_MAX,
        keeping: None,
        gather: broker::GATHER_TIME,
        stalled_time_max: broker::STALLED_TIME_MAX,
        io_threads: 0,
        http_api: None,
        heartbeat: None,
        heap: || (0, 0),
    };
    let (handle, thread) = appliance.start().expect("the broker starts");
    let mut clients = Vec::with_capacity(2 * COUNT);
    let bytes = each(COUNT, |n| {
        let mut client = TcpStream::connect(handle.addresses()[0]).expect("the broker listens");
        let body = [b"\0\x04MQTT\x04\x02\0\x3c\0", &[client_id as u8][..], name(n, client_id).as_bytes()].concat();
        let connect = [&[0x10, body.len() as u8], &body[..]].concat();
        if request.is_empty() {
            client.write_all(&connect).expect("the broker takes it");
        } else {
            client.write_all(request).expect("the broker takes it");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                client.read_exact(&mut byte).expect("an answer");
                head.push(byte[0]);
            }
            let frame = [&[0x82, 0x80 | connect.len() as u8, 0, 0, 0, 0], &connect[..]].concat();
            client.write_all(&frame).expect("the broker takes it");
        }
        let mut answer = vec![0; before.len() + 4];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [before, &[0x20, 2, 0, 0]].concat(), "it is let in");
        clients.push(client);
        handle.stats().expect("the broker has gone round: nothing of the answer is left there");
    });
    handle.stop();
    thread.join().expect("no panic").expect("no error");
    bytes
}
