//! Who comes in, under which name, and how many.

use mqtt::Property;

use super::raw::connack;
use super::{Debian, NEW, Row, check};
use crate::clients::{Subscriber, publish};
use crate::side::Side;

/// The exit status of mosquitto_pub, which for a refusal is its code.
fn status(side: &Side, arguments: &[&str]) -> String {
    let outcome = publish(side.port, &[arguments, &["-t", "t", "-m", "x"]].concat());
    outcome.status.map_or_else(|| "killed".to_owned(), |status| status.to_string())
}

/// The beginning of the name under which a client comes in, as the log has it.
fn name(side: &Side, arguments: &[&str]) -> String {
    status(side, arguments);
    let line = side.log().wait_for("New client connected from");
    let name = line.split(" as ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    name.split_inclusive('-').next().unwrap_or_default().to_owned()
}

/// How the second of two clients fares.
fn second(side: &Side) -> String {
    let _first = Subscriber::start(side.port, &["-i", "first", "-t", "t"]);
    let second = status(side, &["-V", "mqttv5", "-i", "second"]);
    if second == "0" { "comes in" } else { "refused" }.to_owned()
}

#[test]
fn options_say_who_comes_in() {
    check(&[
        Row::new("include_dir", "listener PORT 127.0.0.1\ninclude_dir DIR/more\n", |s| status(s, &[]), "0", "5")
            .files(|folder| drop(folder.write("more/a.conf", "allow_anonymous true\n"))),
        Row::new("allow_anonymous", "listener PORT 127.0.0.1\nallow_anonymous true\n", |s| status(s, &[]), "0", "5"),
        Row::new(
            "listener_allow_anonymous",
            "listener PORT 127.0.0.1\nlistener_allow_anonymous true\n",
            |s| status(s, &[]),
            "0",
            "5",
        )
        .debian(NEW),
        Row::new(
            "accept_protocol_versions",
            "accept_protocol_versions 4,5",
            |s| status(s, &["-V", "mqttv31"]),
            "1",
            "0",
        )
        .debian(NEW),
        Row::new(
            "allow_zero_length_clientid",
            "allow_zero_length_clientid false",
            |s| status(s, &["-V", "mqttv311"]),
            "2",
            "0",
        ),
        Row::new("clientid_prefixes", "clientid_prefixes gw-", |s| status(s, &["-i", "other"]), "5", "0"),
        Row::new("max_keepalive", "max_keepalive 60", |s| status(s, &["-V", "mqttv311", "-k", "100"]), "2", "0")
            .debian(Debian::Unlike("2.0.11 has it for 5.0 alone")),
        Row::new("global_max_connections", "global_max_connections 1", second, "refused", "comes in").debian(NEW),
        Row::new("global_max_clients", "global_max_clients 1", second, "refused", "comes in").debian(NEW),
        Row::new("max_connections", "max_connections 1", second, "refused", "comes in"),
    ]);
}

#[test]
fn options_say_under_which_name() {
    check(&[
        Row::new("auto_id_prefix", "auto_id_prefix own-", |s| name(s, &[]), "own-", "auto-"),
        Row::new("listener_auto_id_prefix", "listener_auto_id_prefix own-", |s| name(s, &[]), "own-", "auto-")
            .debian(NEW),
        Row::new(
            "use_username_as_clientid",
            "use_username_as_clientid true",
            |s| name(s, &["-i", "said", "-u", "roger"]),
            "roger",
            "said",
        ),
    ]);
}

#[test]
fn options_are_told_to_a_client_that_comes_in() {
    const MAX: Property<'_> = Property::SessionExpiryInterval(1_000_000);
    check(&[
        Row::new(
            "max_topic_alias",
            "max_topic_alias 3",
            |s| connack(s.port, &[], |ack| ack.properties.topic_alias_maximum().map(|most| most.to_string())),
            "3",
            "10",
        ),
        Row::new(
            "max_inflight_messages",
            "max_inflight_messages 3",
            |s| connack(s.port, &[], |ack| ack.properties.receive_maximum().map(|most| most.to_string())),
            "3",
            "20",
        ),
        Row::new(
            "max_packet_size",
            "max_packet_size 300",
            |s| connack(s.port, &[], |ack| ack.properties.maximum_packet_size().map(|most| most.to_string())),
            "300",
            "2000000",
        )
        .debian(Debian::Default("2.0.11 has no limit of its own")),
        Row::new(
            "max_qos",
            "max_qos 1",
            |s| connack(s.port, &[], |ack| ack.properties.maximum_qos().map(|most| most.as_u8().to_string())),
            "1",
            "nothing",
        ),
        Row::new(
            "maximum_qos",
            "maximum_qos 0",
            |s| connack(s.port, &[], |ack| ack.properties.maximum_qos().map(|most| most.as_u8().to_string())),
            "0",
            "nothing",
        )
        .debian(NEW),
        Row::new(
            "retain_available",
            "retain_available false",
            |s| connack(s.port, &[], |ack| ack.properties.retain_available().map(|is| is.to_string())),
            "false",
            "nothing",
        ),
        Row::new(
            "persistent_client_expiration",
            "persistent_client_expiration 2h",
            |s| connack(s.port, &[MAX], |ack| ack.properties.session_expiry_interval().map(|most| most.to_string())),
            "7200",
            "nothing",
        )
        .debian(Debian::Unlike("it shortens the session and does not say so")),
    ]);
}
