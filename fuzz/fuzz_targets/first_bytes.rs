//! The door's look at a stranger's first bytes: never panics, and more bytes change `NeedMore` only.
#![no_main]

use certs::{SNIFF_BYTES_MAX, Sniffed, sniff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let half = sniff(&bytes[..bytes.len() / 2]);
    let whole = sniff(bytes);
    if half != Sniffed::NeedMore {
        assert_eq!(std::mem::discriminant(&half), std::mem::discriminant(&whole));
    }
    assert!(bytes.len() < SNIFF_BYTES_MAX || whole != Sniffed::NeedMore);
});
