//! What whoever may publish to a gateway sends it (dialect C), and filters as somebody writes them. Nothing panics,
//! every answer is JSON under the request's id, and no filter that was taken panics at any packet.
#![no_main]

use std::time::Duration;

use gateway_core::api::{ID_BYTES_MAX, Request};
use gateway_core::dialect_a::Style;
use gateway_core::dialect_c::Ids;
use gateway_core::filter::{Filters, List, ValuePattern};
use gateway_core::station::{About, Now, Periods, Station};
use gateway_core::{Advertisement, AddressKind, DeviceAddress, EventType, MacAddress, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    request(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        filters(text);
    }
});

fn request(bytes: &[u8]) {
    let about = About { gateway: MacAddress([0xCC; 6]), model: "m".into(), version: "v".into() };
    let mut station = Station::new(about, Style::Compact, Ids::starting_at(0), Periods::default());
    let now = Now { wall: Timestamp::from_micros(1), uptime: Duration::from_secs(1) };
    let mut out = Vec::new();
    station.request(now, bytes, &mut out);
    let Request::Api { id, .. } = Request::read(bytes) else { return assert!(out.is_empty()) };
    let [reply] = &out[..] else { panic!("one answer") };
    let reply: serde_json::Value = serde_json::from_slice(&reply.payload).expect("JSON");
    assert!(id.len() <= ID_BYTES_MAX && reply["id"] == id.as_str() && reply["data"]["code"].is_u64());
}

/// The text is a list of each kind, and the data of a packet.
fn filters(text: &str) {
    let filters = Filters {
        names: text.parse().unwrap_or_default(),
        macs: text.parse().unwrap_or_default(),
        uuids: text.parse().unwrap_or_default(),
        values: text.parse::<List<ValuePattern>>().unwrap_or_default(),
        rssi_dbm_min: None,
    };
    let packet = |data: &[u8]| Advertisement {
        received_at: Timestamp::default(),
        address: DeviceAddress { mac: MacAddress([1; 6]), kind: AddressKind::Public },
        event_type: EventType::AdvInd,
        rssi_dbm: None,
        data: data.to_vec(),
        extended: None,
        chip: 0,
    };
    let (one, other) = (packet(text.as_bytes()), packet(&[3, 3, 0x1A, 0x18]));
    // What passes by itself passes with any other half.
    assert!(!filters.pass(&one) || filters.pass_with(&one, &other));
}
