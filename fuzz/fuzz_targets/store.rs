//! What a damaged disk gives back: any bytes as one record, and as a file of them. Nothing panics, and what is read as a
//! record can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| broker_store::read_for_fuzzing(bytes));
