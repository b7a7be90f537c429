//! What of root's power the processes of `nightjar run` have: the radio's two capabilities and no more, the broker's none.

use std::collections::BTreeSet;

use serde_json::json;

use crate::chain::{Chain, monitors, wait_until_scanning};
use crate::vm::{Program, Vm};

/// CAP_NET_ADMIN (12) and CAP_NET_RAW (13), as /proc shows them.
const RADIO: &str = "0000000000003000";
const NONE: &str = "0000000000000000";
const GATEWAY_USER: &str = "1000";

#[test]
fn of_roots_power_the_radio_process_has_two_capabilities_and_the_broker_none() {
    let mut vm = Vm::boot(&json!({
        "controllers": [{}],
        "advertisers": [{"name": "tick", "address": "C0:00:00:00:00:01", "adData": "03FF0000", "counter": 2}],
    }));
    let chain = Chain::start();

    let by_root = chain.gateway_of(&mut vm, "by-root", "user gateway\n", str::to_owned);
    privileges_are_apart(&mut vm, &chain, &by_root);
    by_root.end(&mut vm);
    assert_eq!(monitors(&mut vm, 0), 0, "after its end");

    // As a service of systemd with User= and AmbientCapabilities= is started.
    let ambient = |command: &str| format!("ascap cap_net_raw,cap_net_admin 'exec {command}'");
    let by_user = chain.gateway_of(&mut vm, "by-user", "", ambient);
    privileges_are_apart(&mut vm, &chain, &by_user);
    a_radio_that_is_killed_is_started_again(&mut vm, &chain, &by_user);
    when_the_broker_is_killed_its_radio_ends_in_order(&mut vm, &by_user);
}

fn privileges_are_apart(vm: &mut Vm, chain: &Chain, run: &Program) {
    wait_until_scanning(vm, 0, false);
    hears(vm, chain);
    let broker = run.pid.to_string();
    let mut radios = 0;
    for process in vm.sh("pidof nightjar").split_whitespace() {
        let statuses = vm.sh(&format!("cat /proc/{process}/task/*/status"));
        let all = |field: &str| -> BTreeSet<String> {
            let lines = statuses.lines().filter_map(|line| line.strip_prefix(field));
            lines.map(|line| line.split_whitespace().next().unwrap_or_default().to_owned()).collect()
        };
        let only = |text: &str| BTreeSet::from([text.to_owned()]);
        let wanted = if process == broker { NONE } else { RADIO };
        assert_eq!(all("CapEff:"), only(wanted), "effective, process {process} of {}", run.name);
        assert_eq!(all("CapPrm:"), only(wanted), "permitted, process {process} of {}", run.name);
        for field in ["CapInh:", "CapAmb:"] {
            assert_eq!(all(field), only(NONE), "{field} process {process} of {}", run.name);
        }
        assert_eq!(all("NoNewPrivs:"), only("1"), "process {process} of {}", run.name);
        assert_eq!(all("Uid:"), only(GATEWAY_USER), "process {process} of {}", run.name);
        radios += usize::from(process != broker);
    }
    assert!(radios > 0, "the radio is a process of its own");
}

/// Kills the process that has the sockets: the youngest.
fn a_radio_that_is_killed_is_started_again(vm: &mut Vm, chain: &Chain, run: &Program) {
    let processes = vm.sh("pidof nightjar");
    let youngest = processes.split_whitespace().filter_map(|pid| pid.parse::<u64>().ok()).max().expect("processes");
    assert_ne!(youngest, run.pid);
    vm.sh(&format!("kill -9 {youngest}"));
    vm.wait("it is another one", |vm| (vm.sh("pidof nightjar") != processes).then_some(()));
    hears(vm, chain);
    assert_eq!(monitors(vm, 0), 1, "that of the killed one is gone");
}

fn when_the_broker_is_killed_its_radio_ends_in_order(vm: &mut Vm, run: &Program) {
    run.signal(vm, "KILL");
    vm.wait("all processes end", |vm| (vm.try_sh("pidof nightjar").status != 0).then_some(()));
    assert_eq!(monitors(vm, 0), 0);
}

/// Waits until more is published than is now.
fn hears(vm: &mut Vm, chain: &Chain) {
    let before = chain.packets().len();
    // What is under way at this moment does not count.
    vm.wait("more is published", |_| (chain.packets().len() > before + 20).then_some(()));
}
