//! `nightjar gateway adapters`, `scan` and `record` in a terminal of the guest, by users who may do more and less.

use serde_json::{Value, json};

use crate::chain::{monitors, stats};
use crate::packets::{Packet, compared, in_common_time, recorded, reported};
use crate::vm::{PROGRAM, Ran, Vm};

const FIRST: &str = "00:AA:01:00:00:42";
const SECOND: &str = "00:AA:01:00:00:43";
/// What everybody is told who lacks a capability.
const GRANT: &str = "setcap cap_net_raw,cap_net_admin+eip";

#[test]
fn by_hand_adapters_are_listed_the_air_is_shown_and_recorded_and_who_may_not_is_told_why() {
    let mut vm = Vm::boot(&json!({
        "controllers": [{"address": FIRST, "extended": true}, {"address": SECOND}],
        "advertisers": [
            {"name": "tag", "address": "AC:23:3F:A0:00:02", "addressType": "public", "advType": "ADV_IND",
             "adData": "02010605FF59000000", "counter": 7, "scanData": "05FF5900000003095468", "responseCounter": 4,
             "interval": 100},
            {"name": "extended", "address": "E0:11:22:33:44:10", "advType": "EXT_NONCONN", "sid": 3, "secondaryPhy": 2,
             "adData": "05FF59000000", "counter": 4, "interval": 100},
        ],
    }));
    adapters_are_listed_for_everybody(&mut vm);
    without_a_capability_the_message_says_which_and_how_to_grant_it(&mut vm);
    with_cap_net_raw_alone_it_scans_with_commands_of_its_own_and_says_so(&mut vm);
    with_both_it_shows_what_is_there_and_leaves_nothing_behind(&mut vm);
    the_kernels_scan_listens_all_the_time_while_it_is_ours(&mut vm);
    own_interval_and_phys_are_what_the_controller_is_told(&mut vm);
    a_recording_is_what_btmon_records_and_reads(&mut vm);
    what_a_killed_one_left_in_the_kernel_the_next_one_takes_away(&mut vm);
    an_adapter_that_comes_later_is_listened_to(&mut vm);
}

/// Runs our program as user gateway with these capabilities.
fn as_gateway(vm: &mut Vm, capabilities: &str, arguments: &str) -> Ran {
    vm.try_sh(&format!("ascap '{capabilities}' '{PROGRAM} gateway {arguments}'"))
}

fn lines(ran: &Ran) -> Vec<Value> {
    let json = |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    ran.out.lines().map(json).collect()
}

fn adapters_are_listed_for_everybody(vm: &mut Vm) {
    let ran = as_gateway(vm, "", "adapters --json");
    assert_eq!(ran.status, 0, "{}", ran.err);
    let adapters: Vec<(Value, Value)> =
        lines(&ran).into_iter().map(|line| (line["address"].clone(), line["powered"].clone())).collect();
    assert_eq!(adapters, [(json!(FIRST), json!(true)), (json!(SECOND), json!(true))]);
    assert!(ran.err.contains("CAP_NET_RAW and CAP_NET_ADMIN") && ran.err.contains(GRANT), "{}", ran.err);
    let table = as_gateway(vm, "cap_net_raw,cap_net_admin", "adapters");
    assert!(table.out.contains(FIRST) && table.out.contains("hci1"), "{}", table.out);
    assert_eq!(table.err, "", "nothing is missing");
}

fn without_a_capability_the_message_says_which_and_how_to_grant_it(vm: &mut Vm) {
    let ran = as_gateway(vm, "", "scan --json --seconds 3");
    assert_ne!(ran.status, 0);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("CAP_NET_RAW") && ran.err.contains(GRANT), "{}", ran.err);
}

fn with_cap_net_raw_alone_it_scans_with_commands_of_its_own_and_says_so(vm: &mut Vm) {
    let ran = as_gateway(vm, "cap_net_raw", "scan --json --seconds 3");
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(!lines(&ran).is_empty(), "{}", ran.err);
    assert!(ran.err.contains("CAP_NET_ADMIN"), "the reason is told: {}", ran.err);
    nobody_scans(vm);
}

fn with_both_it_shows_what_is_there_and_leaves_nothing_behind(vm: &mut Vm) {
    let ran =
        as_gateway(vm, "cap_net_raw,cap_net_admin", &format!("scan --json --active --adapter {FIRST} --seconds 4"));
    assert_eq!(ran.status, 0, "{}", ran.err);
    let reports = lines(&ran);
    assert!(reports.iter().all(|report| report["adapter"] == FIRST), "only of the adapter that was asked for");
    let has = |address: &str, kind: u64| {
        let is_it = |packet: &Packet| packet.address == address && packet.event_type == kind;
        assert!(reports.iter().map(reported).any(|packet| is_it(&packet)), "{address}, type {kind}: {}", ran.out);
    };
    has("AC:23:3F:A0:00:02", 0);
    has("AC:23:3F:A0:00:02", 4);
    has("E0:11:22:33:44:10", 3);
    nobody_scans(vm);
}

fn the_kernels_scan_listens_all_the_time_while_it_is_ours(vm: &mut Vm) {
    let before = vm.sh("mgmt duty");
    let scan = format!("{PROGRAM} gateway scan --json --adapter {FIRST}");
    let ran = vm.try_sh(&format!("{scan} --seconds 3"));
    assert!(ran.status == 0 && !lines(&ran).is_empty(), "{}", ran.err);
    let told = latest_scan(vm, false, &["interval", "window"]);
    assert_eq!(told, [json!(60.0), json!(60.0)], "before: {before}");
    assert_eq!(vm.sh("mgmt duty"), before, "put back");

    // Nor is it lost when it is killed.
    let killed = vm.start("killed-while-wide", &scan);
    vm.wait("it hears", |vm| (!killed.output(vm).is_empty()).then_some(()));
    vm.sh("kill -9 $(pidof nightjar)");
    killed.wait(vm);
    assert_ne!(vm.sh("mgmt duty"), before);
    vm.sh(&format!("{scan} --active --seconds 3"));
    let told = latest_scan(vm, true, &["interval", "window"]);
    assert_eq!(told[0], told[1], "discovery, too, listens all the time");
    assert_eq!(vm.sh("mgmt duty"), before, "what was before the one that was killed");
    nobody_scans(vm);
}

/// What the first controller was told when it was last told to scan, actively or not.
fn latest_scan(vm: &mut Vm, is_active: bool, keys: &[&str]) -> Vec<Value> {
    let stats = stats(vm);
    let scans = stats["controllers"][0]["scans"].as_array().expect("a list");
    let latest = scans.iter().rev().find(|scan| scan[1] == "on" && scan[2]["active"] == is_active).expect("it scanned");
    keys.iter().map(|key| latest[2][key].clone()).collect()
}

fn own_interval_and_phys_are_what_the_controller_is_told(vm: &mut Vm) {
    let scan = "scan --json --interval-ms 40 --window-ms 20 --phy 1M --seconds 3";
    let ran = as_gateway(vm, "cap_net_raw,cap_net_admin", &format!("{scan} --adapter {FIRST}"));
    assert!(ran.status == 0 && !lines(&ran).is_empty(), "{}", ran.err);
    let told = latest_scan(vm, false, &["interval", "window", "phys", "filterDuplicates"]);
    assert_eq!(told, [json!(40.0), json!(20.0), json!(1), json!(false)]);
    nobody_scans(vm);
}

fn a_recording_is_what_btmon_records_and_reads(vm: &mut Vm) {
    let btmon = vm.start("btmon", "btmon -w /run/btmon.btsnoop");
    let file = "/tmp/ours.btsnoop";
    let ran = as_gateway(vm, "cap_net_raw,cap_net_admin", &format!("record {file} --active --seconds 4"));
    assert_eq!(ran.status, 0, "{}", ran.err);
    vm.sh("sleep 1");
    btmon.end(vm);

    let by_adapter = |packets: &[(u16, Packet)], adapter: u16| -> Vec<Packet> {
        packets.iter().filter(|(of, _)| *of == adapter).map(|(_, packet)| packet.clone()).collect()
    };
    let (ours, btmons) = (recorded(&vm.read(file)), recorded(&vm.read("/run/btmon.btsnoop")));
    for adapter in [0, 1] {
        let (ours, btmons) = (by_adapter(&ours, adapter), by_adapter(&btmons, adapter));
        // btmon was there first and stayed longer.
        let (btmons, ours_then) = in_common_time(&btmons, &ours);
        assert_eq!(ours_then, ours);
        let comparison = compared(btmons, &ours);
        assert_eq!((comparison.only_first, comparison.only_second), (vec![], vec![]), "adapter {adapter}");
        assert!(comparison.common > 20, "{} packets", comparison.common);
    }
    let read = vm.sh(&format!("btmon -r {file}"));
    assert_eq!(read.matches("Advertising Report (0x").count(), ours.len(), "as btmon reads our recording");
    assert!(read.contains("AC:23:3F:A0:00:02") && read.contains(FIRST), "{read}");
}

fn what_a_killed_one_left_in_the_kernel_the_next_one_takes_away(vm: &mut Vm) {
    // It writes down what it sets in a folder of its user's: that of the service is not its own.
    vm.sh("! su gateway -s /bin/sh -c 'touch /run/nightjar/x'");
    let scan = format!("ascap cap_net_raw,cap_net_admin '{PROGRAM} gateway scan --json --adapter {FIRST}'");
    let killed = vm.start("killed", &scan);
    vm.wait("a monitor is set", |vm| (monitors(vm, 0) > 0).then_some(()));
    vm.sh("kill -9 $(pidof nightjar)");
    killed.wait(vm);
    assert_eq!(monitors(vm, 0), 1, "what it left");
    let next = vm.start("next", &scan);
    vm.wait("it hears", |vm| (!next.output(vm).is_empty()).then_some(()));
    assert_eq!(monitors(vm, 0), 1, "its own");
    let beside = as_gateway(vm, "cap_net_raw,cap_net_admin", &format!("scan --json --adapter {FIRST} --seconds 3"));
    assert!(!beside.err.contains("left behind"), "what the other one uses is not undone: {}", beside.err);
    assert_eq!(monitors(vm, 0), 1, "that of the other one: {}", beside.err);
    vm.sh("kill -TERM $(pidof nightjar)");
    assert_eq!(next.wait(vm), 0, "{}", next.errors(vm));
    nobody_scans(vm);
}

fn an_adapter_that_comes_later_is_listened_to(vm: &mut Vm) {
    for controller in [0, 1] {
        vm.air(&json!({"op": "unplug", "controller": controller}));
    }
    let scan = vm.start("early", &format!("{PROGRAM} gateway scan --json"));
    vm.sh("sleep 2");
    assert_eq!(scan.output(vm), "");
    vm.air(&json!({"op": "plug", "index": 0, "settings": {"address": FIRST}}));
    vm.wait("it hears", |vm| (!scan.output(vm).is_empty()).then_some(()));
    scan.end(vm);
}

/// Nothing of ours is left: no monitor, and no scan.
fn nobody_scans(vm: &mut Vm) {
    for adapter in [0, 1] {
        assert_eq!(monitors(vm, adapter), 0, "monitors of adapter {adapter}");
    }
    vm.wait("no controller scans", |vm| {
        let stats = stats(vm);
        let controllers = stats["controllers"].as_array().expect("a list");
        controllers.iter().all(|one| one["scanning"] == false).then_some(())
    });
}
