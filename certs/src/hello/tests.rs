//! First bytes made by hand, and those of OpenSSL and rustls themselves.

use super::*;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream};
use std::io::{self, Read, Write};

/// A ClientHello in one record: legacy version, suites, then the extensions as they are given.
fn hello(version: u16, suites: &[u16], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend((suites.len() as u16 * 2).to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    let mut listed = Vec::new();
    for (kind, content) in extensions {
        listed.extend(kind.to_be_bytes());
        listed.extend((content.len() as u16).to_be_bytes());
        listed.extend(content);
    }
    if !extensions.is_empty() {
        body.extend((listed.len() as u16).to_be_bytes());
        body.extend(listed);
    }
    let mut record = vec![0x16, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.push(1);
    record.extend(&(body.len() as u32).to_be_bytes()[1..]);
    record.extend(body);
    record
}

fn name(name: &str) -> (u16, Vec<u8>) {
    let length = name.len() as u16;
    let mut content = (length + 3).to_be_bytes().to_vec();
    content.push(0);
    content.extend(length.to_be_bytes());
    content.extend(name.as_bytes());
    (0, content)
}

fn versions(versions: &[u16]) -> (u16, Vec<u8>) {
    let mut content = vec![versions.len() as u8 * 2];
    content.extend(versions.iter().flat_map(|version| version.to_be_bytes()));
    (43, content)
}

fn tls(psk: bool, certificate: bool, min: u16, max: u16, server_name: Option<&str>) -> Sniffed<'_> {
    Sniffed::TlsHello(TlsHello {
        offers_psk: psk,
        offers_certificate: certificate,
        min_version: min,
        max_version: max,
        server_name,
    })
}

#[test]
fn every_language_is_told_from_its_first_bytes() {
    let cases: &[(&str, &[u8], Sniffed<'_>)] = &[
        ("nothing yet", b"", Sniffed::NeedMore),
        ("3.1.1 §3.1.1", b"\x10", Sniffed::MqttConnect),
        ("3.1.1 §3.1.2", b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0", Sniffed::MqttConnect),
        ("3.1.1 §3.3.1: PUBLISH first", b"\x30\x03\0\x01a", Sniffed::Other),
        ("RFC 9112 §3", b"G", Sniffed::NeedMore),
        ("RFC 9112 §3", b"GET / HTTP/1.1\r\n", Sniffed::Http),
        ("RFC 9112 §3", b"GETX", Sniffed::Other),
        ("RFC 9110 §9.3.6", b"CONNECT a:1 HTTP/1.1\r\n", Sniffed::Http),
        ("RFC 9113 §3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Sniffed::Http),
        ("RFC 9113 and PROXY v1 begin alike", b"PR", Sniffed::NeedMore),
        ("PROXY protocol §2.1", b"PROXY TCP4 ", Sniffed::ProxyProtocol { version: 1 }),
        ("PROXY protocol §2.2", b"\r\n\r\n\0\r\nQUIT", Sniffed::NeedMore),
        ("PROXY protocol §2.2", b"\r\n\r\n\0\r\nQUIT\n\x21", Sniffed::ProxyProtocol { version: 2 }),
        ("RFC 5246 E.2", b"\x80\x2e\x01\x03\x01\0", Sniffed::Ssl2),
        ("RFC 5246 E.2", b"\x80\x2e\x01\0\x02\0", Sniffed::Ssl2),
        ("RFC 5246 E.2", b"\x80\x2e\x01", Sniffed::NeedMore),
        ("RFC 5246 E.2", b"\x80\x2e\x02", Sniffed::Other),
        ("RFC 8446 §5.1: no such version", b"\x16\x05\x01\0\x05", Sniffed::Other),
        ("RFC 8446 §5.1", b"\x16", Sniffed::NeedMore),
        ("RFC 8446 §5.1", b"\x16\x03\x01\0\x05\x01", Sniffed::NeedMore),
        ("RFC 8446 §4: a ServerHello", b"\x16\x03\x03\0\x04\x02\0\0\0", Sniffed::TlsBroken),
        ("RFC 8446 §5.1: an empty record", b"\x16\x03\x03\0\0", Sniffed::TlsBroken),
        ("RFC 8446 §5: an alert first", b"\x15\x03\x03\0\x02\x02\x28", Sniffed::Other),
        ("no language", b"\0\0\0\0", Sniffed::Other),
    ];
    for (source, bytes, wanted) in cases {
        assert_eq!(sniff(bytes), *wanted, "{source}: {bytes:02x?}");
    }
}

#[test]
fn a_hello_tells_what_it_offers() {
    let grease = 0x1A1A;
    let psk_modes = (45, vec![1, 1]);
    let cases = [
        ("RFC 4279: PSK alone", hello(0x0303, &[0x008C], &[]), tls(true, false, 0x0300, 0x0303, None)),
        (
            "RFC 5489: ECDHE-PSK and a signal",
            hello(0x0303, &[0xC035, 0x00FF], &[]),
            tls(true, false, 0x0300, 0x0303, None),
        ),
        ("RFC 5246: ECDHE-RSA", hello(0x0303, &[0xC02F, 0x5600], &[]), tls(false, true, 0x0300, 0x0303, None)),
        (
            "as libmosquitto: both, with a name",
            hello(0x0303, &[0xC02F, 0x00A8], &[name("mqtt.example.org")]),
            tls(true, true, 0x0300, 0x0303, Some("mqtt.example.org")),
        ),
        (
            "RFC 8446 §4.2.9: resumption is no key of TLS-PSK; RFC 8701: GREASE is nothing",
            hello(0x0303, &[grease, 0x1301], &[psk_modes, versions(&[grease, 0x0304, 0x0303])]),
            tls(false, true, 0x0303, 0x0304, None),
        ),
        ("RFC 8446 §4.2.1", hello(0x0303, &[0x1301], &[versions(&[0x0304])]), tls(false, true, 0x0304, 0x0304, None)),
        ("TLS 1.0", hello(0x0301, &[0x002F], &[]), tls(false, true, 0x0300, 0x0301, None)),
        ("RFC 6066 §3: not ASCII", hello(0x0303, &[0x002F], &[name("m\n")]), tls(false, true, 0x0300, 0x0303, None)),
    ];
    for (source, bytes, wanted) in cases {
        assert_eq!(sniff(&bytes), wanted, "{source}");
    }
}

#[test]
fn broken_hellos_are_called_so() {
    let mut odd_suites = hello(0x0303, &[0x008C, 0x008D], &[]);
    odd_suites[45] = 3;
    let mut long_session_id = hello(0x0303, &[0x008C], &[]);
    long_session_id[43] = 33;
    let mut suites_past_the_end = hello(0x0303, &[0x008C], &[]);
    suites_past_the_end[44] = 1;
    for (what, bytes) in [
        ("an odd length of suites", odd_suites),
        ("a session id of 33 bytes", long_session_id),
        ("suites past the end of the message", suites_past_the_end),
        ("no suites", hello(0x0303, &[], &[])),
    ] {
        assert_eq!(sniff(&bytes), Sniffed::TlsBroken, "{what}");
    }
}

#[test]
fn a_hello_split_over_records_is_read_if_the_suites_are_in_the_first() {
    let whole = hello(0x0303, &[0x008C], &[name("mqtt.example.org")]);
    let split = |at: usize| {
        let mut first = whole[..5 + at].to_vec();
        first[3..5].copy_from_slice(&(at as u16).to_be_bytes());
        first
    };
    assert_eq!(sniff(&split(50)), tls(true, false, 0x0300, 0x0303, None));
    assert_eq!(sniff(&split(20)), Sniffed::TlsHelloUnreadable);
}

#[test]
fn past_the_limit_what_is_there_decides() {
    let long = hello(0x0303, &[0x008C], &[(21, vec![0; 6_000]), name("late.example.org")]);
    assert_eq!(sniff(&long[..SNIFF_BYTES_MAX - 1]), Sniffed::NeedMore);
    assert_eq!(sniff(&long[..SNIFF_BYTES_MAX]), tls(true, false, 0x0300, 0x0303, None));
    assert_eq!(sniff(&long), tls(true, false, 0x0300, 0x0303, None));
    let suites: Vec<u16> = (0x4000..0x5000).collect();
    assert_eq!(sniff(&hello(0x0303, &suites, &[])), Sniffed::TlsHelloUnreadable);
}

#[test]
fn more_bytes_change_nothing_but_need_more_and_nothing_panics() {
    let seeds = [
        hello(0x0303, &[0x008C, 0x1301], &[name("mqtt.example.org"), versions(&[0x0304, 0x0303])]),
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\n\r\n".to_vec(),
        b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10".to_vec(),
    ];
    for seed in seeds {
        for position in 0..seed.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF, seed[position]] {
                let mut bytes = seed.clone();
                bytes[position] = value;
                let last = sniff(&bytes);
                for length in 0..bytes.len() {
                    let answer = sniff(&bytes[..length]);
                    assert!(
                        answer == last || answer == Sniffed::NeedMore,
                        "{length} of {bytes:02x?}: {answer:?}, {last:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_table_of_suites_is_sorted_and_agrees_with_openssl() {
    assert!(PSK_SUITES.is_sorted());
    let ssl = Ssl::new(&SslContext::builder(SslMethod::tls()).unwrap().build()).unwrap();
    let every_suite: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_be_bytes).collect();
    let known = ssl.bytes_to_cipher_list(&every_suite, false).unwrap().suites;
    assert!(known.iter().filter(|cipher| cipher.name().contains("PSK")).count() > 20, "OpenSSL has them");
    for cipher in known {
        let id = u16::from_be_bytes(cipher.protocol_id());
        assert_eq!(PSK_SUITES.contains(&id), cipher.name().contains("PSK"), "{:04X} {}", id, cipher.name());
    }
}

/// Takes what is written and has nothing to say.
struct Mute(Vec<u8>);

impl Write for Mute {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Mute {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

fn openssl_hello(context: &SslContext, server_name: &str) -> Vec<u8> {
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_hostname(server_name).unwrap();
    let mut stream = SslStream::new(ssl, Mute(Vec::new())).unwrap();
    assert!(stream.connect().is_err(), "nobody answers");
    std::mem::take(&mut stream.get_mut().0)
}

#[test]
fn openssl_with_a_key_is_seen_to_have_one_and_without_is_not() {
    let with = crate::psk_client_context("cassiapsk", &[1, 2, 3], None).unwrap();
    let bytes = openssl_hello(&with, "mqtt.example.org");
    assert_eq!(sniff(&bytes), tls(true, false, 0x0300, 0x0303, Some("mqtt.example.org")));
    let without = SslContext::builder(SslMethod::tls_client()).unwrap().build();
    let bytes = openssl_hello(&without, "mqtt.example.org");
    let Sniffed::TlsHello(hello) = sniff(&bytes) else { panic!("{bytes:02x?}") };
    assert!(!hello.offers_psk && hello.offers_certificate && hello.max_version == 0x0304, "{hello:?}");
}

#[test]
fn rustls_is_seen_to_want_certificates() {
    let config = rustls::ClientConfig::builder_with_provider(crate::server::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = "mqtt.example.org".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    assert_eq!(sniff(&bytes), tls(false, true, 0x0303, 0x0304, Some("mqtt.example.org")));
}
