//! What the radio and recordings bring: btsnoop files, HCI events, AD structures; through the whole pipeline.
#![no_main]

use std::time::Duration;

use gateway_core::batch::{Batches, Limits};
use gateway_core::dialect_a::Encoder;
use gateway_core::duplicates::{DuplicateRule, Duplicates};
use gateway_core::filter::Filters;
use gateway_core::monitor::MonitorPacket;
use gateway_core::radio_counts::RadioCounts;
use gateway_core::{Pipeline, Timestamp, ad, btsnoop, hci};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(records) = btsnoop::records(bytes) {
        for record in records.map_while(Result::ok) {
            if record.kind == btsnoop::PacketKind::Note {
                let counts = btsnoop::note(record.data).and_then(|note| RadioCounts::parse(note.text));
                assert!(counts.is_none_or(|counts| RadioCounts::parse(&counts.to_string()) == Some(counts)));
            }
        }
    }
    if let Some(packet) = MonitorPacket::parse(bytes) {
        let _ = (packet.scan_switched(), packet.is_hardware_error(), packet.address());
        // What passes for reports here is at least looked at as such there.
        assert!(
            !packet.is_advertising()
                || !matches!(hci::advertising_reports(packet.data), Ok(None))
                || packet.data.len() < 3
        );
    }
    let _ = ad::local_name(bytes);
    ad::service_uuids(bytes).for_each(drop);
    if let Ok(Some(reports)) = hci::advertising_reports(bytes) {
        reports.for_each(drop);
    }
    let batches = Batches::new(Duration::from_millis(100), Limits::default(), Encoder::default());
    let mut pipeline = Pipeline::new(Filters::default(), Duplicates::new(DuplicateRule::Off), batches);
    let mut out = Vec::new();
    for (at, event) in bytes.chunks(64).enumerate() {
        let _ = pipeline.hear(Timestamp::from_micros(at as u64 * 50_000), 0, event, &mut out);
    }
    pipeline.flush(&mut out);
    for message in out {
        assert!(message.payload.starts_with(b"[") && message.payload.ends_with(b"]"));
        assert!(std::str::from_utf8(&message.payload).is_ok());
    }
});
