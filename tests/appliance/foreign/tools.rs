//! mosquitto_pub and mosquitto_sub, as scripts use them: what of the conversations can be had by command lines alone.
//! The rest of what their library does is asked of it directly.

use std::process::Command;

use super::Version;
use crate::clients::{LongPublisher, Subscriber, client, publish_well};
use crate::conversations::OPEN;
use crate::folder::Folder;
use crate::harness::{Appliance, output_of, text};

macro_rules! table {
    ($($name:ident, $version:ident: $($what:ident),+;)+) => {
        $(mod $name {
            use super::{Tools, Version};
            $(#[test]
            fn $what() {
                super::$what(&Tools::start(Version::$version));
            })+
        })+
    };
}

table! {
    mosquitto_tools_3_1, V3_1:
        leave_a_will, get_what_is_retained, share_a_subscription, resume_a_session;
    mosquitto_tools_3_1_1, V3_1_1:
        leave_a_will, get_what_is_retained, share_a_subscription, resume_a_session;
    mosquitto_tools_5, V5:
        leave_a_will, get_what_is_retained, share_a_subscription, resume_a_session, see_things_expire;
}

fn leave_a_will(tools: &Tools) {
    let witness = tools.subscribe(&["-q", "2", "-t", "will"]);
    for qos in ["0", "1", "2"] {
        let will = ["--will-topic", "will", "--will-payload", "gone", "--will-qos", qos];
        let dying = tools.subscribe(&[&["-i", "dying", "-t", "any"], &will as &[_]].concat());
        drop(dying);
    }
    assert_eq!(witness.messages(3), ["will|0|0|gone", "will|1|0|gone", "will|2|0|gone"]);
}

fn get_what_is_retained(tools: &Tools) {
    for qos in ["0", "1", "2"] {
        tools.publish(&["-r", "-q", qos, "-t", &format!("r/{qos}"), "-m", "kept"]);
    }
    let mut messages = tools.subscribe(&["-q", "2", "-t", "r/+"]).messages(3);
    messages.sort();
    assert_eq!(messages, ["r/0|0|1|kept", "r/1|1|1|kept", "r/2|2|1|kept"]);
    tools.publish(&["-r", "-q", "1", "-t", "r/1", "-n"]);
    let late = tools.subscribe(&["-q", "2", "-t", "r/+"]);
    // The next message comes after all that was retained.
    tools.publish(&["-q", "2", "-t", "r/end", "-m", "end"]);
    let mut messages = late.messages(3);
    messages.sort();
    assert_eq!(messages, ["r/0|0|1|kept", "r/2|2|1|kept", "r/end|2|0|end"]);
}

fn share_a_subscription(tools: &Tools) {
    let members = [(); 2].map(|()| tools.subscribe(&["-q", "1", "-t", "$share/us/work", "-t", "end"]));
    let mut publisher = LongPublisher::start(tools.port(), &["-V", tools.version, "-q", "1", "-t", "work"]);
    for number in 0..20 {
        publisher.line(&format!("{number:02}"));
    }
    publisher.end();
    tools.publish(&["-q", "1", "-t", "end", "-m", "end"]);
    let had = members.map(|member| {
        let ended = |messages: &[String]| (messages.last()? == "end|1|0|end").then(|| messages.to_vec());
        let mut messages = member.wait_messages(ended).expect("the end comes to every member");
        messages.pop();
        assert!(!messages.is_empty(), "a member had nothing");
        messages
    });
    let mut all = had.concat();
    all.sort();
    assert_eq!(all, (0..20).map(|number| format!("work|1|0|{number:02}")).collect::<Vec<_>>());
}

fn resume_a_session(tools: &Tools) {
    let keeper = tools.durable("keeper", "3600", &["-q", "2", "-t", "s"]);
    tools.visit(&keeper);
    for qos in ["0", "1", "2"] {
        tools.publish(&["-q", qos, "-t", "s", "-m", &format!("with {qos}")]);
    }
    let again = tools.subscribe(&keeper);
    assert_eq!(again.messages(2), ["s|1|0|with 1", "s|2|0|with 2"]);
    // The connection is lost, not ended.
    drop(again);
    tools.publish(&["-q", "1", "-t", "s", "-m", "after the loss"]);
    assert_eq!(tools.subscribe(&keeper).messages(1), ["s|1|0|after the loss"]);
}

fn see_things_expire(tools: &Tools) {
    let keeper = tools.durable("keeper", "3600", &["-q", "1", "-t", "e"]);
    tools.visit(&keeper);
    for (payload, seconds) in [("for a second", "1"), ("for an hour", "3600")] {
        let expiry = ["-D", "publish", "message-expiry-interval", seconds];
        tools.publish(&[&["-q", "1", "-t", "e", "-m", payload], &expiry as &[_]].concat());
    }
    // The broker's own clock: when this session has ended, a second that began before it has passed.
    tools.visit(&tools.durable("clock", "2", &["-t", "any"]));
    tools.appliance.log.wait_for("Expiring client clock due to timeout.");
    let mut command = Command::new("mosquitto_sub");
    command.args(["-h", "127.0.0.1", "-p", &tools.port().to_string(), "-V", "5", "-C", "1", "-F", "%p: %E"]);
    let said = text(&output_of(command.args(&keeper)).stdout);
    let left = said.trim_end().strip_prefix("for an hour: ").and_then(|left| left.parse::<u32>().ok());
    assert!(left.is_some_and(|left| (3000..=3598).contains(&left)), "{said}");
}

/// The two programs, for one version, and the appliance that they speak to.
struct Tools {
    appliance: Appliance,
    version: &'static str,
}

impl Tools {
    fn start(version: Version) -> Self {
        let version = match version {
            Version::V3_1 => "31",
            Version::V3_1_1 => "311",
            Version::V5 => "5",
        };
        Self { appliance: Appliance::start(OPEN, Folder::new()), version }
    }

    fn port(&self) -> u16 {
        self.appliance.port
    }

    fn subscribe(&self, arguments: &[&str]) -> Subscriber {
        Subscriber::start(self.port(), &[&["-V", self.version], arguments].concat())
    }

    fn publish(&self, arguments: &[&str]) {
        publish_well(self.port(), &[&["-V", self.version], arguments].concat());
    }

    /// The arguments of a client whose session stays; only MQTT 5 says for how long.
    fn durable<'a>(&self, id: &'a str, seconds: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
        let stays: &[&str] = if self.version == "5" { &["-c", "-x", seconds] } else { &["-c"] };
        [&["-i", id], stays, arguments].concat()
    }

    /// Subscribes and leaves; returns when the broker has seen it go.
    fn visit(&self, arguments: &[&str]) {
        let outcome = client("mosquitto_sub", self.port(), &[&["-V", self.version, "-E"], arguments].concat());
        assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
        self.appliance.log.wait_for(&format!("Client {} [", arguments[1]));
    }
}
