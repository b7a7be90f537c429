//! Who came in before other certificates and keys count: those that are many, and those in the middle of their handshake.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use broker::{ListenerConfig, Protection};
use broker_core::ListenerSettings;
use certs::issue::{self, Authority, Terms};
use certs::{CaSource, CertificateTls, ServerFiles};
use openssl::ssl::{Ssl, SslStream};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::client::{Client, Running, connect, start_behind};
use crate::doors::psk;

/// A server's certificate, a client's, and two authorities: the one that issued both, and another.
struct Office {
    dir: tempfile::TempDir,
}

impl Office {
    fn new() -> Self {
        let office = Self { dir: tempfile::tempdir().expect("a folder") };
        let keep = |stem: &str, issued: &issue::Issued| {
            issue::write(office.dir.path(), stem, issued, false).expect("written");
        };
        let ca = issue::ca("test", Terms::days(1)).expect("a CA");
        let authority = Authority::from_issued(&ca).expect("a CA");
        keep("ca", &ca);
        keep("other", &issue::ca("another", Terms::days(1)).expect("a CA"));
        keep("server", &issue::server(&authority, &["127.0.0.1".to_owned()], Terms::days(1)).expect("a certificate"));
        keep("client", &issue::client(&authority, "client", Terms::days(1)).expect("a certificate"));
        office
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A listener that asks for certificates of this authority.
    fn protection(&self, authority: &str) -> Protection {
        let side = certs::server_side(
            &ServerFiles {
                cafile: Some(self.at(authority)),
                certfile: self.at("server.crt"),
                keyfile: self.at("server.key"),
                require_certificate: true,
                ..ServerFiles::default()
            },
            None,
        );
        let side = side.expect("a configuration");
        Protection { certificates: Some(side.config), clients: side.clients, ..Protection::default() }
    }

    fn client(&self) -> Arc<ClientConfig> {
        let mut tls = CertificateTls::new(CaSource::File(self.at("ca.crt")));
        tls.client = Some((self.at("client.crt"), self.at("client.key")));
        certs::client_config(&tls).expect("a configuration")
    }
}

fn session(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), "127.0.0.1".try_into().expect("a name")).expect("a session")
}

/// A broker with a listener behind `protection` and a plain one, and two clients of that: with I/O threads of each of them one.
fn start(protection: Protection) -> (Running, [Client; 2]) {
    let broker = start_behind(protection, |appliance| {
        let plain = ListenerConfig { protection: Protection::default(), ..appliance.listeners[0].clone() };
        appliance.listeners.push(plain);
        appliance.settings.listeners.push(ListenerSettings { allow_anonymous: true, ..ListenerSettings::default() });
    });
    let plain = ["a", "b"].map(|client_id| {
        let mut client = broker.knock_at(1);
        client.say(&connect(client_id, 0));
        client.expect(&[0x20, 2, 0, 0]);
        client
    });
    (broker, plain)
}

/// The first listener is protected so, and whoever has its sockets has heard of it: an answer comes after that.
fn protect((broker, plain): &mut (Running, [Client; 2]), protection: Protection) {
    broker.handle.protect(vec![Some(protection), None], Vec::new());
    broker.settle();
    for client in plain {
        client.ping();
    }
}

/// Whether a client comes in: CONNACK, or the end.
fn is_let_in(stream: &mut (impl Read + Write)) -> bool {
    // What is closed already takes nothing.
    let _ = stream.write_all(&connect("c", 0));
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).is_ok_and(|()| answer == [0x20, 2, 0, 0])
}

#[test]
fn very_many_with_certificates_are_all_verified_again() {
    let office = Office::new();
    let mut broker = start(office.protection("ca.crt"));
    let config = office.client();
    let mut all: Vec<_> = (0..3 * broker::HANDSHAKES_PER_TURN_MAX)
        .map(|number| {
            let mut client = StreamOwned::new(session(&config), broker.0.knock().stream);
            client.write_all(&connect(&number.to_string(), 0)).expect("the broker takes it");
            let mut answer = [0; 4];
            client.read_exact(&mut answer).expect("an answer");
            assert_eq!(answer, [0x20, 2, 0, 0]);
            client
        })
        .collect();
    protect(&mut broker, office.protection("ca.crt"));
    for client in &mut all {
        client.write_all(&[0xc0, 0]).expect("the broker takes it");
        let mut answer = [0; 2];
        client.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, [0xd0, 0]);
    }
    protect(&mut broker, office.protection("other.crt"));
    for client in &mut all {
        assert_eq!(client.read(&mut [0; 8]).expect("an end that was announced"), 0);
    }
}

#[test]
fn a_handshake_that_begins_before_a_change_and_ends_after_it_is_held_to_what_counts_then() {
    let office = Office::new();
    for (authority, is_good) in [("ca.crt", true), ("other.crt", false)] {
        let mut broker = start(office.protection("ca.crt"));
        let (mut session, mut client) = (session(&office.client()), broker.0.knock());
        session.write_tls(&mut client.stream).expect("the broker takes it");
        session.read_tls(&mut client.stream).expect("the broker answers by what counts now");
        protect(&mut broker, office.protection(authority));
        session.process_new_packets().expect("a server's certificate that is good");
        let mut stream = StreamOwned::new(session, client.stream);
        assert_eq!(is_let_in(&mut stream), is_good, "{authority}");
    }
}

/// A socket that gives nothing until it `hears`, however fast the answer is there: a handshake goes no further than its first words.
struct Deaf {
    stream: TcpStream,
    hears: bool,
}

impl Read for Deaf {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.hears { self.stream.read(buffer) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl Write for Deaf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[test]
fn so_is_one_with_a_key() {
    const OLD: &[(&str, &[u8])] = &[("one", b"0123456789abcdef")];
    const NEW: &[(&str, &[u8])] = &[("one", b"fedcba9876543210")];
    for (keys, is_good) in [(OLD, true), (NEW, false)] {
        let mut broker = start(psk(OLD));
        let context = certs::psk_client_context("one", OLD[0].1, None).expect("a context");
        let deaf = Deaf { stream: broker.0.knock().stream, hears: false };
        let mut client = SslStream::new(Ssl::new(&context).expect("a session"), deaf).expect("a stream");
        let waits = client.connect().expect_err("it has to be answered");
        assert!(waits.io_error().is_some_and(|error| error.kind() == ErrorKind::WouldBlock), "{waits}");
        client.get_ref().stream.peek(&mut [0]).expect("the broker answers by what counts now");
        client.get_mut().hears = true;
        protect(&mut broker, psk(keys));
        let comes_in = client.connect().is_ok() && is_let_in(&mut client);
        assert_eq!(comes_in, is_good);
    }
}
