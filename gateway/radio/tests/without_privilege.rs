//! What a process may not do is said, with the command that grants it. On a machine without Bluetooth that is said instead.

use std::os::unix::net::UnixStream;

use radio::{RadioError, RadioSettings};

#[test]
fn a_radio_that_cannot_begin_says_why_and_does_not_block() {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    drop(ours);
    match radio::serve(&RadioSettings::default(), theirs) {
        // It may, and found its reader gone.
        Ok(()) => {}
        Err(fault @ RadioError::Capability { .. }) => {
            let text = fault.to_string();
            assert!(text.starts_with("Listening to the adapter needs CAP_NET_RAW"), "{text}");
            assert!(text.contains("sudo setcap cap_net_raw,cap_net_admin+eip /"), "{text}");
        }
        Err(fault) => {
            let text = fault.to_string();
            assert!(matches!(fault, RadioError::NoBluetooth), "{text}");
            assert!(text.contains("modprobe bluetooth"), "{text}");
        }
    }
}
