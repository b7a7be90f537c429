//! Whatever strangers send, and however they dawdle: the others are served meanwhile, the process lives, its memory
//! stays bounded.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::clients::Subscriber;
use crate::folder::Folder;
use crate::guide::Scenario;
use crate::harness::{Appliance, PATIENCE};
use crate::plain_client::PlainClient;

const OPEN: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\nmax_connections -1\n";

/// CONNECT of MQTT 3.1.1, clean, with the Client Identifier "slow".
const CONNECT: &[u8] = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04slow";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the appliance listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_nodelay(true).expect("small packets at once");
    stream
}

/// Waits until the other side has closed; whatever it sent before.
fn wait_closed(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("it should have been closed: {error}"),
        }
    }
}

/// A new client comes in, subscribes, publishes and gets its own message.
fn is_served(port: u16) {
    let mut client = PlainClient::connect(port, "", None);
    client.subscribe("served");
    assert_eq!(client.publish("served"), 0);
    assert_eq!(client.received(), 1);
}

/// Bytes that look like nothing: a xorshift, so that a failure can be had again.
fn garbage(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(count)
    .collect()
}

#[test]
fn garbage_at_any_door_disturbs_nobody() {
    let starts: [&[u8]; 9] = [
        b"",
        b"\x16\x03\x01",                                 // a TLS record
        b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", // a ClientHello that announces 16 KiB
        b"\x80\x2e\x01\x03\x01",                         // SSL 2
        b"GET / HTTP/1.1\r\n",                           // HTTP
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",           // the PROXY protocol
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c",         // its second version
        CONNECT,                                         // a client that goes on with garbage
        b"\x10\xff\xff\xff\xff\x7f",                     // a length of five bytes
    ];
    let mut appliances = Scenario::ALL.map(|scenario| Appliance::start(&scenario.conf(), scenario.folder()));
    for appliance in &appliances {
        for (number, start) in starts.iter().enumerate() {
            for seed in 0..8 {
                let mut stream = connect(appliance.port);
                // What has been closed by then can no longer be written to.
                let _ = stream.write_all(start);
                let _ = stream.write_all(&garbage(seed * 100 + number as u64, 20_000));
                let _ = stream.shutdown(std::net::Shutdown::Write);
                wait_closed(&mut stream);
            }
        }
    }
    is_served(appliances[0].port);
    for (appliance, scenario) in appliances.iter_mut().zip(Scenario::ALL) {
        assert!(appliance.is_alive(), "{scenario:?}");
        let own = scenario.client_arguments(&appliance.folder);
        let own: Vec<&str> = own.iter().map(String::as_str).chain(["-t", "cassia"]).collect();
        drop(Subscriber::start(appliance.port, &own));
        assert_eq!(appliance.log.count("panicked"), 0);
        let told = appliance.log.count("Warning") + appliance.log.count("127.0.0.1 ");
        assert!(told < 80, "{scenario:?}: {told} lines are not one per address, kind and minute");
    }
}

#[test]
fn half_packets_and_a_slow_connect_keep_nobody_waiting() {
    let appliance = Appliance::start(OPEN, Folder::new());
    let mut slow: Vec<TcpStream> = (1..CONNECT.len())
        .map(|count| {
            let mut stream = connect(appliance.port);
            stream.write_all(&CONNECT[..count]).expect("a beginning is taken");
            stream
        })
        .collect();
    // Clients that are in and stop in the middle of a packet: a publish, a subscribe, a single byte.
    let halves: [&[u8]; 3] = [b"\x30\x0c\x00\x06served", b"\x82\x0b\x00\x01\x00", b"\x30"];
    let mut stuck: Vec<PlainClient> = Vec::new();
    for (number, half) in halves.iter().enumerate() {
        let mut client = PlainClient::connect(appliance.port, &format!("stuck{number}"), None);
        client.write_raw(half);
        stuck.push(client);
    }
    is_served(appliance.port);
    // A slow one is let in all the same when the rest comes, byte by byte.
    let mut last = slow.remove(0);
    for byte in &CONNECT[1..] {
        last.write_all(&[*byte]).expect("it is awaited");
    }
    let mut answer = [0; 4];
    last.read_exact(&mut answer).expect("a CONNACK");
    assert_eq!(answer, CONNACK);
    // And it goes away in the middle of things without leaving anything behind.
    drop((slow, stuck));
    is_served(appliance.port);
}

#[test]
fn nothing_is_allocated_for_a_length_that_is_only_announced() {
    let appliance = Appliance::start(OPEN, Folder::new());
    is_served(appliance.port);
    let before = appliance.resident_kib();
    // Strangers whose CONNECT announces 256 MiB: sent away, whatever they go on to send.
    let mut strangers: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = connect(appliance.port);
            let _ = stream.write_all(b"\x10\xff\xff\xff\x7f\x00\x04MQTT\x04\x02\x00\x3c");
            stream
        })
        .collect();
    // For that, and not for being slow to log in, which would close them too in the end.
    appliance.log.wait_for("127.0.0.1 does not speak MQTT as it should: the packet is larger than allowed");
    strangers.iter_mut().for_each(wait_closed);
    // Clients whose PUBLISH announces as much, and sends a little of it: they are waited for, without room made.
    let clients: Vec<PlainClient> = (0..100)
        .map(|number| {
            let mut client = PlainClient::connect(appliance.port, &format!("big{number}"), None);
            client.write_raw(b"\x30\xff\xff\xff\x7f\x00\x05topic\x00");
            client.write_raw(&[b'x'; 1000]);
            client
        })
        .collect();
    is_served(appliance.port);
    let grown = appliance.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB for 200 announcements of 256 MiB");
    drop(clients);
}

#[test]
fn a_packet_over_max_packet_size_closes_its_connection_and_no_other() {
    let appliance = Appliance::start(&format!("{OPEN}max_packet_size 2000\n"), Folder::new());
    let mut stream = connect(appliance.port);
    stream.write_all(CONNECT).expect("it is awaited");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("a CONNACK");
    stream.write_all(b"\x30\xd1\x0f\x00\x01t").expect("the beginning of 2001 bytes and a header");
    wait_closed(&mut stream);
    is_served(appliance.port);
}

#[test]
fn a_thousand_connections_that_say_nothing_keep_nobody_waiting() {
    allow_many_files();
    for scenario in [Scenario::Open, Scenario::Psk, Scenario::Certificate] {
        let appliance = Appliance::start(&scenario.conf(), scenario.folder());
        let own = scenario.client_arguments(&appliance.folder);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let user = Subscriber::start(appliance.port, &[&own[..], &["-t", "cassia"]].concat());
        let before = appliance.resident_kib();
        let silent: Vec<TcpStream> = (0..1000).map(|_| connect(appliance.port)).collect();
        crate::clients::publish_well(appliance.port, &[&own[..], &["-t", "cassia", "-m", "served"]].concat());
        assert_eq!(user.messages(1), ["cassia|0|0|served"], "{scenario:?}");
        let grown = appliance.resident_kib().saturating_sub(before);
        assert!(grown < 8 * 1024, "{scenario:?}: {grown} KiB for 1000 silent connections");
        drop(silent);
        crate::clients::publish_well(appliance.port, &[&own[..], &["-t", "cassia", "-m", "and after"]].concat());
        assert_eq!(user.messages(2)[1], "cassia|0|0|and after", "{scenario:?}");
    }
}

/// A connection is a file to both sides, and both are children of the same limits.
fn allow_many_files() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit of open files");
    assert!(hard >= 2048, "this test opens 1000 connections; the hard limit of open files is {hard} (ulimit -Hn)");
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard).expect("our own limit raised");
    }
}

#[test]
fn a_subscriber_that_never_reads_costs_a_bounded_amount_and_keeps_nobody_waiting() {
    for qos in [0, 1] {
        let mut appliance = Appliance::start(OPEN, Folder::new());
        let mut deaf = connect(appliance.port);
        deaf.write_all(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04deaf").expect("it is awaited");
        deaf.write_all(&[0x82, 0x0a, 0, 1, 0, 5, b'f', b'l', b'o', b'o', b'd', qos]).expect("it is awaited");
        let mut answers = [0; 9];
        deaf.read_exact(&mut answers).expect("CONNACK and SUBACK");
        assert_eq!(answers, [0x20, 2, 0, 0, 0x90, 3, 0, 1, qos]);
        is_served(appliance.port);
        let before = appliance.resident_kib();
        // 256 MiB for it, in messages of 64 KiB; QoS 1, so that all of it has been taken when the last is acknowledged.
        let mut flooder = PlainClient::connect(appliance.port, "flooder", None);
        for _ in 0..4096 {
            flooder.publish_bytes("flood", &[b'x'; 65_536]);
        }
        is_served(appliance.port);
        let grown = appliance.resident_kib().saturating_sub(before);
        // With QoS 1 a session keeps 1000 messages for its client (mosquitto's max_queued_messages): 64 MiB of these.
        let most_mib = if qos == 0 { 24 } else { 96 };
        assert!(grown < most_mib * 1024, "QoS {qos}: {grown} KiB of 256 MiB are kept for one that never reads");
        assert!(appliance.is_alive());
        drop(deaf);
        is_served(appliance.port);
    }
}

#[test]
fn a_client_that_never_reads_its_answers_costs_a_bounded_amount_and_keeps_nobody_waiting() {
    let mut appliance = Appliance::start(OPEN, Folder::new());
    let mut deaf = connect(appliance.port);
    deaf.set_write_timeout(Some(Duration::from_secs(5))).expect("a time limit");
    deaf.write_all(CONNECT).expect("it is awaited");
    // PINGREQ: two bytes each, and PINGRESP as many.
    let batch = [0xC0, 0].repeat(32 * 1024);
    let before = appliance.resident_kib();
    for _ in 0..128 {
        if deaf.write_all(&batch).is_err() {
            break; // closed, or no longer read: either will do
        }
    }
    is_served(appliance.port);
    let grown = appliance.resident_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB of answers for one that never reads");
    assert!(appliance.is_alive());
}
