//! What the gateway publishes is, packet for packet, what `btmon -w` recorded beside it: slow and fast, active and
//! passive, from an adapter of Bluetooth 4 and one of Bluetooth 5 at once.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::chain::{Chain, counts, stats, wait_until_scanning};
use crate::packets::{Packet, compared, hex, recorded};
use crate::vm::{Program, Vm};

/// A part of the air.
struct Load {
    name: &'static str,
    advertisers: Value,
    /// Whether the gateway may lose packets, if it counts them. Where the processor is emulated, a thousand a second is
    /// near to what the guest can bear.
    may_lose: bool,
}

/// 3, 100 and 1,000 packets a second. Each packet differs from all others: advertisers put running numbers into what
/// they send.
fn loads() -> [Load; 3] {
    [
        Load {
            name: "3 packets a second",
            advertisers: json!([
                {"name": "tag", "address": "AC:23:3F:A0:00:02", "addressType": "public", "advType": "ADV_IND",
                 "adData": "02010605FF59000000", "counter": 7, "scanData": "05FF5900000003095468", "responseCounter": 4,
                 "interval": 333, "delay": 0, "count": 12, "controllers": [0]},
            ]),
            may_lose: false,
        },
        Load {
            name: "100 packets a second, most of them extended",
            advertisers: json!([
                {"name": "long", "address": "E0:11:22:33:44:10", "advType": "EXT_NONCONN", "sid": 3, "txPower": 8,
                 "secondaryPhy": 2, "adData": long_data(), "counter": 4, "interval": 100, "delay": 0, "count": 40,
                 "controllers": [1]},
                {"name": "connectable", "address": "E0:11:22:33:45:00", "advType": "EXT_CONN", "copies": 4,
                 "adData": "02010605FF59000000", "counter": 7, "interval": 100, "delay": 0, "count": 40, "controllers": [1]},
                {"name": "legacy", "address": "D4:11:22:33:46:00", "advType": "ADV_NONCONN_IND", "copies": 5,
                 "adData": "05FF59000000", "counter": 4, "interval": 100, "delay": 0, "count": 40, "controllers": [1]},
            ]),
            may_lose: false,
        },
        Load {
            name: "1,000 packets a second",
            advertisers: json!([
                {"name": "crowd", "address": "C0:00:00:00:01:00", "advType": "ADV_NONCONN_IND", "copies": 100,
                 "adData": "0201061BFF590000000102030405060708090A0B0C0D0E0F10111213141516", "counter": 7, "interval": 100,
                 "delay": 0, "count": 80, "controllers": [0]},
            ]),
            may_lose: true,
        },
    ]
}

/// 278 bytes, which come in two reports: manufacturer's data with room for the number, and a name.
fn long_data() -> String {
    let data: Vec<u8> = (0..=248).collect();
    "FEFF59000000".to_owned() + &hex(&data) + "16094C6F6E6720657874656E6465642061647620313233"
}

#[test]
fn what_is_published_is_what_btmon_recorded_at_3_and_100_and_1000_packets_a_second_active_and_passive() {
    let mut vm = Vm::boot(&json!({"controllers": [{"extended": false}, {"extended": true}]}));
    for mode in ["passive", "active"] {
        beside_btmon(&mut vm, mode);
    }
}

fn beside_btmon(vm: &mut Vm, mode: &str) {
    let chain = Chain::start();
    let recording = format!("/run/{mode}.btsnoop");
    // btmon takes the room for packets that the system gives by itself, which is for some 300 of them.
    let room = "/proc/sys/net/core/rmem_default";
    let usual = vm.sh(&format!("cat {room}; echo 33554432 >{room}"));
    let btmon = vm.start(&format!("btmon-{mode}"), &format!("btmon -w {recording}"));
    vm.wait("btmon has begun", |vm| (size(vm, &recording) > 0).then_some(()));
    vm.sh(&format!("echo {} >{room}", usual.trim()));
    // Each adapter falls silent while the other hears its load; whoever heard something would be looked after. (One
    // that never did is left in peace without this.)
    let gateway = chain.gateway(vm, &format!("gateway-{mode}"), &format!("mode = \"{mode}\"\nsilence_s = 3600"));
    for controller in [0, 1] {
        wait_until_scanning(vm, controller, mode == "active");
    }

    let loads = loads().map(|load| {
        let sent = play(vm, &load.advertisers);
        (load, sent)
    });
    let ours = all_published(vm, &chain, loads.iter().map(|(_, sent)| sent).sum());
    let btmons = all_recorded(vm, &btmon, &recording);
    gateway.end(vm);
    let dropped = counts(vm, &gateway).get("dropped").copied().unwrap_or(0);

    for (load, sent) in loads {
        let of_load = |packets: &[Packet]| -> Vec<Packet> {
            let addresses = addresses(&load.advertisers);
            packets.iter().filter(|packet| addresses.contains(&packet.address)).cloned().collect()
        };
        let (ours, btmons) = (of_load(&ours), of_load(&btmons));
        let comparison = compared(&btmons, &ours);
        let (lost_by_us, lost_by_btmon) = (comparison.only_first.len() as u64, comparison.only_second.len() as u64);
        let lost_by_both = sent.saturating_sub(comparison.common as u64 + lost_by_us + lost_by_btmon);
        println!(
            "{mode}, {}: {sent} heard by the controllers, {} published and recorded alike; lost by the gateway {lost_by_us}, by btmon \
             {lost_by_btmon}, by both {lost_by_both}; counted as dropped {dropped}",
            load.name, comparison.common
        );
        if load.may_lose {
            assert!(lost_by_us + lost_by_both <= dropped, "lost, but not counted");
            assert!(ours.len() as u64 * 10 > sent * 9, "more than a tenth was lost");
        } else {
            assert_eq!(
                comparison.only_first.first(),
                None,
                "{mode}, {}: recorded by btmon, but not published",
                load.name
            );
            assert_eq!(comparison.only_second.first(), None, "{mode}, {}: published, but not recorded", load.name);
            assert_eq!(ours.len() as u64, sent, "{mode}, {}: published", load.name);
        }
    }
    // Across adapters and kinds of packets, too, the order is that of the air.
    let _ = compared(&btmons, &ours);
}

/// Adds the advertisers, waits until each has sent all that it is to send, and takes them away again. Gives how many
/// packets the controllers told the kernel of. (In active scanning there are moments in which they are told not to scan.)
fn play(vm: &mut Vm, advertisers: &Value) -> u64 {
    let list = advertisers.as_array().expect("a list");
    for advertiser in list {
        vm.air(&json!({"op": "add", "advertiser": advertiser}));
    }
    let mut before = u64::MAX;
    let reports = loop {
        let (missing, reports) = progress(vm, list);
        if missing == 0 {
            break reports;
        }
        // However slow the machine is, it goes on.
        assert!(missing < before, "nothing is sent any more, but {missing} events are missing");
        before = missing;
        vm.sh("sleep 1");
    };
    for advertiser in list {
        vm.air(&json!({"op": "remove", "name": advertiser["name"]}));
    }
    reports
}

/// How many events of these advertisers and their copies are to come, and how many packets were reported.
fn progress(vm: &mut Vm, advertisers: &[Value]) -> (u64, u64) {
    let stats = stats(vm);
    let number = |value: &Value| value.as_u64().expect("a number");
    let (mut missing, mut reports) = (0, 0);
    for advertiser in advertisers {
        let name = advertiser["name"].as_str().expect("a name");
        for (one, counts) in stats["advertisers"].as_object().expect("counts by name") {
            if one == name || one.starts_with(&format!("{name}#")) {
                missing += number(&advertiser["count"]) - number(&counts["events"]);
                reports += number(&counts["reports"]);
            }
        }
    }
    (missing, reports)
}

/// The addresses of the advertisers and of their copies.
fn addresses(advertisers: &Value) -> HashSet<String> {
    let mut all = HashSet::new();
    for advertiser in advertisers.as_array().expect("a list") {
        let first = advertiser["address"].as_str().expect("an address");
        let (head, last) = first.rsplit_once(':').expect("a colon");
        let last = u64::from_str_radix(last, 16).expect("hexadecimal");
        let copies = advertiser["copies"].as_u64().unwrap_or(1);
        all.extend((last..last + copies).map(|last| format!("{head}:{last:02X}")));
    }
    all
}

/// What the subscriber saw when it is all, or when no more comes.
fn all_published(vm: &mut Vm, chain: &Chain, wanted: u64) -> Vec<Packet> {
    let mut before = None;
    loop {
        let packets = chain.packets();
        if packets.len() as u64 >= wanted || before == Some(packets.len()) {
            return packets;
        }
        before = Some(packets.len());
        // At a thousand a second this is time for more than a few packets, however slow all is.
        vm.sh("sleep 5");
    }
}

/// What btmon recorded when it has caught up and ended.
fn all_recorded(vm: &mut Vm, btmon: &Program, recording: &str) -> Vec<Packet> {
    let mut before = None;
    while before != Some(size(vm, recording)) {
        before = Some(size(vm, recording));
        vm.sh("sleep 1");
    }
    btmon.end(vm);
    recorded(&vm.read(recording)).into_iter().map(|(_, packet)| packet).collect()
}

fn size(vm: &mut Vm, file: &str) -> u64 {
    vm.try_sh(&format!("stat -c %s {file}")).out.trim().parse().unwrap_or(0)
}
