//! Events byte by byte, each with the clause that decides it.

use super::*;

/// An event from its parameters, its length filled in.
fn event(parameters: &[u8]) -> Vec<u8> {
    [&[LE_META, parameters.len() as u8], parameters].concat()
}

const ADDRESS: [u8; 6] = [0xEC, 0x0C, 0xB4, 0x2A, 0x32, 0x5C];

fn legacy(event_type: u8, address_type: u8, data: &[u8], rssi: i8) -> Vec<u8> {
    [&[event_type, address_type][..], &ADDRESS, &[data.len() as u8], data, &[rssi.cast_unsigned()]].concat()
}

fn legacy_event(reports: &[Vec<u8>]) -> Vec<u8> {
    event(&[&[ADVERTISING_REPORT, reports.len() as u8], reports.concat().as_slice()].concat())
}

/// Event_Type, Address_Type, both PHYs, SID, TX power, RSSI; then the data.
fn extended(event_type: u16, fields: [u8; 6], data: &[u8]) -> Vec<u8> {
    let [address_type, phy1, phy2, sid, tx_power, rssi] = fields;
    let [low, high] = event_type.to_le_bytes();
    let tail = [0, 0, 0, 0, 0, 0, 0, 0, 0, data.len() as u8];
    [&[low, high, address_type][..], &ADDRESS, &[phy1, phy2, sid, tx_power, rssi], &tail, data].concat()
}

fn extended_event(reports: &[Vec<u8>]) -> Vec<u8> {
    event(&[&[EXTENDED_ADVERTISING_REPORT, reports.len() as u8], reports.concat().as_slice()].concat())
}

/// Random address, 1M only, no SID, no power, -60 dBm.
const PLAIN: [u8; 6] = [1, 1, 0, 0xFF, 127, 0xC4];

fn read(event: &[u8]) -> Result<Vec<Report<'_>>, AdvertisementFault> {
    advertising_reports(event)?.into_iter().flatten().collect()
}

#[test]
fn each_legacy_event_type_is_read() {
    let wanted = [
        (0, EventType::AdvInd),
        (1, EventType::AdvDirectInd),
        (2, EventType::AdvScanInd),
        (3, EventType::AdvNonconnInd),
        (4, EventType::ScanRsp),
    ];
    for (code, event_type) in wanted {
        let event = legacy_event(&[legacy(code, 1, &[2, 1, 6], -60)]);
        let reports = read(&event).unwrap();
        let [report] = reports.as_slice() else { panic!("one report") };
        assert_eq!((report.event_type, report.event_type.code()), (event_type, code));
        assert_eq!(report.address.unwrap().mac.to_string(), "5C:32:2A:B4:0C:EC");
        assert_eq!((report.data, report.rssi_dbm), (&[2, 1, 6][..], Some(-60)));
    }
}

#[test]
fn several_reports_in_one_event_come_in_order() {
    let event = legacy_event(&[legacy(0, 2, &[2, 1, 6], -60), legacy(4, 1, &[], 127), legacy(3, 3, &[7; 31], 20)]);
    let reports = read(&event).unwrap();
    let seen: Vec<_> = reports.iter().map(|r| (r.event_type.code(), r.data.len(), r.rssi_dbm)).collect();
    assert_eq!(seen, [(0, 3, Some(-60)), (4, 0, None), (3, 31, Some(20))]);
    // Types 2 and 3 are resolved identities: public and static random [Core 5.4, Vol 4, Part E, §7.7.65.2].
    let kinds: Vec<_> = reports.iter().map(|r| r.address.unwrap().kind).collect();
    assert_eq!(kinds, [AddressKind::Public, AddressKind::Random, AddressKind::Random]);
}

#[test]
fn legacy_pdus_in_extended_reports_have_their_legacy_types() {
    // [Core 5.4, Vol 4, Part E, §7.7.65.13], table of Event_Type values for legacy PDUs
    let wanted = [(0x13, 0), (0x15, 1), (0x12, 2), (0x10, 3), (0x1B, 4), (0x1A, 4)];
    for (event_type, code) in wanted {
        let event = extended_event(&[extended(event_type, PLAIN, &[2, 1, 6])]);
        let [report] = read(&event).unwrap()[..] else { panic!("one report") };
        assert_eq!((report.event_type.code(), report.extended), (code, None), "{event_type:#x}");
    }
}

#[test]
fn extended_pdus_take_the_nearest_legacy_type() {
    let wanted =
        [(0b0000, 3), (0b0001, 0), (0b0010, 2), (0b0100, 3), (0b0101, 1), (0b0110, 2), (0b1010, 4), (0b1000, 4)];
    for (event_type, code) in wanted {
        let event = extended_event(&[extended(event_type, PLAIN, &[])]);
        let [report] = read(&event).unwrap()[..] else { panic!("one report") };
        assert_eq!(report.event_type.code(), code, "{event_type:#b}");
        assert_eq!(u16::from(report.extended.unwrap().properties), event_type);
    }
}

#[test]
fn an_extended_report_tells_its_phys_sid_power_and_status() {
    let event = extended_event(&[
        extended(0x20, [1, 1, 2, 3, 8, 0xC4], &[5; 229]),
        extended(0x40, [0xFF, 3, 3, 15, 0xFC, 127], &[]),
    ]);
    let reports = read(&event);
    // 229 bytes and a second report are too long for one event: an event has 255 bytes at most.
    assert!(matches!(reports, Err(AdvertisementFault::EventLength { .. })));

    let event = extended_event(&[
        extended(0x20, [1, 1, 2, 3, 8, 0xC4], &[5; 100]),
        extended(0x40, [0xFF, 3, 3, 15, 0xFC, 127], &[]),
    ]);
    let reports = read(&event).unwrap();
    let [first, second] = reports.as_slice() else { panic!("two reports") };
    assert_eq!((first.status, first.data.len()), (DataStatus::MoreToCome, 100));
    let extended = first.extended.unwrap();
    assert_eq!((extended.primary_phy, extended.secondary_phy), (Phy::Le1M, Some(Phy::Le2M)));
    assert_eq!((extended.sid, extended.tx_power_dbm, extended.truncated), (Some(3), Some(8), false));
    assert_eq!((second.status, second.address, second.rssi_dbm), (DataStatus::Truncated, None, None));
    let extended = second.extended.unwrap();
    assert_eq!((extended.tx_power_dbm, extended.truncated), (Some(-4), true));
}

#[test]
fn other_events_are_not_ours() {
    let others: [&[u8]; 6] =
        [&[], &[0x3E], &[0x0E, 4, 1, 3, 0x0C, 0], &[LE_META, 0], &[LE_META, 1, 0x02], &[LE_META, 4, 0x0A, 0, 0, 0]];
    for event in others {
        assert_eq!(advertising_reports(event).map(|r| r.is_some()), Ok(false), "{event:02x?}");
    }
}

#[test]
fn what_the_specification_reserves_is_refused() {
    use AdvertisementFault as F;
    let one = |fields, data: &[u8]| extended_event(&[extended(0, fields, data)]);
    let rows: [(&str, Vec<u8>, F); 16] = [
        ("§7.7.65.2", event(&[2, 0]), F::ReportCount { reports: 0, max: 25, section: LEGACY }),
        ("§7.7.65.2", event(&[2, 26]), F::ReportCount { reports: 26, max: 25, section: LEGACY }),
        ("§7.7.65.13", event(&[13, 11]), F::ReportCount { reports: 11, max: 10, section: EXTENDED }),
        ("§7.7.65.2", legacy_event(&[legacy(5, 0, &[], 0)]), F::EventType { event_type: 5, section: LEGACY }),
        ("§7.7.65.2", legacy_event(&[legacy(0, 4, &[], 0)]), F::AddressType { address_type: 4, section: LEGACY }),
        ("§7.7.65.2", legacy_event(&[legacy(0, 0xFF, &[], 0)]), F::AddressType { address_type: 255, section: LEGACY }),
        (
            "§7.7.65.2",
            legacy_event(&[legacy(0, 0, &[0; 32], 0)]),
            F::DataLength { bytes: 32, max: 31, section: LEGACY },
        ),
        ("§7.7.65.2", legacy_event(&[legacy(0, 0, &[], 21)]), F::RssiOutOfRange { reported: 21, section: LEGACY }),
        ("§7.7.65.2", legacy_event(&[legacy(0, 0, &[], -128)]), F::RssiOutOfRange { reported: -128, section: LEGACY }),
        ("§7.7.65.13", one([1, 1, 0, 16, 127, 0], &[]), F::Sid { sid: 16 }),
        ("§7.7.65.13", one([1, 0, 0, 0, 127, 0], &[]), F::Phy { phy: 0 }),
        ("§7.7.65.13", one([1, 1, 4, 0, 127, 0], &[]), F::Phy { phy: 4 }),
        ("§7.7.65.13", one([1, 1, 0, 0, 126, 0], &[]), F::TxPowerOutOfRange { reported: 126 }),
        ("§7.7.65.13", one(PLAIN, &[0; 229][..]), F::Excess { bytes: 1, section: EXTENDED }),
        (
            "§7.7.65.13",
            extended_event(&[extended(0x60, PLAIN, &[])]),
            F::EventType { event_type: 0x60, section: EXTENDED },
        ),
        (
            "§7.7.65.13",
            extended_event(&[extended(0x11, PLAIN, &[])]),
            F::EventType { event_type: 0x11, section: EXTENDED },
        ),
    ];
    for (source, mut event, fault) in rows {
        if let F::Excess { .. } = fault {
            event.truncate(60);
            event[27] = 31;
            event[1] = 58;
        }
        assert_eq!(read(&event), Err(fault), "{source}");
    }
}

#[test]
fn an_event_cut_anywhere_is_a_fault_and_never_a_panic() {
    let whole = [
        legacy_event(&[legacy(0, 1, &[2, 1, 6], -60), legacy(4, 1, &[], -61)]),
        extended_event(&[extended(0x20, PLAIN, &[2, 1, 6]), extended(0, PLAIN, &[1])]),
    ];
    for whole in whole {
        assert_eq!(read(&whole).unwrap().len(), 2);
        for cut in 4..whole.len() {
            // As the monitor cuts it: the length byte still tells of the whole.
            assert!(matches!(read(&whole[..cut]), Err(AdvertisementFault::EventLength { .. })), "cut at {cut}");
            // As a broken controller would: the length byte agrees, the reports do not fit.
            let mut lying = whole[..cut].to_vec();
            lying[1] = (cut - 2) as u8;
            let fault = read(&lying).unwrap_err();
            assert!(matches!(fault, AdvertisementFault::Cut { at, .. } if at == cut), "cut at {cut}: {fault}");
        }
    }
}

#[test]
fn reports_before_a_broken_one_are_kept() {
    let event = legacy_event(&[legacy(0, 1, &[2, 1, 6], -60), legacy(9, 1, &[], -61), legacy(0, 1, &[], -62)]);
    let reports: Vec<_> = advertising_reports(&event).unwrap().unwrap().collect();
    assert_eq!(reports.len(), 2);
    assert!(reports[0].is_ok() && reports[1].is_err());
}
