//! Commands byte by byte, and replies as a kernel (6.1) gave them.

use super::*;

fn event_packet(event: u16, adapter: u16, parameters: &[u8]) -> Vec<u8> {
    [[event, adapter, parameters.len() as u16].map(u16::to_le_bytes).as_flattened(), parameters].concat()
}

#[test]
fn commands_are_as_the_kernel_reads_them() {
    let window = Duty { monitor_window: Some(0x60), ..Duty::default() };
    let rows: [(Command, u16, &[u8]); 9] = [
        (Command::ReadIndexList, NO_ADAPTER, &[3, 0, 0xFF, 0xFF, 0, 0]),
        (Command::ReadInfo, 1, &[4, 0, 1, 0, 0, 0]),
        (Command::SetPowered(true), 1, &[5, 0, 1, 0, 1, 0, 1]),
        (Command::StartDiscovery, 0, &[0x23, 0, 0, 0, 1, 0, 6]),
        (Command::StopDiscovery, 0, &[0x24, 0, 0, 0, 1, 0, 6]),
        (Command::ReadDefaults, 0, &[0x4B, 0, 0, 0, 0, 0]),
        (Command::SetDefaults(window), 0, &[0x4C, 0, 0, 0, 5, 0, 0x14, 0, 2, 0x60, 0]),
        (Command::ReadMonitorFeatures, 0, &[0x51, 0, 0, 0, 0, 0]),
        (Command::RemoveMonitor(0x0102), 2, &[0x53, 0, 2, 0, 2, 0, 2, 1]),
    ];
    for (command, adapter, wanted) in rows {
        assert_eq!(command.encode(adapter), wanted, "{command:?}");
    }
    let add = Command::AddMonitor.encode(0);
    // One pattern: AD type, offset, length, and always room for 31 octets.
    assert_eq!(add[..10], [0x52, 0, 0, 0, 35, 0, 1, 0xFF, 0, 31]);
    assert_eq!(add.len(), 6 + 1 + 34);
}

#[test]
fn events_are_told_apart() {
    let rows: [(u16, &[u8], Event<'_>); 8] = [
        (1, &[3, 0, 0, 1, 0], Event::Done { opcode: 3, status: Status::SUCCESS, parameters: &[1, 0] }),
        (2, &[5, 0, 0x12], Event::Done { opcode: 5, status: Status::RFKILLED, parameters: &[] }),
        (4, &[], Event::IndexAdded),
        (5, &[], Event::IndexRemoved),
        (6, &[0xD1, 0x0A, 0, 0], Event::NewSettings(Settings(0x0AD1))),
        (0x13, &[6, 1], Event::Discovering(true)),
        (0x2C, &[2, 0], Event::MonitorRemoved(2)),
        (0x12, &[1, 2, 3], Event::Other(0x12)),
    ];
    for (code, parameters, wanted) in rows {
        let packet = event_packet(code, 7, parameters);
        assert_eq!(event(&packet), Some((7, wanted)));
        for cut in 0..packet.len() {
            assert_eq!(event(&packet[..cut]), None, "{code:#x} cut at {cut}");
        }
    }
    for (code, parameters) in [(6, &[0; 3][..]), (0x13, &[0]), (0x2C, &[0; 3]), (1, &[0; 2]), (4, &[0])] {
        assert_eq!(event(&event_packet(code, 0, parameters)), None, "{code:#x}");
    }
}

#[test]
fn what_is_known_of_an_adapter_is_read() {
    let mut reply = vec![0x42, 0, 0, 1, 0xAA, 0, 9, 0xF1, 0x05, 0xFF, 0xFE, 0x01, 0, 0xD1, 0x0A, 0, 0, 0, 0, 0];
    reply.extend(b"gateway-1");
    reply.resize(20 + 249 + 11, 0);
    let info = Info::parse(&reply).unwrap();
    assert_eq!(info.address.to_string(), "00:AA:01:00:00:42");
    assert_eq!((info.version, info.manufacturer, &*info.name), (9, 0x05F1, "gateway-1"));
    assert!(info.supported.low_energy() && info.current.powered() && info.current.low_energy());
    assert_eq!(Info::parse(&reply[..200]), None);
}

#[test]
fn lists_must_be_as_long_as_they_say() {
    assert_eq!(index_list(&[2, 0, 0, 0, 1, 0]), Some(vec![0, 1]));
    for broken in [&[][..], &[1, 0], &[1, 0, 0], &[1, 0, 0, 0, 0], &[0xFF, 0xFF, 0, 0]] {
        assert_eq!(index_list(broken), None, "{broken:?}");
    }
    let features = [0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 16, 2, 0, 1, 0, 5, 0];
    let wanted = MonitorFeatures { offloaded: false, handles: vec![1, 5] };
    assert_eq!(MonitorFeatures::parse(&features), Some(wanted));
    assert_eq!(MonitorFeatures::parse(&features[..15]), None);
    let mut offloaded = features;
    offloaded[0] = 1;
    assert!(MonitorFeatures::parse(&offloaded).unwrap().offloaded);
    assert_eq!((monitor_handle(&[3, 0]), monitor_handle(&[3])), (Some(3), None));
}

#[test]
fn every_status_has_its_words() {
    assert_eq!(Status::RFKILLED.to_string(), "blocked by rfkill");
    assert_eq!(Status(0x99).to_string(), "status 0x99");
    let known: std::collections::BTreeSet<_> = (0..=0x14).map(|code| Status(code).to_string()).collect();
    assert_eq!(known.len(), 0x15);
}
