//! `$SYS` as an operator's tools read it: the topics are mosquitto's, the numbers those of the process.

use std::collections::BTreeSet;

use crate::clients::Subscriber;
use crate::folder::Folder;
use crate::harness::Appliance;
use crate::mosquitto::Mosquitto;

const CONF: &str = "listener PORT 127.0.0.1\nallow_anonymous true\nsys_interval 1\n";

/// Topics of 2.1.2 that 2.0.11 does not have yet.
const NEW: [&str; 3] =
    ["$SYS/broker/connections/socket/count", "$SYS/broker/packet/out/bytes", "$SYS/broker/packet/out/count"];

/// What mosquitto has nothing like.
const OURS: &str = "$SYS/broker/overload/";

/// The topics that are there when somebody comes.
fn topics(port: u16) -> BTreeSet<String> {
    let subscriber = Subscriber::start(port, &["-t", "$SYS/#", "-q", "2"]);
    let is_retained = |message: &&String| message.split('|').nth(2) == Some("1");
    let topic = |message: &String| message.split('|').next().map(str::to_owned);
    let found = subscriber.wait_messages(|messages| {
        // What comes with its flag down was published since: all that was retained is here.
        messages.iter().any(|message| !is_retained(&message)).then(|| messages.to_vec())
    });
    let found = found.expect("something changes every second");
    let retained = found.iter().filter(is_retained).filter_map(topic).collect::<BTreeSet<_>>();
    let is_compared = |topic: &String| topic != "$SYS/broker/clients/maximum" && !topic.starts_with(OURS);
    retained.into_iter().filter(is_compared).collect()
}

#[test]
fn the_topics_are_those_of_mosquitto() {
    let appliance = Appliance::start(CONF, Folder::new());
    let mosquitto = Mosquitto::with_configuration(|port| {
        format!("listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\nuser root\n")
    });
    let (ours, theirs) = (topics(appliance.port), topics(mosquitto.open_port()));
    let wanted: BTreeSet<_> = theirs.into_iter().chain(NEW.map(str::to_owned)).collect();
    assert_eq!(ours, wanted);
}

#[test]
fn memory_connections_and_bytes_are_those_of_the_process() {
    let appliance = Appliance::start(CONF, Folder::new());
    let subscriber = Subscriber::start(appliance.port, &["-t", "$SYS/broker/#"]);
    let wait_for = |topic: &str, is_right: &dyn Fn(u64) -> bool| {
        let found = subscriber.wait_messages(|messages| {
            let numbers = messages.iter().filter_map(|message| message.strip_prefix(&format!("$SYS/broker/{topic}|")));
            numbers.filter_map(|rest| rest.rsplit('|').next()?.parse().ok()).find(|number| is_right(*number))
        });
        found.unwrap_or_else(|| {
            panic!("{topic} is never as it should be: {:?}", subscriber.wait_messages(|m| Some(m.to_vec())))
        })
    };
    wait_for("connections/socket/count", &|count| count == 1);
    let resident = appliance.resident_kib() * 1024;
    wait_for("heap/current", &|bytes| bytes > 10_000 && bytes < resident);
    // What it was sent so far is above a kilobyte: 56 topics of 20 bytes and more.
    wait_for("bytes/sent", &|bytes| bytes > 1_120);
    wait_for("bytes/received", &|bytes| bytes > 14);
}
