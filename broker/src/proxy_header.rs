//! The header of the PROXY protocol, versions 1 and 2: whom a proxy speaks for, and what it found out about them.
//!
//! Pure: bytes in, meaning out. Source: "The PROXY protocol", versions 1 & 2, of HAProxy (doc/proxy-protocol.txt, 2020-03-05),
//! §2.1, §2.2. Nothing is read from a socket here, and no checksum is verified: the header comes over a path that is trusted
//! or of no use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Bytes of a header of version 1 with its line end [§2.1: the longest].
pub const V1_BYTES_MAX: usize = 107;
/// Bytes behind the fixed part of a header of version 2, as many as mosquitto takes.
pub const V2_REST_BYTES_MAX: usize = 500;
/// The fixed part of version 2 [§2.2].
const V2_FIXED_BYTES: usize = 16;
/// A header of either version, at most.
pub const HEADER_BYTES_MAX: usize = V2_FIXED_BYTES + V2_REST_BYTES_MAX;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Which version is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary, with TLS facts.
    V2,
}

/// Whom the proxy speaks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Where the client is; `None`: where the proxy is, which speaks for itself or does not know.
    pub client: Option<Client>,
    /// How it came to the proxy, if by TLS.
    pub tls: Option<TlsFacts>,
}

/// Where a client of a proxy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// On the network.
    Network(SocketAddr),
    /// On the proxy's machine, by the unix socket of this path.
    Unix(PathBuf),
}

/// What a proxy found out in the TLS handshake [§2.2.6].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// The client has a certificate, and the proxy found it good.
    pub has_certificate: bool,
    /// Its common name.
    pub common_name: Option<String>,
    /// As in `TLSv1.3`.
    pub version: Option<String>,
    /// The cipher suite.
    pub cipher: Option<String>,
}

/// What the first bytes come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// It may be a header, and is not whole.
    Wait,
    /// A header of so many bytes.
    Header(usize, Origin),
    /// No header; `Some`: whom it claims to be from.
    Corrupt(Option<Client>),
}

/// Reads a header of `version` at the beginning of `bytes`. At most [`HEADER_BYTES_MAX`] are looked at.
pub fn parse(version: Version, bytes: &[u8]) -> Parsed {
    match version {
        Version::V1 => v1(bytes),
        Version::V2 => v2(bytes),
    }
}

fn v1(bytes: &[u8]) -> Parsed {
    const BEGIN: &[u8] = b"PROXY ";
    let bytes = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    if !bytes.iter().zip(BEGIN).all(|(byte, wanted)| byte == wanted) {
        return Parsed::Corrupt(None);
    }
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() == V1_BYTES_MAX { Parsed::Corrupt(None) } else { Parsed::Wait };
    };
    let line = bytes.get(BEGIN.len()..end).and_then(|line| std::str::from_utf8(line).ok());
    match line.and_then(v1_line) {
        Some(client) => Parsed::Header(end + 2, Origin { client, tls: None }),
        None => Parsed::Corrupt(None),
    }
}

/// What stands behind `PROXY `; the outer `None`: it is broken.
#[allow(clippy::option_option)] // the inner one is a client that the proxy does not know
fn v1_line(line: &str) -> Option<Option<Client>> {
    // Whatever stands behind it is not looked at.
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let mut words = line.split(' ');
    let family = words.next()?;
    let (from, to): (IpAddr, IpAddr) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (from_port, to_port) = (v1_port(words.next()?)?, v1_port(words.next()?)?);
    let is_of_family = match family {
        "TCP4" => from.is_ipv4() && to.is_ipv4(),
        "TCP6" => from.is_ipv6() && to.is_ipv6(),
        _ => false,
    };
    let is_good = is_of_family && to_port > 0 && words.next().is_none();
    is_good.then(|| Some(Client::Network(SocketAddr::new(from, from_port))))
}

/// Digits alone; 0 is nobody's port.
fn v1_port(word: &str) -> Option<u16> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok().filter(|port| *port > 0))?
}

fn v2(bytes: &[u8]) -> Parsed {
    if !bytes.iter().zip(SIGNATURE).all(|(byte, wanted)| *byte == wanted) {
        return Parsed::Corrupt(None);
    }
    let Some((fixed, rest)) = bytes.split_at_checked(V2_FIXED_BYTES) else { return Parsed::Wait };
    let (command, family) = (fixed[12], fixed[13]);
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    // LOCAL is the proxy itself, of whatever family; PROXY may be of one that is not known.
    let is_local = command == 0x20;
    if !matches!(command, 0x20 | 0x21) || length > V2_REST_BYTES_MAX {
        return Parsed::Corrupt(None);
    }
    let addresses = match family {
        _ if is_local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Parsed::Corrupt(None),
    };
    if length < addresses {
        return Parsed::Corrupt(None);
    }
    let Some(rest) = rest.get(..length) else { return Parsed::Wait };
    let whole = V2_FIXED_BYTES + length;
    if is_local || family == 0 {
        // Nothing of it is to be used [§2.2].
        return Parsed::Header(whole, Origin::default());
    }
    let (addresses, facts) = rest.split_at(addresses);
    let client = v2_client(addresses);
    let mut tls = None;
    match each_fact(facts, &mut |kind, value| match kind {
        0x20 => tls_facts(value).map(|facts| tls = Some(facts)),
        _ => Some(()),
    }) {
        Some(()) => Parsed::Header(whole, Origin { client, tls }),
        None => Parsed::Corrupt(client),
    }
}

/// The source address of one of the families.
fn v2_client(addresses: &[u8]) -> Option<Client> {
    Some(match addresses.len() {
        12 => {
            let ip = Ipv4Addr::from(*addresses.first_chunk::<4>()?);
            let port = u16::from_be_bytes([addresses[8], addresses[9]]);
            Client::Network(SocketAddr::from((ip, port)))
        }
        36 => {
            let ip = Ipv6Addr::from(*addresses.first_chunk::<16>()?);
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Client::Network(SocketAddr::from((ip, port)))
        }
        _ => {
            let path = addresses.get(..108)?.split(|byte| *byte == 0).next()?;
            // It goes into the log.
            let path = String::from_utf8_lossy(path).replace(char::is_control, "?");
            Client::Unix(path.into())
        }
    })
}

/// Calls `take` for each type, length and value [§2.2.1]; `None`: one is cut off, or is not taken.
fn each_fact(mut bytes: &[u8], take: &mut dyn FnMut(u8, &[u8]) -> Option<()>) -> Option<()> {
    while let Some((kind, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        take(*kind, value)?;
        bytes = rest;
    }
    Some(())
}

/// The value of `PP2_TYPE_SSL` [§2.2.6].
fn tls_facts(value: &[u8]) -> Option<TlsFacts> {
    const BY_TLS: u8 = 0x01;
    const HAS_CERTIFICATE: u8 = 0x04; // in this session, resumed or not
    let (fixed, facts) = value.split_first_chunk::<5>()?;
    let [client, verified @ ..] = *fixed;
    let mut found = TlsFacts {
        has_certificate: client & (BY_TLS | HAS_CERTIFICATE) == BY_TLS | HAS_CERTIFICATE && verified == [0; 4],
        ..TlsFacts::default()
    };
    each_fact(facts, &mut |kind, value| {
        // What is no text, or would forge a line of the log, says nothing.
        let text =
            || std::str::from_utf8(value).ok().filter(|text| !text.chars().any(char::is_control)).map(str::to_owned);
        match kind {
            0x21 => found.version = text(),
            0x22 => found.common_name = text(),
            0x23 => found.cipher = text(),
            _ => {}
        }
        Some(())
    })?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps)] // as the rows have it
    fn network(text: &str) -> Option<Client> {
        Some(Client::Network(text.parse().expect("an address")))
    }

    fn fact(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[kind][..], &(value.len() as u16).to_be_bytes(), value].concat()
    }

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &(rest.len() as u16).to_be_bytes(), rest].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 5, 127, 0, 0, 1, 0x18, 0x83, 7, 0x5B];

    #[test]
    fn a_line_of_version_1_says_where_the_client_is() {
        let rows = [
            ("PROXY TCP4 192.0.2.5 127.0.0.1 6275 1883\r\n", network("192.0.2.5:6275")),
            ("PROXY TCP6 2001:db8::5 ::1 65535 1\r\n", network("[2001:db8::5]:65535")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN whatever it is 7\r\n", None),
        ];
        for (line, client) in rows {
            let with_more = format!("{line}\x10\x0d");
            let wanted = Parsed::Header(line.len(), Origin { client, tls: None });
            assert_eq!(parse(Version::V1, with_more.as_bytes()), wanted, "{line}");
            for cut in 0..line.len() {
                assert_eq!(parse(Version::V1, &line.as_bytes()[..cut]), Parsed::Wait, "{line} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_line_of_version_1_is_corrupt() {
        let long = format!("PROXY TCP4 192.0.2.5 127.0.0.1 6275 1883{}\r\n", " ".repeat(80));
        for line in [
            "PROXY TCP3 192.0.2.5 127.0.0.1 6275 1883\r\n",
            "PROXY TCP4 192.0.2.5 127.0.0.1 6275\r\n",
            "PROXY TCP4 192.0.2.5 127.0.0.1 6275 1883 9\r\n",
            "PROXY TCP4 192.0.2.5 127.0.0.1 0 1883\r\n",
            "PROXY TCP4 192.0.2.5 127.0.0.1 +6275 1883\r\n",
            "PROXY TCP4 192.0.2.5 127.0.0.1 65536 1883\r\n",
            "PROXY TCP4 ::1 ::1 6275 1883\r\n",
            "PROXY TCP6 192.0.2.5 127.0.0.1 6275 1883\r\n",
            "PROXY  TCP4 192.0.2.5 127.0.0.1 6275 1883\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXZ",
            "\x10\x0d\x00\x04MQTT",
            &*long,
        ] {
            assert_eq!(parse(Version::V1, line.as_bytes()), Parsed::Corrupt(None), "{line:?}");
        }
    }

    #[test]
    fn a_header_of_version_2_says_where_the_client_is_and_what_tls_found_out() {
        let facts = [
            &[0x07, 0, 0, 0, 0][..],
            &fact(0x21, b"TLSv1.3"),
            &fact(0x22, b"router 1"),
            &fact(0x23, b"TLS_AES_128_GCM_SHA256"),
            &fact(0x25, b"EC256"),
        ]
        .concat();
        let bytes = header(0x21, 0x11, &[&V4[..], &fact(0x01, b"mqtt"), &fact(0x20, &facts)].concat());
        let tls = TlsFacts {
            has_certificate: true,
            common_name: Some("router 1".to_owned()),
            version: Some("TLSv1.3".to_owned()),
            cipher: Some("TLS_AES_128_GCM_SHA256".to_owned()),
        };
        let origin = Origin { client: network("192.0.2.5:6275"), tls: Some(tls) };
        assert_eq!(parse(Version::V2, &[&bytes[..], b"\x10"].concat()), Parsed::Header(bytes.len(), origin));
        for cut in 0..bytes.len() {
            assert_eq!(parse(Version::V2, &bytes[..cut]), Parsed::Wait, "cut at {cut}");
        }
        let mut v6 = [0; 36];
        (v6[15], v6[32], v6[33]) = (1, 0x18, 0x83);
        let mut unix = [0; 216];
        unix[..5].copy_from_slice(b"/a\n/b");
        let rows = [
            (header(0x21, 0x21, &v6), network("[::1]:6275")),
            (header(0x21, 0x31, &unix), Some(Client::Unix("/a?/b".into()))),
            (header(0x20, 0x00, &[]), None),
            (header(0x20, 0x11, &V4), None),
            (header(0x21, 0x00, b"anything"), None),
        ];
        for (bytes, client) in rows {
            assert_eq!(
                parse(Version::V2, &bytes),
                Parsed::Header(bytes.len(), Origin { client, tls: None }),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_certificate_counts_only_if_it_is_there_and_was_found_good() {
        for (client, verified, wanted) in
            [(0x07, 0, true), (0x05, 0, true), (0x03, 0, false), (0x06, 0, false), (0x05, 1, false)]
        {
            let facts = [client, 0, 0, 0, verified];
            assert_eq!(tls_facts(&facts).map(|facts| facts.has_certificate), Some(wanted), "{facts:?}");
        }
    }

    #[test]
    fn damage_is_never_taken_for_something_to_wait_for_for_ever() {
        let good = header(0x21, 0x11, &[&V4[..], &fact(0x20, &[1, 0, 0, 0, 0, 0x22, 0, 1, b'x'])].concat());
        for at in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = good.clone();
                bytes[at] = byte;
                bytes.resize(HEADER_BYTES_MAX, 0);
                let whole = parse(Version::V2, &bytes);
                assert_ne!(whole, Parsed::Wait, "{at}, {byte}");
                for cut in [at, at + 1, good.len()] {
                    let part = parse(Version::V2, &bytes[..cut]);
                    assert!(part == Parsed::Wait || part == whole, "{at}, {byte}, {cut}: {part:?}, {whole:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_header_of_version_2_is_corrupt() {
        let from = network("192.0.2.5:6275");
        let rows = [
            (b"\x10\x0d\x00\x04MQTT".to_vec(), None),
            (b"PROXY TCP4".to_vec(), None),
            (header(0x11, 0x11, &V4), None),
            (header(0x22, 0x11, &V4), None),
            (header(0x21, 0x12, &V4), None),
            (header(0x21, 0x11, &V4[..11]), None),
            (header(0x21, 0x11, &[0; V2_REST_BYTES_MAX + 1]), None),
            (header(0x21, 0x11, &[&V4[..], &[0x20, 0]].concat()), from.clone()),
            (header(0x21, 0x11, &[&V4[..], &[0x20, 0, 9, 1]].concat()), from.clone()),
            (header(0x21, 0x11, &[&V4[..], &fact(0x20, &[1, 0, 0])].concat()), from.clone()),
            (header(0x21, 0x11, &[&V4[..], &fact(0x20, &[1, 0, 0, 0, 0, 0x22, 0, 9])].concat()), from),
        ];
        for (bytes, from) in rows {
            assert_eq!(parse(Version::V2, &bytes), Parsed::Corrupt(from), "{bytes:?}");
        }
    }
}
