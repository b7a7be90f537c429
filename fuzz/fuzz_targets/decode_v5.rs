//! What a peer that speaks MQTT 5.0 says.
#![no_main]

mod decode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decode::conversation(mqtt::ProtocolVersion::V5, bytes));
