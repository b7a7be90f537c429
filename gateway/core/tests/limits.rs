//! The page of limits has those of this room, with their values.
#![allow(clippy::unwrap_used, reason = "all of this file is tests")]

use std::time::Duration;

use gateway_core::{api, btsnoop, chips, duplicates, filter, fragments, pairs, station};

const PAGE: &str = include_str!("../../../docs/limits.md");

#[test]
fn the_page_of_limits_has_every_limit_with_its_value() {
    let rows = [
        ("ENTRIES_MAX", filter::ENTRIES_MAX.to_string()),
        ("VALUE_BYTES_MAX", filter::value::VALUE_BYTES_MAX.to_string()),
        ("PAIR_WINDOW", format!("{} ms", pairs::PAIR_WINDOW.as_millis())),
        ("HELD_MAX", pairs::HELD_MAX.to_string()),
        ("PARTIAL_MAX", fragments::PARTIAL_MAX.to_string()),
        ("REMEMBERED_MAX", duplicates::REMEMBERED_MAX.to_string()),
        ("REMEMBERED_BYTES_MAX", duplicates::REMEMBERED_BYTES_MAX.to_string()),
        ("PACKET_BYTES_MAX", btsnoop::PACKET_BYTES_MAX.to_string()),
        ("CHIPS_MAX", chips::CHIPS_MAX.to_string()),
        ("REQUEST_BYTES_MAX", api::REQUEST_BYTES_MAX.to_string()),
        ("ID_BYTES_MAX", api::ID_BYTES_MAX.to_string()),
        ("ANSWERS_AT_ONCE_MAX", station::ANSWERS_AT_ONCE_MAX.to_string()),
    ];
    for (name, value) in rows {
        assert!(PAGE.contains(&format!("| `{name}` | {value} |")), "docs/limits.md has no row {name} with {value}");
    }
    assert_eq!(station::ANSWER_EVERY, Duration::from_millis(50));
    assert!(PAGE.contains("`ANSWER_EVERY`, 50 ms"));
}
