//! What an advertisement says, in words for a line of a table: beacons, services, the company, transmit power, flags.
//! Values of sensors are not worked out here.

use std::fmt::Write as _;

use gateway_core::{Uuid, ad};

use super::names;

/// Bytes that are shown of data that nobody here understands; of what is longer, how long it is.
const DATA_BYTES_SHOWN: usize = 12;

/// Apple's identifier, under which iBeacons go.
const APPLE: u16 = 0x004C;
const EDDYSTONE: u16 = 0xFEAA;

/// The parts of what is said in an advertisement and in its scan response, the most telling first, between semicolons.
/// It is text of a stranger in part, and not cleaned yet. The name is left out: it has a column of its own.
pub(crate) fn said(advertisement: &[u8], scan_response: &[u8]) -> String {
    let mut parts: Vec<(Rank, String)> = Vec::new();
    for structure in ad::structures(advertisement).chain(ad::structures(scan_response)) {
        if let Some(part) = part(structure)
            && !parts.contains(&part)
        {
            parts.push(part);
        }
    }
    parts.sort_by_key(|(rank, _)| *rank);
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    parts.join("; ")
}

/// How much a part tells of what the device is; the first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Beacon,
    Service,
    Company,
    Detail,
    Flags,
}

/// Types of AD structures: Supplement to the Core Specification, Part A, §1, and Assigned Numbers, §2.3.
fn part(structure: ad::Structure<'_>) -> Option<(Rank, String)> {
    let data = structure.data;
    match (structure.ad_type, data) {
        (0x01, [flags, ..]) => Some((Rank::Flags, format!("flags {}", self::flags(*flags)))),
        (0x02 | 0x03, _) => services(data, 2),
        (0x04 | 0x05, _) => services(data, 4),
        (0x06 | 0x07, _) => services(data, 16),
        (0x08 | 0x09, _) => None,
        (0x0A, [power]) => Some((Rank::Detail, format!("TX {} dBm", power.cast_signed()))),
        (0x16, _) => service_data(data, 2),
        (0x19, [low, high]) => Some((Rank::Detail, format!("appearance 0x{:04X}", u16::from_le_bytes([*low, *high])))),
        (0x20, _) => service_data(data, 4),
        (0x21, _) => service_data(data, 16),
        (0xFF, [low, high, data @ ..]) => Some(of_company(u16::from_le_bytes([*low, *high]), data)),
        (other, _) => Some((Rank::Detail, format!("type 0x{other:02X} {}", hex(data)))),
    }
}

/// [CSS Part A, §1.3]
fn flags(flags: u8) -> String {
    let words = [(0x01, "limited"), (0x02, "general"), (0x04, "LE only"), (0x18, "LE and BR/EDR")];
    let set: Vec<&str> = words.iter().filter(|(bits, _)| flags & bits != 0).map(|(_, word)| *word).collect();
    if set.is_empty() { format!("0x{flags:02X}") } else { set.join(", ") }
}

fn services(data: &[u8], octets: usize) -> Option<(Rank, String)> {
    let names: Vec<String> = data.chunks_exact(octets).filter_map(service_name).collect();
    (!names.is_empty()).then(|| (Rank::Service, names.join(", ")))
}

/// A service by its UUID, least significant octet first: by name where it has one here.
fn service_name(uuid: &[u8]) -> Option<String> {
    let full = Uuid::from_le_bytes(uuid)?;
    let alias = full.to_string();
    let short = alias.strip_suffix("-0000-1000-8000-00805f9b34fb").and_then(|a| u32::from_str_radix(a, 16).ok());
    Some(match short {
        None => alias,
        Some(number) => match u16::try_from(number) {
            Ok(short) => names::service(short).map_or_else(|| format!("0x{short:04X}"), str::to_owned),
            Err(_) => format!("0x{number:08X}"),
        },
    })
}

fn service_data(data: &[u8], octets: usize) -> Option<(Rank, String)> {
    let (uuid, data) = data.split_at_checked(octets)?;
    if uuid == EDDYSTONE.to_le_bytes() {
        return Some((Rank::Beacon, eddystone(data)));
    }
    Some((Rank::Service, format!("{} {}", service_name(uuid)?, hex(data))))
}

fn of_company(id: u16, data: &[u8]) -> (Rank, String) {
    if let (APPLE, &[0x02, 0x15, ref beacon @ ..]) = (id, data)
        && let Some(beacon) = ibeacon(beacon)
    {
        return (Rank::Beacon, beacon);
    }
    let name = names::company(id).map_or_else(|| format!("company 0x{id:04X}"), str::to_owned);
    (Rank::Company, format!("{name} {}", hex(data)))
}

/// Apple, "Getting Started with iBeacon" (2014): UUID, major and minor number, power in 1 m of distance.
fn ibeacon(data: &[u8]) -> Option<String> {
    let (uuid, &[a, b, c, d, power]) = data.split_first_chunk::<16>()? else { return None };
    let uuid = uuid.iter().rev().copied().collect::<Vec<u8>>();
    let uuid = Uuid::from_le_bytes(&uuid)?;
    let (major, minor) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Some(format!("iBeacon {uuid} {major}/{minor}, {} dBm at 1 m", power.cast_signed()))
}

/// Google, "Eddystone Protocol Specification".
fn eddystone(frame: &[u8]) -> String {
    match frame {
        [0x00, power, id @ ..] if id.len() >= 16 => {
            format!("Eddystone {}-{}, {} dBm at 0 m", all_hex(&id[..10]), all_hex(&id[10..16]), power.cast_signed())
        }
        [0x10, power, scheme, url @ ..] => {
            format!("Eddystone {}, {} dBm at 0 m", eddystone_url(*scheme, url), power.cast_signed())
        }
        &[0x20, 0x00, v0, v1, t0, t1, c0, c1, c2, c3, s0, s1, s2, s3, ..] => {
            let millivolts = u16::from_be_bytes([v0, v1]);
            // 8.8 fixed point; -128 °C says that it is not measured.
            let temperature = i16::from_be_bytes([t0, t1]);
            let (packets, tenths) = (u32::from_be_bytes([c0, c1, c2, c3]), u32::from_be_bytes([s0, s1, s2, s3]));
            let mut text = format!("Eddystone telemetry {millivolts} mV");
            if temperature != i16::MIN {
                let _ = write!(text, ", {:.1} °C", f64::from(temperature) / 256.0);
            }
            let _ = write!(text, ", {packets} packets in {} s", tenths / 10);
            text
        }
        [0x30, power, id @ ..] if id.len() >= 8 => {
            format!("Eddystone ephemeral {}, {} dBm at 0 m", all_hex(&id[..8]), power.cast_signed())
        }
        other => format!("Eddystone {}", hex(other)),
    }
}

fn eddystone_url(scheme: u8, url: &[u8]) -> String {
    const SCHEMES: [&str; 4] = ["http://www.", "https://www.", "http://", "https://"];
    const ENDS: [&str; 7] = [".com", ".org", ".edu", ".net", ".info", ".biz", ".gov"];
    let mut text = SCHEMES.get(usize::from(scheme)).copied().unwrap_or("?").to_owned();
    for &byte in url {
        match (ENDS.get(usize::from(byte % 7)), byte) {
            (Some(end), 0..=6) => {
                let _ = write!(text, "{end}/");
            }
            (Some(end), 7..=13) => text.push_str(end),
            _ => text.push(char::from(byte)),
        }
    }
    text
}

/// The beginning, and of what is longer how long it is.
fn hex(data: &[u8]) -> String {
    let shown = data.get(..DATA_BYTES_SHOWN).unwrap_or(data);
    let mut text = all_hex(shown);
    if shown.len() < data.len() {
        let _ = write!(text, "… ({} bytes)", data.len());
    }
    text
}

fn all_hex(data: &[u8]) -> String {
    data.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits");
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn what_is_said_is_told_in_words_the_most_telling_first() {
        let rows = [
            (
                "the guide's iBeacon",
                "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5",
                "iBeacon 74278bda-b644-4520-8f0c-720eaf059935 256/60774, -59 dBm at 1 m; flags general, LE only",
            ),
            ("the guide's phone", "02011A0AFF4C0010050318BF4AB1", "Apple 10050318BF4AB1; flags general, LE and BR/EDR"),
            (
                "the guide's wristband: a name, a power",
                "0201060F094853453936373232303031434543020AFE",
                "TX -2 dBm; flags general, LE only",
            ),
            ("services of 16 bits", "05030D180F18", "Heart Rate, Battery"),
            ("services without a name here", "0302 34 12 0504 78 56 34 12", "0x1234; 0x12345678"),
            ("a service of 128 bits", "1107 9ECADC240EE5A9E093F3A3B50100406E", "6e400001-b5a3-f393-e0a9-e50e24dcca9e"),
            ("service data", "04160F1864", "Battery 64"),
            (
                "Eddystone UID",
                "0303AAFE 1516AAFE00EC 00010203040506070809 AABBCCDDEEFF",
                "Eddystone 00010203040506070809-AABBCCDDEEFF, -20 dBm at 0 m; Eddystone",
            ),
            ("Eddystone URL", "0C16AAFE10F6036578616D0762", "Eddystone https://exam.comb, -10 dBm at 0 m"),
            (
                "Eddystone TLM",
                "1116AAFE20000BB8158000000010000003E8",
                "Eddystone telemetry 3000 mV, 21.5 °C, 16 packets in 100 s",
            ),
            ("Eddystone EID", "0D16AAFE30EE0102030405060708", "Eddystone ephemeral 0102030405060708, -18 dBm at 0 m"),
            ("Eddystone of tomorrow", "0516AAFE7001", "Eddystone 7001"),
            ("a company without a name here", "05FF3412AABB", "company 0x1234 AABB"),
            (
                "more data than is shown",
                "11FF5900 000102030405060708090A0B0C0D",
                "Nordic 000102030405060708090A0B… (14 bytes)",
            ),
            ("appearance", "0319 40 03", "appearance 0x0340"),
            ("an unknown type", "032A0102", "type 0x2A 0102"),
            ("nothing", "", ""),
            ("cut off", "1AFF4C000215", ""),
            ("no iBeacon: too short", "05FF4C000215", "Apple 0215"),
        ];
        for (what, data, wanted) in rows {
            assert_eq!(said(&bytes(data), &[]), wanted, "{what}");
        }
    }

    #[test]
    fn what_the_scan_response_says_again_is_told_once() {
        assert_eq!(
            said(&bytes("020106 020AFE"), &bytes("020AFE 04160F1864")),
            "Battery 64; TX -2 dBm; flags general, LE only"
        );
    }

    #[test]
    fn whatever_is_on_the_air_it_is_told() {
        for length in 0..40_u8 {
            for ad_type in 0..=255_u8 {
                for fill in [0x00, 0x02, 0x10, 0x20, 0x30, 0xAA, 0xFE, 0xFF] {
                    let mut data = vec![length, ad_type];
                    data.extend(std::iter::repeat_n(fill, 39));
                    let _ = said(&data, &data);
                }
            }
        }
    }
}
