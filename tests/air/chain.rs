//! The whole chain: our gateway in the guest publishes to our broker on the host, and Debian's mosquitto_sub, whose
//! library is the one in Cassia's routers, sees what comes.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::clients::Subscriber;
use crate::folder::Folder;
use crate::harness::Appliance;
use crate::packets::{Packet, published};
use crate::vm::{HOST, PROGRAM, Program, Vm};

const TOPIC: &str = "cassia";
/// Reports come with QoS 1, as a router's do unless told otherwise.
const HEAD: &str = "cassia|1|0|";

/// The host's end.
pub(crate) struct Chain {
    broker: Appliance,
    subscriber: Subscriber,
}

impl Chain {
    pub(crate) fn start() -> Self {
        let conf = "user root\nlistener PORT 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n";
        let broker = Appliance::start(conf, Folder::new());
        let subscriber = Subscriber::start(broker.port, &["-t", TOPIC, "-q", "1"]);
        Self { broker, subscriber }
    }

    /// The gateway in the guest, with these lines in its `[gateway.radio]`. Does not wait for anything.
    pub(crate) fn gateway(&self, vm: &mut Vm, name: &str, radio: &str) -> Program {
        let command = self.command(vm, name, "user root\n", radio);
        vm.start(name, &command)
    }

    /// The same with this in its mosquitto.conf, and started by the command that `within` makes of its own.
    pub(crate) fn gateway_of(&self, vm: &mut Vm, name: &str, conf: &str, within: impl Fn(&str) -> String) -> Program {
        let command = self.command(vm, name, conf, "");
        vm.start(name, &within(&command))
    }

    fn command(&self, vm: &Vm, name: &str, conf: &str, radio: &str) -> String {
        let toml = format!(
            "[gateway]\n[gateway.radio]\n{radio}\n\
             [[gateway.sink]]\nkind = \"mqtt\"\nhost = \"{HOST}\"\nport = {}\ntopic = \"{TOPIC}\"\nqos = 1\n",
            self.broker.port
        );
        let conf = vm.write(&format!("{name}.conf"), &format!("{conf}listener 1883 127.0.0.1\n"));
        let toml = vm.write(&format!("{name}.toml"), &toml);
        format!("{PROGRAM} run -c {conf} --toml {toml}")
    }

    /// What the subscriber has seen so far.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        let messages = self.subscriber.so_far();
        let payload = |message: &'_ String| message.strip_prefix(HEAD).expect("the sink's topic and QoS").to_owned();
        let payloads: Vec<String> = messages.iter().map(payload).collect();
        published(payloads.iter().map(String::as_str))
    }
}

/// What the air says of itself.
pub(crate) fn stats(vm: &mut Vm) -> Value {
    vm.air(&json!({"op": "stats"}))
}

/// Waits until the controller scans, as it should: actively or not. The kernel has then been told by the gateway.
pub(crate) fn wait_until_scanning(vm: &mut Vm, controller: u64, is_active: bool) {
    vm.wait(&format!("controller {controller} scans, active: {is_active}"), |vm| {
        let stats = stats(vm);
        let controllers = stats["controllers"].as_array().expect("a list");
        let own = controllers.iter().find(|one| one["controller"] == controller)?;
        let latest = own["scans"].as_array().and_then(|scans| scans.last())?;
        (own["scanning"] == true && latest[2]["active"] == is_active && latest[2]["filterDuplicates"] == false)
            .then_some(())
    });
}

/// The latest counts that a gateway has logged, by their names.
pub(crate) fn counts(vm: &Vm, gateway: &Program) -> HashMap<String, u64> {
    let log = gateway.errors(vm);
    let line = log.lines().rev().find(|line| line.contains("heard=")).unwrap_or_default();
    let entries = line.split_ascii_whitespace().filter_map(|word| word.split_once('='));
    entries.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect()
}

/// How many advertisement monitors the kernel has for an adapter: while we scan through it one, and none of anybody else.
pub(crate) fn monitors(vm: &mut Vm, adapter: u16) -> usize {
    let text = vm.sh(&format!("mgmt monitors {adapter}"));
    serde_json::from_str::<Vec<u16>>(&text).expect("a list of handles").len()
}
