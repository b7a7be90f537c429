//! mosquitto's persistence file: any bytes. Nothing panics, damage is told in the order of the file and no byte of it
//! twice, and what comes over is as much as the report says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| mosquitto_db::read_for_fuzzing(bytes));
