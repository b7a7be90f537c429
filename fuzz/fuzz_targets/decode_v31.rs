//! What a peer that speaks MQTT 3.1 says.
#![no_main]

mod decode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| decode::conversation(mqtt::ProtocolVersion::V31, bytes));
