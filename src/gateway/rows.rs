//! How what was heard looks: the table that fits a terminal, a line for each packet, an object of JSON for each report.
//! All text that strangers sent is cleaned here. Nothing is written, and no clock is read.

use std::fmt::Write as _;

use gateway_core::{AddressKind, Advertisement, DeviceAddress, EventType, Timestamp, ad};

use super::devices::{Device, Devices};
use super::plain::{cleaned, cut, padded};
use super::says::said;

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// What stands around the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    /// What is listened to, or looked at.
    pub source: String,
    /// Packets that were lost before they came here.
    pub lost: u32,
    /// Events that broke the specification.
    pub faults: u64,
    /// The latest that the radio said.
    pub note: Option<String>,
}

/// The table as lines of a terminal, no more and no wider than it has room for: what there is in all, the columns'
/// names, a line for each device; at the end how many did not fit, and what the radio said.
pub(crate) fn table(devices: &Devices, frame: &Frame, now: Timestamp, size: Size) -> Vec<String> {
    let mut lines = vec![summary(devices, frame, now), heads(size.columns)];
    let sorted = devices.sorted();
    let room = size.rows.saturating_sub(lines.len() + usize::from(frame.note.is_some()));
    let shown = if sorted.len() <= room { sorted.len() } else { room.saturating_sub(1) };
    lines.extend(sorted.iter().take(shown).map(|device| row(device, now, size.columns)));
    if shown < sorted.len() && room > 0 {
        lines.push(format!("… and {} more", sorted.len() - shown));
    }
    lines.extend(frame.note.clone());
    lines.truncate(size.rows);
    lines.into_iter().map(|line| cut(&line, size.columns)).collect()
}

fn summary(devices: &Devices, frame: &Frame, now: Timestamp) -> String {
    let count = devices.count();
    let mut line = format!(
        "{count} device{}, {:.1}/s, {} packets",
        if count == 1 { "" } else { "s" },
        devices.rate(now),
        devices.packets()
    );
    for (number, what) in [(devices.forgotten(), "forgotten"), (frame.lost.into(), "lost"), (frame.faults, "faulty")] {
        if number > 0 {
            let _ = write!(line, ", {number} {what}");
        }
    }
    let _ = write!(line, " · {} · Ctrl-C ends", frame.source);
    line
}

const ADDRESS: usize = 17;
const TYPE: usize = 6;
const RSSI: usize = 4;
const RATE: usize = 6;
const AGE: usize = 5;
/// All columns but the name and what is said, each with the two spaces after it.
const FIXED: usize = ADDRESS + TYPE + RSSI + RATE + AGE + 6 * 2;

/// The name has a third of what is left.
fn name_columns(columns: usize) -> usize {
    (columns.saturating_sub(FIXED) / 3).clamp(8, 24)
}

fn heads(columns: usize) -> String {
    line(["ADDRESS", "TYPE", "NAME", "RSSI", "PER S", "AGE", "SAYS"], columns)
}

fn row(device: &Device, now: Timestamp, columns: usize) -> String {
    let rssi = device.rssi_dbm.map_or_else(|| "?".to_owned(), |rssi| rssi.to_string());
    let says = said(&device.advertisement, &device.scan_response);
    let (address, kind) = (device.address.mac.to_string(), kind_word(device.address));
    let rate = format!("{:.1}", device.rate(now));
    let name = device.name.as_deref().unwrap_or_default();
    line([&address, kind, name, &rssi, &rate, &age(device, now), &says], columns)
}

fn line([address, kind, name, rssi, rate, age, says]: [&str; 7], columns: usize) -> String {
    let (address, kind) = (padded(address, ADDRESS), padded(kind, TYPE));
    let name = padded(name, name_columns(columns));
    format!("{address}  {kind}  {name}  {rssi:>RSSI$}  {rate:>RATE$}  {age:>AGE$}  {says}").trim_end().to_owned()
}

fn age(device: &Device, now: Timestamp) -> String {
    let age = now.since(device.heard_at);
    if age.as_secs() < 10 { format!("{:.1}s", age.as_secs_f64()) } else { format!("{}s", age.as_secs()) }
}

/// Whether the address was assigned, or which kind of random it is [Core 5.4, Vol 6, Part B, §1.3.2].
fn kind_word(address: DeviceAddress) -> &'static str {
    match (address.kind, address.mac.0[0] >> 6) {
        (AddressKind::Public, _) => "public",
        (AddressKind::Random, 0b11) => "static",
        (AddressKind::Random, 0b01) => "resolv",
        (AddressKind::Random, 0b00) => "nonres",
        (AddressKind::Random, _) => "random",
    }
}

/// One packet as a line: time of day (UTC), address, its type, kind of packet, RSSI, name, what it says.
pub(crate) fn packet(advertisement: &Advertisement) -> String {
    let micros = advertisement.received_at.as_micros();
    let (seconds, micros) = (micros / 1_000_000 % 86_400, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let kind = match (advertisement.event_type, advertisement.extended) {
        (EventType::ScanRsp, _) => "SCAN_RSP",
        (_, Some(_)) => "ADV_EXT",
        (EventType::AdvInd, None) => "ADV_IND",
        (EventType::AdvDirectInd, None) => "ADV_DIRECT",
        (EventType::AdvScanInd, None) => "ADV_SCAN",
        (EventType::AdvNonconnInd, None) => "ADV_NONCONN",
    };
    let rssi = advertisement.rssi_dbm.map_or_else(|| "?".to_owned(), |rssi| rssi.to_string());
    let (address, name) = (advertisement.address, ad::local_name(&advertisement.data).unwrap_or_default());
    let mut line = format!(
        "{hours:02}:{minutes:02}:{seconds:02}.{micros:06}  {}  {}  {kind:<11}  {rssi:>RSSI$}",
        address.mac,
        kind_word(address),
    );
    let says = said(&advertisement.data, &[]);
    for text in [&*name, &says] {
        if !text.is_empty() {
            let _ = write!(line, "  {}", cleaned(text));
        }
    }
    line
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
