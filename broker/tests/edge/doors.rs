//! The doors with TLS, from within the process: what goes through them whole, and what is turned away. What clients that
//! we did not write make of them is in `tests/appliance`.

use std::io::{Read, Write};
use std::sync::Arc;

use broker::Protection;
use certs::issue::{self, Terms};
use certs::{CaSource, CertificateTls, ServerFiles};
use openssl::ssl::{Ssl, SslStream};

use crate::client::{Running, connect, packet, publish, reloaded, start_behind, text};
use crate::log::Log;

/// A listener with these pre-shared keys.
pub(crate) fn psk(keys: &'static [(&str, &[u8])]) -> Protection {
    let lookup: certs::PskLookup =
        Arc::new(move |identity| keys.iter().find(|(name, _)| *name == identity).map(|(_, key)| key.to_vec()));
    let context = certs::psk_server_context(None, None, lookup).expect("a context");
    Protection { psk: Some(context), ..Protection::default() }
}

pub(crate) fn with_psk(running: &Running, identity: &str, key: &[u8]) -> Option<SslStream<std::net::TcpStream>> {
    let context = certs::psk_client_context(identity, key, None).expect("a context");
    let mut stream = SslStream::new(Ssl::new(&context).expect("a session"), running.knock().stream).expect("a stream");
    stream.connect().ok().map(|()| stream)
}

/// A listener with a certificate, and what a client needs to know it.
pub(crate) fn certificate() -> (Protection, Arc<rustls::ClientConfig>) {
    let dir = tempfile::tempdir().expect("a folder");
    let ca = issue::ca("test", Terms::days(1)).expect("a CA");
    let authority = issue::Authority::from_issued(&ca).expect("a CA");
    let server = issue::server(&authority, &["127.0.0.1".to_owned()], Terms::days(1)).expect("a certificate");
    issue::write(dir.path(), "ca", &ca, false).expect("written");
    let (certfile, keyfile) = issue::write(dir.path(), "server", &server, false).expect("written");
    let config = certs::server_config(&ServerFiles {
        cafile: None,
        capath: None,
        certfile,
        keyfile,
        require_certificate: false,
        min_version: certs::TlsVersion::default(),
        ..ServerFiles::default()
    });
    let protection = Protection { certificates: Some(config.expect("a configuration")), ..Protection::default() };
    let client = certs::client_config(&CertificateTls::new(CaSource::File(dir.path().join("ca.crt"))));
    (protection, client.expect("a configuration"))
}

fn read(stream: &mut impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("the broker says it");
    bytes
}

/// A client that says much, gets it back, and is told goodbye.
pub(crate) fn converse(mut stream: impl Read + Write) {
    let subscribe = packet(0x82, &[vec![0, 9], text("t"), vec![0]].concat());
    stream.write_all(&[connect("c", 0), subscribe].concat()).expect("the broker takes it");
    assert_eq!(read(&mut stream, 9), [0x20, 2, 0, 0, 0x90, 3, 0, 9, 0]);
    // Larger than a record, a batch and what is written at a time; not a multiple of any of them.
    let messages: Vec<_> = [1, 300_001, 0, 900_001].map(|count| publish("t", &vec![b'x'; count])).into();
    for message in &messages {
        stream.write_all(message).expect("the broker takes it");
        assert!(read(&mut stream, message.len()) == *message, "{} bytes come back", message.len());
    }
    stream.write_all(&[0xe0, 0]).expect("the broker takes it");
    assert_eq!(stream.read(&mut [0; 8]).expect("an end that was announced"), 0);
}

#[test]
fn large_messages_pass_through_the_door_with_certificates() {
    let (protection, config) = certificate();
    let broker = start_behind(protection, |_| {});
    for _ in 0..2 {
        let name = "127.0.0.1".try_into().expect("a name");
        let session = rustls::ClientConnection::new(Arc::clone(&config), name).expect("a session");
        converse(rustls::StreamOwned::new(session, broker.knock().stream));
    }
    broker.stop();
}

#[test]
fn large_messages_pass_through_the_door_with_keys() {
    let broker = start_behind(psk(&[("one", b"0123456789abcdef")]), |_| {});
    for _ in 0..2 {
        converse(with_psk(&broker, "one", b"0123456789abcdef").expect("it is let in"));
    }
    broker.stop();
}

#[test]
fn a_greeting_in_pieces_opens_the_door() {
    let (protection, config) = certificate();
    let broker = start_behind(protection, |_| {});
    let mut session =
        rustls::ClientConnection::new(config, "127.0.0.1".try_into().expect("a name")).expect("a session");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).expect("it is in memory");
    let mut client = broker.knock();
    for byte in &hello {
        client.say(&[*byte]);
    }
    converse(rustls::StreamOwned::new(session, client.stream));
}

#[test]
fn who_speaks_something_else_at_a_door_is_told_of_and_turned_away() {
    let (protection, _) = certificate();
    let broker = start_behind(protection, |_| {});
    let log = Log::begin();
    let rows: [(&[u8], &str); 2] = [
        (&connect("c", 0), "speaks plain MQTT to the TLS port"),
        (b"GET / HTTP/1.1\r\n\r\n", "speaks HTTP to the TLS port"),
    ];
    for (bytes, words) in rows {
        let mut client = broker.knock();
        client.say(bytes);
        client.expect_end();
        log.wait_for(words);
    }
    // One who goes away in the middle of its greeting leaves nothing behind that the end would wait for.
    broker.knock().say(&[0x16, 3, 1]);
    broker.stop();
}

#[test]
fn a_key_that_is_wrong_is_told_of_and_after_a_reload_everybody_needs_a_key_of_the_new_file() {
    let broker = start_behind(psk(&[("one", b"0123456789abcdef"), ("both", b"0123456789abcdef")]), |_| {});
    let log = Log::begin();
    assert!(with_psk(&broker, "one", b"another-key-----").is_none());
    log.wait_for("offers the PSK identity \"one\" with the wrong key");
    let [mut gone, mut stays] = ["one", "both"].map(|identity| {
        let mut client = with_psk(&broker, identity, b"0123456789abcdef").expect("it is let in");
        client.write_all(&connect(identity, 0)).expect("the broker takes it");
        assert_eq!(read(&mut client, 4), [0x20, 2, 0, 0]);
        client
    });
    let keys = psk(&[("two", b"fedcba9876543210"), ("both", b"0123456789abcdef")]);
    broker.handle.reload(reloaded(None, keys));
    broker.settle();
    assert!(with_psk(&broker, "one", b"0123456789abcdef").is_none());
    converse(with_psk(&broker, "two", b"fedcba9876543210").expect("it is let in"));
    assert_eq!(gone.read(&mut [0; 8]).expect("an end that was announced"), 0);
    stays.write_all(&[0xc0, 0]).expect("the broker takes it");
    assert_eq!(read(&mut stays, 2), [0xd0, 0], "who has its key stays in");
}
