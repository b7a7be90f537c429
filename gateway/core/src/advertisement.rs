//! One advertisement, as it was on the air.

use crate::{DeviceAddress, Timestamp};

/// One advertising packet, or one scan response, whole.
///
/// Fragments of an extended advertisement are put together by [`crate::fragments`] first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// When its last fragment was heard.
    pub received_at: Timestamp,
    /// Who sent it.
    pub address: DeviceAddress,
    /// What the advertiser invites to, or that this is its answer to a scan request.
    pub event_type: EventType,
    /// Received signal strength in dBm, of its last fragment. `None`: the controller could not measure it.
    pub rssi_dbm: Option<i8>,
    /// The AD structures as sent: 0..=31 bytes in legacy packets, 0..=1650 in extended ones.
    pub data: Vec<u8>,
    /// What only extended advertising has. `None` for legacy packets, whichever event brought them.
    pub extended: Option<Extended>,
    /// Which of the gateway's radios heard it, counted from 0.
    pub chip: u16,
}

impl Advertisement {
    /// Whether an active scanner asks this advertiser for its scan response.
    pub fn is_scannable(&self) -> bool {
        match self.extended {
            None => matches!(self.event_type, EventType::AdvInd | EventType::AdvScanInd),
            Some(extended) => extended.properties & 0b1010 == 0b0010,
        }
    }

    /// Whether it answers a scan request (active scanning).
    pub fn is_scan_response(&self) -> bool {
        self.event_type == EventType::ScanRsp
    }
}

/// Event_Type of an LE Advertising Report; the discriminants are HCI's, and Cassia's `evtType`.
///
/// Source: Bluetooth Core 5.4, Vol 4, Part E, §7.7.65.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventType {
    /// Connectable undirected; a legacy one is scannable too.
    AdvInd = 0,
    /// Connectable directed.
    AdvDirectInd = 1,
    /// Scannable undirected, not connectable.
    AdvScanInd = 2,
    /// Neither connectable nor scannable.
    AdvNonconnInd = 3,
    /// Scan response.
    ScanRsp = 4,
}

impl EventType {
    /// HCI's number for it, 0..=4.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// What an extended advertising PDU tells beside its data.
///
/// Source: Bluetooth Core 5.4, Vol 4, Part E, §7.7.65.13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// Bits 0 to 3 of Event_Type: connectable, scannable, directed, scan response.
    pub properties: u8,
    /// PHY of the primary channel: LE 1M or LE Coded.
    pub primary_phy: Phy,
    /// PHY of the secondary channel; `None` when nothing was sent there.
    pub secondary_phy: Option<Phy>,
    /// Advertising_SID, 0..=15; `None` when the PDU has no ADI field.
    pub sid: Option<u8>,
    /// Transmit power in dBm, −127..=20; `None` when it is not told.
    pub tx_power_dbm: Option<i8>,
    /// Periodic advertising interval in units of 1.25 ms; 0: there is no periodic advertising.
    pub periodic_interval: u16,
    /// The controller lost the end of the data: what is there is a beginning.
    pub truncated: bool,
}

/// Physical layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phy {
    /// LE 1M.
    Le1M = 1,
    /// LE 2M.
    Le2M = 2,
    /// LE Coded.
    Coded = 3,
}
