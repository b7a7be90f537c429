//! WebSocket beside mosquitto's, whose Debian package has it by libwebsockets: the same request and the same frames, and the
//! same packets back. Then a client that we did not write, through TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use crate::clients::{Subscriber, publish_well};
use crate::folder::Folder;
use crate::harness::{Appliance, PATIENCE, output_of, text};
use crate::mosquitto::Mosquitto;

/// WebSocket at 127.0.0.1, and MQTT at the same port of another address.
const CONF: &str =
    "user root\nallow_anonymous true\nlistener PORT 127.0.0.2\nlistener PORT 127.0.0.1\nprotocol websockets\n";

/// Debian's mosquitto does not start with WebSocket alone, nor with an address for it.
fn mosquitto(folder: &Folder) -> Mosquitto {
    let socket = folder.at("socket");
    Mosquitto::with_configuration(|port| {
        format!("user root\nallow_anonymous true\nlistener 0 {socket}\nlistener {port}\nprotocol websockets\n")
    })
}

fn request(subprotocol: &str) -> String {
    format!(
        "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    )
}

/// A frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "a short one");
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

struct Client(TcpStream);

impl Client {
    fn knock(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        Self(stream)
    }

    fn says(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is taken");
    }

    fn head(&mut self) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        String::from_utf8(head).expect("ASCII")
    }

    /// The payload of binary frames up to so many bytes, or all up to a Close, which is given as its status.
    fn payload(&mut self, count: usize) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut all = Vec::new();
        while all.len() < count {
            let mut two = [0; 2];
            self.0.read_exact(&mut two).expect("a frame");
            let mut payload = vec![0; usize::from(two[1])];
            self.0.read_exact(&mut payload).expect("its payload");
            match two[0] {
                0x82 => all.extend(payload),
                0x88 => return (all, Some(payload)),
                first => panic!("a frame that begins with {first:02x}"),
            }
        }
        (all, None)
    }
}

/// The value of a field of a head.
fn field(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

#[test]
fn the_handshake_is_answered_as_mosquitto_answers_it() {
    let folder = Folder::new();
    let (theirs, ours) = (mosquitto(&folder), Appliance::start(CONF, Folder::new()));
    for subprotocol in ["mqtt", "mqttv3.1", "mqttv3.1, mqtt", "mqtt, mqttv3.1"] {
        let [theirs, ours] = [theirs.open_port(), ours.port].map(|port| {
            let mut client = Client::knock(port);
            client.says(request(subprotocol).as_bytes());
            let head = client.head();
            let fields = ["Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol"];
            let fields = fields.map(|name| field(&head, name).map(|value| value.to_ascii_lowercase()));
            (head[..12].to_owned(), fields)
        });
        assert_eq!(ours, theirs, "{subprotocol}");
    }
}

#[test]
fn packets_come_back_as_from_mosquitto_whatever_frames_they_are_said_in() {
    // [3.1.1 MQTT-6.0.0-2, 5.0 MQTT-6.0.0-2]
    let connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c";
    let subscribe = b"\x82\x06\x00\x09\x00\x01t\x00";
    let publish = b"\x30\x05\x00\x01thi";
    let all = [&connect[..], subscribe, publish, publish, b"\xc0\x00"].concat();
    let wanted = [&b"\x20\x02\x00\x00\x90\x03\x00\x09\x00"[..], publish, publish, b"\xd0\x00"].concat();
    let fragments = |size: usize| {
        let count = all.chunks(size).count();
        let frames = all.chunks(size).enumerate().map(|(at, piece)| {
            let first = if at == 0 { 2 } else { 0 } | if at + 1 == count { 0x80 } else { 0 };
            frame(first, piece)
        });
        frames.collect::<Vec<_>>().concat()
    };
    let rows = [
        ("one frame", frame(0x82, &all)),
        (
            "a frame for each packet",
            [connect, &subscribe[..], publish, publish, b"\xc0\x00"].map(|one| frame(0x82, one)).concat(),
        ),
        ("a frame for each byte", all.iter().flat_map(|byte| frame(0x82, &[*byte])).collect()),
        ("fragments of 3 bytes", fragments(3)),
        ("fragments of 20 bytes", fragments(20)),
    ];
    let folder = Folder::new();
    let (theirs, ours) = (mosquitto(&folder), Appliance::start(CONF, Folder::new()));
    for (what, said) in rows {
        for (who, port) in [("mosquitto", theirs.open_port()), ("nightjar", ours.port)] {
            let mut client = Client::knock(port);
            client.says(request("mqtt").as_bytes());
            client.head();
            client.says(&said);
            assert_eq!(client.payload(wanted.len()), (wanted.clone(), None), "{who}: {what}");
            client.says(&frame(0x88, &1000_u16.to_be_bytes()));
            let (more, status) = client.payload(1);
            assert_eq!((more, status), (Vec::new(), Some(vec![0x03, 0xE8])), "{who}: {what}");
        }
    }
}

#[test]
fn who_comes_by_websocket_and_who_comes_without_meet() {
    let appliance = Appliance::start(CONF, Folder::new());
    let mut client = Client::knock(appliance.port);
    client.says(request("mqtt").as_bytes());
    client.head();
    client.says(&frame(0x82, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c\x82\x06\x00\x09\x00\x01t\x00"));
    client.payload(9);
    let plain = ["-h", "127.0.0.2"];
    let subscriber = Subscriber::start(appliance.port, &[&plain[..], &["-t", "back"]].concat());
    publish_well(appliance.port, &[&plain[..], &["-t", "t", "-m", "hi"]].concat());
    assert_eq!(client.payload(7).0, b"\x30\x05\x00\x01thi");
    client.says(&frame(0x82, b"\x30\x08\x00\x04backhi"));
    assert_eq!(subscriber.messages(1), ["back|0|0|hi"]);
}

/// MQTT.js over `wss`: `node -e SCRIPT PORT CA`. After its DISCONNECT our end may be closed before its Close is written
/// (decision 17): a fault then is none.
const SCRIPT: &str = r#"
const [port, ca] = process.argv.slice(1)
const client = require("mqtt").connect(`wss://127.0.0.1:${port}/mqtt`, { ca: require("fs").readFileSync(ca), protocolVersion: 5 })
client.on("error", (fault) => { if (!client.disconnecting) { console.log(fault.message); process.exit(1) } })
client.on("message", (topic, payload, { qos }) => { console.log(topic, payload.length, qos); if (qos === 2) client.end() })
client.on("connect", async () => {
  await client.subscribeAsync("t", { qos: 2 })
  for (const qos of [0, 1, 2]) await client.publishAsync("t", Buffer.alloc(100_000 * qos, "x"), { qos })
})
"#;

#[test]
fn mqttjs_comes_through_tls() {
    let folder = Folder::new();
    folder.certificates();
    let ca = folder.at("certs/ca.crt");
    let conf = "user root\nallow_anonymous true\nlistener PORT 127.0.0.1\nprotocol websockets\ncertfile DIR/certs/server.crt\n\
                keyfile DIR/certs/server.key\n";
    let appliance = Appliance::start(conf, folder);
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-node/node_modules");
    let mut node = Command::new("node");
    node.env("NODE_PATH", modules).args(["-e", SCRIPT, &appliance.port.to_string(), &ca]);
    let output = output_of(&mut node);
    assert_eq!(text(&output.stdout), "t 0 0\nt 100000 1\nt 200000 2\n", "{}", text(&output.stderr));
    // Who forgets the "s" is told of.
    let mut client = Client::knock(appliance.port);
    client.says(request("mqtt").as_bytes());
    assert_eq!(client.0.read(&mut [0; 8]).unwrap_or(0), 0);
    appliance.log.wait_for("127.0.0.1 speaks HTTP without TLS to the WebSocket port");
}

#[test]
fn websocket_at_a_port_for_mqtt_is_told_of() {
    let appliance = Appliance::start("user root\nallow_anonymous true\nlistener PORT 127.0.0.1\n", Folder::new());
    let mut client = Client::knock(appliance.port);
    client.says(request("mqtt").as_bytes());
    assert_eq!(client.0.read(&mut [0; 8]).unwrap_or(0), 0);
    appliance.log.wait_for("127.0.0.1 speaks WebSocket to the MQTT port");
}

#[test]
fn packet_buffer_size_is_the_longest_request() {
    let request = request("mqtt").replace("Host: h", &format!("Host: h\r\nCookie: {}", "c".repeat(1_000)));
    for (size, status) in [(1_000, "431"), (9_000, "101")] {
        let appliance = Appliance::start(&format!("packet_buffer_size {size}\n{CONF}"), Folder::new());
        let mut client = Client::knock(appliance.port);
        client.says(request.as_bytes());
        assert_eq!(&client.head()[9..12], status, "{size}");
    }
}

#[test]
fn websockets_origin_is_who_may_connect_from_a_page() {
    let appliance =
        Appliance::start(&format!("{CONF}websockets_origin http://a\nwebsockets_origin http://b\n"), Folder::new());
    for (origin, status) in [("http://a", "101"), ("http://b", "101"), ("http://c", "403")] {
        let mut client = Client::knock(appliance.port);
        client.says(request("mqtt").replace("Host: h", &format!("Origin: {origin}")).as_bytes());
        assert_eq!(&client.head()[9..12], status, "{origin}");
    }
    appliance.log.wait_for("add 'websockets_origin http://c' to this listener if it may connect");
}
