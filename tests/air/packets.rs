//! Packets as two listeners heard them: btmon's recording, and the reports that the gateway published. They are read by
//! different code (ours reads the recording, serde_json the reports), brought to the same form and compared.

use std::collections::{HashMap, HashSet};

use gateway_core::btsnoop::{self, PacketKind};
use gateway_core::hci::{self, DataStatus};
use gateway_core::{AddressKind, DeviceAddress};
use serde_json::Value;

/// What a report tells of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Packet {
    /// `AA:BB:...`.
    pub address: String,
    /// `public` or `random`.
    pub kind: String,
    /// HCI's legacy event type: 4 is a scan response.
    pub event_type: u64,
    /// dBm, 127 where it was not measured.
    pub rssi: i64,
    /// Upper case hexadecimal.
    pub data: String,
}

/// The packets of a recording of btmon, by the adapter that heard them. Data that came in fragments is joined.
pub(crate) fn recorded(file: &[u8]) -> Vec<(u16, Packet)> {
    let mut packets = Vec::new();
    let mut begun: HashMap<(u16, DeviceAddress, Option<u8>), Vec<u8>> = HashMap::new();
    for record in btsnoop::records(file).expect("a recording") {
        // btmon was ended while it wrote the last one.
        let Ok(record) = record else { break };
        if record.kind != PacketKind::Event {
            continue;
        }
        let Some(reports) = hci::advertising_reports(record.data).expect("an event") else { continue };
        for report in reports {
            let report = report.expect("a report");
            let address = report.address.expect("no advertiser of the tests is anonymous");
            let key = (record.adapter, address, report.extended.and_then(|extended| extended.sid));
            let data = begun.entry(key).or_default();
            data.extend_from_slice(report.data);
            if report.status == DataStatus::MoreToCome {
                continue;
            }
            let data = std::mem::take(data);
            let packet = Packet {
                address: address.mac.to_string(),
                kind: if address.kind == AddressKind::Public { "public" } else { "random" }.to_owned(),
                event_type: report.event_type.code().into(),
                rssi: report.rssi_dbm.unwrap_or(127).into(),
                data: hex(&data),
            };
            packets.push((record.adapter, packet));
        }
    }
    packets
}

/// Upper case, without spaces.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

/// The packets of messages in Cassia's dialect A: each an array of reports.
pub(crate) fn published<'a>(payloads: impl IntoIterator<Item = &'a str>) -> Vec<Packet> {
    let mut packets = Vec::new();
    for payload in payloads {
        let reports: Vec<Value> = serde_json::from_str(payload).unwrap_or_else(|why| panic!("{why}: {payload}"));
        packets.extend(reports.iter().map(reported));
    }
    packets
}

/// The packet that one report tells of, in dialect A or B.
pub(crate) fn reported(report: &Value) -> Packet {
    let text =
        |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text where it should be: {report}")).to_owned();
    let event_type = report["evtType"].as_u64().unwrap_or_else(|| panic!("no evtType: {report}"));
    let key = if event_type == 4 { "scanData" } else { "adData" };
    let other = if event_type == 4 { "adData" } else { "scanData" };
    assert_eq!(report.get(other), None, "{report}");
    Packet {
        address: text(&report["bdaddrs"][0]["bdaddr"]),
        kind: text(&report["bdaddrs"][0]["bdaddrType"]),
        event_type,
        rssi: report["rssi"].as_i64().unwrap_or_else(|| panic!("no rssi: {report}")),
        data: text(&report[key]),
    }
}

/// What two listeners have in common, and what not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Packets that both have, in the same order.
    pub common: usize,
    /// What only the first has.
    pub only_first: Vec<Packet>,
    /// What only the second has.
    pub only_second: Vec<Packet>,
}

/// Compares them packet for packet. Every packet must differ from every other (the advertisers of the tests count), and
/// those that both have must be in the same order.
pub(crate) fn compared(first: &[Packet], second: &[Packet]) -> Comparison {
    let without = |some: &[Packet], others: &[Packet]| -> (Vec<Packet>, Vec<Packet>) {
        let others: HashSet<&Packet> = others.iter().collect();
        some.iter().cloned().partition(|packet| others.contains(packet))
    };
    for packets in [first, second] {
        let mut seen = HashSet::new();
        let twice = packets.iter().find(|packet| !seen.insert(*packet));
        assert_eq!(twice, None, "heard twice");
    }
    let (of_first, only_first) = without(first, second);
    let (of_second, only_second) = without(second, first);
    let differs = of_first.iter().zip(&of_second).position(|(one, other)| one != other);
    if let Some(at) = differs {
        panic!("in another order from packet {at} on: {:#?} and {:#?}", &of_first[at], &of_second[at]);
    }
    Comparison { common: of_first.len(), only_first, only_second }
}

/// Both without what one heard before the other had begun, and after it had ended.
pub(crate) fn in_common_time<'a>(first: &'a [Packet], second: &'a [Packet]) -> (&'a [Packet], &'a [Packet]) {
    let cut = |some: &'a [Packet], others: &[Packet]| {
        let others: HashSet<&Packet> = others.iter().collect();
        let begin = some.iter().position(|packet| others.contains(packet)).unwrap_or(some.len());
        let end = some.iter().rposition(|packet| others.contains(packet)).map_or(begin, |last| last + 1);
        &some[begin..end]
    };
    (cut(first, second), cut(second, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(numbers: &[u8]) -> Vec<Packet> {
        let report = |number: &u8| {
            format!(
                r#"{{"evtType":3,"rssi":-60,"adData":"{number:02X}","bdaddrs":[{{"bdaddr":"C0:00:00:00:00:01","bdaddrType":"random"}}]}}"#
            )
        };
        let payloads: Vec<String> = numbers.iter().map(|number| format!("[{}]", report(number))).collect();
        published(payloads.iter().map(String::as_str))
    }

    #[test]
    fn what_one_listener_lost_is_told() {
        let comparison = compared(&packets(&[1, 2, 3, 5]), &packets(&[2, 3, 4, 5]));
        assert_eq!(comparison, Comparison { common: 3, only_first: packets(&[1]), only_second: packets(&[4]) });
    }

    #[test]
    fn what_one_heard_alone_at_the_ends_is_cut_off_and_within_it_is_not() {
        let (first, second) = (packets(&[1, 2, 3, 5]), packets(&[2, 4, 5, 6]));
        assert_eq!(in_common_time(&first, &second), (&packets(&[2, 3, 5])[..], &packets(&[2, 4, 5])[..]));
        assert_eq!(in_common_time(&first, &[]), (&[][..], &[][..]));
    }

    #[test]
    #[should_panic(expected = "in another order from packet 1 on")]
    fn another_order_is_a_difference() {
        compared(&packets(&[1, 2, 3]), &packets(&[1, 3, 2]));
    }

    #[test]
    #[should_panic(expected = "heard twice")]
    fn the_same_packet_twice_is_a_difference() {
        compared(&packets(&[1, 2, 2]), &packets(&[1, 2]));
    }
}
