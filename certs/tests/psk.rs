//! TLS-PSK handshakes over a pair of sockets: every suite, and every way to fail.

use certs::{
    BrokerFault, CertError, PskFault, PskOutcome, describe_broker_psk_failure, describe_psk_failure,
    psk_client_context, psk_outcome, psk_server_context,
};
use openssl::ssl::{Error, Ssl, SslCipherRef, SslContext, SslStream};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// The guide's identity and its key of 8 bytes.
const IDENTITY: &str = "cassiapsk";
const KEY: [u8; 8] = [0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0xcd, 0xef];

fn server(ciphers: Option<&str>) -> SslContext {
    let lookup = |identity: &str| match identity {
        IDENTITY => Some(KEY.to_vec()),
        "empty" => Some(Vec::new()),
        "endless" => Some(vec![1; 5_000]),
        _ => None,
    };
    psk_server_context(Some("true"), ciphers, Arc::new(lookup)).expect("a context")
}

fn client(identity: &str, key: &[u8], ciphers: Option<&str>) -> SslContext {
    psk_client_context(identity, key, ciphers).expect("a context")
}

/// What the two sides have after their handshake: the server's stream or error, and its outcome; the client's.
struct Met {
    server: Result<SslStream<UnixStream>, Error>,
    outcome: Option<PskOutcome>,
    client: Result<SslStream<UnixStream>, Error>,
}

fn meet(server: &SslContext, client: &SslContext) -> Met {
    let (here, there) = UnixStream::pair().expect("two sockets");
    let dialled = Ssl::new(client).expect("a client");
    let client = std::thread::spawn(move || shake(dialled, there, SslStream::connect).0);
    let (server, outcome) = shake(Ssl::new(server).expect("a server"), here, SslStream::accept);
    Met { server, outcome, client: client.join().expect("no panic") }
}

type Shaken = (Result<SslStream<UnixStream>, Error>, Option<PskOutcome>);

fn shake(ssl: Ssl, socket: UnixStream, side: fn(&mut SslStream<UnixStream>) -> Result<(), Error>) -> Shaken {
    let mut stream = SslStream::new(ssl, socket).expect("a stream");
    let done = side(&mut stream);
    let outcome = psk_outcome(stream.ssl()).cloned();
    (done.map(|()| stream), outcome)
}

fn server_fault(met: &Met) -> PskFault {
    describe_psk_failure(met.server.as_ref().expect_err("no handshake"), met.outcome.as_ref())
}

fn client_fault(met: &Met) -> BrokerFault {
    describe_broker_psk_failure(met.client.as_ref().expect_err("no handshake"))
}

const SUITES: &[&str] = &[
    "PSK-AES128-CBC-SHA",
    "PSK-AES256-CBC-SHA",
    "PSK-AES128-CBC-SHA256",
    "PSK-AES256-CBC-SHA384",
    "PSK-AES128-GCM-SHA256",
    "PSK-AES256-GCM-SHA384",
    "PSK-CHACHA20-POLY1305",
    "PSK-AES128-CCM",
    "PSK-AES256-CCM",
    "ECDHE-PSK-AES128-CBC-SHA",
    "ECDHE-PSK-AES256-CBC-SHA",
    "ECDHE-PSK-AES128-CBC-SHA256",
    "ECDHE-PSK-AES256-CBC-SHA384",
    "ECDHE-PSK-CHACHA20-POLY1305",
];

#[test]
fn a_client_with_any_one_of_the_suites_comes_in_and_is_heard() {
    let server = server(None);
    for suite in SUITES {
        let met = meet(&server, &client(IDENTITY, &KEY, Some(&format!("{suite}:@SECLEVEL=0"))));
        assert_eq!(met.outcome, Some(PskOutcome::Known(IDENTITY.to_owned())), "{suite}");
        let mut here = met.server.unwrap_or_else(|error| panic!("{suite}: {error}"));
        let mut there = met.client.unwrap_or_else(|error| panic!("{suite}: {error}"));
        assert_eq!(here.ssl().current_cipher().map(SslCipherRef::name), Some(*suite));
        assert_eq!(here.ssl().version_str(), "TLSv1.2");
        assert_eq!(there.ssl().psk_identity_hint(), Some(&b"true"[..]), "{suite}");
        there.write_all(b"CONNECT").expect("sent");
        let mut heard = [0; 7];
        here.read_exact(&mut heard).expect("heard");
        assert_eq!(&heard, b"CONNECT");
    }
}

#[test]
fn dhe_psk_must_be_asked_for() {
    let dhe = "DHE-PSK-AES128-CBC-SHA:RSA-PSK-AES128-CBC-SHA:@SECLEVEL=0";
    let met = meet(&server(None), &client(IDENTITY, &KEY, Some(dhe)));
    assert_eq!(server_fault(&met), PskFault::NoSharedCipher);
    assert_eq!(client_fault(&met), BrokerFault::NoCommonSuite);
    let met = meet(&server(Some("DHE-PSK-AES128-CBC-SHA:@SECLEVEL=0")), &client(IDENTITY, &KEY, Some(dhe)));
    let suite = met.server.expect("asked for").ssl().current_cipher().map(SslCipherRef::name);
    assert_eq!(suite, Some("DHE-PSK-AES128-CBC-SHA"));
}

#[test]
fn forward_secrecy_is_chosen_when_the_client_has_it() {
    let met = meet(&server(None), &client(IDENTITY, &KEY, Some("PSK:@SECLEVEL=0")));
    let suite = met.server.expect("a handshake").ssl().current_cipher().map(SslCipherRef::name);
    assert_eq!(suite, Some("ECDHE-PSK-CHACHA20-POLY1305"));
}

#[test]
fn an_unknown_identity_is_named_on_both_sides() {
    let met = meet(&server(None), &client("cassia", &KEY, None));
    assert_eq!(met.outcome, Some(PskOutcome::Unknown("cassia".to_owned())));
    assert_eq!(server_fault(&met), PskFault::UnknownIdentity("cassia".to_owned()));
    assert_eq!(client_fault(&met), BrokerFault::UnknownIdentity);
}

#[test]
fn a_wrong_key_is_told_from_an_unknown_identity_with_every_suite() {
    let server = server(None);
    for suite in SUITES {
        let met = meet(&server, &client(IDENTITY, &[1; 8], Some(&format!("{suite}:@SECLEVEL=0"))));
        assert_eq!(met.outcome, Some(PskOutcome::Known(IDENTITY.to_owned())), "{suite}");
        assert_eq!(server_fault(&met), PskFault::WrongKey(IDENTITY.to_owned()), "{suite}");
        assert_eq!(client_fault(&met), BrokerFault::WrongKey, "{suite}");
    }
}

#[test]
fn an_identity_whose_key_is_empty_or_too_long_does_not_come_in() {
    for identity in ["empty", "endless"] {
        let met = meet(&server(None), &client(identity, &KEY, None));
        assert_eq!(server_fault(&met), PskFault::KeyUnusable(identity.to_owned()));
    }
}

#[test]
fn a_client_without_a_key_has_no_cipher_in_common() {
    let plain = SslContext::builder(openssl::ssl::SslMethod::tls_client()).expect("a builder").build();
    let met = meet(&server(None), &plain);
    assert_eq!(met.outcome, None);
    assert_eq!(server_fault(&met), PskFault::NoSharedCipher);
}

/// What the server makes of bytes that are sent and a connection that is closed then.
fn after(bytes: &[u8]) -> PskFault {
    let (here, mut there) = UnixStream::pair().expect("two sockets");
    there.write_all(bytes).expect("sent");
    there.shutdown(std::net::Shutdown::Write).expect("closed");
    let (done, outcome) = shake(Ssl::new(&server(None)).expect("a server"), here, SslStream::accept);
    describe_psk_failure(&done.expect_err("no handshake"), outcome.as_ref())
}

#[test]
fn what_is_not_tls_is_called_so() {
    assert_eq!(after(b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"), PskFault::NotTls);
    assert_eq!(after(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), PskFault::NotTls);
    assert_eq!(after(b""), PskFault::ClientLeft);
    assert_eq!(after(b"\x16\x03\x01"), PskFault::ClientLeft);
}

#[test]
fn keys_identities_and_lists_that_cannot_work_are_refused_before_any_connection() {
    let long = "x".repeat(128);
    for (identity, key) in [("", &KEY[..]), (&long, &KEY), ("a\0b", &KEY), ("x", &[]), ("x", &[0; 257])] {
        let refused = psk_client_context(identity, key, None);
        assert!(matches!(refused, Err(CertError::Psk(_))), "{identity:?} {}", key.len());
    }
    assert!(psk_client_context(&long[..127], &[0; 256], None).is_ok());
    let refused = psk_server_context(None, Some("NO-SUCH-SUITE"), Arc::new(|_: &str| None));
    assert!(matches!(refused, Err(CertError::Ciphers { .. })));
    let refused = psk_server_context(Some(&"x".repeat(1_000)), None, Arc::new(|_: &str| None));
    assert!(matches!(refused, Err(CertError::Psk(_))));
}

#[test]
fn the_longest_identity_and_key_come_through_unchanged() {
    let (identity, key) = ("i".repeat(127), vec![0xA5; 256]);
    let expected = key.clone();
    let lookup = move |offered: &str| (offered.len() == 127).then(|| expected.clone());
    let server = psk_server_context(None, None, Arc::new(lookup)).expect("a context");
    let met = meet(&server, &client(&identity, &key, None));
    assert!(met.server.is_ok() && met.client.is_ok(), "{:?}", met.outcome);
}

#[test]
fn what_the_log_says_names_the_field_of_the_routers_form() {
    let cases = [
        (PskFault::UnknownIdentity("a\nb".into()), &["PSK Identity", "\"a\\nb\""][..]),
        (PskFault::WrongKey(IDENTITY.into()), &["router's PSK to", IDENTITY]),
        (PskFault::NoSharedCipher, &["Encryption Mode to PSK"]),
        (PskFault::NotTls, &["Encryption Mode to PSK"]),
    ];
    for (fault, wanted) in cases {
        let said = fault.to_string();
        assert!(wanted.iter().all(|word| said.contains(word)), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}
