//! The driver against a server that misbehaves on purpose, over streams in memory and with invented time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use link::{Backoff, BoxedStream, ConnectionKind, Link, LinkSettings, Message, Refused, SpoolLimits, State, Transport};
use mqtt::{Ack, ConnAck, Packet, PacketId, Properties, ProtocolVersion, QoS, ReasonCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const V311: ProtocolVersion = ProtocolVersion::V311;

/// What one connection is made to do.
#[derive(Clone, Copy)]
enum Manner {
    /// Answer everything.
    Good,
    /// Break off after so many packets, without answering the last.
    BreakAfter(usize),
    /// Answer CONNECT with this, and close.
    Refuse(ReasonCode),
    /// Close at once.
    Close,
    /// Accept, then read nothing more.
    Deaf,
    /// Accept, then read all and say nothing more.
    Mute,
    /// Not even accept.
    Dead,
}

/// What the server saw, in the order in which it came.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Connect,
    Publish(u8, String),
    Disconnect,
    /// The client's half of the stream ended.
    End,
}

struct Fake {
    seen: mpsc::UnboundedReceiver<Seen>,
    dials: Arc<AtomicUsize>,
}

/// A transport whose `n`th connection is met in `manner(n)`.
fn fake(manner: fn(usize) -> Manner) -> (Transport, Fake) {
    let (report, seen) = mpsc::unbounded_channel();
    let dials = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dials);
    let transport = Transport::Custom(Arc::new(move || {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        let (ours, theirs) = duplex(1024);
        tokio::spawn(serve(theirs, manner(nth), report.clone()));
        Box::pin(async move { Ok(Box::new(ours) as BoxedStream) })
    }));
    (transport, Fake { seen, dials })
}

async fn serve(mut stream: DuplexStream, manner: Manner, report: mpsc::UnboundedSender<Seen>) -> Option<()> {
    let mut unread = Vec::new();
    let mut packets = 0;
    if matches!(manner, Manner::Close) {
        return None;
    }
    loop {
        while let Some(frame) = mqtt::next_frame(&unread, 0).unwrap() {
            let packet = Packet::decode(V311, frame).unwrap();
            let mut answer = Vec::new();
            packets += 1;
            match packet {
                Packet::Connect(_) => {
                    report.send(Seen::Connect).ok();
                    let reason = if let Manner::Refuse(reason) = manner { reason } else { ReasonCode::Success };
                    let connack = ConnAck { session_present: false, reason, properties: Properties::EMPTY };
                    Packet::ConnAck(connack).encode(V311, &mut answer).unwrap();
                }
                Packet::Publish(publish) => {
                    let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                    report.send(Seen::Publish(publish.qos.as_u8(), payload)).ok();
                    match (publish.qos, publish.packet_id) {
                        (QoS::AtLeastOnce, Some(id)) => Packet::PubAck(ack(id)).encode(V311, &mut answer).unwrap(),
                        (QoS::ExactlyOnce, Some(id)) => Packet::PubRec(ack(id)).encode(V311, &mut answer).unwrap(),
                        _ => {}
                    }
                }
                Packet::PubRel(release) => Packet::PubComp(ack(release.packet_id)).encode(V311, &mut answer).unwrap(),
                Packet::PingReq => Packet::PingResp.encode(V311, &mut answer).unwrap(),
                Packet::Disconnect(_) => {
                    report.send(Seen::Disconnect).ok();
                }
                other => panic!("{other:?}"),
            }
            let len = frame.len;
            unread.drain(..len);
            match manner {
                Manner::BreakAfter(most) if packets >= most => return None,
                Manner::Dead => continue,
                Manner::Mute | Manner::Deaf if packets > 1 => continue,
                _ => {}
            }
            stream.write_all(&answer).await.ok()?;
            if let Manner::Refuse(_) = manner {
                return None;
            }
            if let Manner::Deaf = manner {
                return std::future::pending().await;
            }
        }
        if stream.read_buf(&mut unread).await.ok()? == 0 {
            report.send(Seen::End).ok();
            return None;
        }
    }
}

fn ack(packet_id: PacketId) -> Ack<'static> {
    Ack { packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY }
}

fn message(qos: u8, payload: &str) -> Message {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Message { topic: "t".into(), payload, qos: QoS::from_u8(qos).unwrap(), retain: false }
}

fn start(settings: LinkSettings) -> Link {
    let (link, driver) = link::open(settings);
    tokio::spawn(driver);
    link
}

fn settings(transport: Transport) -> LinkSettings {
    LinkSettings::new(transport, "c1")
}

async fn reaches(link: &Link, wanted: impl Fn(&State) -> bool) -> State {
    let mut state = link.state();
    let reached = timeout(Duration::from_secs(3600), state.wait_for(|state| wanted(state))).await;
    reached.expect("the state within an hour").expect("a driver").clone()
}

async fn down(link: &Link) -> String {
    match reaches(link, |state| matches!(state, State::Down { .. })).await {
        State::Down { why, .. } => why.to_string(),
        other => panic!("{other:?}"),
    }
}

impl Fake {
    fn dials(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }

    /// Everything seen so far.
    fn seen(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Payloads at `qos`, each where it came first.
    fn first_payloads(&mut self, qos: u8) -> Vec<String> {
        let mut payloads = Vec::new();
        for seen in self.seen() {
            match seen {
                Seen::Publish(level, payload) if level == qos && !payloads.contains(&payload) => payloads.push(payload),
                _ => {}
            }
        }
        payloads
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_at_qos_1_and_2_is_lost_by_a_server_that_breaks_off_again_and_again() {
    for qos in [1, 2] {
        let (transport, mut fake) = fake(|nth| Manner::BreakAfter(5 + nth * 7 % 11));
        // With more on their way than a connection lives for, QoS 2 would get nowhere with a server that forgets.
        let link = start(LinkSettings { inflight_max: 2, ..settings(transport) });
        let payloads: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for payload in &payloads {
            link.publish(message(qos, payload)).unwrap();
        }
        link.flushed().await;
        assert_eq!(fake.first_payloads(qos), payloads, "QoS {qos}");
        let counts = link.counts();
        assert_eq!((counts.acknowledged, counts.in_flight, counts.queued, counts.dropped), (100, 0, 0, 0));
        assert!(counts.reconnects() > 5, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_is_told_of_in_the_operators_words_and_not_asked_in_a_loop() {
    let (transport, fake) = fake(|_| Manner::Refuse(ReasonCode::BadUserNameOrPassword));
    let link = start(settings(transport));
    let why = down(&link).await;
    assert!(why.contains("bad user name or password") && why.contains("set User Name and Password"), "{why}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!((10..=35).contains(&fake.dials()), "{} dials in ten minutes", fake.dials());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_at_once_before_or_after_connack_is_not_asked_in_a_loop() {
    for manner in [|_| Manner::Close, |_| Manner::BreakAfter(2)] {
        let (transport, fake) = fake(manner);
        let link = start(settings(transport));
        link.publish(message(0, "a")).unwrap();
        let why = down(&link).await;
        assert!(why.contains("closed"), "{why}");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(fake.dials() <= 35, "{} dials in ten minutes", fake.dials());
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_link_makes_a_connection_for_every_message_in_order() {
    let (transport, mut fake) = fake(|_| Manner::Good);
    let link = start(LinkSettings { connection: ConnectionKind::Short, ..settings(transport) });
    let begin = Instant::now();
    for qos in [0, 1, 2] {
        link.publish(message(qos, &format!("m{qos}"))).unwrap();
    }
    link.flushed().await;
    reaches(&link, |state| *state == State::Idle).await;
    let mut wanted = Vec::new();
    for qos in [0, 1, 2] {
        wanted.extend([Seen::Connect, Seen::Publish(qos, format!("m{qos}")), Seen::Disconnect, Seen::End]);
    }
    assert_eq!(fake.seen(), wanted);
    assert!(begin.elapsed() < Duration::from_secs(1), "our half is ended at once, not when the farewell times out");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.dials(), 3, "an idle short link dials nobody");
}

#[tokio::test(start_paused = true)]
async fn a_short_link_loses_no_qos_1_by_connections_that_break() {
    let (transport, mut fake) = fake(|nth| if nth % 3 == 0 { Manner::BreakAfter(2) } else { Manner::Good });
    let link = start(LinkSettings { connection: ConnectionKind::Short, ..settings(transport) });
    let payloads: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for payload in &payloads {
        link.publish(message(1, payload)).unwrap();
    }
    link.flushed().await;
    assert_eq!(fake.first_payloads(1), payloads);
}

#[tokio::test(start_paused = true)]
async fn while_the_socket_takes_nothing_messages_stay_in_the_spool_and_the_oldest_go() {
    let (transport, _fake) = fake(|_| Manner::Deaf);
    let limits = SpoolLimits { messages_max: 50, bytes_max: 1 << 30 };
    let link = start(LinkSettings { limits, keep_alive_s: 0, ..settings(transport) });
    reaches(&link, |state| matches!(state, State::Up { .. })).await;
    for number in 0..1_000 {
        link.publish(message(0, &format!("{number:01000}"))).unwrap();
        tokio::task::yield_now().await;
    }
    let counts = link.counts();
    // 64 KiB leave, 64 KiB are next; of 1,000 bytes each.
    assert_eq!(counts.queued, 50);
    assert!(counts.dropped > 1_000 - 50 - 2 * 70, "{counts:?}");
    assert_eq!(counts.sent, 1, "the pipe holds one: {counts:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_socket_had_not_taken_at_qos_0_is_sent_on_the_next_connection() {
    let (transport, mut fake) = fake(|nth| if nth == 0 { Manner::Deaf } else { Manner::Good });
    let link = start(settings(transport));
    let payloads: Vec<String> = (0..100).map(|number| format!("{number:0100}")).collect();
    for payload in &payloads {
        link.publish(message(0, payload)).unwrap();
    }
    // The deaf server does not answer the ping either.
    link.flushed().await;
    let came = fake.first_payloads(0);
    assert!(came.len() >= 80 && payloads.ends_with(&came), "{} came", came.len());
    assert_eq!(link.counts().sent, 100);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_left() {
    let (transport, fake) = fake(|nth| if nth == 0 { Manner::Mute } else { Manner::Good });
    let link = start(settings(transport));
    let begin = Instant::now();
    let why = down(&link).await;
    assert!(why.contains("no answer to a ping within 60 s"), "{why}");
    assert_eq!(begin.elapsed().as_secs(), 120);
    reaches(&link, |state| matches!(state, State::Up { .. })).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.dials(), 2, "one that answers is stayed with");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_connect_is_left_after_the_connect_timeout() {
    let (transport, _fake) = fake(|_| Manner::Dead);
    let link = start(settings(transport));
    let begin = Instant::now();
    let why = down(&link).await;
    assert!(why.contains("no answer within 20 s"), "{why}");
    assert_eq!(begin.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn close_delivers_what_is_left_and_says_disconnect() {
    let (transport, mut fake) = fake(|_| Manner::Good);
    let link = start(settings(transport));
    for number in 0..50 {
        link.publish(message(2, &number.to_string())).unwrap();
    }
    let other = link.clone();
    link.close().await;
    assert_eq!(other.publish(message(0, "late")), Err(Refused::Closed));
    let counts = other.counts();
    assert_eq!((counts.acknowledged, counts.dropped), (50, 0));
    let seen = fake.seen();
    assert_eq!(seen[seen.len() - 2..], [Seen::Disconnect, Seen::End]);
}

#[tokio::test(start_paused = true)]
async fn close_gives_up_after_its_time_and_counts_what_was_not_delivered() {
    for manner in [|_| Manner::Close, |_| Manner::Dead, |_| Manner::Mute, |_| Manner::Deaf] {
        let (transport, _fake) = fake(manner);
        let link = start(settings(transport));
        for number in 0..50 {
            link.publish(message(1, &number.to_string())).unwrap();
        }
        let (other, begin) = (link.clone(), Instant::now());
        link.close().await;
        assert!((5..=7).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        let counts = other.counts();
        assert_eq!((counts.dropped, counts.acknowledged), (50, 0), "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn close_with_nothing_to_deliver_waits_for_nobody() {
    for manner in [|_| Manner::Close, |_| Manner::Dead, |_| Manner::Good] {
        let (transport, _fake) = fake(manner);
        let link = start(LinkSettings {
            backoff: Backoff { first: Duration::from_secs(60), max: Duration::from_secs(60) },
            ..settings(transport)
        });
        reaches(&link, |state| !matches!(state, State::Idle)).await;
        let begin = Instant::now();
        link.close().await;
        assert!(begin.elapsed() <= Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_when_the_last_handle_is_dropped() {
    let (transport, mut fake) = fake(|_| Manner::Good);
    let (link, driver) = link::open(settings(transport));
    link.publish(message(1, "a")).unwrap();
    let driver = tokio::spawn(driver);
    drop(link);
    driver.await.unwrap();
    assert_eq!(fake.seen(), [Seen::Connect, Seen::Publish(1, "a".to_owned()), Seen::Disconnect, Seen::End]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_no_link_can_carry_is_refused() {
    let (transport, _fake) = fake(|_| Manner::Good);
    let limits = SpoolLimits { messages_max: 10, bytes_max: 100 };
    let link = start(LinkSettings { limits, ..settings(transport) });
    let to = |topic: &str| link.publish(Message { topic: topic.into(), ..message(0, "x") });
    for topic in ["", "a/+", "#", "a\0b"] {
        assert_eq!(to(topic), Err(Refused::InvalidTopicName), "{topic:?}");
    }
    assert_eq!(link.publish(message(0, &"x".repeat(100))), Err(Refused::TooLarge { bytes: 101, bytes_max: 100 }));
    assert_eq!(link.counts().published, 0);
}

/// A gateway holds links in tasks of a runtime with many threads too.
#[test]
fn handles_and_drivers_may_be_sent_to_another_thread() {
    fn sendable(_: &impl Send) {}
    let (transport, _fake) = fake(|_| Manner::Good);
    let (link, driver) = link::open(settings(transport));
    sendable(&link);
    sendable(&driver);
}
