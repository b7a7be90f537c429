//! What a connection costs a broker that runs: the edge's part and the core's.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use acl::Acl;
use broker::{Appliance, ListenerConfig, Protection};
use broker_core::{ListenerSettings, Settings};

use crate::core::{each, name};

/// Less than elsewhere: each takes two open files.
const COUNT: usize = 128;

/// An idle connection of a client with a Client Identifier of so many bytes, which has said nothing but CONNECT.
pub(crate) fn connection([client_id]: [usize; 1]) -> usize {
    let listener = ListenerConfig {
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        max_connections: None,
        protection: Protection::default(),
    };
    let listeners = vec![ListenerSettings { allow_anonymous: true, ..ListenerSettings::default() }];
    let appliance = Appliance {
        listeners: vec![listener],
        settings: Settings { listeners, ..Settings::default() },
        acl: Acl::open(),
        passwords: None,
        connection_messages: false,
        connections_max: None,
        strangers_max: broker::STRANGERS_MAX,
        keeping: None,
        gather: broker::GATHER_TIME,
        stalled_time_max: broker::STALLED_TIME_MAX,
        io_threads: 0,
        heap: || (0, 0),
    };
    let (handle, thread) = appliance.start().expect("the broker starts");
    let mut clients = Vec::with_capacity(2 * COUNT);
    let bytes = each(COUNT, |n| {
        let mut client = TcpStream::connect(handle.addresses()[0]).expect("the broker listens");
        let body = [b"\0\x04MQTT\x04\x02\0\x3c\0", &[client_id as u8][..], name(n, client_id).as_bytes()].concat();
        client.write_all(&[&[0x10, body.len() as u8], &body[..]].concat()).expect("the broker takes it");
        let mut answer = [0; 4];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [0x20, 2, 0, 0], "it is let in");
        clients.push(client);
        handle.stats().expect("the broker has gone round: nothing of the answer is left there");
    });
    handle.stop();
    thread.join().expect("no panic").expect("no error");
    bytes
}
