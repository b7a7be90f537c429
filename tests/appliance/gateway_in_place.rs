//! The four scenarios with the gateway in the router's place: a recording of the guide's devices goes to the embedded
//! broker, to Debian's mosquitto and to rumqttd, by long and short connections, at every QoS.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::SystemTime;

use crate::clients::{Subscriber, publish_well};
use crate::folder::Folder;
use crate::guide::{DATA_TEST, Scenario};
use crate::harness::{Appliance, filled};
use crate::mosquitto::Mosquitto;
use crate::peers;

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway/recordings/data-test.btsnoop");
/// What btmon sees in it, a line for each report.
const EXPECTED: &str = include_str!("../../gateway/recordings/data-test.expected");
/// The guide's devices, in the recording together with others.
const DEVICES: [&str; 4] = ["98:04:ED:D6:50:A3", "5C:32:2A:B4:0C:EC", "E9:67:22:00:1C:EC", "E9:67:22:00:19:BC"];
/// A broker is needed beside the gateway; nobody uses it.
const IDLE_BROKER: &str = "user root\nlistener PORT 127.0.0.1\n";

/// Whom the gateway publishes to, as `[[gateway.sink]]` has it.
struct Peer {
    port: u16,
    recording: Recording,
    /// rumqttd hears of the end of a connection twice, from DISCONNECT and from the socket, and by then may have given
    /// its number to another, which it cuts off: what a short connection brings with QoS 0 can be lost there, and
    /// with more come again.
    cuts_short_ones: bool,
    sink: String,
    subscriber: Vec<String>,
}

/// How much of the recording is published.
#[derive(Clone, Copy, PartialEq)]
enum Recording {
    Whole,
    /// The same packet once in ten seconds: where each short connection waits 40 ms for a delayed acknowledgement,
    /// because Debian's mosquitto sends session tickets and then CONNACK under Nagle's algorithm.
    Thinned,
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_the_embedded_broker_in_each_scenario() {
    for scenario in Scenario::ALL {
        let folder = scenario.folder();
        let user = if scenario == Scenario::Open { "" } else { "username = \"cassiamqtt\"\n" };
        let mut toml = gateway("speed = 20.0\nloop = true\n");
        for qos in 0..3 {
            let _ =
                write!(toml, "[[gateway.sink]]\nkind = \"embedded\"\n{user}topic = \"cassia/{qos}\"\nqos = {qos}\n");
        }
        folder.write("nightjar.toml", toml);
        let appliance = Appliance::start(&scenario.conf(), folder);
        let own = scenario.client_arguments(&appliance.folder);
        let subscriber = subscribe(appliance.port, &own, "cassia/#", 2);
        for qos in 0..3 {
            let head = format!("cassia/{qos}|{qos}|0|");
            let complete = subscriber.wait_messages(|messages| {
                let mut missing = guides_reports();
                for payload in messages.iter().filter_map(|message| message.strip_prefix(&head)) {
                    for report in reports(payload) {
                        missing.remove(&report);
                    }
                }
                missing.is_empty().then_some(())
            });
            assert!(complete.is_some(), "{scenario:?}, QoS {qos}: {:#?}", subscriber.so_far());
        }
        let alien = alien_reports(&subscriber.so_far());
        assert_eq!(alien, BTreeSet::new(), "{scenario:?}");
    }
}

#[test]
fn the_gateway_under_the_acl_publishes_nothing_where_its_user_may_not() {
    let folder = Scenario::Password.folder();
    let sinks = ["kitchen", "cassia/x"].map(|topic| {
        format!("[[gateway.sink]]\nkind = \"embedded\"\nusername = \"cassiamqtt\"\ntopic = \"{topic}\"\nqos = 0\n")
    });
    folder.write("nightjar.toml", gateway("speed = 20.0\nloop = true\n") + &sinks.concat());
    folder.write("acl", "user cassiamqtt\ntopic cassia/#\nuser reader\ntopic read #\n");
    folder.passwords("pwfile", &[("reader", "r")]);
    let appliance = Appliance::start(&Scenario::Password.conf(), folder);
    let subscriber = Subscriber::start(appliance.port, &["-u", "reader", "-P", "r", "-t", "#"]);
    // Both sinks get each message, so many of one without any of the other is the rules' doing.
    let messages = subscriber.messages(30);
    assert!(messages.iter().all(|message| message.starts_with("cassia/x|0|0|[")), "{messages:#?}");
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_debians_mosquitto_without_encryption() {
    let (folder, broker) = mosquitto(Scenario::Open, "");
    all_kinds(&peer(Scenario::Open, &folder, &broker));
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_debians_mosquitto_with_a_password() {
    let (folder, broker) = mosquitto(Scenario::Password, "");
    all_kinds(&peer(Scenario::Password, &folder, &broker));
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_debians_mosquitto_with_a_pre_shared_key() {
    let (folder, broker) = mosquitto(Scenario::Psk, "");
    all_kinds(&peer(Scenario::Psk, &folder, &broker));
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_debians_mosquitto_with_a_certificate() {
    let (folder, broker) = mosquitto(Scenario::Certificate, "");
    all_kinds(&peer(Scenario::Certificate, &folder, &broker));
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_debians_mosquitto_with_a_client_certificate() {
    let (folder, broker) = mosquitto(Scenario::Certificate, "require_certificate true\n");
    folder.client_certificate("router", SystemTime::now(), 30);
    let mut peer = peer(Scenario::Certificate, &folder, &broker);
    let (certificate, key) = (folder.at("certs/router.crt"), folder.at("certs/router.key"));
    let _ = write!(peer.sink, "client_certificate = \"{certificate}\"\nclient_key = \"{key}\"\n");
    peer.subscriber.extend(["--cert".to_owned(), certificate, "--key".to_owned(), key]);
    all_kinds(&peer);
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_rumqttd() {
    let port = peers::rumqttd(None);
    all_kinds(&Peer {
        port,
        recording: Recording::Whole,
        cuts_short_ones: true,
        sink: String::new(),
        subscriber: Vec::new(),
    });
}

#[test]
fn the_gateway_publishes_the_guides_lines_to_rumqttd_with_a_certificate() {
    let folder = Scenario::Certificate.folder();
    let port = peers::rumqttd(Some(&folder));
    let ca = folder.at("certs/ca.crt");
    let sink = format!("encryption = \"certificate\"\nca_certificate = \"{ca}\"\n");
    all_kinds(&Peer {
        port,
        recording: Recording::Thinned,
        cuts_short_ones: true,
        sink,
        subscriber: vec!["--cafile".to_owned(), ca],
    });
}

fn mosquitto(scenario: Scenario, more: &str) -> (Folder, Mosquitto) {
    let folder = scenario.folder();
    // The guide's own configuration, which Debian's mosquitto must take as it is.
    let broker = Mosquitto::with_configuration(|port| filled(&format!("{}{more}", scenario.conf()), &folder, port));
    (folder, broker)
}

fn peer(scenario: Scenario, folder: &Folder, broker: &Mosquitto) -> Peer {
    let mut sink = String::new();
    if scenario != Scenario::Open {
        sink.push_str("username = \"cassiamqtt\"\npassword = \"cassiamqtt\"\n");
    }
    match scenario {
        Scenario::Psk => {
            sink.push_str("encryption = \"psk\"\npsk = \"1234567890abcdef\"\npsk_identity = \"cassiapsk\"\n");
        }
        Scenario::Certificate => {
            let _ = write!(sink, "encryption = \"certificate\"\nca_certificate = \"{}\"\n", folder.at("certs/ca.crt"));
        }
        Scenario::Open | Scenario::Password => {}
    }
    let recording = if scenario == Scenario::Certificate { Recording::Thinned } else { Recording::Whole };
    Peer {
        port: broker.open_port(),
        recording,
        cuts_short_ones: false,
        sink,
        subscriber: scenario.client_arguments(folder),
    }
}

/// Long and short connections at each QoS, side by side: each must deliver the same messages in the same order.
fn all_kinds(peer: &Peer) {
    let mut toml = gateway("speed = 0.0\n");
    if peer.recording == Recording::Thinned {
        toml.push_str("filter_duplicates = 10000\n");
    }
    let mut subscribers = Vec::new();
    for (kind, qos) in ["long", "short"].into_iter().flat_map(|kind| (0..3).map(move |qos| (kind, qos))) {
        let topic = format!("cassia/{kind}/{qos}");
        let _ = write!(
            toml,
            "[[gateway.sink]]\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {}\nconnection = \"{kind}\"\n\
             topic = \"{topic}\"\nqos = {qos}\n{}",
            peer.port, peer.sink
        );
        // One for each: what Debian's mosquitto queues for one subscriber, it sends in another order where QoS differ.
        subscribers.push((format!("{topic}|{qos}|0|"), subscribe(peer.port, &peer.subscriber, &topic, qos)));
    }
    let folder = Folder::new();
    folder.write("nightjar.toml", toml);
    let gateway = Appliance::start(IDLE_BROKER, folder);
    let count = messages_of(&gateway);
    let mut first: Option<Vec<String>> = None;
    for (head, subscriber) in subscribers {
        let is_cut = peer.cuts_short_ones && head.starts_with("cassia/short/");
        let messages = if is_cut { all_that_came(peer, &head, &subscriber) } else { subscriber.messages(count) };
        let payload = |message: &String| message.strip_prefix(&head).expect("the sink's topic and QoS").to_owned();
        let mut payloads: Vec<String> = messages.iter().map(payload).collect();
        let wanted = first.get_or_insert_with(|| payloads.clone());
        if is_cut && head.ends_with("|0|0|") {
            let mut rest = wanted.iter();
            assert!(
                payloads.iter().all(|payload| rest.any(|one| one == payload)),
                "{head}: in the same order, or lost"
            );
            assert!(payloads.len() * 2 > count, "{head}: {} of {count}", payloads.len());
            continue;
        }
        if is_cut {
            payloads = without_repeats(payloads, wanted);
        }
        let differs = payloads.iter().zip(&*wanted).position(|(got, wanted)| got != wanted);
        assert_eq!(differs, None, "{head}: the same messages in the same order; the number of the first that differs");
        let got: Vec<String> = payloads.iter().flat_map(|payload| reports(payload)).collect();
        assert_eq!(got.iter().cloned().collect::<BTreeSet<_>>(), guides_reports(), "{head}");
        if peer.recording == Recording::Whole {
            assert_eq!(got.len(), recorded(), "{head}: not one report of the recording is missing");
        }
        assert_eq!(payloads.len(), count, "{head}");
    }
}

/// Without those that came again in place of the next one that is wanted.
fn without_repeats(payloads: Vec<String>, wanted: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for payload in payloads {
        let is_repeat = wanted.get(kept.len()) != Some(&payload) && kept.last() == Some(&payload);
        if !is_repeat {
            kept.push(payload);
        }
    }
    kept
}

/// The messages before one that is published now, when the gateway has said that it is done.
fn all_that_came(peer: &Peer, head: &str, subscriber: &Subscriber) -> Vec<String> {
    let topic = head.split('|').next().unwrap_or_default();
    let own: Vec<&str> = peer.subscriber.iter().map(String::as_str).collect();
    publish_well(peer.port, &[&own[..], &["-q", "1", "-t", topic, "-m", "that was all"]].concat());
    let found = subscriber.wait_messages(|messages| {
        let end = messages.iter().position(|message| message.ends_with("|that was all"))?;
        Some(messages[..end].to_vec())
    });
    found.expect("the mark comes")
}

/// What the gateway says at the end of the recording: "…, 155 messages; to …".
fn messages_of(gateway: &Appliance) -> usize {
    let line = gateway.log.wait_for(" messages; to ");
    let words: Vec<&str> = line.split(' ').collect();
    let at = words.iter().position(|word| *word == "messages;").expect("it is in the line");
    words[at - 1].parse().unwrap_or_else(|_| panic!("a number before messages in {line}"))
}

fn subscribe(port: u16, own: &[String], filter: &str, qos: u8) -> Subscriber {
    let (own, qos) = (own.iter().map(String::as_str), qos.to_string());
    Subscriber::start(port, &own.chain(["-t", filter, "-q", &qos]).collect::<Vec<_>>())
}

fn gateway(how: &str) -> String {
    format!("[gateway]\nsource = \"{RECORDING}\"\nfilter_mac = \"{}\"\n{how}\n", DEVICES.join(","))
}

/// The reports of the guide's lines, without RSSI, which differs from packet to packet.
fn guides_reports() -> BTreeSet<String> {
    DATA_TEST.iter().flat_map(|line| reports(line)).collect()
}

/// Reports of the guide's devices in the recording, as btmon sees them.
fn recorded() -> usize {
    EXPECTED.lines().filter(|line| DEVICES.iter().any(|device| line.contains(device))).count()
}

/// What came and is not in the guide.
fn alien_reports(messages: &[String]) -> BTreeSet<String> {
    let payloads = messages.iter().filter_map(|message| message.splitn(4, '|').nth(3));
    payloads.flat_map(reports).collect::<BTreeSet<_>>().difference(&guides_reports()).cloned().collect()
}

/// The reports of one message, letter for letter but for the RSSI's value.
fn reports(payload: &str) -> Vec<String> {
    let inner = payload.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.unwrap_or_else(|| panic!("not an array: {payload}"));
    let each = inner.replace("}]}, {", "}]}\n{");
    each.lines().map(without_rssi).collect()
}

fn without_rssi(report: &str) -> String {
    let (before, after) = report.split_once("\"rssi\": ").unwrap_or_else(|| panic!("no RSSI in {report}"));
    let value_bytes = after.find(',').expect("more follows");
    let value: i16 = after[..value_bytes].parse().unwrap_or_else(|_| panic!("no number in {report}"));
    assert!((-127..=20).contains(&value), "{report}");
    format!("{before}\"rssi\": N{}", &after[value_bytes..])
}
