//! A WebSocket without a broker: the test is the client at the other end of a socket pair, and reads frames by hand.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use super::*;

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// Our side, and the client's, which never blocks.
fn pair() -> (WebSocket, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a socket");
    theirs.set_nonblocking(true).expect("a socket");
    let rules = WebSocketRules { head_bytes_max: 4096, origins: vec!["http://good".to_owned()] };
    let inner = Transport::Plain(mio::net::UnixStream::from_std(ours).into());
    (WebSocket::new(inner, Arc::new(rules), 9001), theirs)
}

/// The same, and the handshake is over.
fn open_pair() -> (WebSocket, UnixStream) {
    let (mut web, mut client) = pair();
    client.write_all(REQUEST.as_bytes()).expect("it is taken");
    assert!(matches!(web.read(&mut [0; 4096]), Ok(Progress::Later)));
    let answer = String::from_utf8(take(&mut client)).expect("ASCII");
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    (web, client)
}

/// What has come to the client.
fn take(client: &mut UnixStream) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 65_536]);
    loop {
        match client.read(&mut piece) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return bytes,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A client's frame, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "a short one");
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat()
}

/// All that can be read now, and the trouble that ended it.
fn read(web: &mut WebSocket) -> (Vec<u8>, Option<Trouble>) {
    let (mut all, mut buffer) = (Vec::new(), [0; 64]);
    loop {
        match web.read(&mut buffer) {
            Ok(Progress::Some(count)) => all.extend_from_slice(&buffer[..count]),
            Ok(Progress::Later) => return (all, None),
            Ok(Progress::More) => {}
            Err(trouble) => return (all, Some(trouble)),
        }
    }
}

/// Frames of a server: first byte and payload. The rest, of one that is not whole, is given back.
fn frames(mut bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, Vec<u8>) {
    let mut found = Vec::new();
    loop {
        let (begin, len) = match bytes {
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            [_, 127, long @ ..] if long.len() >= 8 => {
                (10, long[..8].iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
            }
            [_, len, ..] if *len < 126 => (2, usize::from(*len)),
            rest => return (found, rest.to_vec()),
        };
        if bytes.len() < begin + len {
            return (found, bytes.to_vec());
        }
        found.push((bytes[0], bytes[begin..begin + len].to_vec()));
        bytes = &bytes[begin + len..];
    }
}

#[test]
fn a_request_in_drops_is_answered_when_it_is_whole_and_frames_may_follow_at_once() {
    let (mut web, mut client) = pair();
    let bytes = [REQUEST.as_bytes(), &frame(0x82, b"first")].concat();
    let mut got = Vec::new();
    for byte in bytes {
        client.write_all(&[byte]).expect("it is taken");
        let (payload, trouble) = read(&mut web);
        assert!(trouble.is_none());
        got.extend(payload);
    }
    assert_eq!(got, b"first");
    let (mut web, mut client) = pair();
    client.write_all(&[REQUEST.as_bytes(), &frame(0x82, b"at once")].concat()).expect("it is taken");
    let mut buffer = [0; 4096];
    assert!(matches!(web.read(&mut buffer), Ok(Progress::Some(7))));
    assert_eq!(&buffer[..7], b"at once");
}

#[test]
fn what_waits_leaves_in_frames_whatever_the_socket_takes_at_a_time_and_pongs_go_between_them() {
    let (mut web, mut client) = open_pair();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut at, mut came, mut pings) = (0, Vec::new(), 0_u8);
    while at < sent.len() {
        match web.write(&sent[at..]).map_err(|_| "a write").expect("it goes") {
            Progress::Some(count) => at += count,
            Progress::Later | Progress::More => {
                // The socket is full, most likely in the middle of a frame.
                pings += 1;
                client.write_all(&frame(0x89, &[pings])).expect("it is taken");
                assert!(read(&mut web).1.is_none());
                came.extend(take(&mut client));
            }
        }
    }
    web.flush().map_err(|_| "a flush").expect("it goes");
    came.extend(take(&mut client));
    let (frames, rest) = frames(&came);
    assert!(rest.is_empty(), "whole frames");
    assert!(
        frames
            .iter()
            .all(|(first, payload)| [0x82, 0x8A].contains(first) && payload.len() <= WEBSOCKET_FRAME_BYTES_MAX)
    );
    let payload: Vec<u8> = frames.iter().filter(|frame| frame.0 == 0x82).flat_map(|frame| frame.1.clone()).collect();
    assert!(payload == sent);
    let pongs: Vec<_> = frames.iter().filter(|frame| frame.0 == 0x8A).map(|frame| frame.1.clone()).collect();
    assert!(pings > 1 && pongs.last() == Some(&vec![pings]), "{pongs:?} for {pings} pings");
}

#[test]
fn pings_of_a_client_that_does_not_read_leave_one_pong_and_no_more() {
    let (mut web, mut client) = open_pair();
    while let Ok(Progress::Some(_)) = web.write(&[0; 10_000]) {}
    for _ in 0..10_000 {
        client.write_all(&frame(0x89, &[b'p'; 125])).expect("it is taken");
        assert!(read(&mut web).1.is_none());
    }
    assert!(web.words.capacity() + web.pong.capacity() < 1_000, "bounded");
}

#[test]
fn a_goodbye_is_answered_with_its_status_after_what_came_before_it() {
    let (mut web, mut client) = open_pair();
    let bytes = [frame(0x82, b"\xE0\x00"), frame(0x88, &4000_u16.to_be_bytes()), frame(0x82, b"late")].concat();
    client.write_all(&bytes).expect("it is taken");
    let (payload, trouble) = read(&mut web);
    assert!(payload == b"\xE0\x00" && matches!(trouble, Some(Trouble::Gone)));
    assert_eq!(take(&mut client), [0x88, 2, 0x0F, 0xA0]);
    assert!(matches!(web.write(b"more"), Err(Trouble::Gone)), "nothing follows a Close");
    web.close();
    assert!(take(&mut client).is_empty(), "and it is said once");
}

#[test]
fn words_before_a_goodbye_are_heard_though_nobody_is_left_to_answer() {
    let (mut web, mut client) = open_pair();
    client.write_all(&[frame(0x82, b"\xE0\x00"), frame(0x88, &1000_u16.to_be_bytes())].concat()).expect("it is taken");
    drop(client);
    let (payload, trouble) = read(&mut web);
    assert!(payload == b"\xE0\x00" && matches!(trouble, Some(Trouble::Gone)));
}

#[test]
fn the_end_of_the_stream_behind_a_control_frame_is_seen() {
    let (mut web, mut client) = open_pair();
    client.write_all(&frame(0x8A, b"")).expect("it is taken");
    drop(client);
    assert!(matches!(web.read(&mut [0; 4096]), Err(Trouble::Gone)));
}

#[test]
fn text_is_answered_with_1003_and_closing_by_us_with_1000() {
    // 3.1.1 MQTT-6.0.0-1 and 5.0 MQTT-6.0.0-1
    let (mut web, mut client) = open_pair();
    client.write_all(&frame(0x81, b"hello")).expect("it is taken");
    assert!(matches!(read(&mut web).1, Some(Trouble::Web(WebFault::Frame(FrameFault::Text)))));
    assert_eq!(take(&mut client), [0x88, 2, 0x03, 0xEB]);
    let (mut web, mut client) = open_pair();
    web.close();
    assert_eq!(take(&mut client), [0x88, 2, 0x03, 0xE8]);
}

#[test]
fn whoever_may_not_come_in_is_told_why_and_complained_about() {
    let rows: &[(&str, String, &str, &str)] = &[
        (
            "origin",
            REQUEST.replace("Host: h", "Origin: http://evil"),
            "HTTP/1.1 403 ",
            "'websockets_origin http://evil'",
        ),
        ("subprotocol", REQUEST.replace("Protocol: mqtt", "Protocol: chat"), "HTTP/1.1 400 ", "(it offers chat)"),
        ("subprotocol", REQUEST.replace("Protocol: mqtt", "Protocol: "), "HTTP/1.1 400 ", "(it offers none)"),
        ("http", "GET /x HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 426 ", "the page /x"),
        ("http", "POST /x HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 405 ", "method POST"),
        ("head", format!("GET /{} HTTP/1.1", "x".repeat(5000)), "HTTP/1.1 431 ", "packet_buffer_size"),
        ("head", "GET\r\n\r\n".to_owned(), "HTTP/1.1 400 ", "malformed"),
        ("version", REQUEST.replace("13", "8"), "HTTP/1.1 426 ", "version"),
        ("plain", "\u{10}\u{c}\0\u{4}MQTT".to_owned(), "", "'protocol mqtt'"),
        ("other", "\u{1}\u{2}\u{3}".to_owned(), "", "does not speak WebSocket"),
    ];
    for (kind, said, answer, words) in rows {
        let (mut web, mut client) = pair();
        client.write_all(said.as_bytes()).expect("it is taken");
        let Some(Trouble::Web(fault)) = read(&mut web).1 else { panic!("{said} was taken") };
        let (found, complaint) = complaint(&fault, web.port());
        assert_eq!(found, *kind, "{said}: {complaint}");
        assert!(complaint.contains(words) && complaint.contains("9001"), "{said}: {complaint}");
        let told = String::from_utf8(take(&mut client)).expect("ASCII");
        assert!(if answer.is_empty() { told.is_empty() } else { told.starts_with(answer) }, "{said}: {told}");
    }
    let (mut web, mut client) = pair();
    client.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]).expect("it is taken");
    let Some(Trouble::Web(fault)) = read(&mut web).1 else { panic!("TLS was taken") };
    assert_eq!(complaint(&fault, 9001).0, "tls");
}

#[test]
fn only_who_may_be_a_proxy_is_believed() {
    let rows = [
        ("127.0.0.1", true),
        ("10.1.2.3", true),
        ("172.31.0.1", true),
        ("192.168.0.9", true),
        ("169.254.1.1", true),
        ("::1", true),
        ("fd00::1", true),
        ("fe80::1", true),
        ("172.32.0.1", false),
        ("203.0.113.9", false),
        ("2001:db8::1", false),
    ];
    for (address, wanted) in rows {
        assert_eq!(may_be_a_proxy(address.parse().expect("an address")), wanted, "{address}");
    }
}
