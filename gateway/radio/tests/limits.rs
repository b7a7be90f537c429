//! The page of limits has those of the radio, with their values.

use gateway_core::btsnoop_writer::NOTE_BYTES_MAX;
use gateway_core::pace::NAP;
use gateway_core::watchdog::{BLOCKED_WAIT, BUSY, PAUSE_MAX, POWER_ON_AFTER, REARM_WAIT_MIN, RETRY_WAIT_MAX};
use radio::{LIVES_MAX, RECEIVE_BUFFER_BYTES, STREAM_BYTES_MAX, STREAM_NOTES_BYTES_MAX};

#[test]
fn the_page_of_limits_has_every_limit_of_the_radio_with_its_value() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let bytes = [
        ("RECEIVE_BUFFER_BYTES", RECEIVE_BUFFER_BYTES as usize),
        ("STREAM_BYTES_MAX", STREAM_BYTES_MAX),
        ("STREAM_NOTES_BYTES_MAX", STREAM_NOTES_BYTES_MAX),
        ("NOTE_BYTES_MAX", NOTE_BYTES_MAX),
        ("LIVES_MAX", LIVES_MAX),
    ];
    let times = [
        ("BUSY", BUSY),
        ("POWER_ON_AFTER", POWER_ON_AFTER),
        ("BLOCKED_WAIT", BLOCKED_WAIT),
        ("RETRY_WAIT_MAX", RETRY_WAIT_MAX),
        ("PAUSE_MAX", PAUSE_MAX),
        ("REARM_WAIT_MIN", REARM_WAIT_MIN),
    ];
    let bytes = bytes.map(|(name, value)| (name, value.to_string()));
    let times = times.map(|(name, value)| (name, format!("{} s", value.as_secs())));
    let times = times.into_iter().chain([("NAP", format!("{} ms", NAP.as_millis()))]);
    for (name, value) in bytes.into_iter().chain(times) {
        let row = format!("| `{name}` | {value} |");
        assert!(page.contains(&row), "docs/limits.md has no row that begins: {row}");
    }
}
