//! Reports in the JSON of Cassia's 2020 "MQTT bypass", byte for byte.
//!
//! A message is an array of reports. A report of an advertisement has the keys `name`, `evtType`, `rssi`,
//! `adData`, `bdaddrs`; that of a scan response `name`, `scanData`, `evtType`, `rssi`, `bdaddrs`; in this
//! order. What Cassia's guide leaves open is decided here:
//!
//! * `name` is what this packet itself carries, never what was learnt from another one; `(unknown)` if
//!   it carries none. Text outside ASCII is UTF-8, not `\u` escapes.
//! * `rssi` is 127 where the controller could not measure it: Bluetooth's own number for that, and an
//!   integer still, which readers expect.
//! * `evtType` of extended advertising is that of the nearest legacy PDU
//!   ([`crate::hci::event_type_of_extended`]); the data is told whole, however long, and truncated data as
//!   far as it was heard.
//! * The gateway's own address (the form's "Gateway MAC") is off by default. Its key is not published, so
//!   it can be chosen; it comes last in each report.
//!
//! Source: Cassia, "MQTT 旁路模式使用说明" V1.0 (2020-02-19), chapter 三, section 3.

use crate::json::{hex_string, mac_string, number, string};
use crate::{AddressKind, Advertisement, MacAddress, ad};

pub use crate::json::Style;

/// The name of a device that tells none.
pub const UNKNOWN_NAME: &str = "(unknown)";

/// The key of the gateway's own address, unless told otherwise.
pub const GATEWAY_KEY: &str = "gateway";

/// RSSI that could not be measured.
pub(crate) const RSSI_NOT_AVAILABLE: i8 = 127;

/// Writes reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    /// White space.
    pub style: Style,
    /// Key and address of the gateway, where reports are to carry it.
    pub gateway: Option<(Box<str>, MacAddress)>,
}

impl Encoder {
    /// Appends one report, a JSON object, to `json`.
    pub fn report(&self, advertisement: &Advertisement, json: &mut Vec<u8>) {
        let name = ad::local_name(&advertisement.data);
        let name = name.as_deref().unwrap_or(UNKNOWN_NAME);
        let rssi = advertisement.rssi_dbm.unwrap_or(RSSI_NOT_AVAILABLE);
        let (style, event_type) = (self.style, advertisement.event_type.code());

        json.push(b'{');
        style.key("name", json);
        string(name, json);
        if advertisement.is_scan_response() {
            style.next_key("scanData", json);
            hex_string(&advertisement.data, json);
        }
        style.next_key("evtType", json);
        number(event_type, json);
        style.next_key("rssi", json);
        number(rssi, json);
        if !advertisement.is_scan_response() {
            style.next_key("adData", json);
            hex_string(&advertisement.data, json);
        }
        style.next_key("bdaddrs", json);
        addresses(advertisement, style, json);
        if let Some((key, mac)) = &self.gateway {
            style.next_key(key, json);
            mac_string(*mac, json);
        }
        json.push(b'}');
    }
}

/// `bdaddrs`: an array of one, as every dialect has it.
pub(crate) fn addresses(advertisement: &Advertisement, style: Style, json: &mut Vec<u8>) {
    json.extend_from_slice(b"[{");
    style.key("bdaddr", json);
    mac_string(advertisement.address.mac, json);
    style.next_key("bdaddrType", json);
    string(kind_word(advertisement.address.kind), json);
    json.extend_from_slice(b"}]");
}

fn kind_word(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Public => "public",
        AddressKind::Random => "random",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceAddress, EventType, Timestamp};

    fn advertisement(event_type: EventType, rssi_dbm: Option<i8>, data: &[u8]) -> Advertisement {
        let mac = "C4:11:22:33:44:55".parse().unwrap();
        Advertisement {
            received_at: Timestamp::default(),
            address: DeviceAddress { mac, kind: AddressKind::Random },
            event_type,
            rssi_dbm,
            data: data.to_vec(),
            extended: None,
            chip: 0,
        }
    }

    fn encoded(encoder: &Encoder, advertisement: &Advertisement) -> String {
        let mut json = Vec::new();
        encoder.report(advertisement, &mut json);
        String::from_utf8(json).unwrap()
    }

    const COMPACT: Encoder = Encoder { style: Style::Compact, gateway: None };

    #[test]
    fn the_keys_stand_in_the_order_of_the_guide() {
        let adv = advertisement(EventType::AdvInd, Some(-61), &[2, 1, 6, 3, 3, 0x1A, 0x18]);
        assert_eq!(
            encoded(&COMPACT, &adv),
            r#"{"name":"(unknown)","evtType":0,"rssi":-61,"adData":"02010603031A18","bdaddrs":[{"bdaddr":"C4:11:22:33:44:55","bdaddrType":"random"}]}"#
        );
        let response = advertisement(EventType::ScanRsp, Some(-63), b"\x06\x09TH-07");
        assert_eq!(
            encoded(&COMPACT, &response),
            r#"{"name":"TH-07","scanData":"060954482D3037","evtType":4,"rssi":-63,"bdaddrs":[{"bdaddr":"C4:11:22:33:44:55","bdaddrType":"random"}]}"#
        );
    }

    #[test]
    fn what_the_guide_leaves_open_is_as_documented() {
        let unmeasured = encoded(&COMPACT, &advertisement(EventType::AdvNonconnInd, None, &[]));
        assert!(unmeasured.contains(r#""evtType":3,"rssi":127,"adData":"","#), "{unmeasured}");

        let mac = "CC:1B:E0:12:34:56".parse().unwrap();
        let with_gateway = Encoder { style: Style::Spaced, gateway: Some((GATEWAY_KEY.into(), mac)) };
        let report = encoded(&with_gateway, &advertisement(EventType::AdvInd, Some(-1), &[]));
        assert!(report.ends_with(r#""bdaddrType": "random"}], "gateway": "CC:1B:E0:12:34:56"}"#), "{report}");
    }

    #[test]
    fn any_name_makes_valid_json() {
        let rows: &[(&[u8], &str)] = &[
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"a\0\x1F\nb", r#""a\u0000\u001F\u000Ab""#),
            (b"\x7F", r#""\u007F""#),
            ("温度-1".as_bytes(), "\"温度-1\""),
            (b"a\xFF", "\"a\u{FFFD}\""),
        ];
        for (name, wanted) in rows {
            let data = [&[name.len() as u8 + 1, 9], *name].concat();
            let report = encoded(&COMPACT, &advertisement(EventType::AdvInd, Some(-1), &data));
            assert!(report.starts_with(&format!("{{\"name\":{wanted},")), "{report}");
        }
    }
}
