//! The link against a server that we did not write: mosquitto as Debian packages it, with the guide's three doors.
//!
//! Needs the packages `mosquitto` and `mosquitto-clients`; without them these tests fail and say so.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{self, BufRead};
use std::net::{Shutdown, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use certs::issue::{self, Authority, Terms};
use certs::{CaSource, CertificateTls};
use link::{
    Backoff, BoxedStream, ConnectionKind, Inbound, Link, LinkSettings, Message, State, Subscription, Transport,
};
use mqtt::{ProtocolVersion, QoS, TopicFilter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LOCAL: &str = "127.0.0.1";
const PATIENCE: Duration = Duration::from_secs(60);

/// mosquitto on ports that nobody else has, in a directory of its own; ended and removed with this value.
struct Mosquitto {
    process: Child,
    folder: PathBuf,
    plain: u16,
    psk: u16,
    certificate: u16,
    client_certificate: u16,
}

impl Mosquitto {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("link-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        write_certificates(&folder);
        let at = |name: &str| folder.join(name).display().to_string();
        fs::write(at("psk"), "router:0123456789abcdef\n").unwrap();
        fs::write(at("password"), "").unwrap();
        let made = Command::new("mosquitto_passwd").args(["-b", &at("password"), "router", "secret"]).status();
        assert!(made.expect("the package mosquitto is installed").success());
        let ports = free_ports();
        let [plain, psk, certificate, client_certificate] = ports;
        let tls = format!("cafile {}\ncertfile {}\nkeyfile {}\n", at("ca.crt"), at("server.crt"), at("server.key"));
        let config = format!(
            "user root\nallow_anonymous false\npassword_file {}\nlog_dest none\nqueue_qos0_messages true\n\
             max_queued_messages 0\n\
             listener {plain} {LOCAL}\n\
             listener {psk} {LOCAL}\npsk_hint true\npsk_file {}\n\
             listener {certificate} {LOCAL}\n{tls}\
             listener {client_certificate} {LOCAL}\n{tls}require_certificate true\n",
            at("password"),
            at("psk"),
        );
        fs::write(at("mosquitto.conf"), config).unwrap();
        let process = Command::new("mosquitto")
            .args(["-c", &at("mosquitto.conf")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the package mosquitto is installed");
        Self { process, folder, plain, psk, certificate, client_certificate }
    }

    fn tcp(&self) -> Transport {
        Transport::Tcp { host: LOCAL.to_owned(), port: self.plain }
    }

    fn psk(&self, identity: &str, key: &[u8]) -> Transport {
        let context = certs::psk_client_context(identity, key, None).unwrap();
        Transport::Psk { host: LOCAL.to_owned(), port: self.psk, context }
    }

    fn tls(&self, port: u16, ca: &str, client: bool) -> Transport {
        let mut tls = CertificateTls::new(CaSource::File(self.folder.join(ca)));
        tls.client = client.then(|| (self.folder.join("client.crt"), self.folder.join("client.key")));
        let server_name = tls.name_to_verify(LOCAL).unwrap();
        Transport::Tls { host: LOCAL.to_owned(), port, tls: certs::client_config(&tls).unwrap(), server_name }
    }

    /// A subscriber that has subscribed: whatever is published from now on will reach it.
    async fn subscriber(&self, topic: &str) -> Subscriber {
        let up = open(settings(self.tcp(), "knock"));
        is_up(&up).await;
        up.close().await;
        let command = |last: &[&str]| {
            let mut command = Command::new("mosquitto_sub");
            command.args(["-h", LOCAL, "-p", &self.plain.to_string(), "-u", "router", "-P", "secret"]);
            command.args(["-c", "-i", "sub", "-q", "2", "-t", topic]).args(last);
            command
        };
        // Once to subscribe and go; the session then keeps what comes until the second is there.
        assert!(command(&["-E"]).status().expect("the package mosquitto-clients is installed").success());
        let mut process = command(&["-W", "60"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = io::BufReader::new(process.stdout.take().unwrap()).lines();
        Subscriber { process, lines }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

struct Subscriber {
    process: Child,
    lines: io::Lines<io::BufReader<ChildStdout>>,
}

impl Subscriber {
    /// The first `count` payloads; fewer, if they do not come in time.
    fn receive(&mut self, count: usize) -> Vec<String> {
        self.lines.by_ref().map_while(Result::ok).take(count).collect()
    }

    /// Everything up to `last`, which is not given.
    fn receive_until(&mut self, last: &str) -> Vec<String> {
        self.lines.by_ref().map_while(Result::ok).take_while(|line| line != last).collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_certificates(folder: &Path) {
    for (ca, stem) in [("ours", "ca"), ("another", "other")] {
        let ca = issue::ca(ca, Terms::days(30)).unwrap();
        issue::write(folder, stem, &ca, true).unwrap();
        if stem == "ca" {
            let authority = Authority::from_issued(&ca).unwrap();
            let server = issue::server(&authority, &[LOCAL.to_owned()], Terms::days(30)).unwrap();
            issue::write(folder, "server", &server, true).unwrap();
            let client = issue::client(&authority, "router", Terms::days(30)).unwrap();
            issue::write(folder, "client", &client, true).unwrap();
        }
    }
}

/// Ports that were free a moment ago: mosquitto cannot be told to choose its own.
fn free_ports() -> [u16; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind((LOCAL, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn settings(transport: Transport, client_id: &str) -> LinkSettings {
    LinkSettings {
        username: Some("router".to_owned()),
        password: Some(b"secret".to_vec()),
        backoff: Backoff { first: Duration::from_millis(20), max: Duration::from_millis(200) },
        ..LinkSettings::new(transport, client_id)
    }
}

fn open(settings: LinkSettings) -> Link {
    let (link, driver) = link::open(settings);
    tokio::spawn(driver);
    link
}

async fn is_up(link: &Link) {
    let mut state = link.state();
    let up = timeout(PATIENCE, state.wait_for(|state| matches!(state, State::Up { .. }))).await;
    assert!(up.is_ok(), "{:?}", *link.state().borrow());
}

/// Waits for a cause that has these words: a server that is still starting has another.
async fn is_down_because(link: &Link, words: &str) {
    let mut state = link.state();
    let wanted = |state: &State| matches!(state, State::Down { why, .. } if why.contains(words));
    let down = timeout(PATIENCE, state.wait_for(wanted)).await;
    assert!(down.is_ok(), "{words:?} did not come; {:?}", *link.state().borrow());
}

fn message(qos: u8, payload: &str) -> Message {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Message { topic: "cassia".into(), payload, qos: QoS::from_u8(qos).unwrap(), retain: false }
}

#[tokio::test]
async fn every_door_delivers_in_every_version_at_every_qos() {
    let broker = Mosquitto::start();
    let doors = [
        ("plain", broker.tcp()),
        ("psk", broker.psk("router", &[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef])),
        ("certificate", broker.tls(broker.certificate, "ca.crt", false)),
        ("client certificate", broker.tls(broker.client_certificate, "ca.crt", true)),
    ];
    let mut subscriber = broker.subscriber("cassia").await;
    let mut wanted = Vec::new();
    for (door, transport) in doors {
        for protocol in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
            let link = open(LinkSettings { protocol, ..settings(transport.clone(), "link") });
            for number in 0..30 {
                let payload = format!("{door} {protocol:?} {number}");
                link.publish(message(number % 3, &payload)).unwrap();
                wanted.push(payload);
            }
            timeout(PATIENCE, link.flushed()).await.unwrap_or_else(|_| panic!("{door}: {:?}", *link.state().borrow()));
            link.close().await;
        }
    }
    assert_same(subscriber.receive(wanted.len()), wanted);
}

#[tokio::test]
async fn short_connections_deliver_every_message_through_every_door() {
    let broker = Mosquitto::start();
    let doors = [
        broker.tcp(),
        broker.psk("router", &[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]),
        broker.tls(broker.certificate, "ca.crt", false),
    ];
    let mut subscriber = broker.subscriber("cassia").await;
    let mut wanted = Vec::new();
    for (number, transport) in doors.into_iter().enumerate() {
        let link = open(LinkSettings { connection: ConnectionKind::Short, ..settings(transport, "link") });
        for qos in [0, 1, 2, 0, 0, 0] {
            let payload = format!("{number} {}", wanted.len());
            link.publish(message(qos, &payload)).unwrap();
            wanted.push(payload);
        }
        timeout(PATIENCE, link.flushed()).await.unwrap();
        let counts = link.counts();
        link.close().await;
        assert_eq!((counts.connects, counts.failures), (6, 0));
    }
    assert_same(subscriber.receive(wanted.len()), wanted);
}

/// Everything that comes by subscriptions, up to a payload of this text.
async fn received_until(link: &Link, last: &str) -> Vec<String> {
    let mut payloads = Vec::new();
    loop {
        match timeout(PATIENCE, link.inbound()).await.unwrap_or_else(|_| panic!("{last:?} did not come: {payloads:?}"))
        {
            Inbound::Message(received) if received.payload.as_ref() == last.as_bytes() => return payloads,
            Inbound::Message(received) => payloads.push(String::from_utf8(received.payload.to_vec()).unwrap()),
            Inbound::Up | Inbound::Down => {}
        }
    }
}

fn subscribing(transport: Transport, client_id: &str) -> LinkSettings {
    let filter = TopicFilter::new("down/+/api").unwrap().into();
    let subscriptions = vec![Subscription { filter, qos: QoS::ExactlyOnce }];
    LinkSettings { subscriptions, ..settings(transport, client_id) }
}

fn down(qos: u8, payload: impl Into<Bytes>) -> Message {
    let qos = QoS::from_u8(qos).unwrap();
    Message { topic: "down/gateway/api".into(), payload: payload.into(), qos, retain: false }
}

#[tokio::test]
async fn what_is_subscribed_to_comes_through_every_version_at_every_qos() {
    let broker = Mosquitto::start();
    let speaker = open(settings(broker.tcp(), "speaker"));
    is_up(&speaker).await;
    for protocol in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
        let listener = open(LinkSettings { protocol, ..subscribing(broker.tcp(), "listener") });
        // It is subscribed when what it sends itself comes back.
        listener.publish(down(2, "begin")).unwrap();
        assert!(received_until(&listener, "begin").await.is_empty());
        for number in 0..30 {
            speaker.publish(down(number % 3, number.to_string())).unwrap();
            timeout(PATIENCE, speaker.flushed()).await.unwrap();
        }
        listener.publish(message(0, "not asked for")).unwrap();
        speaker.publish(down(2, "end")).unwrap();
        // mosquitto keeps no order among different QoS, and the last one is of the slowest.
        assert_same(received_until(&listener, "end").await, (0..30).map(|n| n.to_string()).collect());
        assert_eq!((listener.counts().unasked, listener.counts().inbound_dropped), (0, 0));
        listener.close().await;
    }
}

#[tokio::test]
async fn a_message_too_large_for_us_is_passed_over_and_the_connection_stays() {
    let broker = Mosquitto::start();
    let link = open(subscribing(broker.tcp(), "listener"));
    for qos in 0..3 {
        link.publish(down(qos, vec![b'x'; 3 * 1024 * 1024])).unwrap();
        let payload = format!("after {qos}");
        link.publish(down(qos, payload.clone())).unwrap();
        assert!(received_until(&link, &payload).await.is_empty());
    }
    let counts = link.counts();
    assert_eq!((counts.inbound_dropped, counts.connects, counts.received), (3, 1, 3));
}

#[tokio::test]
async fn a_link_subscribes_again_after_every_loss_and_tells_of_it() {
    let broker = Mosquitto::start();
    let (transport, cut) = cut_when_told(broker.plain);
    let link = open(subscribing(transport, "listener"));
    for round in 0..3 {
        // A loss may be over before anybody asked; that there is a new connection is told in any case.
        while timeout(PATIENCE, link.inbound()).await.expect("it connects again") != Inbound::Up {}
        let payload = format!("round {round}");
        link.publish(down(1, payload.clone())).unwrap();
        // Of an earlier round that was cut before its acknowledgement, QoS 1 may bring the message once more.
        let again = received_until(&link, &payload).await;
        assert!(again.iter().all(|came| (0..round).any(|earlier| *came == format!("round {earlier}"))), "{again:?}");
        cut.lock().unwrap().take().unwrap().shutdown(Shutdown::Both).unwrap();
    }
}

/// The socket of the latest connection, for who wants to end it.
type Latest = Arc<Mutex<Option<std::net::TcpStream>>>;

fn cut_when_told(port: u16) -> (Transport, Latest) {
    let latest = Latest::default();
    let kept = Arc::clone(&latest);
    let transport = Transport::Custom(Arc::new(move || {
        let latest = Arc::clone(&kept);
        Box::pin(async move {
            let stream = TcpStream::connect((LOCAL, port)).await?.into_std()?;
            *latest.lock().unwrap() = Some(stream.try_clone()?);
            Ok(Box::new(TcpStream::from_std(stream)?) as BoxedStream)
        })
    }));
    (transport, latest)
}

/// What was published, in whatever order: mosquitto keeps its own among different QoS.
fn assert_same(mut came: Vec<String>, mut wanted: Vec<String>) {
    came.sort();
    wanted.sort();
    let missing: Vec<_> = wanted.iter().filter(|payload| !came.contains(payload)).collect();
    assert_eq!(came, wanted, "{} of {} came, missing: {missing:?}", came.len(), wanted.len());
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_operators_words() {
    let broker = Mosquitto::start();
    let key = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    let wrong_password = LinkSettings { password: Some(b"no".to_vec()), ..settings(broker.tcp(), "a") };
    let tls_to = |port| broker.tls(port, "ca.crt", false);
    let psk_to = |port| match broker.psk("router", &key) {
        Transport::Psk { host, context, .. } => Transport::Psk { host, port, context },
        other => other,
    };
    let tcp_to = |port| Transport::Tcp { host: LOCAL.to_owned(), port };
    let v5 = LinkSettings { protocol: ProtocolVersion::V5, ..wrong_password.clone() };
    let rows = [
        ("set User Name and Password", wrong_password),
        ("set User Name and Password", v5),
        ("PSK Identity: set it to an entry", settings(broker.psk("stranger", &key), "b")),
        ("set PSK to the server's", settings(broker.psk("router", &[1, 2, 3]), "c")),
        ("give the CA that signed it", settings(broker.tls(broker.certificate, "other.crt", false), "d")),
        ("wants a client certificate", settings(tls_to(broker.client_certificate), "e")),
        ("Encryption Mode to None", settings(tls_to(broker.plain), "f")),
        ("Encryption Mode to None", settings(psk_to(broker.plain), "g")),
        ("check that Encryption Mode", settings(tcp_to(broker.certificate), "h")),
        ("check that this is its port for PSK", settings(psk_to(broker.certificate), "i")),
        ("PSK", settings(tls_to(broker.psk), "j")),
        ("check Host and Port", settings(tcp_to(free_ports()[0]), "k")),
    ];
    let mut failed = Vec::new();
    for (words, settings) in rows {
        let about = settings.client_id.clone();
        let link = open(settings);
        let mut state = link.state();
        let wanted = |state: &State| matches!(state, State::Down { why, .. } if why.contains(words));
        if timeout(Duration::from_secs(10), state.wait_for(wanted)).await.is_err() {
            failed.push(format!("{about}: {words:?} did not come; {:?}", *link.state().borrow()));
        }
        link.close().await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let link = open(LinkSettings { username: None, password: None, ..settings(broker.tcp(), "anonymous") });
    is_down_because(&link, "without a user name").await;
}

#[tokio::test]
async fn connections_that_are_cut_lose_nothing_and_repeat_nothing_at_qos_2() {
    let broker = Mosquitto::start();
    for (qos, protocol) in [(1, ProtocolVersion::V311), (2, ProtocolVersion::V311), (2, ProtocolVersion::V5)] {
        let mut subscriber = broker.subscriber("cassia").await;
        let (transport, cuts) = cut_again_and_again(broker.plain);
        let client_id = format!("cut-{qos}-{protocol:?}");
        let link = open(LinkSettings { clean_session: false, protocol, ..settings(transport, &client_id) });
        let payloads: Vec<String> = (0..500).map(|number| format!("{qos} {number}")).collect();
        for payload in &payloads {
            link.publish(message(qos, payload)).unwrap();
        }
        timeout(PATIENCE, link.flushed()).await.expect("all delivered in time");
        link.close().await;
        let last = open(settings(broker.tcp(), "last"));
        last.publish(message(2, "last")).unwrap();
        last.close().await;
        assert!(cuts.load(Ordering::Relaxed) > 10, "{} connections", cuts.load(Ordering::Relaxed));
        let mut came = subscriber.receive_until("last");
        if qos == 1 {
            let mut seen = std::collections::BTreeSet::new();
            came.retain(|payload| seen.insert(payload.clone()));
        }
        assert_eq!(came, payloads, "QoS {qos}, {protocol:?}");
    }
}

/// Each connection dies after some hundred bytes in either direction, a different number each time.
fn cut_again_and_again(port: u16) -> (Transport, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let transport = Transport::Custom(Arc::new(move || {
        let nth = counted.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let stream = TcpStream::connect((LOCAL, port)).await?;
            Ok(Box::new(Cut { stream, write: 150 + nth * 97 % 1_100, read: 60 + nth * 31 % 150 }) as BoxedStream)
        })
    }));
    (transport, count)
}

struct Cut {
    stream: TcpStream,
    write: usize,
    read: usize,
}

impl AsyncRead for Cut {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let mut part = buf.take(self.read);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        let bytes = part.filled().len();
        self.read -= bytes;
        // `part` is a window on the same memory.
        let filled = part.filled().to_vec();
        buf.put_slice(&filled);
        polled
    }
}

impl AsyncWrite for Cut {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.write == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = bytes.get(..self.write).unwrap_or(bytes);
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(taken)) = polled {
            self.write -= taken;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
