//! What the radio and recordings bring: btsnoop files, HCI events, AD structures; through the whole pipeline.
#![no_main]

use std::time::Duration;

use gateway_core::batch::{Batches, Limits};
use gateway_core::dialect_a::Encoder;
use gateway_core::duplicates::{DuplicateRule, Duplicates};
use gateway_core::filter::Filters;
use gateway_core::{Pipeline, Timestamp, ad, btsnoop, hci};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(records) = btsnoop::records(bytes) {
        records.take_while(Result::is_ok).for_each(drop);
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
