//! What the radio and recordings bring: btsnoop files, HCI events, AD structures; through the whole pipeline.
#![no_main]

use std::time::Duration;

use gateway_core::batch::{Batches, Limits};
use gateway_core::btsnoop_stream::Stream;
use gateway_core::dialect::Dialect;
use gateway_core::dialect_b::Items;
use gateway_core::dialect_c::Ids;
use gateway_core::duplicates::{DuplicateRule, Duplicates};
use gateway_core::filter::Filters;
use gateway_core::monitor::MonitorPacket;
use gateway_core::radio_counts::RadioCounts;
use gateway_core::{Ear, MacAddress, Pipeline, Timestamp, ad, btsnoop, dialect_a, dialect_c, hci};
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
    // A stream of any bytes, in pieces of any size, gives what is whole in it and then stays at its fault.
    let mut stream = Stream::default();
    for piece in bytes.chunks(bytes.first().map_or(1, |byte| usize::from(*byte).max(1))) {
        stream.push(piece);
        while let Some(Ok(head)) = stream.peek() {
            let _ = stream.packet(&head);
            stream.advance(&head);
        }
    }
    pipelines(bytes);
});

/// Dialect A as it is, and C with a filter that judges pairs.
fn pipelines(bytes: &[u8]) {
    let batches = |dialect| Batches::new(Duration::from_millis(100), Limits::default(), dialect);
    let duplicates = || Duplicates::new(DuplicateRule::Off);
    let a = Pipeline::new(Filters::default(), duplicates(), batches(Dialect::A(dialect_a::Encoder::default())));
    let c = dialect_c::Encoder::new(MacAddress([0xCC; 6]), Items::default(), Ids::starting_at(0));
    let names = Filters { names: "*".parse().expect("a filter"), ..Filters::default() };
    let c = Pipeline::new(names, duplicates(), batches(Dialect::C(c))).judging_pairs(true);
    let (mut pipelines, mut ear) = ([(a, Vec::new()), (c, Vec::new())], Ear::default());
    for (at, event) in bytes.chunks(64).enumerate() {
        let mut heard = Vec::new();
        let _ = ear.hear(Timestamp::from_micros(at as u64 * 7_000), 0, event, &mut heard);
        for (pipeline, out) in &mut pipelines {
            heard.iter().for_each(|advertisement| pipeline.take(advertisement, out));
        }
    }
    for (pipeline, out) in &mut pipelines {
        pipeline.flush(out);
        let counts = pipeline.counts();
        assert_eq!(counts.filtered + counts.duplicates + counts.reported, ear.counts().advertisements);
    }
    for message in pipelines.into_iter().flat_map(|(_, out)| out) {
        assert!(serde_json::from_slice::<serde_json::Value>(&message.payload).is_ok());
    }
}
