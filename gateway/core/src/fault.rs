//! What a controller may get wrong.

/// An advertising report that breaks the Core Specification: the controller's fault, or its driver's.
///
/// Nothing is done about it but count it and go on with the next event.
/// Sections are of Bluetooth Core 5.4, Vol 4, Part E.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvertisementFault {
    /// Parameter_Total_Length is not the length of what follows [§5.4.4].
    #[error("the event says that it has {announced} bytes of parameters, but has {there} [Core Vol 4, Part E, §5.4.4]")]
    EventLength {
        /// Parameter_Total_Length.
        announced: usize,
        /// Bytes that are there.
        there: usize,
    },
    /// Num_Reports is out of its range [§7.7.65.2, §7.7.65.13].
    #[error("the event announces {reports} reports, but it takes 1 to {max} [Core Vol 4, Part E, {section}]")]
    ReportCount {
        /// Num_Reports.
        reports: u8,
        /// 25 or 10.
        max: u8,
        /// Where it says so.
        section: &'static str,
    },
    /// The event ends inside a report.
    #[error("the event ends at byte {at}, inside report {report} [Core Vol 4, Part E, {section}]")]
    Cut {
        /// Which report, counted from 1.
        report: u8,
        /// Length of the event in bytes.
        at: usize,
        /// Where its layout is told.
        section: &'static str,
    },
    /// Bytes follow the last report.
    #[error("{bytes} bytes follow the last report [Core Vol 4, Part E, {section}]")]
    Excess {
        /// How many.
        bytes: usize,
        /// Where its layout is told.
        section: &'static str,
    },
    /// Event_Type is reserved.
    #[error("event type {event_type:#06x} is reserved [Core Vol 4, Part E, {section}]")]
    EventType {
        /// As received.
        event_type: u16,
        /// Where the types are told.
        section: &'static str,
    },
    /// Address_Type is reserved.
    #[error("address type {address_type:#04x} is reserved [Core Vol 4, Part E, {section}]")]
    AddressType {
        /// As received.
        address_type: u8,
        /// Where the types are told.
        section: &'static str,
    },
    /// Data_Length is over 31 in a legacy packet, or 229 in one extended report.
    #[error("{bytes} bytes of data in one report, but it takes at most {max} [Core Vol 4, Part E, {section}]")]
    DataLength {
        /// Data_Length.
        bytes: u8,
        /// 31 or 229.
        max: u8,
        /// Where the limit is told.
        section: &'static str,
    },
    /// RSSI of 21..=126, which no controller may report.
    #[error(
        "RSSI {reported} dBm is reserved: it takes -127 to 20, or 127 for \"not available\" [Core Vol 4, Part E, {section}]"
    )]
    RssiOutOfRange {
        /// As received.
        reported: i8,
        /// Where the range is told.
        section: &'static str,
    },
    /// TX_Power of 21..=126.
    #[error(
        "transmit power {reported} dBm is reserved: it takes -127 to 20, or 127 for \"not available\" [Core Vol 4, Part E, §7.7.65.13]"
    )]
    TxPowerOutOfRange {
        /// As received.
        reported: i8,
    },
    /// Primary_PHY or Secondary_PHY is reserved.
    #[error("PHY {phy} is reserved [Core Vol 4, Part E, §7.7.65.13]")]
    Phy {
        /// As received.
        phy: u8,
    },
    /// Advertising_SID of 16..=254.
    #[error("advertising SID {sid} is reserved: it takes 0 to 15, or 255 for none [Core Vol 4, Part E, §7.7.65.13]")]
    Sid {
        /// As received.
        sid: u8,
    },
}
