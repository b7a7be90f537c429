//! Bad weather: what befalls an adapter, and that the gateway scans again within 15 seconds, having counted what happened.
//!
//! There is one advertiser, which numbers its packets, so that time and loss are read from what is published, by the
//! air's own clock.

use std::collections::HashMap;

use serde_json::json;

use crate::chain::{Chain, counts, stats, wait_until_scanning};
use crate::vm::{Program, Vm};

const ADDRESS: &str = "00:AA:01:00:00:42";
/// Between two packets of the advertiser.
const TICK_MS: u64 = 50;
/// From when the adapter can be used again.
const RECOVERY_MS_MAX: u64 = 15_000;

struct Weather {
    vm: Vm,
    chain: Chain,
    gateway: Program,
}

#[test]
fn whatever_befalls_an_adapter_the_gateway_scans_again_in_15_seconds_and_counts_it() {
    let mut vm = Vm::boot(&json!({
        "controllers": [{"address": ADDRESS}],
        "advertisers": [{"name": "tick", "address": "C0:00:00:00:00:01", "advType": "ADV_NONCONN_IND", "adData": "03FF0000",
                         "counter": 2, "interval": TICK_MS, "delay": 0}],
    }));
    let chain = Chain::start();
    let radio = format!("adapters = [\"{ADDRESS}\"]\nsilence_s = 2\n");
    let gateway = chain.gateway(&mut vm, "gateway", &radio);
    wait_until_scanning(&mut vm, 0, false);
    let mut weather = Weather { vm, chain, gateway };

    weather.passes("unplugged and plugged in again, with another number", &["unplugged", "returned"], |vm| {
        vm.air(&json!({"op": "unplug", "controller": 0}));
        vm.sh("sleep 2");
        // It takes the number that is free.
        vm.air(&json!({"op": "plug", "index": 9, "settings": {"address": "00:AA:01:00:00:99"}}));
        vm.air(&json!({"op": "plug", "index": 0, "settings": {"address": ADDRESS}}));
        let stats = stats(vm);
        let own = stats["controllers"].as_array().expect("a list").iter().find(|one| one["controller"] == 0);
        assert_eq!(own.expect("it was plugged in")["hci"], 1);
        vm.air(&json!({"op": "unplug", "controller": 9}));
    });
    let log = weather.gateway.errors(&weather.vm);
    assert!(log.contains("the adapter is gone") && !log.contains("someone else"), "nobody switched it off: {log}");
    weather.passes("bluetoothd killed and started again", &[], |vm| {
        vm.sh("kill -9 $(pidof bluetoothd); sleep 2");
        vm.start("bluetoothd-again", "/usr/libexec/bluetooth/bluetoothd -n");
        // At its beginning it removes all advertisement monitors, whosever they are.
        vm.wait("bluetoothd is up", |vm| vm.sh("timeout 5 bluetoothctl list; true").contains(ADDRESS).then_some(()));
    });
    weather.passes("an error of the controller's hardware", &["hardware_errors"], |vm| {
        vm.air(&json!({"op": "hw_error", "controller": 0}));
    });
    weather.passes("blocked by rfkill and unblocked", &[], |vm| {
        vm.sh("rfkill block; sleep 3; rfkill unblock");
    });
    weather.passes("switched off by someone", &["power_cycled"], |vm| {
        vm.sh("bluetoothctl power off");
    });
    weather.passes("our advertisement monitor removed by someone", &[], |vm| {
        vm.sh("mgmt forget 1");
    });
    weather.passes("deaf until it is told to scan again", &["rearmed"], |vm| {
        vm.air(&json!({"op": "deaf", "controller": 0, "until": "scan"}));
    });
    weather.passes("deaf until it is reset", &["rearmed", "power_cycled"], |vm| {
        vm.air(&json!({"op": "deaf", "controller": 0, "until": "reset"}));
    });
    weather.passes("discovery of someone else, begun and ended", &[], |vm| {
        vm.sh("timeout 5 bluetoothctl --timeout 3 scan on; true");
    });

    let Weather { mut vm, gateway, .. } = weather;
    gateway.end(&mut vm);
    assert_eq!(vm.sh("mgmt monitors 1"), "[]\n", "what we set in the kernel");
}

impl Weather {
    /// Something happens, and is over when `what_happens` returns. Then the gateway must publish again, and have
    /// counted what happened under these names.
    fn passes(&mut self, name: &str, counted: &[&str], what_happens: impl FnOnce(&mut Vm)) {
        self.wait_for_tick_after(0, name);
        let before = self.counts();
        let last = self.last_tick();
        what_happens(&mut self.vm);
        let over = stats(&mut self.vm)["advertisers"]["tick"]["events"].as_u64().expect("a count");
        let back = self.wait_for_tick_after(over, name);

        let recovery = (back - over) * TICK_MS;
        let heard: Vec<u64> = ticks(&self.chain).into_iter().filter(|tick| (last..=back).contains(tick)).collect();
        let lost = (back - last + 1) as usize - heard.len();
        let gap = heard.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0) * TICK_MS;
        println!(
            "{name}: published again {recovery} ms after it was over; {lost} packets of {} lost, longest gap {gap} ms",
            back - last
        );
        assert!(recovery < RECOVERY_MS_MAX, "{name}: {recovery} ms");
        let gateway = &self.gateway;
        for &count in counted {
            self.vm.wait(&format!("{name}: {count} is counted"), |vm| {
                let now = counts(vm, gateway).get(count).copied().unwrap_or(0);
                (now > before.get(count).copied().unwrap_or(0)).then_some(())
            });
        }
        if lost as u64 * TICK_MS > 2_000 {
            self.vm.wait(&format!("{name}: deaf_ms is counted"), |vm| {
                let now = counts(vm, gateway).get("deaf_ms").copied().unwrap_or(0);
                (now > before.get("deaf_ms").copied().unwrap_or(0)).then_some(())
            });
        }
    }

    fn counts(&self) -> HashMap<String, u64> {
        counts(&self.vm, &self.gateway)
    }

    fn last_tick(&self) -> u64 {
        ticks(&self.chain).last().copied().unwrap_or(0)
    }

    /// The first number after this one that is published.
    fn wait_for_tick_after(&mut self, number: u64, name: &str) -> u64 {
        let chain = &self.chain;
        let what = format!("{name}: a packet after number {number}");
        self.vm.wait(&what, |_| ticks(chain).into_iter().find(|tick| *tick > number))
    }
}

/// The numbers that were published. (The advertiser begins again at 65,536, which it does not reach.)
fn ticks(chain: &Chain) -> Vec<u64> {
    let number = |data: &str| u64::from_str_radix(&format!("{}{}", &data[6..8], &data[4..6]), 16);
    chain.packets().iter().map(|packet| number(&packet.data).expect("hexadecimal")).collect()
}
