//! WebSocket on real sockets, plain and with TLS: the same conversations in frames, and what breaks the rules of frames.
//! What clients that we did not write make of it is in `tests/appliance`.

use std::io::{self, Read, Write};
use std::sync::Arc;

use broker::{Protection, WebSocketRules};

use crate::client::{
    Client, Running, connect, connect_v5, connect_with_will, packet, password_file, publish, reloaded, start_behind,
    text,
};
use crate::doors::{certificate, converse, psk, with_psk};
use crate::log::Log;

const MASK: [u8; 4] = [0x5A, 0x01, 0xC3, 0xFF];

/// What a listener asks of who comes by WebSocket.
pub(crate) fn rules(origins: &[&str]) -> Arc<WebSocketRules> {
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    Arc::new(WebSocketRules { head_bytes_max: 4096, origins })
}

fn start() -> Running {
    start_behind(Protection { websocket: Some(rules(&[])), ..Protection::default() }, |_| {})
}

fn request(fields: &str) -> String {
    format!(
        "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    )
}

/// A client's frame: first byte as given.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => bytes.extend([&[0xFE][..], &(len as u16).to_be_bytes()].concat()),
        len => bytes.extend([&[0xFF][..], &(len as u64).to_be_bytes()].concat()),
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// WebSocket as a client speaks it, on any stream. Reading ends where Close says so.
pub(crate) struct Web<S> {
    pub(crate) stream: S,
    /// Payload of the frame that is being read.
    left: usize,
}

impl<S: Read + Write> Web<S> {
    pub(crate) fn open(mut stream: S) -> Self {
        stream.write_all(request("Sec-WebSocket-Protocol: mqtt\r\n").as_bytes()).expect("the broker takes it");
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("Sec-WebSocket-Protocol: mqtt\r\n"), "{head}");
        Self { stream, left: 0 }
    }

    /// The next frame's first byte, and its length.
    fn header(&mut self) -> io::Result<(u8, usize)> {
        let mut two = [0; 2];
        self.stream.read_exact(&mut two)?;
        let mut long = [0; 8];
        let len = match two[1] {
            126 => {
                self.stream.read_exact(&mut long[6..])?;
                u64::from_be_bytes(long) as usize
            }
            127 => {
                self.stream.read_exact(&mut long)?;
                u64::from_be_bytes(long) as usize
            }
            len => usize::from(len),
        };
        Ok((two[0], len))
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        let (first, len) = self.header().expect("a frame");
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).expect("its payload");
        (first, payload)
    }
}

impl<S: Read + Write> Read for Web<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            match self.header()? {
                (0x82, len) => self.left = len,
                (0x88, _) => return Ok(0),
                (first, _) => panic!("a frame that begins with {first:02x}"),
            }
        }
        let count = self.left.min(buffer.len());
        let count = self.stream.read(&mut buffer[..count])?;
        self.left -= count;
        Ok(count)
    }
}

impl<S: Read + Write> Write for Web<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Frames of all sizes, in fragments: nothing of MQTT begins or ends where they do.
        let mut rest = bytes;
        for size in [1, 2, 125, 126, 70_000].into_iter().cycle() {
            let (piece, more) = rest.split_at(size.min(rest.len()));
            let first = u8::from(more.is_empty()) << 7 | if rest.len() == bytes.len() { 2 } else { 0 };
            self.stream.write_all(&frame(first, piece))?;
            rest = more;
            if rest.is_empty() {
                return Ok(bytes.len());
            }
        }
        unreachable!("it goes round for ever")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A response head of HTTP.
fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("ASCII")
}

/// A client that was let in by WebSocket.
fn let_in(broker: &Running, connect: &[u8], connack: &[u8]) -> Web<std::net::TcpStream> {
    let mut web = Web::open(broker.knock().stream);
    web.stream.write_all(&frame(0x82, connect)).expect("the broker takes it");
    let (first, payload) = web.frame();
    assert_eq!((first, &payload[..connack.len()]), (0x82, connack));
    web
}

#[test]
fn a_conversation_is_the_same_whatever_frames_it_comes_in() {
    // 3.1.1 MQTT-6.0.0-2 and 5.0 MQTT-6.0.0-2; the subprotocol: 3.1.1 MQTT-6.0.0-4 and 5.0 MQTT-6.0.0-4
    let broker = start();
    for _ in 0..2 {
        converse(Web::open(broker.knock().stream));
    }
    broker.stop();
}

#[test]
fn it_is_the_same_inside_tls() {
    let (protection, config) = certificate();
    let broker = start_behind(Protection { websocket: Some(rules(&[])), ..protection }, |_| {});
    for _ in 0..2 {
        let name = "127.0.0.1".try_into().expect("a name");
        let session = rustls::ClientConnection::new(Arc::clone(&config), name).expect("a session");
        converse(Web::open(rustls::StreamOwned::new(session, broker.knock().stream)));
    }
    let keyed = psk(&[("one", b"0123456789abcdef")]);
    let broker = start_behind(Protection { websocket: Some(rules(&[])), ..keyed }, |_| {});
    converse(Web::open(with_psk(&broker, "one", b"0123456789abcdef").expect("it is let in")));
}

#[test]
fn many_packets_in_one_frame_are_many_packets() {
    let broker = start();
    let mut web = Web::open(broker.knock().stream);
    let subscribe = packet(0x82, &[vec![0, 9], text("t"), vec![0]].concat());
    let all = [connect("c", 0), subscribe, publish("t", b"1"), publish("t", b"2"), vec![0xC0, 0]].concat();
    web.stream.write_all(&frame(0x82, &all)).expect("the broker takes it");
    let wanted =
        [&[0x20, 2, 0, 0, 0x90, 3, 0, 9, 0][..], &publish("t", b"1"), &publish("t", b"2"), &[0xD0, 0]].concat();
    let mut got = vec![0; wanted.len()];
    web.read_exact(&mut got).expect("the answers");
    assert_eq!(got, wanted);
}

#[test]
fn a_frame_that_breaks_the_rules_ends_its_connection_with_the_reason_and_the_will_is_published() {
    let rows: &[(&str, Vec<u8>, u16)] = &[
        ("3.1.1 MQTT-6.0.0-1", frame(0x81, &[0xC0, 0]), 1003),
        ("5.0 MQTT-6.0.0-1", frame(0x01, &[0xC0]), 1003),
        ("RFC 6455 §5.1", vec![0x82, 2, 0xC0, 0], 1002),
        ("RFC 6455 §5.2", frame(0xC2, &[0xC0, 0]), 1002),
        ("RFC 6455 §5.4", frame(0x80, &[0xC0, 0]), 1002),
        ("RFC 6455 §5.5", frame(0x09, b""), 1002),
        ("RFC 6455 §5.5.1", frame(0x88, &[3]), 1002),
        ("RFC 6455 §8.1", frame(0x88, &[3, 0xE8, 0xC0]), 1007),
    ];
    let broker = start();
    let mut other = let_in(&broker, &connect("other", 0), &[0x20, 2, 0, 0]);
    other.stream.write_all(&frame(0x82, &packet(0x82, &[vec![0, 9], text("will"), vec![0]].concat()))).expect("taken");
    assert_eq!(other.frame().1, [0x90, 3, 0, 9, 0]);
    for (source, bytes, status) in rows {
        let mut web = let_in(&broker, &connect_with_will("c", "will", source), &[0x20, 2, 0, 0]);
        web.stream.write_all(&[bytes.clone(), frame(0x82, &[0xE0, 0])].concat()).expect("the broker takes it");
        assert_eq!(web.frame(), (0x88, status.to_be_bytes().to_vec()), "{source}");
        Client { stream: web.stream }.expect_end();
        // What was said behind it counts for nothing: the DISCONNECT was not heard.
        assert_eq!(other.frame().1, publish("will", source.as_bytes()), "{source}");
    }
}

#[test]
fn goodbye_is_said_on_both_sides_and_a_disconnect_before_it_is_heard() {
    let broker = start();
    let mut other = let_in(&broker, &connect("other", 0), &[0x20, 2, 0, 0]);
    other.stream.write_all(&frame(0x82, &packet(0x82, &[vec![0, 9], text("will"), vec![0]].concat()))).expect("taken");
    assert_eq!(other.frame().1, [0x90, 3, 0, 9, 0]);
    for (last_words, is_will_said) in [(frame(0x82, &[0xE0, 0]), false), (Vec::new(), true)] {
        let mut web = let_in(&broker, &connect_with_will("c", "will", "w"), &[0x20, 2, 0, 0]);
        web.stream.write_all(&[last_words, frame(0x88, &[0x03, 0xE9, b'b'])].concat()).expect("the broker takes it");
        assert_eq!(web.frame(), (0x88, vec![0x03, 0xE9]), "its own status comes back");
        Client { stream: web.stream }.expect_end();
        if is_will_said {
            assert_eq!(other.frame().1, publish("will", b"w"));
        }
        other.stream.write_all(&frame(0x82, &[0xC0, 0])).expect("the broker takes it");
        assert_eq!(other.frame().1, [0xD0, 0], "and nothing else came");
    }
}

/// What a client has said and nobody has read resets the connection when its socket is closed, and the client loses what it has
/// not read itself.
#[test]
fn who_is_told_goodbye_first_may_answer_it_and_loses_nothing_that_was_said_before() {
    let broker = start();
    for by_fault in [false, true] {
        let mut web = let_in(&broker, &connect("c", 0), &[0x20, 2, 0, 0]);
        web.stream.write_all(&frame(0x82, &[0xC0, 0])).expect("it is taken");
        assert_eq!(web.frame(), (0x82, vec![0xD0, 0]));
        // The broker ends it, at a DISCONNECT or at a frame that may not be. What comes behind is not heard.
        let last = if by_fault { frame(0x81, b"text") } else { frame(0x82, &[0xE0, 0]) };
        let unread = frame(0x82, &vec![0; 300_000]);
        web.stream.write_all(&[last, unread.clone(), unread].concat()).expect("it is taken");
        let (status, is_end_seen) = if by_fault { (1003_u16, true) } else { (1000, false) };
        assert_eq!(web.frame(), (0x88, status.to_be_bytes().to_vec()));
        if is_end_seen {
            // What breaks the rules is not understood any more, its Close neither: our end comes first.
            assert_eq!(web.stream.read(&mut [0]).expect("an end, and no reset"), 0);
        }
        web.stream.write_all(&frame(0x88, &status.to_be_bytes())).expect("somebody is there");
        web.stream.shutdown(std::net::Shutdown::Write).expect("it is open still");
        assert_eq!(web.stream.read(&mut [0]).expect("an end, and no reset"), 0);
    }
}

#[test]
fn who_never_answers_goodbye_is_closed_all_the_same_and_does_not_keep_the_broker_from_stopping() {
    let broker = start();
    let mut silent = let_in(&broker, &connect("silent", 0), &[0x20, 2, 0, 0]);
    silent.stream.write_all(&frame(0x82, &[0xE0, 0])).expect("it is taken");
    assert_eq!(silent.frame(), (0x88, vec![0x03, 0xE8]));
    assert_eq!(silent.stream.read(&mut [0]).expect("an end"), 0, "when the time is up");
    let mut left = let_in(&broker, &connect("left", 0), &[0x20, 2, 0, 0]);
    broker.stop();
    assert_eq!(left.frame(), (0x88, vec![0x03, 0xE8]));
    assert_eq!(left.stream.read(&mut [0]).expect("an end"), 0);
}

#[test]
fn a_5_0_client_is_told_the_reason_in_a_frame_before_goodbye() {
    let broker = start();
    let mut web = let_in(&broker, &connect_v5("c"), &[0x20]);
    web.stream.write_all(&frame(0x82, &[0xD0, 0])).expect("the broker takes it");
    let (first, payload) = web.frame();
    assert_eq!((first, &payload[..1], payload[2]), (0x82, &[0xE0][..], 0x82));
    assert_eq!(web.frame(), (0x88, vec![0x03, 0xE8]));
}

#[test]
fn pings_are_answered_before_and_behind_what_waits() {
    let broker = start();
    let mut web = Web::open(broker.knock().stream);
    web.stream.write_all(&frame(0x89, b"early")).expect("the broker takes it");
    assert_eq!(web.frame(), (0x8A, b"early".to_vec()), "who has not logged in may ping");
    web.stream.write_all(&[frame(0x82, &connect("c", 0)), frame(0x89, b"late")].concat()).expect("taken");
    let mut got = [web.frame(), web.frame()];
    got.sort();
    assert_eq!(got, [(0x82, vec![0x20, 2, 0, 0]), (0x8A, b"late".to_vec())]);
}

#[test]
fn who_may_not_come_in_is_answered_and_told_of() {
    let broker = start_behind(Protection { websocket: Some(rules(&["http://good"])), ..Protection::default() }, |_| {});
    let log = Log::begin();
    let mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
    let rows = [
        (request(&format!("Origin: http://evil\r\n{mqtt}")), "403", "comes from a page of http://evil"),
        (request("Sec-WebSocket-Protocol: chat\r\n"), "400", "(it offers chat)"),
        ("GET /page HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), "426", "for the page /page"),
    ];
    for (said, status, words) in rows {
        let mut client = broker.knock();
        client.say(said.as_bytes());
        let answer = head(&mut client.stream);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let mut body = String::new();
        client.stream.read_to_string(&mut body).expect("and then the end");
        assert!(answer.contains(&format!("Content-Length: {}\r\n", body.len())), "{answer}");
        log.wait_for(words);
    }
    let mut client = broker.knock();
    client.say(&connect("c", 0));
    client.expect_end();
    log.wait_for("speaks MQTT without WebSocket to the WebSocket port");
    let mut client = broker.knock();
    client.say(&[0x16, 3, 1, 0, 200, 1]);
    client.expect_end();
    log.wait_for("speaks TLS to the WebSocket port");
}

#[test]
fn other_origins_count_after_a_reload_and_who_is_in_stays_in() {
    let broker = start_behind(Protection { websocket: Some(rules(&["http://one"])), ..Protection::default() }, |_| {});
    let answer = |origin: &str| {
        let mut client = broker.knock();
        client.say(request(&format!("Origin: {origin}\r\nSec-WebSocket-Protocol: mqtt\r\n")).as_bytes());
        head(&mut client.stream)[9..12].to_owned()
    };
    assert_eq!([answer("http://one"), answer("http://two")], ["101", "403"]);
    let mut before = let_in(&broker, &connect("before", 0), &[0x20, 2, 0, 0]);
    broker
        .handle
        .reload(reloaded(None, Protection { websocket: Some(rules(&["http://two"])), ..Protection::default() }));
    broker.settle();
    // An I/O thread takes its orders in their order, and a connection behind this one is behind it.
    assert_eq!([answer("http://one"), answer("http://two")], ["403", "101"]);
    before.stream.write_all(&frame(0x82, &[0xC0, 0])).expect("the broker takes it");
    assert_eq!(before.frame().1, [0xD0, 0]);
}

#[test]
fn the_address_that_a_proxy_tells_is_the_clients_in_the_log() {
    let broker = start_behind(Protection { websocket: Some(rules(&[])), ..Protection::default() }, |appliance| {
        appliance.connection_messages = true;
        appliance.passwords = vec![Some(std::sync::Arc::new(password_file("u", "p")))];
        appliance.settings.listeners[0].checks_passwords = true;
    });
    let log = Log::begin();
    let mut client = broker.knock();
    client.say(request("X-Forwarded-For: 203.0.113.9, 192.0.2.77\r\nSec-WebSocket-Protocol: mqtt\r\n").as_bytes());
    assert!(head(&mut client.stream).starts_with("HTTP/1.1 101 "));
    client.say(&frame(0x82, &connect("forwarded", 0)));
    client.expect(&[0x82, 4, 0x20, 2, 0, 0]);
    log.wait_for("New client connected from 192.0.2.77:");
    let mut client = broker.knock();
    client.say(request("X-Forwarded-For: 192.0.2.78\r\nSec-WebSocket-Protocol: mqtt\r\n").as_bytes());
    assert!(head(&mut client.stream).starts_with("HTTP/1.1 101 "));
    client.say(&frame(0x82, &crate::client::login("guesser", "u", "wrong")));
    client.expect(&[0x82, 4, 0x20, 2, 0, 5]);
    log.wait_for("192.0.2.78 sends a wrong user name or password");
}

#[test]
fn a_subscriber_that_reads_late_gets_all_in_whole_frames() {
    let broker = start();
    let mut reader = let_in(&broker, &connect("reader", 0), &[0x20, 2, 0, 0]);
    reader.stream.write_all(&frame(0x82, &packet(0x82, &[vec![0, 9], text("t"), vec![1]].concat()))).expect("taken");
    assert_eq!(reader.frame().1, [0x90, 3, 0, 9, 1]);
    let mut writer = let_in(&broker, &connect("writer", 0), &[0x20, 2, 0, 0]);
    let message = vec![b'm'; 400_000];
    for id in 1..=18 {
        // More than a socket holds, and less than is in flight at most.
        let publish = crate::client::publish_qos1("t", id, &message);
        writer.stream.write_all(&frame(0x82, &publish)).expect("the broker takes it");
        assert_eq!(writer.frame().1, [0x40, 2, 0, id as u8]);
    }
    for id in 1..=18_u16 {
        let wanted = crate::client::publish_qos1("t", id, &message);
        let mut got = vec![0; wanted.len()];
        reader.read_exact(&mut got).expect("a message");
        assert!(got == wanted, "message {id}");
        let puback = [&[0x40, 2][..], &id.to_be_bytes()].concat();
        reader.stream.write_all(&frame(0x82, &puback)).expect("the broker takes it");
    }
}
