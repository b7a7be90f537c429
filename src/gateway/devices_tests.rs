//! Tests of the devices.

use super::*;
use gateway_core::{AddressKind, EventType, MacAddress};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000 * MICROS + millis * 1000)
}

fn address(number: u32) -> DeviceAddress {
    let [a, b, c, d] = number.to_be_bytes();
    DeviceAddress { mac: MacAddress([0xC0, 0, a, b, c, d]), kind: AddressKind::Random }
}

fn packet(number: u32, millis: u64, rssi: i8, data: &[u8]) -> Advertisement {
    Advertisement {
        received_at: at(millis),
        address: address(number),
        event_type: EventType::AdvInd,
        rssi_dbm: Some(rssi),
        data: data.to_vec(),
        extended: None,
        chip: 0,
    }
}

fn response(number: u32, millis: u64, data: &[u8]) -> Advertisement {
    Advertisement { event_type: EventType::ScanRsp, ..packet(number, millis, -60, data) }
}

fn order(devices: &Devices) -> Vec<u8> {
    devices.sorted().iter().map(|device| device.address.mac.0[5]).collect()
}

#[test]
fn a_device_is_what_its_advertisement_and_its_scan_response_say() {
    let mut devices = Devices::default();
    devices.hear(&packet(1, 0, -60, &[2, 1, 6]));
    devices.hear(&response(1, 1, b"\x06\x09TH-07"));
    devices.hear(&packet(1, 500, -61, &[2, 1, 5]));
    let [device] = devices.sorted()[..] else { panic!("one device") };
    assert_eq!((device.name.as_deref(), &device.advertisement[..]), (Some("TH-07"), &[2, 1, 5][..]));
    assert_eq!((&device.scan_response[..], device.rssi_dbm), (&b"\x06\x09TH-07"[..], Some(-61)));
    assert_eq!((device.heard_at, devices.packets()), (at(500), 3));
    // The same octets as a public address are another device.
    let public = DeviceAddress { kind: AddressKind::Public, ..address(1) };
    devices.hear(&Advertisement { address: public, ..packet(1, 600, -60, &[]) });
    assert_eq!(devices.count(), 2);
}

#[test]
fn the_rate_is_a_mean_over_the_latest_ten_seconds() {
    let mut devices = Devices::default();
    let rate = |devices: &Devices, millis| devices.sorted()[0].rate(at(millis));
    let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-9, "{got}, not {wanted}");
    for number in 0..5 {
        devices.hear(&packet(1, number * 100, -60, &[]));
    }
    near(rate(&devices, 500), 5.0);
    near(rate(&devices, 4_000), 1.0);
    for second in 1..30 {
        for number in 0..4 {
            devices.hear(&packet(1, second * 1000 + number * 250, -60, &[]));
        }
    }
    near(rate(&devices, 29_999), 4.0);
    near(devices.rate(at(29_999)), 4.0);
    // It falls silent.
    near(rate(&devices, 34_500), 2.0);
    near(rate(&devices, 38_000), 0.4);
    near(rate(&devices, 39_000), 0.0);
    near(rate(&devices, 999_000), 0.0);
    // After the silence nothing of what was before it counts.
    devices.hear(&packet(1, 42_000, -60, &[]));
    near(rate(&devices, 42_000), 0.1);
    // A clock that was set back neither empties nor fills it.
    devices.hear(&packet(1, 5_000, -60, &[]));
    near(rate(&devices, 5_000), 0.2);
}

#[test]
fn the_loudest_come_first_and_who_is_alike_stays_where_he_is() {
    let mut devices = Devices::default();
    for (number, rssi) in [(1, -71), (2, -45), (3, -78), (4, -69)] {
        devices.hear(&packet(number, 0, rssi, &[]));
    }
    assert_eq!(order(&devices), [2, 4, 1, 3]);
    // Single packets, and a mean that is just over the border of a step, change nothing.
    for millis in 0..50 {
        let rssi = if millis % 2 == 0 { -66 } else { -74 };
        devices.hear(&packet(1, millis, rssi, &[]));
        devices.hear(&packet(4, millis, rssi, &[]));
        assert_eq!(order(&devices), [2, 4, 1, 3]);
    }
    for millis in 0..50 {
        devices.hear(&packet(3, 100 + millis, -30, &[]));
    }
    assert_eq!(order(&devices), [3, 2, 4, 1]);
    // Whose strength is never measured comes last.
    devices.hear(&Advertisement { rssi_dbm: None, ..packet(9, 200, 0, &[]) });
    assert_eq!(order(&devices).last(), Some(&9));
}

#[test]
fn past_the_limit_the_one_that_was_silent_for_longest_is_forgotten() {
    let mut devices = Devices::default();
    for number in 0..DEVICES_MAX as u32 {
        devices.hear(&packet(number, u64::from(number), -60, &[]));
    }
    devices.hear(&packet(0, 5_000, -60, &[]));
    devices.hear(&packet(100_000, 5_001, -60, &[]));
    assert_eq!((devices.count(), devices.forgotten()), (DEVICES_MAX, 1));
    let has = |number| devices.sorted().iter().any(|device| device.address == address(number));
    assert_eq!((has(0), has(1), has(2), has(100_000)), (true, false, true, true));
}

#[test]
fn who_is_silent_for_a_minute_is_forgotten() {
    let mut devices = Devices::default();
    devices.hear(&packet(1, 0, -60, &[]));
    devices.hear(&packet(2, 5_000, -60, &[]));
    devices.forget_silent(at(60_999));
    assert_eq!(devices.count(), 2);
    devices.forget_silent(at(61_000));
    assert_eq!((order(&devices), devices.forgotten()), (vec![2], 1));
    // A clock that was set back forgets nobody.
    devices.forget_silent(at(0));
    assert_eq!(devices.count(), 1);
}
