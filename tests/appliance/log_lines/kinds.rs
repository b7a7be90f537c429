//! Lines that mosquitto has not, and kinds of lines that are turned on and off.

use std::os::unix::fs::symlink;
use std::process::Command;

use nix::sys::signal::Signal;

use super::bytes::{CONNACK, DISCONNECT, Hello, PUBACK, SUBACK, publish, subscribe};
use super::script::ACL;
use crate::clients::{Subscriber, publish_well};
use crate::folder::{Folder, NIGHTJAR};
use crate::harness::{Appliance, filled, output_of, text};
use mqtt::ProtocolVersion::V5;

const OPEN: &str = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\nlog_dest stderr\nsys_interval 0\n";

/// A client of ours at the appliance's port.
fn enter(port: u16, hello: Hello<'_>) -> super::Client {
    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(crate::harness::PATIENCE)).expect("a time limit");
    let mut client = super::Client { stream, heard: Vec::new() };
    client.ask(&hello.packet(), &[CONNACK]);
    client
}

#[test]
fn what_a_client_may_not_read_is_told_once_with_the_line_that_refuses() {
    let folder = Folder::new();
    folder.passwords("passwd", &[("bob", "bob")]);
    folder.write("acl", format!("topic write b/secret\n{ACL}"));
    let conf = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\npassword_file DIR/passwd\nacl_file DIR/acl\n";
    let appliance = Appliance::start(conf, folder);
    let bob = Hello { login: Some(("bob", "bob")), ..Hello::new(V5, "c") };
    let mut c = enter(appliance.port, bob);
    c.ask(&publish(V5, 0b0011, 1, "w/kept", "x"), &[PUBACK]);
    c.ask(&subscribe(V5, 2, &[("#", 0)]), &[SUBACK]);
    c.ask(&publish(V5, 0b0010, 3, "w/x", "x"), &[PUBACK]);
    // Twice: that would be told again if it were not remembered, for the second finds out anew who gets it.
    c.ask(&subscribe(V5, 4, &[("a", 0)]), &[SUBACK]);
    c.ask(&publish(V5, 0b0010, 5, "w/x", "x"), &[PUBACK]);
    publish_well(appliance.port, &["-t", "b/secret", "-m", "x"]);
    c.ask(&publish(V5, 0b0010, 6, "b/ok", "x"), &[PUBACK]);
    let acl = appliance.folder.at("acl");
    for (topic, why) in [
        ("w/kept", "no line of it is about this user and topic, and what nothing allows is refused."),
        ("w/x", "no line of it is about this user and topic, and what nothing allows is refused."),
        ("b/secret", "line 5."),
    ] {
        let line = appliance.log.wait_for(&format!("Client c (user 'bob') may not read '{topic}': "));
        assert!(line.ends_with(&format!("{acl}: {why}")), "{line}");
        assert_eq!(appliance.log.count(&format!("may not read '{topic}'")), 1, "once a minute");
    }
    assert_eq!(appliance.log.count("may not read"), 3, "and nothing that it may");
    assert_eq!(appliance.log.count("PUBLISH"), 0, "no lines for packets, which nobody asked for");
}

#[test]
fn lines_for_packets_begin_and_end_with_a_reload_for_clients_that_are_there() {
    let appliance = Appliance::start(OPEN, Folder::new());
    let mut early = enter(appliance.port, Hello::new(V5, "early"));
    let mut reloads = 0;
    let mut reload = |conf: &str| {
        appliance.folder.write("mosquitto.conf", filled(conf, &appliance.folder, appliance.port));
        appliance.signal(Signal::SIGHUP);
        reloads += 1;
        appliance.log.wait_for_count("Reloaded: ", reloads);
    };
    early.tell(&publish(V5, 0, 0, "before", "x"));
    reload(&format!("{OPEN}log_type all\n"));
    early.tell(&publish(V5, 0, 0, "during", "x"));
    appliance.log.wait_for("Sending PINGRESP to early");
    // A line that is seldom in it comes out as one line.
    early.tell(&publish(V5, 0, 0, "a\u{2028}1700000000: Client b\u{202e}", "x"));
    appliance.log.wait_for(
        "Received PUBLISH from early (d0, q0, r0, m0, 'a\\u{2028}1700000000: Client b\\u{202e}', ... (1 bytes))",
    );
    reload(OPEN.replace("sys_interval 0\n", "sys_interval 0\nlog_type information\n").as_str());
    early.tell(&publish(V5, 0, 0, "after", "x"));
    early.say(DISCONNECT);
    early.heard_out();
    for (topic, wanted) in [("'before'", 0), ("'during'", 1), ("'after'", 0)] {
        assert_eq!(appliance.log.count(topic), wanted, "{topic}: {:#?}", appliance.log.all());
    }
}

#[test]
fn kinds_of_lines_have_their_topics_and_packets_have_none() {
    let appliance = Appliance::start(&format!("{OPEN}log_dest topic\nlog_type all\n"), Folder::new());
    let log = Subscriber::start(appliance.port, &["-i", "reader", "-t", "$SYS/broker/log/#"]);
    let mut old = enter(appliance.port, Hello::new(V5, "same"));
    let mut new = enter(appliance.port, Hello::new(V5, "same"));
    old.heard_out();
    new.ask(&subscribe(V5, 1, &[("a/b", 1)]), &[SUBACK]);
    new.ask(&super::bytes::unsubscribe(V5, 2, &["a/b"]), &[super::bytes::UNSUBACK]);
    new.say(DISCONNECT);
    new.heard_out();
    let is_over = |messages: &[String]| messages.iter().any(|line| line.ends_with("] disconnected."));
    let found = log.wait_messages(|messages| is_over(messages).then(|| messages.to_vec()));
    let found = found.unwrap_or_else(|| panic!("no word of its end: {:?}", log.so_far()));
    for (topic, words) in [
        ("E", "Client same already connected, closing old connection."),
        ("M/subscribe", "same 1 a/b"),
        ("M/unsubscribe", "same a/b"),
        ("N", "New connection from"),
    ] {
        let is_it = |line: &&String| line.starts_with(&format!("$SYS/broker/log/{topic}|")) && line.contains(words);
        assert_eq!(found.iter().filter(is_it).count().min(1), 1, "{topic} {words}: {found:#?}");
    }
    assert!(!found.iter().any(|line| line.contains("PUBLISH") || line.contains("CONNACK")), "{found:#?}");
}

#[test]
fn called_as_mosquitto_it_says_the_version_that_it_stands_in_for() {
    let folder = Folder::new();
    let link = folder.at("mosquitto");
    symlink(NIGHTJAR, &link).expect("a link");
    for argument in ["--version", "-h"] {
        let said = output_of(Command::new(&link).arg(argument));
        let first = text(&said.stdout).lines().next().unwrap_or_default().to_owned();
        assert!(first.starts_with("mosquitto version 2.1.2 (nightjar "), "{argument}: {first}");
        assert!(said.status.success());
    }
}
