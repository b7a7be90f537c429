//! Names for numbers of the Bluetooth SIG: companies and services that are met often. What is not here is shown in hex.
//!
//! Source: Assigned Numbers, §3.4.2 (services) and §7.1 (companies); the names are shortened.

/// The company with this identifier.
pub(crate) fn company(id: u16) -> Option<&'static str> {
    COMPANIES.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| COMPANIES[at].1)
}

/// The service with this 16-bit UUID.
pub(crate) fn service(uuid: u16) -> Option<&'static str> {
    SERVICES.binary_search_by_key(&uuid, |(uuid, _)| *uuid).ok().map(|at| SERVICES[at].1)
}

const COMPANIES: &[(u16, &str)] = &[
    (0x0001, "Nokia"),
    (0x0002, "Intel"),
    (0x0003, "IBM"),
    (0x0006, "Microsoft"),
    (0x0008, "Motorola"),
    (0x0009, "Infineon"),
    (0x000A, "CSR"),
    (0x000D, "Texas Instruments"),
    (0x000F, "Broadcom"),
    (0x001D, "Qualcomm"),
    (0x0025, "NXP"),
    (0x0030, "ST Microelectronics"),
    (0x0036, "Renesas"),
    (0x0046, "MediaTek"),
    (0x0047, "Bluegiga"),
    (0x0048, "Marvell"),
    (0x004C, "Apple"),
    (0x0055, "Plantronics"),
    (0x0057, "Harman"),
    (0x0059, "Nordic"),
    (0x005A, "EM Microelectronic"),
    (0x005D, "Realtek"),
    (0x0065, "Hewlett-Packard"),
    (0x0067, "GN Netcom"),
    (0x006B, "Polar"),
    (0x0075, "Samsung"),
    (0x0077, "Laird"),
    (0x0078, "Nike"),
    (0x0082, "Sennheiser"),
    (0x0087, "Garmin"),
    (0x0094, "Airoha"),
    (0x009E, "Bose"),
    (0x009F, "Suunto"),
    (0x00C3, "adidas"),
    (0x00C4, "LG"),
    (0x00C7, "Quuppa"),
    (0x00CC, "Beats"),
    (0x00CD, "Microchip"),
    (0x00D0, "Dexcom"),
    (0x00D2, "Dialog"),
    (0x00E0, "Google"),
    (0x0100, "TomTom"),
    (0x0103, "Bang & Olufsen"),
    (0x0118, "Radius Networks"),
    (0x011B, "Aruba"),
    (0x012D, "Sony"),
    (0x0131, "Cypress"),
    (0x0157, "Huami"),
    (0x015D, "Estimote"),
    (0x0171, "Amazon"),
    (0x01AB, "Meta"),
    (0x01DA, "Logitech"),
    (0x022B, "Tesla"),
    (0x027D, "Huawei"),
    (0x02D5, "Omron"),
    (0x02E1, "Victron Energy"),
    (0x02E5, "Espressif"),
    (0x02FF, "Silicon Labs"),
    (0x038F, "Xiaomi"),
    (0x0499, "Ruuvi"),
    (0x05A7, "Sonos"),
    (0x05F1, "Linux Foundation"),
    (0x0639, "Minew"),
    (0x067C, "Tile"),
    (0x07D0, "Tuya"),
    (0x0822, "Adafruit"),
    (0x0969, "SwitchBot"),
    (0xFFFF, "(test)"),
];

const SERVICES: &[(u16, &str)] = &[
    (0x1800, "Generic Access"),
    (0x1801, "Generic Attribute"),
    (0x1802, "Immediate Alert"),
    (0x1803, "Link Loss"),
    (0x1804, "TX Power"),
    (0x1805, "Current Time"),
    (0x1808, "Glucose"),
    (0x1809, "Thermometer"),
    (0x180A, "Device Information"),
    (0x180D, "Heart Rate"),
    (0x180F, "Battery"),
    (0x1810, "Blood Pressure"),
    (0x1811, "Alert"),
    (0x1812, "HID"),
    (0x1814, "Running Speed"),
    (0x1815, "Automation IO"),
    (0x1816, "Cycling Speed"),
    (0x1818, "Cycling Power"),
    (0x1819, "Location"),
    (0x181A, "Environment"),
    (0x181B, "Body Composition"),
    (0x181C, "User Data"),
    (0x181D, "Weight Scale"),
    (0x181F, "Glucose Monitoring"),
    (0x1822, "Pulse Oximeter"),
    (0x1826, "Fitness Machine"),
    (0x1827, "Mesh Provisioning"),
    (0x1828, "Mesh Proxy"),
    (0x183A, "Insulin Delivery"),
    (0xFCD2, "BTHome"),
    (0xFD6F, "Exposure Notification"),
    (0xFE2C, "Fast Pair"),
    (0xFE59, "Nordic DFU"),
    (0xFE95, "Xiaomi"),
    (0xFEAA, "Eddystone"),
    (0xFEED, "Tile"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_name_wherever_it_stands_in_the_table() {
        for table in [COMPANIES, SERVICES] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0), "a search needs an order without repeats");
        }
        assert_eq!((company(0x004C), company(1), company(0xFFFF)), (Some("Apple"), Some("Nokia"), Some("(test)")));
        assert_eq!((company(0), company(0xFFFE)), (None, None));
        assert_eq!((service(0x180D), service(0xFEAA), service(0)), (Some("Heart Rate"), Some("Eddystone"), None));
    }
}
