//! Reports in the JSON of Cassia's later firmware: the items of its scan events (REST) and of its MQTT API.
//!
//! The keys are, in this order: `bdaddrs`, `chipId`, `evtType`, `rssi`, `adData` (of a scan response: `scanData`),
//! `name`; of extended advertising also `primaryPhy`, `secondaryPhy`, `prop`, `dataStatus`, `interval`, `txPower`,
//! `sid`; and `timestamp`, where it is asked for. What is said in [`crate::dialect_a`] of `name`, `rssi` and `evtType`
//! holds here too. Of the extended keys only the JSON types are published; the values are decided here:
//!
//! | key | type | value |
//! |---|---|---|
//! | `primaryPhy`, `secondaryPhy` | string | `1M`, `2M`, `CODED`, as in the scan parameter `phy`; `NONE`: nothing was sent on a secondary channel |
//! | `prop` | string | bits 0 to 3 of Event_Type as two hexadecimal digits: connectable, scannable, directed, scan response |
//! | `dataStatus` | string | `COMPLETE`, or `TRUNCATED` where the controller lost the end |
//! | `interval` | integer | of periodic advertising, in units of 1.25 ms; 0: none |
//! | `txPower` | integer | dBm; 127: not told |
//! | `sid` | integer | 0 to 15; 255: none |
//! | `timestamp` | integer | when it was heard: milliseconds since 1970 |

use crate::dialect_a::{RSSI_NOT_AVAILABLE, UNKNOWN_NAME, addresses};
use crate::json::{Style, hex_string, number, string};
use crate::{Advertisement, Extended, Phy, ad};

/// Bluetooth's numbers for what an extended PDU does not tell [Core 5.4, Vol 4, Part E, §7.7.65.13].
const TX_POWER_NOT_AVAILABLE: i8 = 127;
const NO_SID: u8 = 255;

/// Writes items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// White space.
    pub style: Style,
    /// Whether each says when it was heard.
    pub timestamp: bool,
}

impl Items {
    /// Appends one item, a JSON object, to `json`.
    pub fn item(self, advertisement: &Advertisement, json: &mut Vec<u8>) {
        let style = self.style;
        json.push(b'{');
        style.key("bdaddrs", json);
        addresses(advertisement, style, json);
        style.next_key("chipId", json);
        number(advertisement.chip, json);
        style.next_key("evtType", json);
        number(advertisement.event_type.code(), json);
        style.next_key("rssi", json);
        number(advertisement.rssi_dbm.unwrap_or(RSSI_NOT_AVAILABLE), json);
        style.next_key(if advertisement.is_scan_response() { "scanData" } else { "adData" }, json);
        hex_string(&advertisement.data, json);
        style.next_key("name", json);
        string(ad::local_name(&advertisement.data).as_deref().unwrap_or(UNKNOWN_NAME), json);
        if let Some(extended) = &advertisement.extended {
            self.extended(extended, json);
        }
        if self.timestamp {
            style.next_key("timestamp", json);
            number(advertisement.received_at.as_micros() / 1000, json);
        }
        json.push(b'}');
    }

    fn extended(self, extended: &Extended, json: &mut Vec<u8>) {
        let style = self.style;
        style.next_key("primaryPhy", json);
        string(phy_word(extended.primary_phy), json);
        style.next_key("secondaryPhy", json);
        string(extended.secondary_phy.map_or("NONE", phy_word), json);
        style.next_key("prop", json);
        hex_string(&[extended.properties], json);
        style.next_key("dataStatus", json);
        string(if extended.truncated { "TRUNCATED" } else { "COMPLETE" }, json);
        style.next_key("interval", json);
        number(extended.periodic_interval, json);
        style.next_key("txPower", json);
        number(extended.tx_power_dbm.unwrap_or(TX_POWER_NOT_AVAILABLE), json);
        style.next_key("sid", json);
        number(extended.sid.unwrap_or(NO_SID), json);
    }
}

fn phy_word(phy: Phy) -> &'static str {
    match phy {
        Phy::Le1M => "1M",
        Phy::Le2M => "2M",
        Phy::Coded => "CODED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AddressKind, DeviceAddress, EventType, Timestamp};

    fn heard(event_type: EventType, data: &[u8], extended: Option<Extended>) -> Advertisement {
        Advertisement {
            received_at: Timestamp::from_micros(1_800_000_000_123_456),
            address: DeviceAddress { mac: "C4:11:22:33:44:55".parse().unwrap(), kind: AddressKind::Random },
            event_type,
            rssi_dbm: Some(-61),
            data: data.to_vec(),
            extended,
            chip: 1,
        }
    }

    fn written(timestamp: bool, advertisement: &Advertisement) -> String {
        let mut json = Vec::new();
        Items { style: Style::Compact, timestamp }.item(advertisement, &mut json);
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn the_keys_stand_in_the_order_of_the_sdk_guide() {
        assert_eq!(
            written(false, &heard(EventType::AdvInd, &[2, 1, 6], None)),
            r#"{"bdaddrs":[{"bdaddr":"C4:11:22:33:44:55","bdaddrType":"random"}],"chipId":1,"evtType":0,"rssi":-61,"adData":"020106","name":"(unknown)"}"#
        );
        assert_eq!(
            written(true, &heard(EventType::ScanRsp, b"\x06\x09TH-07", None)),
            r#"{"bdaddrs":[{"bdaddr":"C4:11:22:33:44:55","bdaddrType":"random"}],"chipId":1,"evtType":4,"rssi":-61,"scanData":"060954482D3037","name":"TH-07","timestamp":1800000000123}"#
        );
    }

    #[test]
    fn extended_advertising_tells_more_and_what_it_does_not_tell_has_bluetooths_number() {
        let all = Extended {
            properties: 0b0011,
            primary_phy: Phy::Coded,
            secondary_phy: Some(Phy::Le2M),
            sid: Some(3),
            tx_power_dbm: Some(-20),
            periodic_interval: 80,
            truncated: true,
        };
        let none = Extended {
            properties: 0,
            primary_phy: Phy::Le1M,
            secondary_phy: None,
            sid: None,
            tx_power_dbm: None,
            periodic_interval: 0,
            truncated: false,
        };
        let rows = [
            (
                all,
                r#","primaryPhy":"CODED","secondaryPhy":"2M","prop":"03","dataStatus":"TRUNCATED","interval":80,"txPower":-20,"sid":3}"#,
            ),
            (
                none,
                r#","primaryPhy":"1M","secondaryPhy":"NONE","prop":"00","dataStatus":"COMPLETE","interval":0,"txPower":127,"sid":255}"#,
            ),
        ];
        for (extended, wanted) in rows {
            let item = written(false, &heard(EventType::AdvInd, &[], Some(extended)));
            assert!(item.ends_with(wanted), "{item}");
        }
    }
}
