//! What the kernel and a controller tell of an adapter: management events and answers, into a keeper; it must always end.
#![no_main]

use std::time::Duration;

use gateway_core::hci_command;
use gateway_core::keeper::{Keeper, KeeperSettings, Kept, Order};
use gateway_core::mgmt::{self, Info, MonitorFeatures};
use gateway_core::scan::ScanMode;
use gateway_core::watchdog::Rules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = (mgmt::index_list(bytes), Info::parse(bytes), MonitorFeatures::parse(bytes), hci_command::done(bytes));
    let rules = Rules { silence: Duration::from_secs(10), may_cycle: true, may_reset: true };
    let mode = if bytes.len() % 2 == 0 { ScanMode::Active } else { ScanMode::Passive };
    let settings = KeeperSettings { mode, timing: None, phys: None, rules };
    let mut keeper = Keeper::new(settings, "hci0".to_owned(), Kept::default());
    let mut orders = Vec::new();
    let mut now = Duration::ZERO;
    keeper.here(now, "hci0".to_owned(), true, &mut orders);
    // Each packet: how long it is, how long after the one before, which of the two sockets, and its octets.
    let mut left = bytes;
    while let [length, wait, socket, rest @ ..] = left {
        let (packet, rest) = rest.split_at(rest.len().min((*length).into()));
        left = rest;
        now += Duration::from_millis(u64::from(*wait) * 50);
        match (socket % 4, mgmt::event(packet), hci_command::done(packet)) {
            (0 | 1, Some((_, event)), _) => keeper.told(now, event, &mut orders),
            (2, _, Some(done)) => keeper.hci_done(now, done, &mut orders),
            (3, ..) => keeper.heard(now),
            _ => {}
        }
        for _ in 0..100 {
            orders.clear();
            keeper.tick(now, &mut orders);
            if !orders.iter().any(|order| !matches!(order, Order::Note(..))) {
                break;
            }
        }
        assert!(keeper.deadline().is_some());
    }
});
