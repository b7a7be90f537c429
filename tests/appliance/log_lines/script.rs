//! What the clients do, chapter by chapter. Each waits for its answers, so that the order of the lines is always the same.

use mqtt::ProtocolVersion::{self, V5, V31};
use nix::sys::signal::Signal;

use super::bytes::{
    CONNACK, DISCONNECT, Hello, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SUBACK, UNSUBACK, VERSIONS, ack, packet,
    publish, publish_by_alias, subscribe, text, unsubscribe,
};
use super::{Chapter, Client, Stage};

pub(super) const ACL: &str = "user bob\ntopic readwrite b/#\ntopic write w/#\ntopic deny b/secret\n";

pub(super) const CHAPTERS: &[Chapter] = &[
    Chapter { name: "messages", conf: OPEN, play: messages },
    Chapter { name: "sessions", conf: OPEN, play: sessions },
    Chapter { name: "ends", conf: OPEN, play: ends },
    Chapter { name: "strangers", conf: OPEN, play: strangers },
    Chapter { name: "refused", conf: CLOSED, play: refused },
    Chapter { name: "signals", conf: KEPT, play: signals },
    Chapter { name: "without clients' lines", conf: QUIET, play: without_clients },
];

const OPEN: &str =
    "listener PORT 127.0.0.1\nallow_anonymous true\nuser root\nsys_interval 0\nmax_packet_size 2000000\n";
const QUIET: &str =
    "listener PORT 127.0.0.1\nallow_anonymous true\nuser root\nsys_interval 0\nconnection_messages false\n";
const KEPT: &str = "listener PORT 127.0.0.1\nallow_anonymous true\nuser root\nsys_interval 0\npersistence true\n\
    persistence_location DIR/\n";
const CLOSED: &str = "listener PORT 127.0.0.1\nallow_anonymous false\npassword_file DIR/passwd\nacl_file DIR/acl\nuser root\n\
    sys_interval 0\nmax_qos 1\nmessage_size_limit 50\n";

/// A client that is let in.
fn enter(stage: &Stage, hello: Hello<'_>) -> Client {
    let mut client = stage.open();
    client.ask(&hello.packet(), &[CONNACK]);
    client
}

fn simple(stage: &Stage, version: ProtocolVersion, id: &str) -> Client {
    enter(stage, Hello::new(version, id))
}

/// A name with the version, for clients of one chapter.
fn named(name: &str, version: ProtocolVersion) -> String {
    format!("{name}{}", version.level())
}

/// Messages of each QoS to and fro, subscriptions, pings.
fn messages(stage: &mut Stage) {
    for v in VERSIONS {
        let id = named("c", v);
        let mut c = enter(stage, Hello { login: Some(("name", "x")), ..Hello::new(v, &id) });
        c.tell(&publish(v, 0, 0, "t/a", "hello"));
        c.ask(&publish(v, 0b0011, 7, "t/a", "hello"), &[PUBACK]);
        c.ask(&publish(v, 0b0100, 8, "t/a", ""), &[PUBREC]);
        c.ask(&publish(v, 0b1100, 8, "t/a", ""), &[PUBREC]);
        c.ask(&ack(0x62, 8), &[PUBCOMP]);
        c.ask(&publish(v, 0b0011, 9, "$SYS/mine", "x"), &[PUBACK]);
        c.ask(&subscribe(v, 3, &[("t/#", 0), ("u/+", 1), ("w", 2)]), &[SUBACK, PUBLISH]);
        c.ask(&publish(v, 0b0100, 10, "u/x", "one"), &[PUBREC]);
        c.ask(&ack(0x62, 10), &[PUBCOMP, PUBLISH]);
        c.tell(&ack(0x40, 1));
        c.ask(&publish(v, 0b0100, 11, "w", "two"), &[PUBREC]);
        c.ask(&ack(0x62, 11), &[PUBCOMP, PUBLISH]);
        c.ask(&ack(0x50, 2), &[PUBREL]);
        c.tell(&ack(0x70, 2));
        c.ask(&unsubscribe(v, 5, &["t/#", "none"]), &[UNSUBACK]);
        c.ask(&publish(v, 0b0011, 12, "t/a", ""), &[PUBACK]);
        if v != V31 {
            c.ask(&subscribe(v, 6, &[("$share/g/z", 1)]), &[SUBACK]);
        }
        if v == V5 {
            c.tell(&publish_by_alias("al/t", 1, "1"));
            c.tell(&publish_by_alias("", 1, "22"));
            c.ask(&subscribe(v, 6, &[("nl", 0x2D)]), &[SUBACK]);
        }
        stage.last(c, DISCONNECT);
    }
}

/// Sessions that go on, and what waits for them; retained messages; takeovers.
fn sessions(stage: &mut Stage) {
    for v in VERSIONS {
        let (id, other) = (named("ds", v), named("dp", v));
        let kept = Hello { clean: false, ..Hello::new(v, &id) };
        let mut c = enter(stage, kept);
        c.ask(&subscribe(v, 1, &[("q", 1)]), &[SUBACK]);
        stage.last(c, DISCONNECT);
        let mut p = simple(stage, v, &other);
        p.ask(&publish(v, 0b0010, 4, "q", "away"), &[PUBACK]);
        stage.last(p, DISCONNECT);
        let mut c = enter(stage, kept);
        c.await_types(&[PUBLISH]);
        stage.leave(c);
        let mut c = enter(stage, kept);
        c.await_types(&[PUBLISH]);
        c.tell(&ack(0x40, 1));
        c.ask(&unsubscribe(v, 2, &["q"]), &[UNSUBACK]);
        stage.last(c, DISCONNECT);

        let id = named("to", v);
        let mut old = simple(stage, v, &id);
        let new = simple(stage, v, &id);
        old.heard_out();
        stage.last(new, DISCONNECT);

        let id = named("au", v);
        let made = Hello { will: Some(("left/t", "gone", 1, true)), keep_alive_s: 0, ..Hello::new(v, &id) };
        let c = enter(stage, made);
        stage.last(c, DISCONNECT);
        let (id, watcher) = (named("wc", v), named("ww", v));
        let mut w = simple(stage, v, &watcher);
        w.ask(&subscribe(v, 1, &[("will/#", 0)]), &[SUBACK]);
        let c = enter(stage, Hello { will: Some(("will/t", "gone", 2, false)), ..Hello::new(v, &id) });
        stage.leave(c);
        w.await_types(&[PUBLISH]);
        stage.last(w, DISCONNECT);
        if v != V31 {
            let c = simple(stage, v, "");
            stage.leave(c);
        }
    }
}

/// How clients end that do something wrong.
fn ends(stage: &mut Stage) {
    for v in VERSIONS {
        let rows: [(&str, Vec<u8>); 9] = [
            ("second", Hello::new(v, "second").packet()),
            ("qos3", publish(v, 0b0110, 1, "a", "x")),
            ("wild", publish(v, 0, 0, "a/#", "x")),
            ("filter", subscribe(v, 1, &[("a/#/b", 0)])),
            ("nothing", subscribe(v, 1, &[("", 0)])),
            ("unfilter", unsubscribe(v, 1, &["a/#/b"])),
            ("server", packet(0x20, if v == V5 { &[0, 0, 0] } else { &[0, 0] })),
            ("large", vec![0x30, 0xFF, 0xFF, 0xFF, 0x7F]),
            ("nobody", ack(0x62, 79)),
        ];
        for (name, said) in rows {
            let id = named(name, v);
            let mut c = simple(stage, v, &id);
            if name == "nobody" {
                c.ask(&said, &[PUBCOMP]);
                stage.leave(c);
            } else {
                stage.last(c, &said);
            }
        }
    }
    let c = enter(stage, Hello { keep_alive_s: 1, ..Hello::new(V5, "silent") });
    stage.last(c, &[]);
    let c = enter(stage, Hello { will: Some(("d/w", "x", 0, false)), ..Hello::new(V5, "with-will") });
    stage.last(c, &packet(0xE0, &[4, 0]));
}

/// Who never gets as far as a CONNACK that lets it in.
fn strangers(stage: &mut Stage) {
    let mut other_version = text("MQTT");
    other_version.extend([9, 2, 0, 60, 0, 1, b'x']);
    let mut other_name = text("HTTP");
    other_name.extend([4, 2, 0, 60, 0, 1, b'x']);
    for said in [
        publish(V5, 0, 0, "a", "x"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        packet(0x10, &other_version),
        packet(0x10, &other_name),
        Hello::new(V31, "").packet(),
        Hello { will: Some(("", "x", 0, false)), ..Hello::new(V5, "no-will-topic") }.packet(),
    ] {
        let c = stage.open();
        stage.last(c, &said);
    }
    let c = stage.open();
    stage.leave(c);
}

/// Logins and rules.
fn refused(stage: &mut Stage) {
    let bob = Some(("bob", "bob"));
    for v in VERSIONS {
        for (name, login) in [("nobody", None), ("wrong", Some(("bob", "no"))), ("unknown", Some(("alice", "no")))] {
            let (id, c) = (named(name, v), stage.open());
            stage.last(c, &Hello { login, ..Hello::new(v, &id) }.packet());
        }
        let id = named("bob", v);
        let mut c = enter(stage, Hello { login: bob, ..Hello::new(v, &id) });
        c.ask(&publish(v, 0b0010, 1, "b/ok", "x"), &[PUBACK]);
        c.ask(&publish(v, 0b0011, 2, "b/secret", "xy"), &[PUBACK]);
        c.tell(&publish(v, 0, 0, "c", "xyz"));
        c.ask(&subscribe(v, 3, &[("zz", 1), ("#", 2)]), &[SUBACK]);
        c.ask(&publish(v, 0b0010, 4, "b/ok", &"x".repeat(60)), &[PUBACK]);
        c.ask(&publish(v, 0b1010, 5, "b/secret", "x"), &[PUBACK]);
        // What it may write and not read.
        c.ask(&publish(v, 0b0010, 6, "w/x", "x"), &[PUBACK]);
        stage.last(c, DISCONNECT);
        let id = named("qos", v);
        let c = enter(stage, Hello { login: bob, ..Hello::new(v, &id) });
        stage.last(c, &publish(v, 0b0100, 4, "b/ok", "x"));
        let id = named("will", v);
        let c = stage.open();
        stage.last(c, &Hello { login: bob, will: Some(("a", "x", 2, false)), ..Hello::new(v, &id) }.packet());
        let (id, long, c) = (named("long", v), "x".repeat(60), stage.open());
        stage.last(c, &Hello { login: bob, will: Some(("a", &long, 1, false)), ..Hello::new(v, &id) }.packet());
    }
}

/// What signals make it say. SIGTERM comes at the end of every chapter.
fn signals(stage: &mut Stage) {
    stage.signal(Signal::SIGHUP);
    stage.log.wait_for("Reloading config.");
    stage.signal(Signal::SIGUSR1);
    stage.log.wait_for("Saving in-memory database to ");
    stage.signal(Signal::SIGUSR2);
    let c = simple(stage, V5, "after");
    stage.last(c, DISCONNECT);
}

/// With `connection_messages false` nobody comes or goes, but what they say is told.
fn without_clients(stage: &mut Stage) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", stage.port)).expect("it listens");
    stream.set_read_timeout(Some(super::PATIENCE)).expect("a time limit");
    let mut c = Client { stream: stream.try_clone().expect("a copy"), heard: Vec::new() };
    c.ask(&Hello::new(V5, "quiet").packet(), &[CONNACK]);
    c.tell(&publish(V5, 0, 0, "t", "x"));
    c.say(DISCONNECT);
    c.heard_out();
    let _ = std::io::Read::read(&mut stream, &mut [0]);
}
