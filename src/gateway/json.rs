//! A report as a line of JSON: an item of dialect B with its time, and by which adapter it was heard.

use gateway_core::Advertisement;
use gateway_core::dialect_a::Style;
use gateway_core::dialect_b::Items;

const ITEMS: Items = Items { style: Style::Compact, timestamp: true };

/// One report, without an end of line; `adapter` is an address, or as the kernel calls it: nothing to be escaped.
pub(crate) fn report(adapter: &str, advertisement: &Advertisement) -> String {
    let mut json = Vec::with_capacity(256);
    ITEMS.item(advertisement, &mut json);
    let mut json = String::from_utf8_lossy(&json).into_owned();
    // One more key, in place of the closing brace.
    json.pop();
    json.push_str(",\"adapter\":\"");
    json.push_str(adapter);
    json.push_str("\"}");
    json
}
