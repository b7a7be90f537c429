//! The header of the PROXY protocol: never panics, more bytes change `Wait` only, and nothing is waited for for ever.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The file by itself: the broker's other files are not for this.
#[path = "../../broker/src/proxy_header.rs"]
#[allow(dead_code)]
mod proxy_header;

use proxy_header::{HEADER_BYTES_MAX, Parsed, Version, parse};

fuzz_target!(|bytes: &[u8]| {
    for version in [Version::V1, Version::V2] {
        let (half, whole) = (parse(version, &bytes[..bytes.len() / 2]), parse(version, bytes));
        if half != Parsed::Wait {
            assert_eq!(half, whole);
        }
        if let Parsed::Header(length, _) = whole {
            assert!(length <= bytes.len() && length <= HEADER_BYTES_MAX);
        }
        assert!(bytes.len() < HEADER_BYTES_MAX || whole != Parsed::Wait);
    }
});
