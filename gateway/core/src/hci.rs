//! Advertising reports out of HCI events, as the controller gives them.
//!
//! [`advertising_reports`] looks at one event; the [`Report`]s in it borrow their data. A report of
//! extended advertising may be one fragment of several: [`crate::fragments`] joins them.
//!
//! Both events carry arrays of reports. The specification lists each field as an array of its own,
//! but controllers send, and hosts read, report after report; with one report both are the same.

use crate::{AddressKind, AdvertisementFault, DeviceAddress, EventType, Extended, MacAddress, Phy};

/// LE Meta event [Core 5.4, Vol 4, Part E, §7.7.65].
const LE_META: u8 = 0x3E;
const ADVERTISING_REPORT: u8 = 0x02;
const EXTENDED_ADVERTISING_REPORT: u8 = 0x0D;

const LEGACY: &str = "§7.7.65.2";
const EXTENDED: &str = "§7.7.65.13";

const LEGACY_REPORTS_MAX: u8 = 0x19;
const EXTENDED_REPORTS_MAX: u8 = 0x0A;
const LEGACY_DATA_BYTES_MAX: u8 = 31;
const EXTENDED_DATA_BYTES_MAX: u8 = 229;

/// RSSI and TX_Power: not available.
const NOT_AVAILABLE: i8 = 127;

/// One report of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// `None`: an anonymous extended advertisement.
    pub address: Option<DeviceAddress>,
    /// For extended PDUs the nearest legacy type; see [`event_type_of_extended`].
    pub event_type: EventType,
    /// dBm; `None` when the controller could not measure it.
    pub rssi_dbm: Option<i8>,
    /// AD structures, or a part of them.
    pub data: &'a [u8],
    /// Whether more is to come. Always [`DataStatus::Complete`] for legacy PDUs.
    pub status: DataStatus,
    /// `None` for legacy PDUs. Its `truncated` repeats `status`.
    pub extended: Option<Extended>,
}

/// Data_Status of an extended report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataStatus {
    /// This is the last fragment, or the only one.
    Complete,
    /// Incomplete, more data to come.
    MoreToCome,
    /// Incomplete, data truncated, no more to come.
    Truncated,
}

/// The advertising reports in `event` (event code, length, parameters; no H4 packet type before it).
/// `None`: it is some other event.
///
/// # Errors
///
/// The event's head is broken. A broken report comes out of [`Reports`] and ends it: where the next
/// one would begin is then unknown.
pub fn advertising_reports(event: &[u8]) -> Result<Option<Reports<'_>>, AdvertisementFault> {
    let &[LE_META, announced, ref parameters @ ..] = event else { return Ok(None) };
    let (layout, reports, left) = match *parameters {
        [ADVERTISING_REPORT, reports, ref left @ ..] => (Layout::Legacy, reports, left),
        [EXTENDED_ADVERTISING_REPORT, reports, ref left @ ..] => (Layout::Extended, reports, left),
        _ => return Ok(None),
    };
    if usize::from(announced) != parameters.len() {
        return Err(AdvertisementFault::EventLength { announced: announced.into(), there: parameters.len() });
    }
    let (max, section) = match layout {
        Layout::Legacy => (LEGACY_REPORTS_MAX, LEGACY),
        Layout::Extended => (EXTENDED_REPORTS_MAX, EXTENDED),
    };
    if reports == 0 || reports > max {
        return Err(AdvertisementFault::ReportCount { reports, max, section });
    }
    Ok(Some(Reports { layout, read: 0, announced: reports, at: event.len() - left.len(), left }))
}

/// The reports of one event, in order. Ends after the first fault.
#[derive(Clone, Debug)]
pub struct Reports<'a> {
    layout: Layout,
    read: u8,
    announced: u8,
    at: usize,
    left: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Legacy,
    Extended,
}

impl<'a> Iterator for Reports<'a> {
    type Item = Result<Report<'a>, AdvertisementFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read == self.announced {
            let bytes = std::mem::take(&mut self.left).len();
            return (bytes > 0).then_some(Err(AdvertisementFault::Excess { bytes, section: self.section() }));
        }
        self.read += 1;
        let report = match self.layout {
            Layout::Legacy => self.legacy(),
            Layout::Extended => self.extended(),
        };
        if report.is_err() {
            self.announced = self.read;
            self.left = &[];
        }
        Some(report)
    }
}

impl<'a> Reports<'a> {
    /// [Core 5.4, Vol 4, Part E, §7.7.65.2]
    fn legacy(&mut self) -> Result<Report<'a>, AdvertisementFault> {
        let [event_type, address_type, address @ .., bytes] = self.take_array::<9>()?;
        let event_type = match event_type {
            0 => EventType::AdvInd,
            1 => EventType::AdvDirectInd,
            2 => EventType::AdvScanInd,
            3 => EventType::AdvNonconnInd,
            4 => EventType::ScanRsp,
            other => return Err(AdvertisementFault::EventType { event_type: other.into(), section: LEGACY }),
        };
        let kind = address_kind(address_type, LEGACY)?;
        let data = self.data(bytes, LEGACY_DATA_BYTES_MAX)?;
        let [rssi] = self.take_array::<1>()?;
        Ok(Report {
            address: Some(DeviceAddress { mac: MacAddress::from_hci(address), kind }),
            event_type,
            rssi_dbm: rssi_dbm(rssi.cast_signed(), LEGACY)?,
            data,
            status: DataStatus::Complete,
            extended: None,
        })
    }

    /// [Core 5.4, Vol 4, Part E, §7.7.65.13]
    fn extended(&mut self) -> Result<Report<'a>, AdvertisementFault> {
        let event_type = u16::from_le_bytes(self.take_array()?);
        let [address_type] = self.take_array()?;
        let mac = MacAddress::from_hci(self.take_array()?);
        let [primary_phy, secondary_phy, sid, tx_power, rssi] = self.take_array()?;
        let periodic_interval = u16::from_le_bytes(self.take_array()?);
        let _direct_address: [u8; 7] = self.take_array()?;
        let [bytes] = self.take_array()?;

        let reserved = AdvertisementFault::EventType { event_type, section: EXTENDED };
        let status = match event_type >> 5 {
            0b00 => DataStatus::Complete,
            0b01 => DataStatus::MoreToCome,
            0b10 => DataStatus::Truncated,
            _ => return Err(reserved),
        };
        let address = match address_type {
            0xFF => None,
            other => Some(DeviceAddress { mac, kind: address_kind(other, EXTENDED)? }),
        };
        let legacy = event_type & LEGACY_PDU != 0;
        let data = self.data(bytes, if legacy { LEGACY_DATA_BYTES_MAX } else { EXTENDED_DATA_BYTES_MAX })?;
        let rssi_dbm = rssi_dbm(rssi.cast_signed(), EXTENDED)?;
        if legacy {
            // A legacy PDU comes whole; bits that say otherwise are reserved for it.
            let event_type = event_type_of_legacy_pdu(event_type).ok_or(reserved)?;
            return Ok(Report { address, event_type, rssi_dbm, data, status: DataStatus::Complete, extended: None });
        }
        let properties = (event_type & 0x0F) as u8;
        let extended = Extended {
            properties,
            primary_phy: phy(primary_phy)?,
            secondary_phy: if secondary_phy == 0 { None } else { Some(phy(secondary_phy)?) },
            sid: advertising_sid(sid)?,
            tx_power_dbm: tx_power_dbm(tx_power.cast_signed())?,
            periodic_interval,
            truncated: status == DataStatus::Truncated,
        };
        let event_type = event_type_of_extended(properties);
        Ok(Report { address, event_type, rssi_dbm, data, status, extended: Some(extended) })
    }

    fn section(&self) -> &'static str {
        match self.layout {
            Layout::Legacy => LEGACY,
            Layout::Extended => EXTENDED,
        }
    }

    fn cut(&self) -> AdvertisementFault {
        AdvertisementFault::Cut { report: self.read, at: self.at + self.left.len(), section: self.section() }
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], AdvertisementFault> {
        let (head, tail) = self.left.split_first_chunk::<N>().ok_or_else(|| self.cut())?;
        self.left = tail;
        self.at += N;
        Ok(*head)
    }

    fn data(&mut self, bytes: u8, max: u8) -> Result<&'a [u8], AdvertisementFault> {
        if bytes > max {
            return Err(AdvertisementFault::DataLength { bytes, max, section: self.section() });
        }
        let (data, tail) = self.left.split_at_checked(bytes.into()).ok_or_else(|| self.cut())?;
        self.left = tail;
        self.at += data.len();
        Ok(data)
    }
}

const CONNECTABLE: u8 = 1 << 0;
const SCANNABLE: u8 = 1 << 1;
const DIRECTED: u8 = 1 << 2;
const SCAN_RESPONSE: u8 = 1 << 3;
const LEGACY_PDU: u16 = 1 << 4;

/// The table of legacy PDUs in extended reports [Core 5.4, Vol 4, Part E, §7.7.65.13].
/// A scan response tells what it answers, which a legacy event type cannot.
fn event_type_of_legacy_pdu(event_type: u16) -> Option<EventType> {
    match event_type {
        0b1_0011 => Some(EventType::AdvInd),
        0b1_0101 => Some(EventType::AdvDirectInd),
        0b1_0010 => Some(EventType::AdvScanInd),
        0b1_0000 => Some(EventType::AdvNonconnInd),
        0b1_1010 | 0b1_1011 => Some(EventType::ScanRsp),
        _ => None,
    }
}

/// The legacy event type nearest to an extended PDU, for formats that know only those.
///
/// What can be connected to is `ADV_IND` (or `ADV_DIRECT_IND` when it is meant for one device), though
/// an extended connectable PDU is never scannable; what can be scanned is `ADV_SCAN_IND`; the rest is
/// `ADV_NONCONN_IND`. A scan response is one before it is anything else.
pub fn event_type_of_extended(properties: u8) -> EventType {
    let has = |bit| properties & bit != 0;
    match () {
        () if has(SCAN_RESPONSE) => EventType::ScanRsp,
        () if has(CONNECTABLE) && has(DIRECTED) => EventType::AdvDirectInd,
        () if has(CONNECTABLE) => EventType::AdvInd,
        () if has(SCANNABLE) => EventType::AdvScanInd,
        () => EventType::AdvNonconnInd,
    }
}

fn address_kind(address_type: u8, section: &'static str) -> Result<AddressKind, AdvertisementFault> {
    match address_type {
        0 | 2 => Ok(AddressKind::Public),
        1 | 3 => Ok(AddressKind::Random),
        _ => Err(AdvertisementFault::AddressType { address_type, section }),
    }
}

/// Received signal strength of an advertisement, in dBm.
///
/// `None` when the controller could not measure it (it then reports 127). Readings lie
/// within −127..=20 dBm and swing by several dB between packets of a device at rest.
///
/// # Errors
///
/// [`AdvertisementFault::RssiOutOfRange`] for 21..=126, which no controller may report.
///
/// Source: Bluetooth Core 5.4, Vol 4, Part E, §7.7.65.2.
fn rssi_dbm(reported: i8, section: &'static str) -> Result<Option<i8>, AdvertisementFault> {
    match reported {
        NOT_AVAILABLE => Ok(None),
        // The range begins at -127; -128 is as impossible as 21.
        -127..=20 => Ok(Some(reported)),
        _ => Err(AdvertisementFault::RssiOutOfRange { reported, section }),
    }
}

fn tx_power_dbm(reported: i8) -> Result<Option<i8>, AdvertisementFault> {
    match reported {
        NOT_AVAILABLE => Ok(None),
        -127..=20 => Ok(Some(reported)),
        _ => Err(AdvertisementFault::TxPowerOutOfRange { reported }),
    }
}

fn phy(phy: u8) -> Result<Phy, AdvertisementFault> {
    match phy {
        1 => Ok(Phy::Le1M),
        2 => Ok(Phy::Le2M),
        3 => Ok(Phy::Coded),
        _ => Err(AdvertisementFault::Phy { phy }),
    }
}

fn advertising_sid(sid: u8) -> Result<Option<u8>, AdvertisementFault> {
    match sid {
        0xFF => Ok(None),
        0..=15 => Ok(Some(sid)),
        _ => Err(AdvertisementFault::Sid { sid }),
    }
}

#[cfg(test)]
#[path = "hci_tests.rs"]
mod tests;
